"""The lines: what is written when."""

from collections.abc import Callable

import pytest

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.limits import FRAME_BYTES
from syncfsm.node.registry import STANDARD
from syncfsm.testing import Luck
from syncfsm.testing.scale import Downlink, Uplink
from syncfsm.testing.scale.agenda import Agenda
from syncfsm.testing.scale.weights import block_weight
from syncfsm.wire.outbox import Outbox

RATE = FRAME_BYTES
"""A frame a second."""


def written(uplink: Uplink[str], due: float | None) -> list[tuple[str, float]]:
    """Ask at every time at which the uplink wants to be asked: what was written, and when."""
    found = []
    while due is not None:
        now = due
        block, due = uplink.done(now)
        if block is not None:
            found.append((block, now))
    return found


def test_blocks_are_written_one_after_the_other() -> None:
    uplink = Uplink[str](RATE)
    due = uplink.put(1.0, 2 * FRAME_BYTES, "a")
    assert due == 3.0
    assert uplink.put(1.5, FRAME_BYTES, "b") is None
    assert uplink.waiting == 2
    assert written(uplink, due) == [("a", 3.0), ("b", 4.0)]
    assert uplink.waiting == 0
    assert uplink.put(10.0, FRAME_BYTES, "c") == 11.0


@pytest.mark.parametrize(("now", "gone"), [(1.0, 1.5), (1.25, 2.5), (2.0, 2.5), (2.01, 3.5), (3.5, 4.5)])
def test_a_small_message_waits_for_the_frame_that_is_being_written(now: float, gone: float) -> None:
    uplink = Uplink[str](RATE)
    due = uplink.put(1.0, 3 * FRAME_BYTES, "a")
    assert uplink.put(1.0, FRAME_BYTES, "b") is None
    assert uplink.small(now, FRAME_BYTES // 2) == gone
    last = now > 3.0
    assert written(uplink, due) == [("a", 4.0 if last else 4.5), ("b", 5.5)]


def test_small_messages_keep_their_order_and_wait_for_each_other() -> None:
    uplink = Uplink[str](RATE)
    assert uplink.small(0.0, FRAME_BYTES) == 1.0
    assert uplink.small(0.5, FRAME_BYTES) == 2.0
    due = uplink.put(0.5, 2 * FRAME_BYTES, "a")
    assert due == 4.0
    assert uplink.small(1.0, FRAME_BYTES) == 3.0
    assert uplink.small(2.5, FRAME_BYTES) == 4.0
    assert uplink.small(4.5, FRAME_BYTES) == 6.0
    assert uplink.small(5.0, FRAME_BYTES) == 7.0
    assert written(uplink, due) == [("a", 8.0)]


@pytest.mark.parametrize("seed", range(20))
def test_the_line_is_never_idle_while_something_waits_and_never_faster(seed: int) -> None:
    luck, agenda, uplink = Luck(seed), Agenda(), Uplink[int](RATE)
    ends: list[float] = []
    total = 0

    def ask() -> None:
        block, due = uplink.done(agenda.now)
        if block is not None:
            ends.append(agenda.now)
        if due is not None:
            agenda.at(due, ask)

    def put(size: int) -> None:
        due = uplink.put(agenda.now, size, size)
        if due is not None:
            agenda.at(due, ask)

    def small(size: int) -> None:
        gone = uplink.small(agenda.now, size)
        assert agenda.now < gone <= agenda.now + 1 + sum(smalls) / RATE + 1e-9
        ends.append(gone)

    smalls: list[int] = []
    for _ in range(30):
        size = 1 + luck.below(FRAME_BYTES // 8)
        smalls.append(size)
        agenda.at(luck.share() * 6, small, size)
        block = 1 + luck.below(3 * FRAME_BYTES)
        agenda.at(luck.share(), put, block)
        total += size + block
    begin = 1.0  # by then blocks wait, and are not through before 6
    agenda.run(1000.0)
    assert len(ends) == 60
    assert begin + total / RATE >= max(ends) > total / RATE


def test_who_is_not_wanted_any_more_is_left_out() -> None:
    wanted = {"a", "c"}
    uplink = Uplink[str](RATE, wanted.__contains__)
    due = uplink.put(0.0, FRAME_BYTES, "a")
    uplink.put(0.0, FRAME_BYTES, "b")
    uplink.put(0.0, FRAME_BYTES, "c")
    assert written(uplink, due) == [("a", 1.0), ("c", 2.0)]


def test_a_way_in_that_is_slower_than_the_way_out_makes_wait() -> None:
    downlink = Downlink(rate=100.0)
    assert downlink.arrive(10.0, 100, rate=50.0) == 10.0, "it comes no faster than it is sent"
    assert downlink.arrive(20.0, 100, rate=1000.0) == pytest.approx(20.9), "its first byte came at 19.9"
    assert downlink.arrive(20.1, 100, rate=1000.0) == pytest.approx(21.9), "and the next one waits for it"


@pytest.fixture
def outbox() -> Callable[[Header], int]:
    def bytes_of(header: Header) -> int:
        box = Outbox(limits.Limits(), STANDARD)
        box.block(STANDARD.protocol("sync").number, header, bytes(header.size))
        return len(box.take(2**30))

    return bytes_of


@pytest.mark.parametrize("size", [0, 1, 1000, 16_150, 16_200, 16_384, 32_500, 32_600, 100_000, 1_000_000])
def test_a_block_weighs_what_an_outbox_writes(size: int, outbox: Callable[[Header], int]) -> None:
    header = Header(7, bytes(32), bytes(32), bytes(8), size, bytes(96))
    assert block_weight(header) == outbox(header)


def test_no_boundary_of_a_frame_is_off_by_one(outbox: Callable[[Header], int]) -> None:
    for size in (*range(16_150, 16_260), *range(32_500, 32_640)):
        header = Header(7, bytes(32), bytes(32), bytes(8), size, bytes(96))
        assert block_weight(header) == outbox(header), size
