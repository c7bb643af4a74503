"""What a node decides across its peers: events, and all that it knows of packets."""

from enum import StrEnum
from typing import Final

import msgspec
from immutables import Map

from syncfsm.protocol import Joined, Said, Taken
from syncfsm.routing.messages import Packet, PacketId
from syncfsm.routing.types import Judged, Publish


class State(StrEnum):
    """There is one: packets are taken and kept whether or not a peer is there."""

    ROUTING = "routing"


ROUTING: Final = State.ROUTING
MEANINGS: Final = {State.ROUTING: "Packets are judged, kept and passed on."}


class Event(StrEnum):
    """What can happen."""

    JOINED = "joined"
    """A connection begins."""
    LEFT = "left"
    """A connection is over."""
    LEFT_OUT = "left-out"
    """A peer broke the protocol: it is left out."""
    TAKEN = "taken"
    """Blocks that are new have come, from a peer or from a source of the node's own."""
    PUBLISH = "publish"
    """The integrator has a packet of its own."""
    CAME = "came"
    """A peer has brought a packet."""
    JUDGED = "judged"
    """The integrator has judged a packet."""
    TOLD = "told"
    """A peer has told of packets."""
    FETCHED = "fetched"
    """A peer asks for packets of which it was told."""
    LATE = "late"
    """A deadline has come."""


class Window(msgspec.Struct, frozen=True):
    """What came of one origin since it started: the greatest number, and which of those below it: bit n of ``before``
    stands for ``top`` - 1 - n."""

    start: int
    top: int
    before: int = 0


class Waiting(msgspec.Struct, frozen=True):
    """A packet that waits for the integrator's verdict: who has brought it, over how many connections it came, and
    since when it waits."""

    packet: Packet
    hops: int
    peer: str
    since: float


class Kept(msgspec.Struct, frozen=True):
    """A valid packet, and over how many connections it will have gone with the next. ``spread`` says whether it goes to
    everybody; if not, ``over`` are the connections along which it went. ``source`` is who brought it; empty if it is
    this node's own, or that connection is over."""

    packet: Packet
    hops: int
    spread: bool
    source: str
    over: tuple[str, ...] = ()


class Missing(msgspec.Struct, frozen=True):
    """A packet that is not here: who has told of it and was not asked, when the next of them is, and who was ``asked``
    last."""

    id: PacketId
    tellers: tuple[str, ...]
    due: float
    asked: str = ""


class Road(msgspec.Struct, frozen=True):
    """The way to a producer: the connection that brought its newest block. ``None`` if that is over, or if the producer
    is this node (``here``)."""

    producer: bytes
    height: int
    peer: str | None
    here: bool = False


class Router(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a node knows of packets, across its peers. Peers are named by their connections."""

    state: State = State.ROUTING
    peers: tuple[str, ...] = ()
    """Who speaks this protocol, in the order of their names."""
    windows: Map[bytes, Window] = Map()
    """What was delivered, for each origin: at most ``Limits.origins``."""
    waiting: tuple[Waiting, ...] = ()
    """Oldest first: at most ``Limits.judging``."""
    refused: tuple[PacketId, ...] = ()
    """What is not judged again, the newest last: at most ``Limits.refused``."""
    kept: tuple[Kept, ...] = ()
    """The newest last: at most ``Limits.kept``."""
    missing: tuple[Missing, ...] = ()
    """At most ``Limits.missing`` for each peer."""
    roads: tuple[Road, ...] = ()
    """At most ``Limits.roads``."""


CARRIES: Final = {
    Event.JOINED: Joined,
    Event.LEFT: str,
    Event.LEFT_OUT: Said,
    Event.TAKEN: Taken,
    Event.PUBLISH: Publish,
    Event.CAME: Said,
    Event.JUDGED: Judged,
    Event.TOLD: Said,
    Event.FETCHED: Said,
}
"""What each event brings along; a ``str`` is the name of a connection. ``CAME`` brings a ``Pass``, ``TOLD`` a ``Have``,
``FETCHED`` a ``Fetch``."""
