"""What goes into an outbox comes out of the inbox at the other end: in order, whole, once, and small messages first."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.errors import Fault, LocalError
from syncfsm.limits import Limits
from syncfsm.notes.messages import Note
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message
from syncfsm.sync.messages import Blocks
from syncfsm.wire.codec import encode_prefix
from syncfsm.wire.frames import PAYLOAD_BYTES, FrameKind, FrameReader, frame
from syncfsm.wire.inbox import Inbox
from tests.wire.tools import LANE, PING, SYNC, an_inbox, an_outbox, drain, fed, flat, stream


class OnlyGoodBodies(Unchecked):
    """A check that refuses one body."""

    def body(self, header: Header, body: bytes) -> Fault | None:
        return Fault("wrong-body", "this body is bad") if body == b"bad" else None


def chain(*bodies: bytes) -> list[tuple[Header, bytes]]:
    """Blocks that follow one another, one for each body."""
    return [
        (Header(height, b"block %d" % height, b"block %d" % (height - 1), b"", len(body), b"p" * 96), body)
        for height, body in enumerate(bodies, 1)
    ]


def inbox(**chosen: int) -> Inbox:
    return an_inbox(OnlyGoodBodies(), Limits(**chosen))


# The sizes at which a block starts to need another frame, and their neighbours.
EDGES = [0, 1, PAYLOAD_BYTES - 140, PAYLOAD_BYTES, 2 * PAYLOAD_BYTES, 3 * PAYLOAD_BYTES - 150, 65536]


@pytest.mark.parametrize("edge", EDGES)
def test_a_block_of_any_size_arrives_whole(edge: int) -> None:
    for size in {max(0, edge + nudge) for nudge in range(-12, 13)}:
        (block,) = chain(random.Random(size).randbytes(size))
        sent = stream(block)
        receiver = inbox()
        assert flat(fed(receiver, sent[:-1])) == []
        assert flat(fed(receiver, sent[-1:])) == [block]
        assert receiver.buffered == 0


def test_the_first_size_that_needs_fragments_is_the_first_that_does_not_fit_a_frame() -> None:
    largest = PAYLOAD_BYTES - len(LANE) - len(encode_prefix(*chain(b"b" * 16000)[0]))
    fits, exceeds = b"b" * largest, b"b" * (largest + 1)
    assert stream(*chain(fits))[0] == FrameKind.BLOCK
    assert len(stream(*chain(fits))) == limits.FRAME_BYTES
    assert stream(*chain(exceeds))[0] == FrameKind.BLOCK_START


actions = st.lists(
    st.one_of(
        st.integers(0, 70_000).map(lambda size: ("block", size)),
        st.integers(0, 50).map(lambda size: ("note", size)),
        st.integers(1, 90_000).map(lambda size: ("take", size)),
    ),
    max_size=25,
)


@given(actions, st.randoms(use_true_random=False))
def test_everything_arrives_once_and_in_order_however_it_is_taken_and_cut(
    script: list[tuple[str, int]], chance: random.Random
) -> None:
    outbox, wire = an_outbox(), b""
    sizes = [size for what, size in script if what == "block"]
    blocks = chain(*(bytes((size % 251,)) * size for size in sizes))
    unsent, notes, cost = list(blocks), list[Message](), 0
    for what, size in script:
        if what == "block":
            outbox.block(SYNC, *unsent.pop(0))
        elif what == "note":
            notes.append(Note(b"%d" % len(notes) + b"n" * size))
            assert outbox.message(notes[-1])
        else:
            taken = outbox.take(size)
            assert len(taken) <= max(size, limits.FRAME_BYTES)
            wire, cost = wire + taken, cost + outbox.freed()
    wire += drain(outbox)
    assert cost + outbox.freed() == sum(header.cost for header, _ in blocks)
    assert outbox.pending_control == 0

    receiver, received = inbox(), []
    while wire:
        cut = chance.randint(1, 40_000)
        received += flat(fed(receiver, wire[:cut]))
        wire = wire[cut:]
    assert [item for item in received if isinstance(item, tuple)] == blocks
    assert [item for item in received if not isinstance(item, tuple)] == notes
    assert receiver.buffered == 0


def test_a_small_message_waits_for_one_fragment_and_no_more() -> None:
    (block,) = chain(b"b" * 65536)
    outbox, wire = an_outbox(), b""
    outbox.block(SYNC, *block)
    while fragment := outbox.take(limits.FRAME_BYTES):
        outbox.message(Ping())
        wire += fragment + outbox.take(0)
    reader = FrameReader()
    reader.feed(wire)
    kinds = [kind.name for kind, _ in reader.take(100, len(wire))]
    assert " ".join(kinds[:4]) == "BLOCK_START MESSAGE BLOCK_MORE MESSAGE"
    assert " ".join(kinds[4:]) == "BLOCK_MORE MESSAGE BLOCK_MORE MESSAGE BLOCK_END"
    assert flat(fed(inbox(), wire)) == [Ping()] * 4 + [block]


def test_no_more_is_taken_than_asked_for_but_a_frame_in_any_case() -> None:
    outbox = an_outbox()
    blocks = chain(*[b"b" * 5000] * 9)
    notes = [Note(b"n" * 5000)] * 9
    for note, block in zip(notes, blocks, strict=True):
        outbox.message(note)
        outbox.block(SYNC, *block)
    taken = list(iter(lambda: outbox.take(0), b""))
    assert max(map(len, taken)) <= limits.FRAME_BYTES
    assert min(map(len, taken[:-1])) > limits.FRAME_BYTES - 5300, "a frame that fits is not put off"
    assert flat(fed(inbox(), b"".join(taken))) == [*notes, *blocks]


def test_a_note_overtakes_all_blocks_but_its_own() -> None:
    first, own, last = chain(b"first" * 5000, b"own" * 9000, b"last")
    outbox = an_outbox()
    for block in (first, own, last):
        outbox.block(SYNC, *block)
    early = outbox.take(limits.FRAME_BYTES)
    about_own, about_first = Note(b"about own", own[0].point), Note(b"about first", first[0].point)
    free, about_other = Note(b"about nothing"), Note(b"about a block sent long ago", Point(0, b"block 0"))
    for message in (about_own, about_first, free, about_other, Ping()):
        assert outbox.message(message)
    received = flat(fed(inbox(), early + drain(outbox)))
    assert received == [free, about_other, Ping(), first, about_first, own, about_own, last]


def test_a_note_about_a_block_that_was_taken_does_not_wait() -> None:
    first, second = chain(b"first", b"second" * 9000)
    outbox = an_outbox()
    outbox.block(SYNC, *first)
    outbox.block(SYNC, *second)
    early = outbox.take(limits.FRAME_BYTES)
    note = Note(b"about first", first[0].point)
    outbox.message(note)
    assert flat(fed(inbox(), early + drain(outbox))) == [first, note, second]


def test_cost_is_reported_once_and_only_when_the_last_byte_is_taken() -> None:
    (block,) = chain(b"b" * 30_000)
    outbox = an_outbox()
    outbox.block(SYNC, *block)
    outbox.take(limits.FRAME_BYTES)
    assert outbox.freed() == 0
    outbox.take(limits.FRAME_BYTES)
    assert outbox.freed() == block[0].cost
    assert outbox.freed() == 0


def test_small_messages_that_nobody_reads_are_bounded_also_while_they_wait_for_a_block() -> None:
    (block,) = chain(b"b")
    chosen = Limits(control=4096)
    outbox = an_outbox(chosen)
    outbox.block(SYNC, *block)
    queued = 0
    while outbox.message(Note(b"n" * 100, block[0].point if queued % 2 else Point(0, b"block 0"))):
        queued += 1
        assert outbox.pending_control <= chosen.control
    assert queued > 30
    before = outbox.pending_control
    assert not outbox.message(Note(b"n" * 100, block[0].point))
    assert outbox.pending_control == before
    assert len(flat(fed(inbox(), drain(outbox)))) == queued + 1
    assert outbox.message(Note(b"n" * 100))


def test_a_bye_is_the_last_message_and_does_not_wait_for_blocks() -> None:
    first, second = chain(b"first" * 9000, b"second")
    outbox = an_outbox()
    outbox.block(SYNC, *first)
    outbox.block(SYNC, *second)
    early = outbox.take(limits.FRAME_BYTES)
    outbox.message(Note(b"never sent", second[0].point))
    outbox.message(Pong())
    outbox.message(Bye(Parting.SHUTDOWN))
    assert flat(fed(inbox(), early + drain(outbox))) == [Pong(), Bye(Parting.SHUTDOWN)]
    assert outbox.pending_control == 0
    with pytest.raises(LocalError, match="bye is the last"):
        outbox.message(Ping())
    with pytest.raises(LocalError, match="bye is the last"):
        outbox.block(SYNC, *second)


def test_a_caller_s_mistake_changes_nothing() -> None:
    (block,) = chain(b"body")
    outbox = an_outbox()
    with pytest.raises(LocalError, match="header says 4"):
        outbox.block(SYNC, block[0], b"other")
    with pytest.raises(LocalError, match="a peer would refuse"):
        outbox.message(Note(b"n" * (limits.NOTE_BYTES + 1)))
    assert drain(outbox) == b""
    assert outbox.pending_control == 0


def test_blocks_that_follow_one_another_arrive_as_runs() -> None:
    blocks = chain(*(b"body %d" % n for n in range(7)))
    ping = frame(FrameKind.MESSAGE, PING)
    wire = stream(*blocks[:4]) + ping + stream(*blocks[4:6]) + stream(blocks[2])
    received = fed(inbox(run=3), wire)
    assert [item.headers[0].height if isinstance(item, Blocks) else item for item in received] == [1, 4, Ping(), 5, 3]
    assert [len(item.headers) for item in received if isinstance(item, Blocks)] == [3, 1, 2, 1]


def test_a_block_of_another_branch_starts_a_run() -> None:
    first, second = chain(b"1", b"2")
    sibling = (Header(2, b"sibling", b"other", b"", 1, b""), b"s")
    skipped = (Header(9, b"skipped", b"block 1", b"", 1, b""), b"s")
    for other in (sibling, skipped):
        received = fed(inbox(), stream(first, other))
        assert received == [Blocks((first[0],), (first[1],)), Blocks((other[0],), (other[1],))]
    assert fed(inbox(), stream(first, second)) == [Blocks((first[0], second[0]), (b"1", b"2"))]


BIG = stream(*chain(b"b" * 40_000))
START, MORE = BIG[: limits.FRAME_BYTES], BIG[limits.FRAME_BYTES : 2 * limits.FRAME_BYTES]
END = BIG[2 * limits.FRAME_BYTES :]
SMALL = stream(*chain(b"small"))
SHORT_START = frame(FrameKind.BLOCK_START, START[4:-1])
ONE_FRAME = frame(FrameKind.BLOCK_START, LANE + (PAYLOAD_BYTES - 1).to_bytes(4) + START[9:])
FOUR_GIB = frame(FrameKind.BLOCK_START, LANE + b"\xff\xff\xff\xff" + START[9:])

REJECTED = [
    ("a greeting after the handshake", frame(FrameKind.GREETING, b"hi"), "unexpected-frame"),
    ("a refusal after the handshake", frame(FrameKind.REFUSAL, b"no"), "unexpected-frame"),
    ("an unknown frame", b"\x0e\x00\x00\x00", "unknown-frame"),
    ("a frame of the release before", b"\x03\x00\x00\x02\x91\x03", "unknown-frame"),
    ("a second announcement", frame(FrameKind.ANNOUNCEMENT, b"\x91\x90"), "unexpected-frame"),
    ("a block of a protocol without blocks", frame(FrameKind.BLOCK, b"\x01" + SMALL[5:]), "no-lane"),
    ("a block of no protocol", frame(FrameKind.BLOCK, b""), "no-lane"),
    ("a frame too long", b"\x09\x00\x40\x00", "frame-too-long"),
    ("more of no block", MORE, "no-transfer"),
    ("the end of no block", END, "no-transfer"),
    ("an end after the end", BIG + END, "no-transfer"),
    ("a block inside a block", START + SMALL, "two-transfers"),
    ("a start inside a block", START + START, "two-transfers"),
    ("an empty first fragment", frame(FrameKind.BLOCK_START, LANE), "bad-fragment"),
    ("a short first fragment", SHORT_START, "bad-fragment"),
    ("fragments of a block that fits a frame", ONE_FRAME, "bad-fragment"),
    ("a short fragment", START + frame(FrameKind.BLOCK_MORE, MORE[4:-1]), "bad-fragment"),
    ("an empty fragment", START + frame(FrameKind.BLOCK_MORE, LANE), "bad-fragment"),
    ("an end too early", START + frame(FrameKind.BLOCK_END, MORE[4:]), "bad-fragment"),
    ("a short end", START + MORE + frame(FrameKind.BLOCK_END, END[4:-1]), "bad-fragment"),
    ("a long end", START + MORE + frame(FrameKind.BLOCK_END, END[4:] + b"b"), "bad-fragment"),
    ("more instead of the end", START + MORE + frame(FrameKind.BLOCK_MORE, END[4:]), "bad-fragment"),
    ("a total of 4 GiB", FOUR_GIB, "wrong-size"),
    ("a body above the limit", stream(*chain(b"b" * 40_001)), "block-too-large"),
    ("a bad body", stream(*chain(b"bad")), "wrong-body"),
    ("a message that is none", frame(FrameKind.MESSAGE, b"\x01\x02\x91\x01"), "malformed-ping"),
]


@pytest.mark.parametrize(("wire", "rule"), [case[1:] for case in REJECTED], ids=[case[0] for case in REJECTED])
def test_rejected(wire: bytes, rule: str) -> None:
    receiver = inbox(body=40_000)
    good = stream(*chain(b"before"))
    *before, refused = flat(fed(receiver, good + wire + good))
    assert before[:1] == flat(fed(inbox(), good))
    assert isinstance(refused, Fault)
    assert refused.rule == rule
    assert receiver.buffered == 0
    assert fed(receiver, good) == []


def test_a_block_too_large_is_refused_at_its_first_fragment() -> None:
    receiver = inbox(body=100_000)
    wire = stream(*chain(b"b" * 100_001))
    assert fed(receiver, wire[: limits.FRAME_BYTES - 1]) == []
    (refused,) = fed(receiver, wire[limits.FRAME_BYTES - 1 : limits.FRAME_BYTES])
    assert isinstance(refused, Fault)
    assert refused.rule == "block-too-large"


def test_an_unfinished_block_holds_its_own_bytes_and_not_those_it_came_with() -> None:
    ahead, wire = stream(*chain(b"a" * 900_000)), stream(*chain(b"b" * 1_000_000))[:-1]
    receiver = inbox(body=1_000_000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert fed(receiver, wire[:100]) == []
        fed(receiver, wire[100:])
        receiver_of_both = inbox(body=1_000_000)
        fed(receiver_of_both, ahead + wire[: limits.FRAME_BYTES])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = receiver.buffered + receiver_of_both.buffered
    assert 1_000_000 < held <= 2 * limits.FRAME_BYTES + 1_000_000
    assert after - before < 1.05 * held


def test_pongs_that_nobody_reads_take_little_more_memory_than_they_have_bytes() -> None:
    outbox, chosen = an_outbox(), Limits()
    outbox.message(Pong())  # what is made once is not counted
    drain(outbox)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        queued = 0
        while outbox.message(Pong()):
            queued += 1
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert queued == chosen.control // len(frame(FrameKind.MESSAGE, PING))
    assert after - before < 2 * chosen.control
    assert flat(fed(inbox(), drain(outbox))) == [Pong()] * queued
    assert outbox.pending_control == 0
    assert not outbox.waiting
