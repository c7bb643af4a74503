"""Every message has one encoding: it comes back as it went, and any other bytes are a fault that has a name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message
from syncfsm.sync.messages import Finality, Found, Hello
from syncfsm.wire.codec import Bad, Codec, codec_of, decode_prefix, encode_prefix
from tests.wire.tools import OWN, TELL, Tell, decode, encode, own

heights = st.integers(min_value=0, max_value=limits.MAX_HEIGHT)
ids = st.binary(min_size=1, max_size=limits.ID_BYTES)
scores = st.binary(max_size=limits.SCORE_BYTES)
points = st.builds(Point, heights, ids)


@st.composite
def hellos(draw: st.DrawFn) -> Hello:
    several = st.lists(heights, min_size=2, max_size=limits.HELLO_POINTS, unique=True)
    descending = sorted(draw(several), reverse=True)
    offered = tuple(Point(height, draw(ids)) for height in descending[1:])
    base, final = sorted((draw(st.integers(0, offered[-1].height)), draw(st.integers(0, descending[0]))))
    return Hello(
        head=Point(descending[0], draw(ids)),
        score=draw(scores),
        final=Point(final, draw(ids)),
        base=Point(base, draw(ids)),
        points=offered,
        ceiling=draw(st.integers(offered[0].height + 1, limits.MAX_HEIGHT)),
        about=draw(st.none() | points),
    )


controls: st.SearchStrategy[Message] = st.one_of(
    hellos(),
    st.builds(Found, points),
    st.builds(Finality, points),
    st.just(Ping()),
    st.just(Pong()),
    st.builds(Note, st.binary(max_size=300), st.none() | points),
    st.builds(Bye, st.sampled_from(Parting), st.none() | points),
)
headers = st.builds(Header, heights, ids, st.binary(max_size=64), scores, st.integers(0, 50), st.binary(max_size=200))


@given(controls)
def test_every_control_message_comes_back_as_it_went(message: Message) -> None:
    assert decode(encode(message)) == message


@given(headers)
def test_every_header_comes_back_as_it_went(header: Header) -> None:
    body = b"b" * header.size
    prefix = encode_prefix(header, body)
    decoded = decode_prefix(memoryview(prefix + body), 0, len(prefix + body), header.size)
    assert decoded == (header, len(prefix))


def test_the_longest_hello_fits_a_frame_and_stays_below_what_the_limits_promise() -> None:
    top = limits.MAX_HEIGHT
    wide = [Point(top - back, b"i" * 32) for back in range(limits.HELLO_POINTS + 1)]
    hello = Hello(wide[0], b"s" * 64, wide[-1], wide[-1], tuple(wide[1:]), top, wide[0])
    assert len(encode(hello)) < 1536 + 256


def array(*fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


BYE, PING, HELLO, FOUND, NOTE = b"\x01\x01", b"\x01\x02", b"\x02\x01", b"\x02\x02", b"\x03\x01"
"""The numbers of protocol and message."""
P = (5, b"p")
"""A point as it is written."""


def hello(
    offered: object = ((4, b"a"), (2, b"b")), head: int = 5, final: int = 1, base: int = 0, ceiling: int = 6
) -> bytes:
    return HELLO + array((head, b"h"), b"s", (final, b"f"), (base, b"b"), offered, ceiling, None)


REJECTED = [
    ("nothing", b"", "unknown-protocol"),
    ("a protocol alone", b"\x01", "unknown-protocol"),
    ("unknown protocol", b"\x63\x01\x90", "unknown-protocol"),
    ("unknown message", b"\x01\x63\x90", "unknown-message"),
    ("blocks as a small message", b"\x02\x04\x90", "unknown-message"),
    ("nothing after the numbers", PING, "malformed-ping"),
    ("not an array", PING + b"\x03", "malformed-ping"),
    ("a map", PING + b"\x80", "malformed-ping"),
    ("array length of three bytes", PING + b"\xdc\x00\x00", "not-canonical"),
    ("trailing byte", PING + b"\x90\x00", "malformed-ping"),
    ("a second message", PING + b"\x90\x01\x02\x90", "malformed-ping"),
    ("extra field", PING + array(None), "malformed-ping"),
    ("optional field left out", NOTE + array(b"payload"), "not-canonical"),
    ("required field missing", FOUND + array(), "malformed-found"),
    ("field of another type", FOUND + array("point"), "malformed-found"),
    ("height as a float", FOUND + array((5.0, b"p")), "malformed-found"),
    ("height of nine bytes", FOUND + b"\x91\x92\xcf" + (5).to_bytes(8) + b"\xc4\x01p", "not-canonical"),
    ("height is negative", FOUND + array((-1, b"p")), "malformed-found"),
    ("height too large", FOUND + array((limits.MAX_HEIGHT + 1, b"p")), "malformed-found"),
    ("id is empty", FOUND + array((5, b"")), "malformed-found"),
    ("id too long", FOUND + array((5, b"p" * 65)), "malformed-found"),
    ("id as text", FOUND + array((5, "p")), "malformed-found"),
    ("id with a long length", FOUND + b"\x91\x92\x05\xc5\x00\x01p", "not-canonical"),
    ("an id of 4 GiB announced", FOUND + b"\x91\x92\x05\xc6\xff\xff\xff\xffp", "malformed-found"),
    ("4 G elements announced", FOUND + b"\xdd\xff\xff\xff\xff\x03", "malformed-found"),
    ("a reason that is no word", BYE + array("so bored", None), "malformed-bye"),
    ("a reason too long", BYE + array("b" * 33, None), "malformed-bye"),
    ("reason is no UTF-8", BYE + b"\x92\xa2\xff\xfe\xc0", "malformed-bye"),
    ("payload too long", NOTE + array(b"n" * (limits.NOTE_BYTES + 1), None), "malformed-note"),
    ("an extension type", PING + b"\xc7\x02\x01ab", "malformed-ping"),
    ("deep nesting", PING + b"\x91" * 16000, "malformed-ping"),
    ("deep nesting in a field", FOUND + b"\x91" * 16000, "malformed-found"),
    ("no points", hello(offered=()), "malformed-hello"),
    ("too many points", hello(offered=tuple((100 - n, b"p") for n in range(33))), "malformed-hello"),
    ("4 G points announced", hello().replace(b"\x92\x92\x04", b"\xdd\xff\xff\xff\xff\x92\x04"), "malformed-hello"),
    ("points ascend", hello(offered=((2, b"a"), (4, b"b"))), "malformed-hello"),
    ("two points at one height", hello(offered=((4, b"a"), (4, b"b"))), "malformed-hello"),
    ("a point below the base", hello(base=3, final=3), "malformed-hello"),
    ("a point at the ceiling", hello(ceiling=4), "malformed-hello"),
    ("final above head", hello(final=6), "malformed-hello"),
    ("base above final", hello(base=2), "malformed-hello"),
]


@pytest.mark.parametrize(("payload", "rule"), [case[1:] for case in REJECTED], ids=[case[0] for case in REJECTED])
def test_rejected(payload: bytes, rule: str) -> None:
    outcome = decode(payload)
    assert isinstance(outcome, Fault)
    assert outcome.rule == rule
    assert outcome.penalty is Penalty.GRAVE
    assert outcome.evidence == payload[: limits.EVIDENCE_BYTES]
    assert len(outcome.detail) < 300
    assert outcome.detail.isprintable()


def test_the_hello_that_the_rejected_ones_were_made_from_is_accepted() -> None:
    assert isinstance(decode(hello()), Hello)


def test_a_reason_that_this_release_does_not_know_comes_as_it_was_written() -> None:
    assert decode(BYE + array("moved-house", None)) == Bye("moved-house")
    assert decode(encode(Bye("moved-house"))) == Bye("moved-house")


@pytest.mark.parametrize("word", ["", "Moved", "moved house", "moved-house\n", "\nmoved", "a" * 33])
def test_a_reason_is_a_word_that_a_line_of_a_journal_can_have(word: str) -> None:
    assert getattr(decode(BYE + array(word, None)), "rule", "taken") == "malformed-bye"


HEADER = Header(5, b"id", b"parent", b"score", 3, b"proof")


def block(fields: bytes, body: bytes = b"abc") -> bytes:
    return len(fields).to_bytes(2) + fields + body


REJECTED_BLOCKS = [
    ("nothing", b"", "malformed-header"),
    ("one byte", b"\x00", "malformed-header"),
    ("no header", b"\x00\x00abc", "malformed-header"),
    ("header length beyond the block", b"\xff\xff\x96", "malformed-header"),
    ("header length too short", block(array(*P))[:-4], "malformed-header"),
    ("field missing", block(array(5, b"id", b"parent", b"score", 3)), "malformed-header"),
    ("extra field", block(array(5, b"id", b"parent", b"score", 3, b"proof", 0)), "malformed-header"),
    ("proof too long", block(array(5, b"id", b"parent", b"score", 3, b"p" * 1025)), "malformed-header"),
    ("score too long", block(array(5, b"id", b"parent", b"s" * 65, 3, b"proof")), "malformed-header"),
    ("empty id", block(array(5, b"", b"parent", b"score", 3, b"proof")), "malformed-header"),
    ("long form", block(b"\xdc\x00\x06" + msgspec.msgpack.encode(HEADER)[1:]), "not-canonical"),
    ("body too short", block(msgspec.msgpack.encode(HEADER), b"ab"), "wrong-size"),
    ("body too long", block(msgspec.msgpack.encode(HEADER), b"abcd"), "wrong-size"),
    ("body above the limit", block(array(5, b"id", b"parent", b"score", 11, b""), b"b" * 11), "block-too-large"),
]


@pytest.mark.parametrize(
    ("encoded", "rule"), [case[1:] for case in REJECTED_BLOCKS], ids=[case[0] for case in REJECTED_BLOCKS]
)
def test_rejected_block(encoded: bytes, rule: str) -> None:
    outcome = decode_prefix(memoryview(encoded), 0, len(encoded), 10)
    assert isinstance(outcome, Fault)
    assert outcome.rule == rule


@pytest.mark.parametrize(
    "message",
    [
        Note(b"n" * (limits.NOTE_BYTES + 1)),
        Found(Point(1, b"")),
        Hello(Point(1, b"h"), b"s", Point(0, b"g"), Point(0, b"g"), (Point(1, b"h"), Point(1, b"h")), 2),
    ],
)
def test_what_a_peer_would_refuse_is_not_sent(message: Message) -> None:
    with pytest.raises(LocalError, match="a peer would refuse"):
        encode(message)


def test_a_body_that_is_not_the_headers_is_a_local_error() -> None:
    with pytest.raises(LocalError, match="4 bytes but its header says 3"):
        encode_prefix(HEADER, b"abcd")


def test_what_is_nested_too_deep_is_a_fault_even_where_a_field_may_hold_anything() -> None:
    codec = Codec(own(TELL, version=2))
    numbers = bytes((OWN, TELL.number))
    outcome = codec.decode(numbers + b"\x91" * 16_000)
    assert isinstance(outcome, Bad)
    assert (outcome.fault.rule, outcome.protocol) == ("malformed-tell", OWN)
    assert outcome.fault.detail.isprintable()
    assert codec.decode(codec.encode(Tell([[[1]]]))) == Tell([[[1]]])


def test_connections_share_the_codec_of_their_registry() -> None:
    registry = own(TELL, version=2)
    assert codec_of(registry) is codec_of(registry)
    assert codec_of(registry).registry is registry
    assert codec_of(STANDARD) is not codec_of(registry)
