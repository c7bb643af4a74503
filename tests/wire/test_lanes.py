"""Two protocols that bring blocks share a connection: a lane each, served in turn, joined again each by itself."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.notes.messages import Note
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping
from syncfsm.sync.messages import Blocks
from syncfsm.wire.codec import Bad
from syncfsm.wire.frames import FrameKind, FrameReader, frame
from syncfsm.wire.inbox import FRAGMENT_BYTES, Arrived, Inbox
from syncfsm.wire.outbox import Outbox
from tests.wire.tools import ASK, BRINGS, OWN, TELL, Ask, OwnBlocks, Tell, drain, own

BOTH = own(ASK, BRINGS)
SYNC = int(ProtocolNumber.SYNC)
LANES = (SYNC, OWN)
RUNS = {Blocks: SYNC, OwnBlocks: OWN}
Block = tuple[Header, bytes]


def chain(name: str, *sizes: int) -> list[Block]:
    """Blocks that follow one another; those of chains with other names differ in every byte."""
    made = []
    for height, size in enumerate(sizes, 1):
        id, parent = (f"{name} {at}".encode() for at in (height, height - 1))
        made.append((Header(height, id, parent, b"", size, b"p" * 96), name.encode() * size))
    return made


def an_inbox(**chosen: int) -> Inbox:
    return Inbox(Unchecked(), Limits(**chosen), BOTH)


def an_outbox() -> Outbox:
    return Outbox(Limits(), BOTH)


def taken(inbox: Inbox, data: bytes) -> list[Arrived]:
    inbox.feed(data)
    found = inbox.take()
    while inbox.more:
        found += inbox.take()
    return found


def by_lane(found: list[Arrived]) -> dict[int, list[Block]]:
    """The blocks of each lane, one by one."""
    blocks: dict[int, list[Block]] = {lane: [] for lane in LANES}
    for item in found:
        if isinstance(item, Blocks | OwnBlocks):
            blocks[RUNS[type(item)]] += zip(item.headers, item.bodies, strict=True)
    return blocks


def frames(wire: bytes) -> list[tuple[FrameKind, int]]:
    """The kind of each frame, and the protocol that it names."""
    reader = FrameReader()
    reader.feed(wire)
    return [(kind, payload[0]) for kind, payload in reader.take(10**9, 10**9)]


def test_lanes_are_served_in_turn_fragment_by_fragment() -> None:
    outbox = an_outbox()
    for lane, name in zip(LANES, "ab", strict=True):
        outbox.block(lane, *chain(name, 3 * FRAGMENT_BYTES)[0])
    wire = drain(outbox)
    start, more, end = FrameKind.BLOCK_START, FrameKind.BLOCK_MORE, FrameKind.BLOCK_END
    assert frames(wire) == [(kind, lane) for kind in (start, more, more, end) for lane in LANES]
    assert by_lane(taken(an_inbox(), wire)) == {
        lane: chain(name, 3 * FRAGMENT_BYTES) for lane, name in zip(LANES, "ab", strict=True)
    }


def test_a_long_block_on_one_lane_holds_up_the_other_for_one_fragment_at_a_time() -> None:
    outbox = an_outbox()
    outbox.block(SYNC, *chain("a", 4 * 1024 * 1024)[0])
    small = chain("b", *[100] * 5)
    for block in small:
        outbox.block(OWN, *block)
    order = [lane for _, lane in frames(drain(outbox))]
    assert order[:10] == [SYNC, OWN] * 5
    assert set(order[10:]) == {SYNC}


def test_a_lane_that_comes_later_gets_its_turn_after_the_fragment_under_way() -> None:
    outbox = an_outbox()
    outbox.block(OWN, *chain("b", 200_000)[0])
    early = outbox.take(limits.FRAME_BYTES)
    outbox.block(SYNC, *chain("a", 200_000)[0])
    assert [lane for _, lane in frames(early + drain(outbox))][:5] == [OWN, OWN, SYNC, OWN, SYNC]


def test_blocks_are_joined_to_runs_of_their_own_protocol() -> None:
    a, b = chain("a", 10, 10, 10), chain("b", 20, 20)
    outbox = an_outbox()
    for lane, blocks in ((SYNC, a[:2]), (OWN, b)):
        for block in blocks:
            outbox.block(lane, *block)
        outbox.message(Ask(len(blocks)))
    mixed = drain(outbox)
    in_a_row = b"".join(_alone(lane, block) for lane, block in [(SYNC, a[0]), (SYNC, a[1]), (OWN, b[0]), (OWN, b[1])])
    assert taken(an_inbox(), in_a_row) == [_run(Blocks, a[:2]), _run(OwnBlocks, b)]
    assert taken(an_inbox(), mixed) == [
        Ask(2), Ask(2), _run(Blocks, a[:1]), _run(OwnBlocks, b[:1]), _run(Blocks, a[1:2]), _run(OwnBlocks, b[1:]),
    ]  # fmt: skip


def test_the_child_of_a_block_of_another_lane_begins_a_run_of_its_own() -> None:
    first, second, third = chain("a", 10, 10, 10)
    wire = _alone(SYNC, first) + _alone(OWN, second) + _alone(SYNC, third)
    assert taken(an_inbox(), wire) == [_run(Blocks, [first]), _run(OwnBlocks, [second]), _run(Blocks, [third])]


def _alone(lane: int, block: Block) -> bytes:
    outbox = an_outbox()
    outbox.block(lane, *block)
    return drain(outbox)


def _run(type_: type[Blocks] | type[OwnBlocks], blocks: list[Block]) -> Blocks | OwnBlocks:
    headers, bodies = zip(*blocks, strict=True)
    return type_(headers, bodies)


scripts = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(LANES), st.integers(0, 70_000)),
        st.tuples(st.just("note"), st.sampled_from(LANES)),
        st.tuples(st.just("take"), st.integers(1, 90_000)),
    ),
    max_size=25,
)


@given(scripts, st.randoms(use_true_random=False))
def test_all_arrives_once_each_lane_in_order_and_no_note_before_its_block(
    script: list[tuple[int | str, int]], chance: random.Random
) -> None:
    outbox, wire, freed = an_outbox(), b"", 0
    names = dict(zip(LANES, "ab", strict=True))
    sent = {lane: chain(names[lane], *(size for what, size in script if what == lane)) for lane in LANES}
    unsent = {lane: list(blocks) for lane, blocks in sent.items()}
    queued: dict[int, list[Block]] = {lane: [] for lane in LANES}
    notes = list[Note]()
    for what, size in script:
        if what == "take":
            piece = outbox.take(size)
            assert len(piece) <= max(size, limits.FRAME_BYTES)
            wire, freed = wire + piece, freed + outbox.freed()
        elif what == "note":
            about = queued[size][-1][0].point if queued[size] else None
            notes.append(Note(b"%d" % len(notes), about))
            assert outbox.message(notes[-1])
        else:
            assert isinstance(what, int)
            queued[what].append(unsent[what].pop(0))
            outbox.block(what, *queued[what][-1])
    wire += drain(outbox)
    assert freed + outbox.freed() == sum(header.cost for blocks in sent.values() for header, _ in blocks)
    receiver, found = an_inbox(), list[Arrived]()
    while wire:
        cut = chance.randint(1, 40_000)
        found += taken(receiver, wire[:cut])
        wire = wire[cut:]
    assert receiver.buffered == 0
    assert by_lane(found) == sent
    assert sorted((item for item in found if isinstance(item, Note)), key=lambda note: int(note.payload)) == notes
    there = set[bytes]()
    for item in found:
        if isinstance(item, Note):
            assert item.about is None or item.about.id in there
        elif isinstance(item, Blocks | OwnBlocks):
            there |= {header.id for header in item.headers}


def test_an_unfinished_block_on_each_lane_holds_less_than_two_bodies() -> None:
    inbox, largest = an_inbox(body=100_000), 100_000
    outbox = an_outbox()
    for lane, name in zip(LANES, "ab", strict=True):
        outbox.block(lane, *chain(name, largest)[0])
    wire = drain(outbox)
    most, found = 0, list[Arrived]()
    for start in range(0, len(wire), 1000):
        found += taken(inbox, wire[start : start + 1000])
        most = max(most, inbox.buffered)
    assert 1.8 * largest < most < 2 * largest + limits.FRAME_BYTES
    assert [len(blocks) for blocks in by_lane(found).values()] == [1, 1]
    assert inbox.buffered == 0


def test_one_lane_cannot_begin_a_block_within_a_block_though_another_can() -> None:
    long = {lane: _alone(lane, chain(name, 40_000)[0]) for lane, name in zip(LANES, "ab", strict=True)}
    start = {lane: wire[: limits.FRAME_BYTES] for lane, wire in long.items()}
    inbox = an_inbox()
    assert taken(inbox, start[SYNC] + start[OWN]) == []
    (bad,) = taken(inbox, start[OWN])
    assert isinstance(bad, Bad)
    assert (bad.fault.rule, bad.protocol) == ("two-transfers", OWN)
    assert inbox.buffered == 0
    assert taken(inbox, long[SYNC]) == []


def test_more_of_a_block_goes_to_its_own_lane() -> None:
    wire = _alone(SYNC, chain("a", 40_000)[0])
    second = bytearray(wire[limits.FRAME_BYTES : 2 * limits.FRAME_BYTES])
    second[4] = OWN
    (bad,) = taken(an_inbox(), wire[: limits.FRAME_BYTES] + bytes(second))
    assert isinstance(bad, Bad)
    assert (bad.fault.rule, bad.protocol) == ("no-transfer", OWN)


def test_blocks_go_only_on_lanes() -> None:
    outbox = Outbox(Limits(), own(ASK))
    for number in (ProtocolNumber.PEER, OWN, 99, 1000):
        with pytest.raises(LocalError, match="no kind of message that brings blocks"):
            outbox.block(number, *chain("a", 5)[0])
    assert not outbox.waiting
    with pytest.raises(LocalError, match="is no small message"):
        outbox.message(Blocks((chain("a", 5)[0][0],)))


def test_what_a_peer_does_not_know_is_left_out_and_its_room_is_free() -> None:
    blocks = chain("b", 50_000, 5)
    outbox = Outbox(Limits(), own(ASK, TELL, BRINGS, version=2), {1: 1, SYNC: 1})
    for block in blocks:
        outbox.block(OWN, *block)
    assert outbox.message(Ask(1))
    assert outbox.message(Tell("you"))
    assert not outbox.waiting
    assert outbox.freed() == sum(header.cost for header, _ in blocks) + TELL.cost
    assert outbox.message(Note(b"left out too", Point(1, b"b 1")))
    assert outbox.message(Ping())
    assert drain(outbox) == frame(FrameKind.MESSAGE, b"\x01\x02\x90")


def test_a_bye_drops_what_waits_on_every_lane() -> None:
    outbox = an_outbox()
    for lane, name in zip(LANES, "ab", strict=True):
        outbox.block(lane, *chain(name, 40_000)[0])
    early = outbox.take(2 * limits.FRAME_BYTES)
    outbox.message(Bye(Parting.SHUTDOWN))
    assert taken(an_inbox(), early + drain(outbox)) == [Bye(Parting.SHUTDOWN)]
    assert not outbox.waiting


@pytest.mark.parametrize("chosen", [{"turn_frames": 1}, {"turn_frames": 7}, {"turn_bytes": limits.FRAME_BYTES}])
def test_turns_do_not_change_what_arrives_on_lanes(chosen: dict[str, int]) -> None:
    outbox = an_outbox()
    for lane, name in zip(LANES, "ab", strict=True):
        for block in chain(name, 50_000, 5, 17_000, 0, 33_000):
            outbox.block(lane, *block)
    wire = drain(outbox)
    found = taken(an_inbox(**chosen), wire)
    assert by_lane(found) == by_lane(taken(an_inbox(), wire))
    assert all(len(item.headers) <= Limits().run for item in found if isinstance(item, Blocks | OwnBlocks))
