"""Every message has one encoding: it comes back as it went, and any other bytes are a fault that has a name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.messages import Bye, Control, Finality, Found, Hello, Note, Parting, Ping, Pong
from syncfsm.wire.codec import decode_control, decode_prefix, encode_control, encode_prefix

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


controls: st.SearchStrategy[Control] = st.one_of(
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
def test_every_control_message_comes_back_as_it_went(message: Control) -> None:
    assert decode_control(encode_control(message)) == message


@given(headers)
def test_every_header_comes_back_as_it_went(header: Header) -> None:
    body = b"b" * header.size
    prefix = encode_prefix(header, body)
    decoded = decode_prefix(prefix + body, 0, len(prefix + body), header.size)
    assert decoded == (header, len(prefix))


def test_the_longest_hello_fits_a_frame_and_stays_below_what_the_limits_promise() -> None:
    top = limits.MAX_HEIGHT
    wide = [Point(top - back, b"i" * 32) for back in range(limits.HELLO_POINTS + 1)]
    hello = Hello(wide[0], b"s" * 64, wide[-1], wide[-1], tuple(wide[1:]), top, wide[0])
    assert len(encode_control(hello)) < 1536 + 256


def array(*fields: object) -> bytes:
    return msgspec.msgpack.encode(fields)


P = (5, b"p")
"""A point as it is written."""


def hello(
    offered: object = ((4, b"a"), (2, b"b")), head: int = 5, final: int = 1, base: int = 0, ceiling: int = 6
) -> bytes:
    return array(1, (head, b"h"), b"s", (final, b"f"), (base, b"b"), offered, ceiling, None)


REJECTED = [
    ("nothing", b"", "malformed-control"),
    ("not an array", b"\x03", "malformed-control"),
    ("a map", b"\x81\x00\x03", "malformed-control"),
    ("an empty array", b"\x90", "malformed-control"),
    ("unknown tag", b"\x91\x63", "malformed-control"),
    ("negative tag", b"\x91\xff", "malformed-control"),
    ("tag is text", b"\x91\xa1\x33", "malformed-control"),
    ("tag of two bytes", b"\x91\xcc\x03", "not-canonical"),
    ("tag of nine bytes", b"\x91\xd3" + (3).to_bytes(8), "not-canonical"),
    ("array length of three bytes", b"\xdc\x00\x01\x03", "not-canonical"),
    ("trailing byte", b"\x91\x03\x00", "malformed-control"),
    ("a second message", b"\x91\x03\x91\x03", "malformed-control"),
    ("extra field", array(3, None), "malformed-control"),
    ("optional field left out", array(5, b"payload"), "not-canonical"),
    ("required field missing", array(2), "malformed-control"),
    ("field of another type", array(2, "point"), "malformed-control"),
    ("height as a float", array(2, (5.0, b"p")), "malformed-control"),
    ("height of nine bytes", b"\x92\x02\x92\xcf" + (5).to_bytes(8) + b"\xc4\x01p", "not-canonical"),
    ("height is negative", array(2, (-1, b"p")), "malformed-control"),
    ("height too large", array(2, (limits.MAX_HEIGHT + 1, b"p")), "malformed-control"),
    ("id is empty", array(2, (5, b"")), "malformed-control"),
    ("id too long", array(2, (5, b"p" * 65)), "malformed-control"),
    ("id as text", array(2, (5, "p")), "malformed-control"),
    ("id with a long length", b"\x92\x02\x92\x05\xc5\x00\x01p", "not-canonical"),
    ("an id of 4 GiB announced", b"\x92\x02\x92\x05\xc6\xff\xff\xff\xffp", "malformed-control"),
    ("4 G elements announced", b"\xdd\xff\xff\xff\xff\x03", "malformed-control"),
    ("unknown reason", array(6, "bored", None), "malformed-control"),
    ("reason is no UTF-8", b"\x93\x06\xa2\xff\xfe\xc0", "malformed-control"),
    ("payload too long", array(5, b"n" * (limits.NOTE_BYTES + 1), None), "malformed-control"),
    ("an extension type", b"\xc7\x02\x01ab", "malformed-control"),
    ("deep nesting", b"\x91" * 16000, "malformed-control"),
    ("deep nesting in a field", b"\x92\x02" + b"\x91" * 16000, "malformed-control"),
    ("no points", hello(offered=()), "malformed-control"),
    ("too many points", hello(offered=tuple((100 - n, b"p") for n in range(33))), "malformed-control"),
    ("4 G points announced", hello().replace(b"\x92\x92\x04", b"\xdd\xff\xff\xff\xff\x92\x04"), "malformed-control"),
    ("points ascend", hello(offered=((2, b"a"), (4, b"b"))), "malformed-hello"),
    ("two points at one height", hello(offered=((4, b"a"), (4, b"b"))), "malformed-hello"),
    ("a point below the base", hello(base=3, final=3), "malformed-hello"),
    ("a point at the ceiling", hello(ceiling=4), "malformed-hello"),
    ("final above head", hello(final=6), "malformed-hello"),
    ("base above final", hello(base=2), "malformed-hello"),
]


@pytest.mark.parametrize(("payload", "rule"), [case[1:] for case in REJECTED], ids=[case[0] for case in REJECTED])
def test_rejected(payload: bytes, rule: str) -> None:
    outcome = decode_control(payload)
    assert isinstance(outcome, Fault)
    assert outcome.rule == rule
    assert outcome.penalty is Penalty.GRAVE
    assert outcome.evidence == payload[: limits.EVIDENCE_BYTES]
    assert len(outcome.detail) < 300
    assert outcome.detail.isprintable()


def test_the_hello_that_the_rejected_ones_were_made_from_is_accepted() -> None:
    assert isinstance(decode_control(hello()), Hello)


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
    outcome = decode_prefix(encoded, 0, len(encoded), 10)
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
def test_what_a_peer_would_refuse_is_not_sent(message: Control) -> None:
    with pytest.raises(LocalError, match="a peer would refuse"):
        encode_control(message)


def test_a_body_that_is_not_the_headers_is_a_local_error() -> None:
    with pytest.raises(LocalError, match="4 bytes but its header says 3"):
        encode_prefix(HEADER, b"abcd")
