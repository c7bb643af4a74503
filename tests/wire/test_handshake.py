"""Two nodes that fit together agree to talk; others learn why not and what to do; of two connections one survives."""

from itertools import permutations, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Point
from syncfsm.errors import Fault, LocalError
from syncfsm.node.registry import STANDARD
from syncfsm.wire.frames import MESSAGE, FrameKind, frame
from syncfsm.wire.handshake import (
    VERSION,
    Announcement,
    Dial,
    Greeting,
    Refusal,
    RefusalReason,
    agree,
    announce,
    compete,
    first_frame,
    judge,
    read_first,
    read_second,
    second_frame,
    survives,
)
from tests.wire.tools import ASK, PING, own

MINE = Greeting(VERSION, b"chain", b"node-1".ljust(32), Point(0, b"genesis"))
THEIRS = msgspec.structs.replace(MINE, node_id=b"node-2".ljust(32))

greetings = st.builds(
    Greeting,
    st.integers(0, 2**16 - 1),
    st.binary(max_size=limits.CHAIN_ID_BYTES),
    st.binary(min_size=1, max_size=limits.OLD_NODE_ID_BYTES),
    st.builds(Point, st.integers(0, limits.MAX_HEIGHT), st.binary(min_size=1, max_size=limits.ID_BYTES)),
)
refusals = st.builds(
    Refusal,
    st.sampled_from(RefusalReason),
    st.text(max_size=60).filter(str.isprintable),
)


@given(greetings | refusals, st.binary(max_size=20))
def test_a_first_frame_comes_back_with_the_bytes_after_it(message: Greeting | Refusal, rest: bytes) -> None:
    encoded = first_frame(message)
    assert len(encoded) <= limits.GREETING_BYTES
    assert read_first(encoded + rest) == (message, rest)
    assert all(read_first(encoded[:end]) is None for end in range(len(encoded)))


def test_nodes_that_fit_together_are_not_refused() -> None:
    assert judge(MINE, THEIRS) is None


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"version": 9}, RefusalReason.VERSION, "protocol version 2, yours 9: run"),
        ({"chain_id": b"other"}, RefusalReason.CHAIN_ID, "'chain', yours 'other': correct"),
        ({"genesis": Point(0, b"GENESIS")}, RefusalReason.GENESIS, "start both from the same"),
        ({"node_id": b"node-1".ljust(32)}, RefusalReason.SELF, "give each its own"),
        ({"node_id": b"node-2"}, RefusalReason.NODE_ID, "6 bytes: an id is an Ed25519 public key, 32 bytes"),
        ({"version": 9, "chain_id": b"other", "node_id": b"node-1".ljust(32)}, RefusalReason.VERSION, "run releases"),
    ],
)
def test_nodes_that_do_not_fit_learn_why_and_what_to_do(change: dict[str, object], reason: str, says: str) -> None:
    theirs = msgspec.structs.replace(THEIRS, **change)
    refusal = judge(MINE, theirs)
    assert refusal is not None
    assert refusal.reason == reason
    assert says in refusal.text
    from_there = judge(theirs, MINE)
    assert from_there is not None
    assert from_there.reason == reason


@given(greetings, greetings)
def test_every_refusal_can_be_sent(mine: Greeting, theirs: Greeting) -> None:
    for made in (
        judge(mine, theirs),
        judge(mine, msgspec.structs.replace(theirs, version=mine.version)),
        judge(mine, msgspec.structs.replace(mine, genesis=theirs.genesis)),
        judge(mine, mine),
    ):
        assert made is None or read_first(first_frame(made)) == (made, b"")


def greeting(*fields: object) -> bytes:
    return frame(FrameKind.GREETING, msgspec.msgpack.encode(fields))


def refusal(*fields: object) -> bytes:
    return frame(FrameKind.REFUSAL, msgspec.msgpack.encode(fields))


REJECTED = [
    ("a web browser", b"GET / HTTP/1.1\r\n", "unknown-frame"),
    ("a message before the greeting", frame(MESSAGE, PING), "no-greeting"),
    ("a block before the greeting", b"\x0a\x00\x10\x00", "no-greeting"),
    ("too long, from its header", b"\x01" + (limits.GREETING_BYTES - 3).to_bytes(3), "greeting-too-long"),
    ("longer than any frame", b"\x01\xff\xff\xff", "frame-too-long"),
    ("empty", frame(FrameKind.GREETING, b""), "malformed-greeting"),
    ("another protocol", greeting("bitcoin", 1, b"chain", b"node", (0, b"g"), 0), "malformed-greeting"),
    ("no node id", greeting("syncfsm", 1, b"chain", b"", (0, b"g"), 0), "malformed-greeting"),
    ("node id too long", greeting("syncfsm", 1, b"chain", b"n" * 65, (0, b"g"), 0), "malformed-greeting"),
    ("chain id too long", greeting("syncfsm", 1, b"c" * 65, b"node", (0, b"g"), 0), "malformed-greeting"),
    ("extra field", greeting("syncfsm", 1, b"chain", b"node", (0, b"g"), 0, 0), "malformed-greeting"),
    ("trailing byte", b"\x01\x00\x00\x02\x90\x00", "malformed-greeting"),
    (
        "long form",
        frame(FrameKind.GREETING, b"\x96\xa7syncfsm\xcc\x01\xc4\x01c\xc4\x01n\x92\x00\xc4\x01g\x00"),
        "not-canonical",
    ),
    ("a reason that is no word", refusal("so bored", "go away"), "malformed-refusal"),
    ("text too long", refusal("full", "x" * 257), "malformed-refusal"),
    ("text too long in bytes", refusal("full", "\N{SNOWMAN}" * 100), "malformed-refusal"),
    ("text that would break a log", refusal("full", "a\nb"), "malformed-refusal"),
    ("text that is no UTF-8", frame(FrameKind.REFUSAL, b"\x92\xa4full\xa2\xff\xfe"), "malformed-refusal"),
]


@pytest.mark.parametrize(("received", "rule"), [case[1:] for case in REJECTED], ids=[case[0] for case in REJECTED])
def test_rejected(received: bytes, rule: str) -> None:
    outcome = read_first(received)
    assert isinstance(outcome, Fault)
    assert outcome.rule == rule


@pytest.mark.parametrize(
    "message",
    [
        msgspec.structs.replace(MINE, node_id=b""),
        msgspec.structs.replace(MINE, chain_id=b"c" * 65),
        Refusal(RefusalReason.BANNED, "x" * 257),
        Refusal(RefusalReason.BANNED, "two\nlines"),
    ],
)
def test_what_a_peer_would_refuse_is_not_sent(message: Greeting | Refusal) -> None:
    with pytest.raises(LocalError, match="a peer would refuse"):
        first_frame(message)


def announcement(*fields: object) -> bytes:
    return frame(FrameKind.ANNOUNCEMENT, msgspec.msgpack.encode(fields))


SPOKEN = Announcement(((1, 1), (2, 1), (200, 7)))


@given(st.sampled_from([SPOKEN, Refusal("full", "try again later")]), st.binary(max_size=20))
def test_a_second_frame_comes_back_with_the_bytes_after_it(message: Announcement | Refusal, rest: bytes) -> None:
    encoded = second_frame(message) if isinstance(message, Announcement) else first_frame(message)
    assert len(encoded) <= limits.ANNOUNCEMENT_BYTES
    assert read_second(encoded + rest) == (message, rest)
    assert all(read_second(encoded[:end]) is None for end in range(len(encoded)))


def test_as_many_protocols_as_there_are_numbers_can_be_announced() -> None:
    full = Announcement(tuple((number, 2**16 - 1) for number in range(1, 256)))
    assert read_second(second_frame(full)) == (full, b"")
    with pytest.raises(LocalError, match="a peer would refuse"):
        second_frame(Announcement((*full.protocols, (1, 1))))


REJECTED_SECOND = [
    ("a stranger", b"GET / HTTP/1.1\r\n", "unknown-frame"),
    ("a second greeting", first_frame(MINE), "no-announcement"),
    ("a message", frame(MESSAGE, PING), "no-announcement"),
    ("too long, from its header", b"\x08" + (limits.ANNOUNCEMENT_BYTES - 3).to_bytes(3), "announcement-too-long"),
    ("longer than any frame", b"\x08\xff\xff\xff", "frame-too-long"),
    ("empty", frame(FrameKind.ANNOUNCEMENT, b""), "malformed-announcement"),
    ("no protocols", announcement(), "malformed-announcement"),
    ("a protocol without a version", announcement(((1,),)), "malformed-announcement"),
    ("protocol 0", announcement(((0, 1),)), "malformed-announcement"),
    ("protocol 256", announcement(((256, 1),)), "malformed-announcement"),
    ("version 0", announcement(((1, 0),)), "malformed-announcement"),
    ("4 G protocols", frame(FrameKind.ANNOUNCEMENT, b"\x91\xdd\xff\xff\xff\xff\x92"), "malformed-announcement"),
    ("a protocol twice", announcement(((1, 1), (2, 1), (1, 2))), "malformed-announcement"),
    ("trailing byte", frame(FrameKind.ANNOUNCEMENT, b"\x91\x90\x00"), "malformed-announcement"),
    ("a refusal of two lines", refusal("full", "a\nb"), "malformed-refusal"),
]  # fmt: skip


def test_what_is_skipped_may_be_nested_as_deep_as_it_fits() -> None:
    """How deep Python follows depends on its release. It is read then, or a fault; it never raises."""
    outcome = read_second(frame(FrameKind.ANNOUNCEMENT, b"\x92\x90" + b"\x91" * 1900 + b"\x90"))
    assert isinstance(outcome, Fault) or outcome == (Announcement(()), b"")


@pytest.mark.parametrize(
    ("received", "rule"), [case[1:] for case in REJECTED_SECOND], ids=[case[0] for case in REJECTED_SECOND]
)
def test_rejected_second(received: bytes, rule: str) -> None:
    outcome = read_second(received)
    assert isinstance(outcome, Fault)
    assert outcome.rule == rule
    assert outcome.detail.isprintable()


@pytest.mark.parametrize("name", ["votes", "v" * 300, "\N{SNOWMAN}" * 200, "two\nlines"])
def test_what_is_lacking_is_named_in_a_text_that_can_be_sent_whatever_it_is_called(name: str) -> None:
    refused = agree(own(ASK, essential=True, name=name), announce(STANDARD))
    assert isinstance(refused, Refusal)
    assert refused.reason == RefusalReason.PROTOCOLS
    assert f"needs {ascii(name)[1:-1][:100]}" in refused.text
    assert refused.text.endswith("yours does not speak it: run a release that does")
    assert read_first(first_frame(refused)) == (refused, b"")


KEYS = b"\x01" * 32, b"\x02" * 32


def test_who_checks_blocks_with_another_key_is_told_before_a_block_comes() -> None:
    refused = agree(STANDARD, announce(STANDARD, KEYS[0]), KEYS[1])
    assert isinstance(refused, Refusal)
    assert refused.reason == RefusalReason.KEY
    assert "signed with key 0202020202020202, yours with 0101010101010101: correct" in refused.text


@pytest.mark.parametrize(("mine", "theirs"), [(KEYS[0], KEYS[0]), (KEYS[0], b""), (b"", KEYS[0]), (b"", b"")])
def test_who_has_no_key_or_the_same_is_no_stranger(mine: bytes, theirs: bytes) -> None:
    """A release before this one announces none; what it does not know of an announcement it ignores."""
    assert agree(STANDARD, announce(STANDARD, theirs), mine) == agree(STANDARD, announce(STANDARD))


def left_after(me: bytes, peer: bytes, dials: dict[str, tuple[bytes, int]], order: tuple[str, ...]) -> str:
    """Which connection ``me`` keeps if it sees them in ``order``. ``dials`` says who dialled each, and when."""
    seen = {name: Dial(dialler == me, stamp) for name, (dialler, stamp) in dials.items()}
    kept, *later = order
    for new in later:
        if survives(me, peer, seen[kept], seen[new]):
            kept = new
    return kept


@pytest.mark.parametrize(("a", "b"), [(b"a", b"b"), (b"b", b"a"), (b"a", b"a\x00"), (b"\xff", b"\x00" * 64)])
def test_of_two_dials_that_cross_both_ends_keep_the_one_of_the_smaller_id(a: bytes, b: bytes) -> None:
    dials = {"by a": (a, 5), "by b": (b, 3)}
    expected = "by a" if a < b else "by b"
    for order_at_a, order_at_b in product(permutations(dials), repeat=2):
        assert left_after(a, b, dials, order_at_a) == expected
        assert left_after(b, a, dials, order_at_b) == expected


@pytest.mark.parametrize("proved", [False, True])
@pytest.mark.parametrize(("me", "peer"), [(b"a", b"b"), (b"b", b"a")])
def test_who_claims_an_id_ends_nothing_that_was_dialled_unless_the_other_end_would_have_it_so(
    me: bytes, peer: bytes, proved: bool
) -> None:
    dialled, came = Dial(by_me=True, stamp=1), Dial(by_me=False, stamp=2)
    assert compete(me, peer, proved, dialled, came) == (proved or me < peer)
    assert compete(me, peer, proved, came, dialled) == (proved or me < peer)
    assert not survives(b"a", b"b", dialled, came)


@pytest.mark.parametrize(("a", "b"), [(b"a", b"b"), (b"b", b"a")])
def test_of_dials_by_one_node_both_ends_keep_the_last_in_whatever_order_they_come_through(a: bytes, b: bytes) -> None:
    for who in (a, b):
        dials = {"old": (who, 1), "older": (who, 0), "new": (who, 2)}
        for order_at_a, order_at_b in product(permutations(dials), repeat=2):
            assert left_after(a, b, dials, order_at_a) == "new"
            assert left_after(b, a, dials, order_at_b) == "new"
