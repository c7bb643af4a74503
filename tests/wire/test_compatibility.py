"""The release before this one is refused in words, in either direction; unknown words of later ones are passed on."""

from typing import Final

import attrs

from syncfsm.blocks import Point, Unchecked
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Registry
from syncfsm.wire.frames import FrameKind, frame
from syncfsm.wire.handshake import VERSION, Greeting, RefusalReason
from syncfsm.wire.session import Met, NoLink, Session

GREETING_V1: Final = bytes.fromhex(
    "0100002996a773796e6366736d01c40464656d6fc4037365719200c40767656e65736973cf17979cfe362a0000"
)
"""What the release that spoke version 1 sends first, recorded: chain ``demo``, node ``seq``."""
REFUSAL_V1: Final = bytes.fromhex(
    "0200005492a776657273696f6ed94974686973206e6f646520737065616b732070726f746f636f6c2076657273696f6e20312c20796f75727320"
    "323a2072756e2072656c65617365732074686174207368617265206f6e65"
)
"""What that release answers to a greeting of version 2, recorded."""
MINE: Final = Greeting(VERSION, b"demo", bytes(32), Point(0, b"genesis"))


def session(registry: Registry = STANDARD, number: int = 0) -> Session:
    greeting = Greeting(VERSION, b"demo", bytes([number]) * 32, Point(0, b"genesis"))
    return Session(greeting, Unchecked(), Limits(), registry)


def greet(a: Session, b: Session) -> None:
    b.receive(a.take(65536))
    a.receive(b.take(65536))


def test_the_release_before_is_refused_with_both_versions() -> None:
    ours = session()
    ours.take(65536)
    ours.receive(GREETING_V1)
    outcome = ours.meeting()
    assert isinstance(outcome, NoLink)
    assert (outcome.reason, outcome.refused) == ("version", True)
    assert f"version {VERSION}" in outcome.detail
    assert "yours 1" in outcome.detail
    assert outcome.detail.encode() in ours.take(65536)  # and the other is told


def test_the_release_before_refuses_us_with_both_versions() -> None:
    ours = session()
    ours.receive(REFUSAL_V1)
    outcome = ours.meeting()
    assert isinstance(outcome, NoLink)
    assert (outcome.reason, outcome.peer_says) == (RefusalReason.VERSION, True)
    assert "version 1, yours 2" in outcome.detail


def test_a_reason_that_this_release_does_not_know_is_passed_on_as_it_came() -> None:
    ours = session()
    ours.receive(frame(FrameKind.REFUSAL, b"\x92\xa7too-new\xabcome later."))
    outcome = ours.meeting()
    assert outcome == NoLink("too-new", "come later.", peer_says=True)


def test_a_protocol_that_one_of_the_two_lacks_is_left_out() -> None:
    fewer = attrs.evolve(STANDARD, protocols=tuple(p for p in STANDARD.protocols if p.essential))
    assert len(fewer.protocols) < len(STANDARD.protocols)
    ours, theirs = session(), session(fewer, number=1)
    greet(ours, theirs)
    met = [ours.meeting(), theirs.meeting()]
    assert all(isinstance(each, Met) for each in met)
    assert all(set(each.protocols) == {p.number for p in fewer.protocols} for each in met if isinstance(each, Met))


def test_a_later_version_of_a_protocol_is_spoken_as_the_older_side_knows_it() -> None:
    newest = max(STANDARD.protocols, key=lambda each: each.number)
    later = attrs.evolve(newest, version=newest.version + 1)
    grown = attrs.evolve(STANDARD, protocols=tuple(later if p is newest else p for p in STANDARD.protocols))
    ours, theirs = session(), session(grown, number=1)
    greet(ours, theirs)
    met = theirs.meeting()
    assert isinstance(met, Met)
    assert met.protocols[newest.number] == newest.version
