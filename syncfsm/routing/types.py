"""What a node knows of the packets of one peer; what is asked of it, and what it tells."""

from enum import StrEnum
from typing import Final

import attrs
import msgspec

from syncfsm.errors import Fault, LocalError
from syncfsm.outputs import Own
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, packet_flaw


class State(StrEnum):
    """Where the exchange of packets with a peer stands."""

    CLOSED = "closed"
    OPEN = "open"


CLOSED, OPEN = State.CLOSED, State.OPEN
MEANINGS: Final = {
    State.CLOSED: "No connection, or the peer broke the protocol.",
    State.OPEN: "Packets go to the peer and come from it.",
}


class Event(StrEnum):
    """What can happen to a peer's packets."""

    OPENED = "opened"
    """The transport is up."""
    PASS = "pass"
    HAVE = "have"
    FETCH = "fetch"
    """Messages from the peer."""
    SEND = "send"
    """The router has decided that the peer gets a packet."""
    TELL = "tell"
    """It has decided that the peer is told of packets."""
    ASK = "ask"
    """It has decided that the peer is asked for packets."""
    BLAME = "blame"
    """It has decided that what the peer brought is no packet that a correct peer passes on."""
    NEWS = "news"
    """What the peer is known to have has changed, or what of it is on our best chain."""
    FAULT = "fault"
    """What the peer sent is no message of this protocol."""
    ENDED = "ended"
    """The connection is over."""


CARRIES: Final = {
    Event.PASS: Pass,
    Event.HAVE: Have,
    Event.FETCH: Fetch,
    Event.SEND: Pass,
    Event.TELL: Have,
    Event.ASK: Fetch,
    Event.BLAME: Fault,
    Event.FAULT: Fault,
}
"""What each event brings along."""


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is between us and one peer. Of each there are at most ``Limits.kept``, the newest last."""

    peer: str
    state: State = State.CLOSED
    brought: tuple[PacketId, ...] = ()
    """Packets that it has sent."""
    has: tuple[PacketId, ...] = ()
    """Packets of which it has told."""
    told: tuple[PacketId, ...] = ()
    """Packets of which it was told, and that it did not get from us."""
    held: tuple[Pass, ...] = ()
    """Packets that wait until it has their block: at most ``Limits.notes``."""


# What the integrator asks, and what it is told --------------------------------------------------------------------


class Judgement(StrEnum):
    """What the integrator says of a packet."""

    VALID = "valid"
    """It is delivered, and passed on."""
    IGNORE = "ignore"
    """It goes no further."""
    PENALISE = "penalise"
    """It goes no further, and no correct peer would have passed it on."""


@attrs.frozen
class Publish:
    """Asked by the integrator: carry a packet of its own. It has signed it; ``syncfsm.signed.packet_to_sign`` says what
    to sign.

    ``LocalError`` if no peer would take it, or if it was published before.
    """

    packet: Packet
    now: float

    def __attrs_post_init__(self) -> None:
        wrong = packet_flaw(self.packet)
        try:
            msgspec.msgpack.decode(msgspec.msgpack.encode(Pass(self.packet, 1)), type=Pass)
        except msgspec.ValidationError as error:
            wrong = str(error)
        if wrong is not None:
            raise LocalError(f"no peer would take this packet: {wrong}; see syncfsm.routing.messages")


@attrs.frozen
class Judged:
    """The integrator's verdict on a packet (``Judge``). One that comes late, or again, changes nothing."""

    id: PacketId
    judgement: Judgement
    now: float


class Judge(Own, frozen=True):
    """A packet has come from ``peer``, its signature is its origin's, and the block it refers to is held here. Answer
    with ``Judged``, within ``Limits.judge``; before that it goes nowhere."""

    peer: str
    packet: Packet


class Arrived(Own, frozen=True):
    """A packet was found valid: it is delivered now, and never again. ``peer`` has brought it."""

    peer: str
    packet: Packet
