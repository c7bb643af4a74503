"""The release before this one is refused in words, in either direction; unknown words of later ones are passed on."""

from typing import Final

import attrs
import msgspec
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.events import Garbled, Received
from syncfsm.node.registry import STANDARD
from syncfsm.peer.messages import Bye, Ping, Pong
from syncfsm.registry import Registry
from syncfsm.sync.messages import Blocks
from syncfsm.wire.frames import FrameKind, frame
from syncfsm.wire.handshake import VERSION, Greeting, Refusal, RefusalReason, first_frame, read_first
from syncfsm.wire.session import Met, NoLink
from tests.wire.tools import (
    ASK,
    BRINGS,
    OWN,
    SYNC,
    TELL,
    Ask,
    OwnBlocks,
    Tell,
    a_session,
    greet,
    heard,
    linked,
    own,
    said,
    stream,
)

GREETING_V1: Final = bytes.fromhex(
    "0100002996a773796e6366736d01c40464656d6fc4037365719200c40767656e65736973cf17979cfe362a0000"
)
"""What the release that spoke version 1 (0.1.0) sends first, recorded from its own code: ``first_frame`` of a greeting
of node ``seq`` on chain ``demo``."""
REFUSAL_V1: Final = bytes.fromhex(
    "0200005492a776657273696f6ed94974686973206e6f646520737065616b732070726f746f636f6c2076657273696f6e20312c20796f75727320"
    "323a2072756e2072656c65617365732074686174207368617265206f6e65"
)
"""What it answers to a greeting of version 2, recorded in the same way: ``first_frame`` of what its ``judge`` says."""


def test_the_release_before_is_refused_with_both_versions() -> None:
    ours = a_session()
    ours.take(65536)
    ours.receive(GREETING_V1)
    outcome = ours.meeting()
    assert isinstance(outcome, NoLink)
    assert (outcome.reason, outcome.refused) == ("version", True)
    assert f"version {VERSION}" in outcome.detail
    assert "yours 1" in outcome.detail
    assert not outcome.peer_says
    told = read_first(ours.take(65536))  # as the other reads it: the layout of a refusal has not changed
    assert told == (Refusal(RefusalReason.VERSION, outcome.detail), b"")
    assert not ours.waiting


def test_the_release_before_refuses_us_with_both_versions() -> None:
    ours = a_session()
    ours.receive(REFUSAL_V1)
    outcome = ours.meeting()
    assert isinstance(outcome, NoLink)
    assert outcome.refused
    assert (outcome.reason, outcome.peer_says) == (RefusalReason.VERSION, True)
    assert "version 1, yours 2" in outcome.detail


def test_a_reason_that_this_release_does_not_know_is_passed_on_as_it_came() -> None:
    ours = a_session()
    ours.receive(frame(FrameKind.REFUSAL, b"\x92\xa7too-new\xabcome later."))
    outcome = ours.meeting()
    assert outcome == NoLink("too-new", "come later.", peer_says=True)
    assert isinstance(outcome, NoLink)
    assert outcome.refused, "whoever is refused has no use of trying again soon"


# Between this release and later ones ------------------------------------------------------------------------------


def messages(events: list[Received | Garbled]) -> list[object]:
    return [event.message if isinstance(event, Received) else event.fault for event in events]


@pytest.mark.parametrize("version", [0, 1, 3, 2**16 - 1])
def test_the_layout_of_a_greeting_is_for_good_so_any_version_is_refused_in_words(version: int) -> None:
    """Fields and bytes, written out: whoever changes them can no longer refuse, or be refused, politely."""
    fields = ("syncfsm", version, b"demo", b"\x01" * 32, (0, b"genesis"), 5)
    theirs = frame(FrameKind.GREETING, msgspec.msgpack.encode(fields))
    assert theirs == first_frame(Greeting(version, b"demo", b"\x01" * 32, Point(0, b"genesis"), 5))
    ours = a_session()
    ours.receive(theirs)
    outcome = ours.meeting()
    assert isinstance(outcome, NoLink)
    assert f"version {VERSION}, yours {version}" in outcome.detail


def test_a_protocol_that_one_of_the_two_lacks_is_left_out() -> None:
    fewer = attrs.evolve(STANDARD, protocols=tuple(p for p in STANDARD.protocols if p.essential))
    assert len(fewer.protocols) < len(STANDARD.protocols)
    ours, theirs = a_session(), a_session(fewer, number=1)
    for met in linked(ours, theirs):
        assert set(met.protocols) == {p.number for p in fewer.protocols}


def test_with_a_peer_that_lacks_it_a_protocol_is_silent_and_all_others_go_on() -> None:
    more, ours = a_session(own(ASK, TELL, BRINGS, version=2), number=1), a_session()
    for met in linked(more, ours):
        assert met.protocols == {p.number: p.version for p in STANDARD.protocols}
    header = Header(1, b"one", b"genesis", b"", 3, b"")
    assert more.send(Ask(1))
    assert more.send(Tell("you"))
    more.send_blocks(OWN, [(header, b"abc")])
    assert not more.waiting
    assert more.send(Ping())
    more.send_blocks(SYNC, [(header, b"abc")])
    assert messages(heard(ours, said(more))) == [Ping(), Blocks((header,), (b"abc",))]
    assert ours.send(Pong())
    assert messages(heard(more, said(ours))) == [Pong()]


def test_what_was_not_agreed_on_is_a_fault_of_the_connection() -> None:
    for kind, payload, rule in (
        (FrameKind.MESSAGE, bytes((OWN, ASK.number)) + b"\x91\x01", "unknown-protocol"),
        (FrameKind.BLOCK, bytes((OWN,)) + stream((Header(1, b"one", b"g", b"", 1, b""), b"x"))[5:], "no-lane"),
    ):
        ours, more = a_session(), a_session(own(ASK, BRINGS), number=1)
        linked(ours, more)
        (bad,) = heard(more, frame(kind, payload))
        assert isinstance(bad, Garbled)
        assert (bad.fault.rule, bad.protocol) == (rule, 1)
        assert not more.more


def test_a_later_version_of_a_protocol_is_spoken_as_the_older_side_knows_it() -> None:
    newest = max(STANDARD.protocols, key=lambda each: each.number)
    later = attrs.evolve(newest, version=newest.version + 1)
    grown = attrs.evolve(STANDARD, protocols=tuple(later if p is newest else p for p in STANDARD.protocols))
    for met in linked(a_session(), a_session(grown, number=1)):
        assert met.protocols[newest.number] == newest.version


def test_a_message_of_a_later_version_is_not_sent_to_the_older_side() -> None:
    newer, older = a_session(own(ASK, TELL, version=2), number=1), a_session(own(ASK))
    for met in linked(newer, older):
        assert met.protocols[OWN] == 1
    for message in (Ask(1), Tell("you"), Ask(2)):
        assert newer.send(message)
    assert messages(heard(older, said(newer))) == [Ask(1), Ask(2)]
    assert older.send(Ask(3))
    assert messages(heard(newer, said(older))) == [Ask(3)]


def test_a_message_of_a_later_version_is_sent_to_who_knows_it() -> None:
    one, other = a_session(own(ASK, TELL, version=2), number=1), a_session(own(ASK, TELL, version=3))
    for met in linked(one, other):
        assert met.protocols[OWN] == 2
    assert one.send(Tell("you"))
    assert messages(heard(other, said(one))) == [Tell("you")]


def test_blocks_of_a_later_version_are_not_sent_to_the_older_side() -> None:
    header = Header(1, b"one", b"genesis", b"", 3, b"")
    brings = attrs.evolve(BRINGS, since=2)
    newer = a_session(own(ASK, brings, version=2), number=1)
    older, equal = a_session(own(ASK)), a_session(own(ASK, brings, version=2))
    linked(newer, older)
    newer.send_blocks(OWN, [(header, b"abc")])
    assert not newer.waiting
    newer = a_session(own(ASK, brings, version=2), number=1)
    linked(newer, equal)
    newer.send_blocks(OWN, [(header, b"abc")])
    assert messages(heard(equal, said(newer))) == [OwnBlocks((header,), (b"abc",))]


def test_what_a_later_release_adds_to_an_announcement_is_ignored() -> None:
    protocols = [(2, 9), (77, 3), (1, 1), (250, 65_535), (3, 1)]  # in any order, with some that nobody here knows
    later = [protocols, b"\x07" * 32, {"words": [1, 2.5, None]}, "a field", b"and another"]
    ours = a_session()
    ours.receive(first_frame(Greeting(VERSION, b"demo", b"\x01" * 32, Point(0, b"genesis"))))
    ours.receive(frame(FrameKind.ANNOUNCEMENT, msgspec.msgpack.encode(later)))
    met = ours.meeting()
    assert isinstance(met, Met)
    assert met.protocols == {p.number: p.version for p in STANDARD.protocols if p.number < 4}


def test_words_for_parting_that_this_release_does_not_know_come_as_they_were_written() -> None:
    ours, theirs = a_session(), a_session(number=1)
    linked(ours, theirs)
    assert theirs.send(Bye("moved-house", Point(5, b"here")))
    assert messages(heard(ours, said(theirs))) == [Bye("moved-house", Point(5, b"here"))]


BAD_ASK: Final = frame(FrameKind.MESSAGE, bytes((OWN, ASK.number)) + b"\x91\xa1x")
UNKNOWN_ASK: Final = frame(FrameKind.MESSAGE, bytes((OWN, 99)) + b"\x90")


@pytest.mark.parametrize(("wire", "rule"), [(BAD_ASK, "malformed-ask"), (UNKNOWN_ASK, "unknown-message")])
def test_a_bad_message_of_a_protocol_that_is_not_essential_is_its_own_affair(wire: bytes, rule: str) -> None:
    ours, theirs = a_session(own(ASK)), a_session(own(ASK), number=1)
    linked(ours, theirs)
    theirs.send(Ping())
    before = said(theirs)
    theirs.send(Ask(1))
    first, bad, second, third = heard(ours, before + wire + said(theirs) + before)
    assert isinstance(bad, Garbled)
    assert (bad.protocol, bad.fault.rule) == (OWN, rule)
    assert messages([first, second, third]) == [Ping(), Ask(1), Ping()]


@pytest.mark.parametrize(
    "registry",
    [own(ASK, essential=True), own(ASK, fault=False), own(ASK, BRINGS)],
    ids=["essential", "does not deal with its faults", "has a lane"],
)
def test_a_bad_message_of_any_other_protocol_ends_the_stream(registry: Registry) -> None:
    ours, theirs = a_session(registry), a_session(registry, number=1)
    linked(ours, theirs)
    theirs.send(Ping())
    (bad,) = heard(ours, BAD_ASK + said(theirs))
    assert isinstance(bad, Garbled)
    assert (bad.protocol, bad.fault.rule) == (OWN, "malformed-ask")
    assert not ours.more


def test_an_essential_protocol_that_the_peer_lacks_is_named_in_a_refusal() -> None:
    needs, lacks = a_session(own(ASK, essential=True), number=1), a_session()
    lacks.receive(needs.take(65536))
    needs.receive(lacks.take(65536))
    outcome = needs.meeting()
    assert isinstance(outcome, NoLink)
    assert (outcome.reason, outcome.refused, outcome.peer_says) == (RefusalReason.PROTOCOLS, True, False)
    assert "own (number 200)" in outcome.detail
    lacks.receive(needs.take(65536))
    assert lacks.meeting() == NoLink("protocols", outcome.detail, peer_says=True)


def test_an_essential_protocol_that_both_speak_is_no_obstacle() -> None:
    one, other = a_session(own(ASK, essential=True)), a_session(own(ASK, essential=True), number=1)
    assert all(isinstance(outcome, Met) for outcome in greet(one, other))
