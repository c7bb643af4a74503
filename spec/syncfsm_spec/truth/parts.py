"""The parts of the worlds of truth, beside the layer: a reader, and a sequencer with its reader and its poster."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
from msgspec.structs import replace

from syncfsm.blocks import Point
from syncfsm.check import Choice, Step
from syncfsm.machine import Table
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Unsigned
from syncfsm.truth.poster import guards as poster_guards
from syncfsm.truth.poster import protocol as posting
from syncfsm.truth.poster.types import (
    AWAITING,
    IDLE,
    Begin,
    Load,
    Poster,
    Start,
    Submit,
)
from syncfsm.truth.poster.types import Event as PosterEvent
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import READING, RESTING, Fetch, Keep, Kept, Reader, State, Turn
from syncfsm.truth.types import View
from syncfsm_spec.kit.trees import g
from syncfsm_spec.truth.layer import (
    CHAIN_ID,
    RUN,
    START,
    TICK,
    Ask,
    Take,
    Told,
    batch,
)

BEGINS, MAKES, CRASHES, RESUMES, DUE = "begins", "makes", "crashes", "resumes", "due"
LIMITS: Final = TruthLimits(
    finality=2,
    window=2,
    poll=1,
    back_off=1,
    back_off_most=4,
    overdue=1e9,
    period=1,
    batch_blocks=2,
    patience=1,
    unconfirmed=2,
    ahead=1,
)
POSTING: Final = attrs.evolve(LIMITS, finality=1, window=1)
BEFORE: Final = Reader()
DA, R, S = "DA", "R", "S"


@attrs.frozen
class Reads:
    """A reader. No time passes but when the layer wakes it; then as much as it waits for."""

    tables: Mapping[str, Table[Any]] = attrs.field(factory=lambda: {reading.TABLE.name: reading.TABLE}, hash=False)
    limits: TruthLimits = LIMITS
    name: str = R
    start: Reader = BEFORE

    def step(self, reader: Reader, given: Any) -> Step:
        now = reader.until if given == TICK else 0.0
        what = START if given == BEGINS else None if given == TICK else given
        view = View(now, self.limits, CHAIN_ID, Unsigned())
        done = self.tables["reader"].step(reader, reading.event(what), what, view)
        asks = [(DA, Ask(output.height)) for output in done.outputs if isinstance(output, Fetch)]
        turns = [(R, output.answer) for output in done.outputs if isinstance(output, Turn)]
        return Step(rested(done.value, now), (*asks, *turns), done.outputs, (done.rule,))

    def choices(self, reader: Reader) -> Sequence[Choice]:
        return (Choice(BEGINS, BEGINS),) if reader.state is State.IDLE else ()

    def show(self, reader: Reader) -> str:
        return f"{reader.state} {reader.mark.place.height} {reader.tip}"


def rested(reader: Reader, now: float) -> Reader:
    """The same, at time 0."""
    return replace(reader, until=0.0 if reader.state is READING else max(0.0, reader.until - now), heard=0.0)


class Sequencer(msgspec.Struct, frozen=True):
    """A process that makes blocks and posts them. Blocks, and what the reader keeps, survive a crash."""

    poster: Poster = Poster()
    reader: Reader = Reader()
    kept: Kept = START
    made: int = 0
    rested: bool = False
    """Has the reader read all that there was, since the process began?"""
    waited: bool = False
    """Or has it waited long enough for that?"""

    @property
    def head(self) -> Point:
        return RUN[self.made - 1].point if self.made else g.point


DOWN: Final = Sequencer()


@attrs.frozen
class Posts:
    """A sequencer with its reader and poster. Its producer heeds the poster."""

    tables: Mapping[str, Table[Any]] = attrs.field(
        factory=lambda: {table.name: table for table in (reading.TABLE, posting.TABLE)}, hash=False
    )
    limits: TruthLimits = POSTING
    name: str = S
    start: Sequencer = DOWN

    def step(self, at: Sequencer, given: Any) -> Step | None:
        if given == BEGINS:
            at, posts = self._post(at, Start())
            at, *reads = self._read(at, at.kept)
            return _joined(at, posts, *reads)
        if given == CRASHES:
            return None if at.poster.state is IDLE else Step(Sequencer(kept=at.kept, made=at.made))
        if given == MAKES:
            if at.poster.state is IDLE or at.poster.held or at.made == len(RUN):
                return None
            at, posts = self._post(replace(at, made=at.made + 1), RUN[at.made])
            return _joined(at, posts)
        if given == RESUMES:
            return _joined(*self._stepped(at, PosterEvent.RESUME, None, 0.0))
        if given == DUE:
            now = poster_guards.due(at.poster, self.limits)
            at = replace(at, waited=at.waited or at.poster.state is AWAITING)
            return _joined(*self._stepped(at, PosterEvent.TICK, None, now or 0.0))
        if isinstance(given, Told):
            return _joined(*self._post(at, given.outcome))
        return _joined(*self._read(at, None if given == TICK else given))

    def _post(self, at: Sequencer, given: Any) -> tuple[Sequencer, Step]:
        return self._stepped(at, posting.EVENTS[type(given)], given, 0.0)

    def _stepped(self, at: Sequencer, event: PosterEvent, given: Any, now: float) -> tuple[Sequencer, Step]:
        done = self.tables["poster"].step(at.poster, event, given, View(now, self.limits))
        takes = tuple(
            (DA, Take(batch(*RUN[output.first.height - 1 : output.last.height])))
            for output in done.outputs if isinstance(output, Submit)
        )  # fmt: skip
        at, did = replace(at, poster=self._now(done.value, now)), Step(None, takes, done.outputs, (done.rule,))
        if not any(isinstance(output, Load) for output in done.outputs):
            return at, did
        at, *told = self._tell(at)
        return at, _joined(None, did, *told)

    def _tell(self, at: Sequencer) -> tuple[Any, ...]:
        """What there is above the reader's final block; and what the reader knows."""
        final = at.reader.final.tip
        height = min(final.height, at.made)
        blocks = tuple(header for header in RUN[: at.made] if header.height > final.height)
        at, begins = self._post(at, Begin(final, RUN[height - 1].point if height else g.point, blocks))
        at, sees = self._post(at, posting.seen(at.reader))
        return at, begins, sees

    def _now(self, poster: Poster, now: float) -> Poster:
        """The same, at time 0; what is long ago is all the same."""
        longest = -self.limits.period
        gathered, given = (max(longest, when - now) for when in (poster.gathered, poster.given))
        return replace(poster, gathered=gathered, given=given, until=max(0.0, poster.until - now), since=0.0)

    def _read(self, at: Sequencer, given: Any) -> tuple[Any, ...]:
        now = at.reader.until if given is None else 0.0
        view = View(now, self.limits, CHAIN_ID, Unsigned())
        done = self.tables["reader"].step(at.reader, reading.event(given), given, view)
        asks = tuple((DA, Ask(output.height)) for output in done.outputs if isinstance(output, Fetch))
        kept = next((output.kept for output in done.outputs if isinstance(output, Keep)), at.kept)
        reader = rested(done.value, now)
        at = replace(at, reader=reader, kept=kept, rested=at.rested or reader.state is RESTING)
        read = Step(None, asks, done.outputs, (done.rule,))
        if reader.state is State.IDLE:
            return at, read, Step(None)
        at, posts = self._post(at, posting.seen(reader))
        return at, read, posts

    def choices(self, at: Sequencer) -> Sequence[Choice]:
        if at.poster.state is IDLE:
            return (Choice(BEGINS, BEGINS),)
        when = poster_guards.due(at.poster, self.limits)
        return (Choice(DUE, DUE),) if when is not None else ()

    def show(self, at: Sequencer) -> str:
        return f"{at.poster.state} {at.poster.confirmed}/{at.made}, {at.reader.state} {at.reader.mark.place.height}"


def _joined(at: Any, *steps: Step) -> Step:
    """One step out of several."""
    parts = [[part for step in steps for part in getattr(step, name)] for name in ("emissions", "outputs", "rules")]
    return Step(at, *map(tuple, parts))
