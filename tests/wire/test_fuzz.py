"""Whatever bytes arrive, whole or one by one, the outcome is typed and the memory bounded; never an exception.

The volume comes from a seeded generator that mutates valid streams; Hypothesis adds inputs that shrink.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.errors import Fault
from syncfsm.events import Garbled
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, Reach
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want
from syncfsm.wire.codec import decode_prefix, encode_prefix
from syncfsm.wire.frames import Frame, FrameReader
from syncfsm.wire.handshake import (
    Announcement,
    Greeting,
    Refusal,
    RefusalReason,
    first_frame,
    read_first,
    read_second,
    second_frame,
)
from syncfsm.wire.session import Met, NoLink
from tests.wire.tools import ASK, BRINGS, OWN, SYNC, Ask, OwnBlocks, a_session, an_inbox, an_outbox, fed, own, said
from tests.wire.tools import decode as decode_message
from tests.wire.tools import encode as encode_message

LIMITS = Limits(body=40_000, run=4)
REGISTRY = own(ASK, BRINGS)
"""With a second lane."""
MESSAGES = tuple(kind.type for protocol in STANDARD.protocols for kind in protocol.kinds if not kind.blocks)


PACKETS = tuple(f"malformed-{kind.__name__.lower()}" for kind in (Pass, Have, Fetch))


class SomeBodies(Unchecked):
    """A check that refuses bodies that start with a zero byte."""

    def body(self, header: Header, body: bytes) -> Fault | None:
        return Fault("wrong-body", "this body starts with a zero") if body[:1] == b"\0" else None


# Valid inputs ---------------------------------------------------------------------------------------------------


def some_point(chance: random.Random, low: int = 0, high: int = 300) -> Point:
    return Point(chance.randint(low, high), chance.randbytes(chance.choice((1, 4, 32, 64))))


def some_control(chance: random.Random) -> Message:
    kind = chance.randrange(8)
    if kind == 0:
        heights = sorted(chance.sample(range(50, 90), chance.choice((1, 2, 6))), reverse=True)
        points = tuple(some_point(chance, height, height) for height in heights)
        base, final, head = (some_point(chance, *between) for between in ((40, 45), (45, 50), (90, 95)))
        return Hello(head, chance.randbytes(8), final, base, points, heights[0] + 1, chance.choice((None, head)))
    if kind == 1:
        return chance.choice((Found, Finality))(some_point(chance))
    if kind == 2:
        return Bye(chance.choice(list(Parting)), chance.choice((None, some_point(chance))))
    if kind == 3:
        return Note(chance.randbytes(chance.randrange(60)), chance.choice((None, some_point(chance))))
    if kind == 4:
        has = Has(some_point(chance), chance.randbytes(8))
        return chance.choice((has, Want(), DoNotWant(), Give(), Busy(False, (chance.randbytes(32),))))
    if kind == 5:
        packet = some_packet(chance)
        ids = (packet.id, some_packet(chance).id)
        return chance.choice((Pass(packet, chance.randint(1, limits.HOPS)), Have(ids), Fetch(ids)))
    return chance.choice((Ping(), Pong()))


def some_packet(chance: random.Random) -> Packet:
    id = PacketId(chance.randbytes(32), chance.randrange(2**40), chance.randrange(2**20))
    payload, about = chance.randbytes(chance.randrange(60)), chance.choice((None, some_point(chance)))
    return Packet(id, Reach.ALL, b"", payload, about, chance.randbytes(64))


def some_block(chance: random.Random, parent: Header | None, size: int) -> tuple[Header, bytes]:
    height, parent_id = (parent.height + 1, parent.id) if parent else (1, b"genesis")
    proof = chance.randbytes(chance.choice((0, 96)))
    return Header(height, chance.randbytes(8), parent_id, b"score", size, proof), chance.randbytes(size)


def some_stream(chance: random.Random, body: int) -> bytes:
    """What a correct node might send after the handshake; its longest body has ``body`` bytes."""
    outbox, stream, parent = an_outbox(LIMITS), b"", None
    for number in range(chance.randint(1, 5)):
        if chance.random() < 0.5:
            message = some_control(chance)
            if not isinstance(message, Bye):
                outbox.message(message)
        else:
            parent, payload = some_block(chance, parent, body if not number else chance.randrange(60))
            outbox.block(SYNC, parent, payload)
        stream += outbox.take(1) if chance.random() < 0.5 else b""
    while piece := outbox.take(1):
        stream += piece
    return stream


def some_first(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return first_frame(Refusal(chance.choice(list(RefusalReason)), "try again later"))
    return first_frame(Greeting(2, b"chain", chance.randbytes(chance.randint(1, 64)), some_point(chance)))


def some_second(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return first_frame(Refusal(chance.choice(list(RefusalReason)), "try again later"))
    numbers = sorted(chance.sample(range(1, 256), chance.choice((0, 1, 3, 9, 250))))
    return second_frame(Announcement(tuple((number, chance.randint(1, 2**16 - 1)) for number in numbers)))


def some_connection(chance: random.Random) -> bytes:
    """All that a correct node might say to one with a protocol of its own, which sends blocks on a second lane."""
    one, other = a_session(REGISTRY, 1, LIMITS), a_session(REGISTRY, 2, LIMITS)
    wire = one.take(1)
    one.receive(other.take(1))
    assert isinstance(one.meeting(), Met)
    if chance.random() < 0.1:
        one.refuse(Refusal(chance.choice(list(RefusalReason)), "try again later"))
        return wire + one.take(1)
    one.begin("other", 0.0)
    for number in range(chance.randint(0, 6)):
        if chance.random() < 0.4:
            size = chance.choice((0, 30, 17_000)) if not number else 30
            one.send_blocks(chance.choice((int(SYNC), OWN)), [some_block(chance, None, size)])
        else:
            message = chance.choice((some_control(chance), Ask(chance.randrange(300))))
            if not isinstance(message, Bye):
                one.send(message)
        wire += one.take(1) if chance.random() < 0.5 else b""
    if chance.random() < 0.5:
        one.send(Bye(chance.choice(list(Parting))))
    return wire + said(one)


def some_encoded_block(chance: random.Random) -> bytes:
    header, body = some_block(chance, None, chance.randrange(40))
    return encode_prefix(header, body) + body


def some_header(chance: random.Random) -> bytes:
    header, body = some_block(chance, None, 0)
    return encode_prefix(header, body)[2:]


# Mutations ------------------------------------------------------------------------------------------------------


def mutated(chance: random.Random, valid: bytes, other: bytes) -> bytes:
    """``valid`` after one to three accidents, most of them small so that much of it is still understood."""
    data = bytearray(valid)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(ACCIDENTS)(chance, data, other)
    return bytes(data)


def flip(chance: random.Random, data: bytearray, other: bytes) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(chance: random.Random, data: bytearray, other: bytes) -> None:
    del data[chance.randint(0, len(data)) :]


def lose(chance: random.Random, data: bytearray, other: bytes) -> None:
    start = chance.randint(0, len(data))
    del data[start : start + chance.randint(1, 8)]


def duplicate(chance: random.Random, data: bytearray, other: bytes) -> None:
    start = chance.randint(0, len(data))
    piece = data[start : start + chance.randint(1, 200)]
    data[start:start] = piece


def splice(chance: random.Random, data: bytearray, other: bytes) -> None:
    data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]


def lengthen(chance: random.Random, data: bytearray, other: bytes) -> None:
    start = chance.choice((0, 0, 1, 4, chance.randint(0, len(data))))
    hostile = chance.choice(
        (b"\xff\xff\xff", b"\x00\x40\x00", b"\x00\x3f\xfc", b"\xdd\xff\xff\xff\xff", b"\x00\x00\x00")
    )
    data[start : start + len(hostile)] = hostile


def litter(chance: random.Random, data: bytearray, other: bytes) -> None:
    start = chance.randint(0, len(data))
    data[start:start] = chance.randbytes(chance.randint(1, 12))


def widen(chance: random.Random, data: bytearray, other: bytes) -> None:
    """Write a small number in two bytes, which means the same and must not be accepted."""
    start = chance.randint(0, len(data))
    if data[start : start + 1] < b"\x80":
        data[start:start] = b"\xcc"


ACCIDENTS: list[Callable[[random.Random, bytearray, bytes], None]] = [
    flip,
    flip,
    truncate,
    lose,
    duplicate,
    splice,
    lengthen,
    litter,
    widen,
]


def inputs(seed: int, count: int, make: Callable[[random.Random], bytes], pool: int = 300) -> Iterator[bytes]:
    """``count`` inputs: one in eight arbitrary, one in eight valid, the others mutated from a pool of valid ones."""
    chance = random.Random(seed)
    valid = [make(chance) for _ in range(pool)]
    for number in range(count):
        if number % 8 == 0:
            yield chance.randbytes(chance.randrange(80))
        elif number % 8 == 1:
            yield chance.choice(valid)
        else:
            yield mutated(chance, chance.choice(valid), chance.choice(valid))


# What must hold -------------------------------------------------------------------------------------------------


def check_fault(fault: Fault) -> str:
    assert type(fault) is Fault
    assert len(fault.evidence) <= limits.EVIDENCE_BYTES
    assert fault.detail.isprintable()
    assert len(fault.detail) < 400
    return fault.rule


def outcome_of_first(data: bytes) -> str:
    outcome = read_first(data)
    if isinstance(outcome, Fault):
        return check_fault(outcome)
    if outcome is None:
        assert len(data) < limits.GREETING_BYTES
        return "waiting"
    message, rest = outcome
    assert first_frame(message) + rest == data
    return type(message).__name__


def first_byte_by_byte(data: bytes) -> str:
    """As an adapter reads: ask again after every byte until there is an answer."""
    for end in range(len(data)):
        outcome = read_first(data[:end])
        if outcome is not None:
            return check_fault(outcome) if isinstance(outcome, Fault) else type(outcome[0]).__name__
    return outcome_of_first(data)


def outcome_of_second(data: bytes) -> str:
    outcome = read_second(data)
    if isinstance(outcome, Fault):
        return check_fault(outcome)
    if outcome is None:
        assert len(data) < limits.ANNOUNCEMENT_BYTES
        return "waiting"
    message, rest = outcome
    if isinstance(message, Refusal):
        assert first_frame(message) + rest == data
    else:  # a later release may say more than we understand, but what is understood can be said
        assert read_second(second_frame(message)) == (message, b"")
        assert data.endswith(rest)
    return type(message).__name__


def second_byte_by_byte(data: bytes) -> str:
    for end in range(len(data)):
        outcome = read_second(data[:end])
        if outcome is not None:
            return check_fault(outcome) if isinstance(outcome, Fault) else type(outcome[0]).__name__
    return outcome_of_second(data)


def whole_session(pieces: list[bytes]) -> list[object]:
    """What a session makes of ``pieces``: what came of the greetings, then what was said, block by block. A refusal
    that comes last of all greetings is the same as a bye that comes first of all messages: where the stream is cut
    decides which of the two it is."""
    session, items = a_session(REGISTRY, 2, LIMITS, SomeBodies()), list[object]()
    for piece in pieces:
        session.receive(piece)
        outcome = session.meeting()
        if isinstance(outcome, NoLink) and not items:
            assert outcome.detail.isprintable()
            items.append(NoLink(outcome.reason, "", outcome.peer_says))
        elif isinstance(outcome, Met) and not items:
            session.begin("one", 0.0)
            items.append(outcome)
        while session.more:
            for event in session.events(0.0):
                assert event.peer == "one"
                if isinstance(event, Garbled):
                    check_fault(event.fault)
                    items.append(event.fault)
                elif isinstance(event.message, Bye) and len(items) == 1:
                    items[0] = NoLink(str(event.message.reason), "", peer_says=True)
                else:
                    items += one_by_one(event.message)
    return items


def one_by_one(message: Message) -> list[object]:
    if isinstance(message, Blocks):
        return list(zip(message.headers, message.bodies, strict=True))
    if isinstance(message, OwnBlocks):
        return [OwnBlocks((header,), (body,)) for header, body in zip(message.headers, message.bodies, strict=True)]
    return [message]


def outcome_of_control(payload: bytes) -> str:
    message = decode_message(payload)
    if isinstance(message, Fault):
        return check_fault(message)
    assert isinstance(message, MESSAGES)
    assert encode_message(message) == payload
    return type(message).__name__


def outcome_of_block(encoded: bytes) -> str:
    outcome = decode_prefix(memoryview(encoded), 0, len(encoded), 30)
    if isinstance(outcome, Fault):
        return check_fault(outcome)
    header, start = outcome
    assert encode_prefix(header, encoded[start:]) == encoded[:start]
    return "Block"


def read_frames(pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], Fault | None]:
    reader, frames = FrameReader(), list[Frame]()
    for piece in pieces:
        reader.feed(piece)
        frames += reader.take(10**9, 10**9)
        assert reader.buffered < limits.FRAME_BYTES
    return [(int(kind), bytes(payload)) for kind, payload in frames], reader.fault


def read_stream(pieces: list[bytes]) -> list[object]:
    """What an inbox makes of ``pieces``, block by block, having checked all that must hold on the way."""
    inbox, items = an_inbox(SomeBodies(), LIMITS), list[object]()
    for piece in pieces:
        for received in fed(inbox, piece):
            assert not any(isinstance(item, Fault) and not ends_alone(item) for item in items), (
                "nothing follows a fault"
            )
            if isinstance(received, Blocks):
                assert 1 <= len(received.headers) <= LIMITS.run
                items += zip(received.headers, received.bodies, strict=True)
            else:
                assert isinstance(received, (*MESSAGES, Fault))
                items.append(received)
        assert inbox.buffered <= limits.FRAME_BYTES + LIMITS.body
    if items and isinstance(items[-1], Fault):
        check_fault(items[-1])
        assert inbox.buffered == 0 or ends_alone(items[-1])
    return items


def ends_alone(fault: Fault) -> bool:
    """Is it of a protocol that ends alone, and leaves the stream as it is?"""
    of_packets = fault.evidence[:1] == bytes([ProtocolNumber.ROUTING])
    return of_packets and fault.rule in ("unknown-message", "not-canonical", *PACKETS)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


def names(items: list[object]) -> list[str]:
    return [item.rule if isinstance(item, Fault) else type(item).__name__ for item in items]


# The volume -----------------------------------------------------------------------------------------------------


def test_fuzz_handshake() -> None:
    seen = Counter[str]()
    for number, data in enumerate(inputs(1, 30_000, some_first)):
        outcome = outcome_of_first(data)
        seen[outcome] += 1
        if number % 16 in (0, 1, 2):  # an arbitrary one, a valid one and a mutated one
            assert first_byte_by_byte(data) == outcome
    assert seen.total() >= 30_000
    for rule in ("unknown-frame", "no-greeting", "greeting-too-long", "frame-too-long", "malformed-greeting"):
        assert seen[rule] > 10, seen
    for outcome in ("waiting", "Greeting", "Refusal", "malformed-refusal"):
        assert seen[outcome] > 10, seen


def test_fuzz_announcement() -> None:
    seen = Counter[str]()
    for number, data in enumerate(inputs(9, 30_000, some_second)):
        outcome = outcome_of_second(data)
        seen[outcome] += 1
        if number % 16 in (0, 1, 2):
            assert second_byte_by_byte(data) == outcome
    assert seen.total() >= 30_000
    for rule in ("unknown-frame", "no-announcement", "announcement-too-long", "frame-too-long"):
        assert seen[rule] > 10, seen
    for outcome in ("waiting", "Announcement", "Refusal", "malformed-announcement", "malformed-refusal"):
        assert seen[outcome] > 10, seen


def test_fuzz_session() -> None:
    """All that one end says, from its first byte to its last, with accidents anywhere in it."""
    seen, tried = Counter[str](), 0
    for number, data in enumerate(inputs(10, 25_000, some_connection, pool=100)):
        whole = whole_session([data])
        seen.update(names(whole))
        tried += 1
        if number % 16 in (0, 1, 2):
            assert whole_session(single_bytes(data)) == whole
        half = len(data) // 2
        assert whole_session([data[:half], data[half:]]) == whole
    assert tried >= 25_000
    for outcome in (
        "Met",
        "NoLink",
        "tuple",
        "Note",
        "Bye",
        "OwnBlocks",
        "unknown-frame",
        "unknown-protocol",
        "malformed-ask",
        "no-lane",
        "unexpected-frame",
    ):
        assert seen[outcome] > 10, seen


def test_fuzz_frames() -> None:
    seen = Counter[str]()
    for number, data in enumerate(inputs(2, 40_000, lambda chance: some_stream(chance, 100))):
        frames, fault = read_frames([data])
        seen[check_fault(fault) if fault else "open"] += 1
        if number % 32 in (0, 1, 2):
            assert read_frames(single_bytes(data)) == (frames, fault)
    assert seen.total() >= 40_000
    for outcome in ("unknown-frame", "frame-too-long", "open"):
        assert seen[outcome] > 100, seen


def test_fuzz_control_codec() -> None:
    seen = Counter[str]()
    for data in inputs(3, 55_000, lambda chance: encode_message(some_control(chance))):
        seen[outcome_of_control(data)] += 1
    assert seen.total() >= 55_000
    for outcome in (
        "malformed-note",
        "malformed-hello",
        "unknown-protocol",
        "unknown-message",
        "not-canonical",
        *(kind.__name__ for kind in MESSAGES),
    ):
        assert seen[outcome] > 10, seen


def test_fuzz_block_codec() -> None:
    seen = Counter[str]()
    for data in inputs(4, 20_000, some_encoded_block):
        seen[outcome_of_block(data)] += 1
    for data in inputs(5, 20_000, some_header):
        seen[outcome_of_block(len(data).to_bytes(2) + data)] += 1
    assert seen.total() >= 40_000
    for outcome in ("malformed-header", "wrong-size", "block-too-large", "not-canonical", "Block"):
        assert seen[outcome] > 10, seen


@pytest.mark.parametrize(("seed", "count", "body", "byte_by_byte"), [(6, 30_000, 60, 16), (7, 4_000, 36_000, 1000)])
def test_fuzz_inbox(seed: int, count: int, body: int, byte_by_byte: int) -> None:
    """Small blocks for volume, and long ones in fragments."""
    seen, tried = Counter[str](), 0
    for number, data in enumerate(inputs(seed, count, lambda chance: some_stream(chance, body), pool=100)):
        whole = read_stream([data])
        seen.update(names(whole))
        tried += 1
        if number % byte_by_byte == 1 or number % byte_by_byte == 2:  # a valid one and a mutated one
            assert read_stream(single_bytes(data)) == whole
        half = len(data) // 2
        assert read_stream([data[:half], data[half:]]) == whole
    assert tried >= count
    for outcome in (
        "unknown-frame",
        "frame-too-long",
        "malformed-header",
        "malformed-hello",
        "unknown-protocol",
        "tuple",
        "Note",
    ):
        assert seen[outcome] > 10, seen


def cut_into_frames(stream: bytes) -> list[bytes]:
    frames = []
    while stream:
        length = 4 + int.from_bytes(stream[1:4])
        frames.append(stream[:length])
        stream = stream[length:]
    return frames


def test_fuzz_order_of_frames() -> None:
    """Frames that are valid one by one, lost, repeated and mixed: only whole blocks of correct size come out."""
    chance, seen, tried = random.Random(8), Counter[str](), 0
    streams = [some_stream(chance, chance.choice((10, 20_000, 36_000, 40_001))) for _ in range(60)]
    frames = [one for stream in streams for one in cut_into_frames(stream)]
    for _ in range(4_000):
        whole = read_stream([b"".join(chance.choices(frames, k=5))])
        assert all(item[0].size == len(item[1]) for item in whole if isinstance(item, tuple))
        seen.update(names(whole))
        tried += 1
    assert tried >= 4_000
    for outcome in ("two-transfers", "no-transfer", "bad-fragment", "block-too-large", "tuple"):
        assert seen[outcome] > 10, seen


# What shrinks ---------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_any_bytes_have_a_typed_outcome(data: bytes) -> None:
    assert first_byte_by_byte(data) == outcome_of_first(data)
    outcome_of_control(data)
    outcome_of_block(data)
    assert read_frames(single_bytes(data)) == read_frames([data])
    assert read_stream(single_bytes(data)) == read_stream([data])


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=70)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.integers(0, 3), inner, max_size=3),
    max_leaves=20,
)


@given(values)
def test_any_msgpack_has_a_typed_outcome(value: object) -> None:
    payload = msgspec.msgpack.encode(value)
    outcome_of_control(payload)
    outcome_of_block(len(payload).to_bytes(2) + payload)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_mutated_streams_have_a_typed_outcome(seed: int, accident: int) -> None:
    valid, other = (some_stream(random.Random(seed + n), 60) for n in range(2))
    data = mutated(random.Random(accident), valid, other)
    assert read_stream(single_bytes(data)) == read_stream([data])
