"""What a poster does with blocks, answers and time."""

import pytest
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.limits import BLOCK_OVERHEAD
from syncfsm.truth.answers import Outcome, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm.truth.poster import protocol as posting
from syncfsm.truth.poster.types import (
    BACKING_OFF,
    CATCHING,
    GATHERING,
    HALTED,
    OVERRULED,
    PAUSED,
    WAITING,
    Begin,
    Go,
    Hold,
    Load,
    Overdue,
    Overruled,
    Poster,
    Seen,
    Start,
    Stuck,
    Submit,
)
from tests.truth.chain import BLOCKS, START, point, view

HEADERS = [entry.header for entry in BLOCKS]


def seen(tip: int, read: int = 1, final: int = 0, all: bool = True) -> Seen:
    return Seen(read, point(tip), point(final), all)


def fed(
    poster: Poster, *given: Start | Begin | Header | Seen | Outcome | None, now: float = 0.0, **limits: int | float
) -> tuple[Poster, list[object]]:
    """The poster after all this, and what it said."""
    said = list[object]()
    for each in given:
        poster, outputs, _ = posting.step(poster, each, view(now, **limits))
        said += outputs
    return poster, said


def asked() -> Poster:
    """It has been said that the layer is read, and that blocks are to be told."""
    return fed(Poster(), Start(), seen(0))[0]


def begun(*blocks: Header) -> Poster:
    """At the end of an empty layer, with these blocks made."""
    return fed(asked(), Begin(START, START, blocks), seen(0))[0]


def test_a_batch_is_due_when_its_oldest_block_is_old_enough() -> None:
    poster, _ = fed(begun(), *HEADERS[:3], now=5.0)
    assert posting.deadline(poster, view().limits) == 35.0
    assert fed(poster, None, now=34.9) == (poster, [])
    poster, said = fed(poster, None, now=35.0)
    assert said == [Submit(point(1), point(3))]
    poster, said = fed(poster, Posted(7), seen(3, read=7), now=40.0)
    assert (poster.state, poster.tip, said) == (GATHERING, point(3), [])
    assert posting.deadline(poster, view().limits) is None


def test_what_is_made_meanwhile_is_as_old_as_the_last_batch() -> None:
    poster, _ = fed(begun(*HEADERS[:2]), None, now=30.0)
    poster, _ = fed(poster, HEADERS[2], now=30.2)
    poster, _ = fed(poster, Posted(7), seen(2, read=7), now=42.0)
    assert posting.deadline(poster, view().limits) == 60.0


def test_a_full_batch_does_not_wait() -> None:
    poster, _ = fed(begun(), *HEADERS[:5], batch_blocks=3)
    assert fed(poster, None, batch_blocks=3)[1] == [Submit(point(1), point(3))]
    room = 2 * (BLOCK_OVERHEAD + len(b"block 1"))
    poster, _ = fed(begun(), *HEADERS[:2], batch_bytes=room)
    assert fed(poster, None, batch_bytes=room)[1] == [Submit(point(1), point(2))]
    assert fed(poster, None, batch_bytes=room - 1)[1] == [Submit(point(1), point(1))]
    assert fed(poster, None, batch_bytes=1)[1] == [Submit(point(1), point(1))], "a long block goes alone"


def test_after_a_start_nothing_is_posted_before_the_layer_is_read() -> None:
    poster, _ = fed(asked(), Begin(START, START, tuple(HEADERS[:4])))
    assert fed(poster, seen(0, all=False), None, now=1e6, overdue=1e9)[1] == []
    poster, said = fed(poster, seen(0, all=False), seen(2, read=3), None, now=1e6, overdue=1e9)
    assert said == []
    assert fed(poster, None, now=1e6 + 30, overdue=1e9)[1] == [Submit(point(3), point(4))]


def test_a_sequencer_that_starts_makes_nothing_before_the_layer_is_read() -> None:
    poster, said = fed(Poster(), Start(), seen(0, all=False), HEADERS[0], now=5.0)
    assert (poster.held, said) == (True, [])
    assert posting.deadline(poster, view().limits) == 15.0
    assert fed(poster, None, now=14.9) == (poster, [])
    asked, said = fed(poster, seen(3, read=4), now=14.9)
    assert said == [Load(True)]
    begun, said = fed(asked, Begin(START, START, tuple(HEADERS[:3])), seen(3, read=4))
    assert (begun.state, begun.tip, begun.held, said) == (GATHERING, point(3), False, [])
    alone, said = fed(poster, None, Begin(START, START, ()), HEADERS[0], now=15.0)
    assert (alone.state, alone.held, said) == (CATCHING, False, [Load(False)])
    assert fed(alone, None, now=60.0)[1] == [], "it posts nothing before it knows what is there"


def test_where_the_layer_is_not_followed_any_more_nothing_is_made() -> None:
    broken = replace(seen(0), broken=True)
    waits = fed(Poster(), Start())[0]
    for before in (waits, begun(*HEADERS[:2])):
        halted = fed(before, broken)[0]
        assert (halted.state, halted.held) == (HALTED, True)
        assert fed(halted, Start(), Begin(START, START, ()), None, seen(0), now=1e6) == (halted, [])


def test_what_landed_and_was_skipped_is_posted_again_from_where_the_layer_is() -> None:
    """A batch from before a crash lands first, and has less."""
    poster, _ = fed(begun(*HEADERS[:4]), None, now=30.0)
    poster, said = fed(poster, Posted(9), seen(2, read=8), now=31.0)
    assert (poster.state, said) == (WAITING, [])
    poster, said = fed(poster, seen(2, read=9), None, now=32.0)
    assert said == [Submit(point(3), point(4))]


def test_a_batch_that_may_have_landed_is_looked_for_before_it_is_given_again() -> None:
    poster, _ = fed(begun(*HEADERS[:2]), None, now=30.0)
    poster, said = fed(poster, Unsure("lost"), None, now=31.0)
    assert (poster.state, said) == (WAITING, [])
    assert fed(poster, seen(2, read=9), None, now=50.0)[1] == []
    assert fed(poster, seen(0, read=9), None, None, now=90.9)[1] == []
    assert fed(poster, None, None, now=91.0)[1] == [Submit(point(1), point(2))]


def test_failures_are_tried_again_later_and_later() -> None:
    poster, _ = fed(begun(*HEADERS[:2]), None, now=30.0, overdue=1e9)
    now, pauses = 30.0, []
    for _ in range(8):
        poster, _ = fed(poster, Trouble("no"), now=now, overdue=1e9)
        assert poster.state is BACKING_OFF
        pauses.append(poster.until - now)
        now = poster.until
        poster, said = fed(poster, None, None, now=now, overdue=1e9)
        assert said == [Submit(point(1), point(2))]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_what_is_too_big_is_halved_and_stays_so() -> None:
    poster, _ = fed(begun(*HEADERS[:8]), None, now=30.0)
    poster, said = fed(poster, TooBig(0, "no"), TooBig(0, "no"), now=31.0)
    assert said == [Submit(point(1), point(4)), Submit(point(1), point(2))]
    poster, said = fed(poster, Posted(3), seen(2, read=3), None, now=32.0)
    assert said == [Submit(point(3), point(4))]
    poster, said = fed(poster, TooBig(0, "no"), TooBig(0, "the block is too big"), now=33.0)
    assert (poster.state, said) == (PAUSED, [Submit(point(3), point(3)), Stuck("the block is too big")])


def test_what_only_an_operator_can_mend_waits_for_one() -> None:
    poster, _ = fed(begun(*HEADERS[:2]), None, now=30.0)
    poster, said = fed(poster, Refused("no funds"), HEADERS[2], None, now=31.0)
    assert (poster.state, said) == (PAUSED, [Stuck("no funds")])
    poster = posting.resume(poster, view(32.0)).value
    assert fed(poster, None, now=32.0)[1] == [Submit(point(1), point(3))]


def test_the_producer_is_held_while_too_many_blocks_are_open() -> None:
    poster, said = fed(begun(), *HEADERS[:4], unconfirmed=4)
    assert said == [Hold(4)]
    poster, said = fed(poster, HEADERS[4], seen(1, read=2), unconfirmed=4)
    assert said == [], "one that does not heed is not lost, and still held"
    assert len(poster.open) == 4
    poster, said = fed(poster, seen(2, read=3), unconfirmed=4)
    assert said == [Go()]
    assert fed(poster, seen(1, read=2), unconfirmed=4)[1] == [Hold(4)], "the layer took a batch back"
    assert fed(asked(), Begin(START, START, tuple(HEADERS[:4])), unconfirmed=4)[1] == [Hold(4)]


def test_overdue_confirmation_is_said_once() -> None:
    poster, _ = fed(begun(*HEADERS[:2]), None, now=30.0)
    poster, said = fed(poster, Unsure("lost"), None, None, now=120.0)
    assert said == [Overdue(0.0, 2, "lost")]
    poster, _ = fed(poster, seen(2, read=3), HEADERS[2], now=130.0)
    assert fed(poster, None, now=160.0)[1] == [Submit(point(3), point(3))]
    assert fed(poster, None, now=250.0)[1] == [Overdue(130.0, 1, "")]


def test_what_is_final_is_forgotten() -> None:
    poster, _ = fed(begun(*HEADERS), seen(6, read=2, final=4))
    assert (poster.final, poster.tip, len(poster.blocks), len(poster.open)) == (point(4), point(6), 8, 6)


def test_against_the_layer_nothing_is_posted() -> None:
    other = replace(point(2), id=b"other")
    for given in (Seen(3, other, START, True), Seen(3, replace(point(9)), START, True), Seen(3, other, other, True)):
        poster, said = fed(begun(*HEADERS[:4]), given, now=31.0)
        assert poster.state is OVERRULED
        assert said == [Overruled(given.tip, START)]
        assert poster.held
        assert fed(poster, None, HEADERS[4], seen(0), Posted(3), now=1e6) == (poster, [])
    for begin in (Begin(other, point(2), ()), Begin(point(2), point(2), (HEADERS[3],))):
        poster, said = fed(asked(), begin)
        assert (poster.state, poster.held) == (OVERRULED, True)
        assert isinstance(said[-1], Overruled)


def test_a_block_that_is_left_out_is_a_mistake() -> None:
    with pytest.raises(LocalError, match="tell a poster of every block"):
        fed(begun(HEADERS[0]), HEADERS[2])
