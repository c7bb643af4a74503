"""A world of the room of truth in the terms of ``Reading.tla``, ``Posting.tla`` or ``Following.tla``: constants, and
what a state is.

The sequencer's blocks are numbered by rank, from 1; 0 is none. A blob is the tuple of the blocks in its batch, and the
layer's own blocks go by how many were made before them.
"""

from collections.abc import Iterable
from typing import Final

import attrs

from model_tests import translation
from model_tests.terms import NotSpecifiedError
from model_tests.tla import Value, record
from model_tests.translation import Translation, row_name
from syncfsm.check import Always, Ends, Environment, Moment, Move, Steps, World
from syncfsm.check.world import State
from syncfsm.truth.answers import Blobs, Future, Nothing, Place, Refused, TooBig, Trouble, Unsure
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import decode
from syncfsm.truth.poster.types import Event as PosterEvent
from syncfsm.truth.poster.types import Poster
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm.truth.reader.types import At, Kept, Mark, Reader
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import a1, a2, a3, c2, g
from syncfsm_spec.truth.following import Followed, Follows, Restart
from syncfsm_spec.truth.layer import RUN, Confess, Crashed, GiveMark, GoBack, Grow, Layer, Ledger, Out, Prune, Say
from syncfsm_spec.truth.layer import Move as Does
from syncfsm_spec.truth.parts import DA, MAKES, RESUMES, Posts, R, Reads, Sequencer
from syncfsm_spec.truth.promises import FINAL_ONLY_ADVANCES, NOTHING_LOST

BLOCKS: Final = tuple(sorted((g, a1, a2, a3, c2), key=lambda header: header.rank))
NUMBERS: Final = {b"": 0, b"-": 0, **{header.id: number for number, header in enumerate(BLOCKS, 1)}}
NO_BLOB: Final = (0,)
SAID: Final[dict[type, str]] = {Unsure: "unsure", TooBig: "too-big", Refused: "refused", Trouble: "trouble"}


def _blob(blob: bytes) -> Value:
    """The blocks in it; none if it is no batch."""
    batch = decode(blob)
    return () if batch is None else tuple(NUMBERS[entry.header.id] for entry in batch.blocks)


def _giving(blob: bytes) -> Value:
    return _blob(blob) if blob else NO_BLOB


def _number(id: bytes) -> int:
    """Of the layer's block with this id."""
    return int.from_bytes(id)


def _time(value: float) -> int:
    if value != int(value):
        raise NotSpecifiedError("a time is not whole")
    return int(value)


def _place(place: Place) -> Value:
    return record(height=place.height, id=_number(place.id), parent=_number(place.parent))


def _mark(mark: Mark) -> Value:
    return record(place=_place(mark.place), tip=NUMBERS[mark.tip.id])


def _kept(kept: Kept) -> Value:
    return record(final=_mark(kept.final), trail=tuple(map(_mark, kept.trail)))


def _shown(at: At) -> Value:
    """What the layer said of this height."""
    match at.answer:
        case Blobs(place, blobs):
            return record(type="blobs", place=_place(place), blobs=tuple(map(_blob, blobs)), head=0)
        case Nothing(place):
            return record(type="none", place=_place(place), blobs=(), head=0)
        case Future(head):
            return record(type="future", place=record(height=at.height, id=0, parent=0), blobs=(), head=head)
    raise NotSpecifiedError("what tells nothing was kept")


def _ledger(ledger: Ledger) -> Value:
    return record(
        blocks=tuple(
            record(id=_number(made.id), parent=_number(made.parent), blobs=tuple(map(_blob, made.blobs)))
            for made in ledger.blocks
        ),
        count=ledger.count,
        oldest=ledger.oldest,
        out=ledger.out,
        broken=ledger.broken,
        asked=frozenset(ledger.asked),
        due=ledger.due,
        given=_giving(ledger.given),
        waiting=_giving(ledger.waiting),
        landed=ledger.landed,
        pending=tuple(map(_blob, ledger.pending)),
    )


def _reader(reader: Reader) -> Value:
    if reader.heard or reader.told:
        raise NotSpecifiedError("it is told that nothing is heard")
    return record(
        state=reader.state.value,
        final=_mark(reader.final),
        trail=tuple(map(_mark, reader.trail)),
        asked=frozenset(reader.asked),
        early=tuple(map(_shown, reader.early)),
        width=reader.width,
        until=_time(reader.until),
        tries=reader.tries,
        why=reader.why,
    )


def _poster(poster: Poster) -> Value:
    if poster.since or poster.told:
        raise NotSpecifiedError("it is told that nothing is confirmed")
    return record(
        state=poster.state.value,
        final=NUMBERS[poster.final.id],
        blocks=tuple(NUMBERS[header.id] for header in poster.blocks),
        confirmed=poster.confirmed,
        gathered=_time(poster.gathered),
        sent=NUMBERS[poster.sent.id] if poster.sent is not None else 0,
        landed=poster.landed,
        given=_time(poster.given),
        read=poster.read,
        most=poster.most,
        until=_time(poster.until),
        tries=poster.tries,
        held=poster.held,
        why=poster.why,
    )


def _sequencer(at: Sequencer) -> Value:
    return record(
        poster=_poster(at.poster),
        reader=_reader(at.reader),
        kept=_kept(at.kept),
        made=at.made,
        rested=at.rested,
        waited=at.waited,
    )


def _move(move: Move) -> Value:
    (_, given), *more = move.emissions
    if more and isinstance(more[0][1], Crashed):
        return record(kind="crash", taken=more[0][1].taken)
    match given:
        case Grow(blobs):
            return record(kind="grow", blobs=tuple(map(_blob, blobs)))
        case GoBack(depth, blobs, keep):
            return record(kind="back", depth=depth, blobs=tuple(map(_blob, blobs)), keep=keep)
        case Out(out):
            return record(kind="out", out=out)
        case Confess():
            return record(kind="confess")
        case Prune():
            return record(kind="prune")
        case GiveMark():
            return record(kind="mark")
        case Does("tells"):
            return record(kind="tell")
        case Say(outcome, taken):
            return record(kind="say", outcome=SAID[type(outcome)], why=outcome.detail, taken=taken)
        case _ if given == MAKES:
            return record(kind="make")
        case _ if given == RESUMES:
            return record(kind="resume")
    raise NotSpecifiedError(f"the specification has no move like {move.label!r}")


def _limits(limits: TruthLimits) -> dict[str, Value]:
    """The constants of ``Reader.tla``."""
    return {
        "Window": limits.window,
        "Finality": limits.finality,
        "Poll": _time(limits.poll),
        "BackOff": _time(limits.back_off),
        "BackOffMost": _time(limits.back_off_most),
    }


@attrs.frozen
class Reading:
    """A world of a reader and a layer."""

    world: World
    limits: TruthLimits
    environment: Environment

    def constants(self) -> dict[str, Value]:
        """The constants of the modules."""
        return {
            "Parent": tuple(NUMBERS[header.parent] for header in BLOCKS),
            "Height": tuple(header.height for header in BLOCKS),
            **_limits(self.limits),
            "Moves": tuple(map(_move, self.environment.moves)),
            "Times": tuple(move.times for move in self.environment.moves),
            **self._more(),
        }

    def _more(self) -> dict[str, Value]:
        return {"Stands": self._asks(FINAL_ONLY_ADVANCES, Always)}

    def _asks(self, promise: Promise, kind: type) -> bool:
        return any(found.name == promise.name and isinstance(found, kind) for found in self.world.properties)

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of ``VARIABLES`` in a state of the world."""
        reader, ledger, left = state
        return (_reader(reader), _ledger(ledger), left)

    def name(self, moments: Iterable[Moment]) -> str:
        """What the specification calls an action."""
        rows = [row_name(rule) for moment in moments for rule in moment.rules]
        return rows[0] if rows else "NoRow"


@attrs.frozen
class Posting(Reading):
    """A world of a sequencer, with its reader and its poster, and a layer."""

    def _more(self) -> dict[str, Value]:
        limits = self.limits
        return {
            "Period": _time(limits.period),
            "Batch": limits.batch_blocks,
            "Patience": _time(limits.patience),
            "Ahead": _time(limits.ahead),
            "Unconfirmed": limits.unconfirmed,
            "Run": tuple(NUMBERS[header.id] for header in RUN),
            "Alone": self._asks(NOTHING_LOST, Ends),
        }

    def state(self, state: State) -> tuple[Value, ...]:
        at, ledger, left = state
        return (_sequencer(at), _ledger(ledger), left)

    def name(self, moments: Iterable[Moment]) -> str:
        rows = [row_name(rule) for moment in moments for rule in moment.rules if isinstance(rule.event[0], PosterEvent)]
        return next((row for row in rows if row != "SeenSee"), rows[0] if rows else "NoRow")


@attrs.frozen
class Following(Translation):
    """A world of a node that follows a layer, and of its peer: two nodes as ever, beside a reader and a layer."""

    limits: TruthLimits

    def constants(self) -> dict[str, Value]:
        refuses = any(
            found.name == FINAL_ONLY_ADVANCES.name and isinstance(found, Steps) for found in self.world.properties
        )
        return {**super().constants(), **_limits(self.limits), "Refuses": refuses}

    def _move(self, move: Move) -> Value:
        for _, given in move.emissions:
            if isinstance(given, Restart):
                return record(kind="restart", lost=given.lost)
        return _move(move) if move.emissions[0][0] == DA else super()._move(move)

    def state(self, state: State) -> tuple[Value, ...]:
        *nodes, left = super().state(state)
        following, ledger = (state[self.world.find(name)] for name in (R, DA))
        return (*nodes, _reader(following.reader), _kept(following.kept), _ledger(ledger), left)

    def name(self, moments: Iterable[Moment]) -> str:
        """A row of the reader's, if one fires; that it breaks off says more than what it read."""
        moments = tuple(moments)
        rows = [row_name(rule) for moment in moments for rule in moment.rules if rule in READER.rules]
        return f"Reader{'RefusedGiveUp' if 'RefusedGiveUp' in rows else rows[0]}" if rows else super().name(moments)


def translate(world: World) -> Reading | Following:
    """The world in the terms of the specification. ``NotSpecifiedError`` if it has something that is left out there."""
    match world.components:
        case (Reads() as reads, Layer(), Environment() as environment):
            return Reading(world, reads.limits, environment)
        case (Posts() as posts, Layer(), Environment() as environment):
            return Posting(world, posts.limits, environment)
        case (Followed(), _, *_, Follows() as follows, Layer(), Environment()):
            return _following(world, follows)
    raise NotSpecifiedError(f"world {world.name!r} is not one of a reader or a sequencer, a layer and an environment")


def _following(world: World, follows: Follows) -> Following:
    """The nodes as ``translation`` has them, with all blocks that the layer may have too."""
    if follows.limits.window > 1:
        raise NotSpecifiedError(f"in world {world.name!r} the reader of a node asks for several heights at once")
    others = tuple(part for part in world.components if not isinstance(part, Follows | Layer))
    nodes = translation.translate(attrs.evolve(world, components=others))
    return Following(world, nodes.nodes, nodes.lines, nodes.environment, BLOCKS, follows.limits)
