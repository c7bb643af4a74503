"""The worlds that show what is promised of reading and posting: a reader before a layer, a sequencer that crashes, and
each table by itself."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import attrs

from syncfsm.check import Environment, Move, Property, SometimesStep, World
from syncfsm.truth.answers import Blobs, Broken, Future, Head, Nothing, Place, Posted, Pruned, Trouble
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Unsigned
from syncfsm.truth.poster import protocol as posting
from syncfsm.truth.poster.types import (
    GATHERING,
    HALTED,
    IDLE,
    OVERRULED,
    Begin,
    Overruled,
    Poster,
    Seen,
    Start,
)
from syncfsm.truth.poster.types import Event as PosterEvent
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import At, Event, Reader, Refusal, State
from syncfsm.truth.types import View
from syncfsm_spec.kit.alone import Comes, alone
from syncfsm_spec.kit.trees import a1, a2, g
from syncfsm_spec.truth import promises as say
from syncfsm_spec.truth.layer import (
    CHAIN_ID,
    NAMED,
    REFUSED,
    START,
    TICK,
    TOO_BIG,
    TROUBLE,
    UNSURE,
    Confess,
    Crashed,
    GiveMark,
    GoBack,
    Grow,
    Layer,
    Out,
    Prune,
    Say,
)
from syncfsm_spec.truth.layer import Move as Does
from syncfsm_spec.truth.parts import CRASHES, DA, MAKES, RESUMES, Posts, R, Reads, S

# A reader before a layer ----------------------------------------------------------------------------------------


def _grows(*names: str) -> list[Move]:
    return [Move(f"{name} lands", ((DA, Grow((NAMED[name],))),)) for name in names]


def _reads(name: str, doc: str, moves: Iterable[Move], extra: Iterable[Property] = (), stands: bool = True) -> World:
    claims: list[Property] = [
        say.TRUTH_WINS.ends((R, DA), say.truth_wins),
        say.NONE_SKIPPED.steps((R,), say.none_skipped),
        say.FINAL_ONLY_ADVANCES.steps((R,), say.final_only_advances),
        *([say.FINAL_ONLY_ADVANCES.always((R, DA), say.final_is_there)] if stands else []),
        say.LIVES_WITHOUT_DA.steps((R,), say.stands, say.brings_no_block),
        say.TRUTH_WINS.settles(),
        *extra,
    ]
    parts = (Reads(), Layer(R), Environment(tuple(moves)))
    return World(f"truth-{name}", parts, tuple(claims), doc, reading.TABLE.rules)


def _skipped(*rules: str) -> list[Property]:
    sentence = "What is skipped is said, with the reason."
    return [SometimesStep(f"Skips({rule})", sentence, (R,), partial(say.skips, rule)) for rule in rules]


def batches() -> World:
    """Batches in any order: some overlap, one is missing, one contradicts, one is none."""
    rules = ("no-batch", "repeated-batch", "missing-batch", "contradicting-batch")
    both = Move("a1-a2 and a3 land", ((DA, Grow((NAMED["a1-a2"], NAMED["a3"]))),))
    first = Move("junk and a1 land", ((DA, Grow((NAMED["junk"], NAMED["a1"]))),))
    moves = [first, both, *_grows("a2", "a2-a3", "c2")]
    return _reads("batches", batches.__doc__ or "", moves, _skipped(*rules))


def reorganises() -> World:
    """The layer goes back, as far as it may, and is out in between."""
    moves = [
        *_grows("a1", "a2-a3"),
        Move("a block", ((DA, Grow()),)),
        Move("goes back 1 to c2", ((DA, GoBack(1, (NAMED["c2"],))),)),
        Move("goes back 2 to a1-a2", ((DA, GoBack(2, (NAMED["a1-a2"],))),)),
        Move("is out", ((DA, Out(True)),)),
        Move("is back", ((DA, Out(False)),)),
        Move("tells its head", ((DA, Does("tells")),)),
    ]
    return _reads("reorganises", reorganises.__doc__ or "", moves)


def prunes() -> World:
    """The layer keeps its last block only, and somebody has a mark."""
    moves = [
        *_grows("a1", "a2", "a3"),
        Move("prunes", ((DA, Prune()),), 2),
        Move("somebody gives a mark", ((DA, GiveMark()),), 2),
    ]
    return _reads("prunes", prunes.__doc__ or "", moves)


def breaks() -> World:
    """The layer takes back what was final."""
    moves = [*_grows("a1", "a2"), Move("a block", ((DA, Grow()),), 3), Move("goes back 4", ((DA, GoBack(4)),))]
    return _reads("breaks", breaks.__doc__ or "", moves, stands=False)


def says_that_it_broke() -> World:
    """The layer says itself that it took back what was final: the reader need not come by it."""
    moves = [
        *_grows("a1", "a2"),
        Move("a block", ((DA, Grow()),), 3),
        Move("says that it broke", ((DA, Confess()),)),
        Move("is out", ((DA, Out(True)),)),
        Move("is back", ((DA, Out(False)),)),
    ]
    left = say.FINAL_ONLY_ADVANCES.steps((R,), say.is_left, say.hears_that_it_broke)
    return _reads("says-that-it-broke", says_that_it_broke.__doc__ or "", moves, [left])


# A sequencer that crashes ---------------------------------------------------------------------------------------


def posting_world(
    name: str, doc: str, moves: Iterable[Move], extra: Iterable[Property] = (), lost: bool = True, blocks: int = 3
) -> World:
    posts = Posts()
    claims: list[Property] = [
        *([say.NOTHING_LOST.ends((S, DA), say.nothing_lost)] if lost else []),
        say.NOTHING_LOST.settles(),
        say.NEVER_CONTRADICTS.steps((S,), say.never_contradicts),
        say.ONE_AT_A_TIME.steps((S,), say.one_at_a_time),
        say.CAPPED.steps((S,), partial(say.capped, posts.limits.unconfirmed), say.makes),
        say.KNOWS_FIRST.steps((S,), say.knows_first, say.makes),
        say.LIVES_WITHOUT_DA.ends((S,), partial(say.goes_on, posts.limits.unconfirmed)),
        *extra,
    ]
    made = Move("makes a block", ((S, MAKES),), blocks)
    parts = (posts, Layer(S, at_once=True), Environment((made, *moves)))
    return World(f"truth-{name}", parts, tuple(claims), doc, (*posting.TABLE.rules, *reading.TABLE.rules))


def crash(taken: bool, times: int = 1) -> Move:
    label = "crashes; its blob lands" if taken else "crashes; its blob is lost"
    return Move(label, ((S, CRASHES), (DA, Crashed(taken))), times)


OUTAGE: Final = (Move("is out", ((DA, Out(True)),)), Move("is back", ((DA, Out(False)),)))


def crashes() -> World:
    """A sequencer is killed at any instant, and its last blob lands or does not; the layer may be out."""
    return posting_world("crashes", crashes.__doc__ or "", [crash(True), crash(False), *OUTAGE])


def answers() -> World:
    """The layer's answers are lost, or say no."""
    moves = [
        Move("the answer is lost; the blob lands", ((DA, Say(UNSURE, True)),)),
        Move("the answer and the blob are lost", ((DA, Say(UNSURE)),)),
        Move("it is not taken", ((DA, Say(TROUBLE)),)),
        Move("it is too big", ((DA, Say(TOO_BIG)),), 2),
        Move("it is refused", ((DA, Say(REFUSED)),)),
        Move("an operator says go on", ((S, RESUMES),)),
    ]
    return posting_world("answers", answers.__doc__ or "", moves)


def taken_back() -> World:
    """The layer takes back blocks with batches in them, and the sequencer crashes."""
    moves = [
        Move("goes back; the blob waits", ((DA, GoBack(1, keep=True)),)),
        Move("goes back; the blob is gone", ((DA, GoBack(1)),)),
        crash(True),
        Move("the answer is lost; the blob lands", ((DA, Say(UNSURE, True)),)),
    ]
    return posting_world("taken-back", taken_back.__doc__ or "", moves, blocks=2)


def overruled() -> World:
    """Somebody else posts with the sequencer's key."""
    moves = [Move("another posts c2", ((DA, Grow((NAMED["c2"],))),)), crash(False)]
    said = SometimesStep("OverruledIsSaid", "It is said that another posts.", (S,), _is_overruled)
    return posting_world("overruled", overruled.__doc__ or "", moves, [said], lost=False)


def halts() -> World:
    """The layer takes back what was final, and the sequencer crashes."""
    moves = [Move("a block", ((DA, Grow()),), 2), Move("goes back 3", ((DA, GoBack(3)),)), crash(True)]
    return posting_world("halts", halts.__doc__ or "", moves, lost=False, blocks=2)


def _is_overruled(moment: Any) -> bool:
    return any(isinstance(output, Overruled) for output in moment.outputs)


# By themselves --------------------------------------------------------------------------------------------------

LATE: Final = View(10.0, TruthLimits(overdue=5.0, period=0.5, window=2), CHAIN_ID, Unsigned())
"""It is late: nothing was heard, and nothing confirmed, for too long."""


def lone_reader() -> World:
    """A reader to which anything happens at any time."""
    here, next_, other = Place(1, b"1", b""), Place(2, b"2", b"1"), Place(2, b"2", b"other")
    given = [
        Comes(Event.BEGIN, START), Comes(Event.BLOBS, At(1, Blobs(here, (NAMED["a1"],)))),
        Comes(Event.NONE, At(2, Nothing(next_))), Comes(Event.NONE, At(2, Nothing(other)), "that does not fit"),
        Comes(Event.FUTURE, At(1, Future(0))), Comes(Event.FUTURE, At(2, Future(1)), "2"),
        Comes(Event.PRUNED, At(1, Pruned(2))), Comes(Event.TROUBLE, At(1, Trouble(""))),
        Comes(Event.BROKE, At(1, Broken(""))), Comes(Event.REFUSED, Refusal("")),
        Comes(Event.NEWS, Head(0), "0"), Comes(Event.NEWS, Head(9), "9"), Comes(Event.TICK),
    ]  # fmt: skip
    start: Any = Reader(state=State.RESTING, final=START.final, until=20.0)
    claims = [say.LIVES_WITHOUT_DA.steps((reading.TABLE.name,), say.unheard_is_said, _waits_in_vain)]
    return alone(reading.TABLE, start, given, _late(), claims)


def _waits_in_vain(moment: Any) -> bool:
    waits = moment.before.state not in (State.IDLE, State.BROKEN)
    return bool(waits and moment.stimulus.event == TICK and moment.before.heard + 5.0 <= 10.0)


def lone_poster() -> World:
    """A poster to which anything happens at any time."""
    start: Any = Poster(state=GATHERING, final=g.point, blocks=(a1,), gathered=9.0)
    claims = [say.LIVES_WITHOUT_DA.steps((posting.TABLE.name,), say.overdue_is_said, _is_late)]
    return _lone_poster(start, claims)


def lone_start() -> World:
    """A poster that has not begun, likewise."""
    return attrs.evolve(_lone_poster(Poster(), ()), name="alone-start", doc=lone_start.__doc__ or "")


def _lone_poster(start: Any, claims: Iterable[Property]) -> World:
    E = PosterEvent  # noqa: N806
    broken = Seen(1, g.point, g.point, False, True)
    given = [
        Comes(E.START, Start()), Comes(E.SEEN, broken, "broken"),
        Comes(E.BEGIN, Begin(g.point, g.point, ())), Comes(E.MADE, a1, "a1"), Comes(E.MADE, a2, "a2"),
        Comes(E.SEEN, Seen(1, g.point, g.point, True)), Comes(E.SEEN, Seen(2, a1.point, g.point, False), "a1"),
        Comes(E.POSTED, Posted(5)), Comes(E.UNSURE, UNSURE), Comes(E.TOO_BIG, TOO_BIG), Comes(E.REFUSED, REFUSED),
        Comes(E.TROUBLE, TROUBLE), Comes(E.RESUME), Comes(E.TICK),
    ]  # fmt: skip
    held = say.KNOWS_FIRST.steps((posting.TABLE.name,), say.waits)
    return alone(posting.TABLE, start, given, _late(), [held, *claims])


def _late() -> Any:
    return LATE


def _is_late(moment: Any) -> bool:
    before = moment.before
    opened = before.state not in (IDLE, OVERRULED, HALTED)
    return bool(opened and moment.stimulus.event == TICK and before.since + 5.0 <= 10.0)


KINDS: Final = (
    batches, reorganises, prunes, breaks, says_that_it_broke, crashes, answers, taken_back, overruled, halts,
    lone_reader, lone_poster, lone_start,
)  # fmt: skip
STANDARD: Final = tuple(kind() for kind in KINDS)
"""What is explored when no world is named."""
