"""What happens to a node: values, each with the time at which it happened.

``now`` is seconds on any clock that never runs backwards; the core has no clock of its own. ``peer`` names one
connection: a node that comes back comes back under a new name.
"""

import attrs
from immutables import Map

from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault
from syncfsm.notes.types import Say
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Message
from syncfsm.routing.types import Judged, Publish
from syncfsm.sync.types import Switch


@attrs.frozen
class Connected:
    """The transport to ``peer`` is up and the handshake is done.

    ``id`` is the node at the other end: 32 bytes in the form of an Ed25519 public key. ``proved`` says whether the
    transport has proved that it is that node, or only heard it say so. ``protocols`` has the numbers of those that both
    ends speak, and the version of each that both know; ``None`` stands for all, in the version of this release.
    """

    peer: str
    now: float
    id: bytes = b""
    proved: bool = False
    protocols: Map[int, int] | None = None


@attrs.frozen
class Received:
    """``peer`` sent this. Bodies of blocks have been checked against their headers by the wire layer."""

    peer: str
    message: Message
    now: float


@attrs.frozen
class Garbled:
    """What ``peer`` sent is no message, or a body that is not the one its header promises.

    ``protocol`` is the number of the one in which it was sent, if so much could be told.
    """

    peer: str
    fault: Fault
    now: float
    protocol: int = ProtocolNumber.PEER


@attrs.frozen
class Room:
    """The transport has written ``freed`` bytes worth of blocks and hellos (``Header.cost``) to ``peer``.

    ``LocalError`` if that is less than nothing.
    """

    peer: str
    freed: int
    now: float


@attrs.frozen
class Lost:
    """The transport to ``peer`` ended."""

    peer: str
    now: float


@attrs.frozen
class Leave:
    """End the link to ``peer``, telling it why. ``LocalError`` if the reason is none that a peer would take."""

    peer: str
    reason: Parting
    now: float


@attrs.frozen
class Produced:
    """Blocks from a source of this node's own: it made them, or fetched them from the data-availability layer.

    Each must be the child of the one before, and the first one's parent must be held. They are checked like any other.
    ``bodies`` are theirs, in the same order, for the adapter that stores them; the core looks at headers alone.
    """

    headers: tuple[Header, ...]
    now: float
    bodies: tuple[bytes, ...] = ()


@attrs.frozen
class Confirmed:
    """The source of truth has ``point``, and may still take it back: then another point is confirmed, by this event.

    The best chain is pinned to it. ``headers`` are blocks of the source that lead there, each the child of the one
    before; those that are not held are taken like ``Produced``, and no limit of what is unfinal holds them up. So
    fork choice follows the source of truth, whatever peers say. ``LocalError`` if the parent of the first, or the
    point, is not held, if they are not valid or banned here, or contradict what is final.
    """

    point: Point
    now: float
    headers: tuple[Header, ...] = ()
    bodies: tuple[bytes, ...] = ()


@attrs.frozen
class Finalised:
    """The source of truth can not take ``point`` back: it and everything below can never be undone. It must be
    held."""

    point: Point
    now: float


@attrs.frozen
class Verdict:
    """What execution (or an operator) says of a block: if not valid, it and its descendants leave the best chain.

    It may come at any time, for a block not seen yet too, and may be taken back with ``valid=True``.
    """

    id: bytes
    valid: bool
    now: float


class Request:
    """What requests to your own protocol are derived from: attrs classes with ``now``, and ``peers`` to name
    connections (a tuple, or ``None`` for all). Register the type with the protocol."""

    now: float
    peers: tuple[str, ...] | None = None


@attrs.frozen
class Tick:
    """Time has passed: ``Node.next_deadline`` has come."""

    now: float


Event = (
    Connected
    | Received
    | Garbled
    | Room
    | Lost
    | Leave
    | Produced
    | Confirmed
    | Finalised
    | Verdict
    | Say
    | Switch
    | Publish
    | Judged
    | Tick
    | Request
)
