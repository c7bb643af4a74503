"""What the core wants done: values, returned in order, to be carried out in order.

Order matters in one place: ``Accepted`` comes before anything that depends on it, so an adapter that stores first and
sends afterwards never tells a peer of a block that a crash could lose.
"""

import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Message


class Accepted(msgspec.Struct, frozen=True):
    """These blocks are part of the tree now; store them, bodies included, before going on."""

    headers: tuple[Header, ...]


class HeadMoved(msgspec.Struct, frozen=True):
    """The best head moved. Blocks of the old chain above ``common`` are undone, those of the new one applied."""

    old: Point
    new: Point
    common: Point


class FinalMoved(msgspec.Struct, frozen=True):
    """The final point advanced; nothing at or below it will ever be undone."""

    old: Point
    new: Point


class ConfirmedMoved(msgspec.Struct, frozen=True):
    """What the source of truth has confirmed moved: on, or back, or to another branch. It is on the best chain."""

    old: Point
    new: Point


class Dropped(msgspec.Struct, frozen=True):
    """The core no longer holds these headers: branches that lost to finality, and blocks below the retention window.

    ``base`` is the oldest block still held.
    """

    headers: tuple[Header, ...]
    base: Point


class Send(msgspec.Struct, frozen=True):
    """Send this small message to that peer; it overtakes blocks, but never the block it refers to."""

    peer: str
    message: Message


class SendBlocks(msgspec.Struct, frozen=True):
    """Send these blocks, in this order, on the lane of that protocol; the adapter takes the bodies from its store."""

    peer: str
    headers: tuple[Header, ...]
    protocol: int = ProtocolNumber.SYNC


class Misbehaviour(msgspec.Struct, frozen=True):
    """A peer did what no correct peer does; the link ends in the same step."""

    peer: str
    fault: Fault


class Disconnect(msgspec.Struct, frozen=True):
    """The link is over. Exactly one for every link; nothing is sent on it afterwards.

    A ``Bye`` that precedes it in the same step should be flushed. ``reason`` is a ``Parting``, or a word of an
    integrator's own protocol. ``detail`` is for people. ``said`` is the peer's own bye, if that is how it ended
    (``Parting.PEER_LEFT``): its reason is what the peer wrote, be it known here or not.
    """

    peer: str
    reason: str
    detail: str = ""
    said: Message | None = None


class Ended(msgspec.Struct, frozen=True):
    """A protocol that is not essential has ended on this connection, for a fault or of its own accord; the others go
    on."""

    peer: str
    protocol: str
    reason: str
    detail: str = ""


class Own(msgspec.Struct, frozen=True):
    """What the outputs of one protocol are derived from: those of ``notes`` (``Deliver``, ``Undelivered``), and those
    of your own. The node passes them on as they are."""


Output = (
    Accepted
    | HeadMoved
    | ConfirmedMoved
    | FinalMoved
    | Dropped
    | Send
    | SendBlocks
    | Misbehaviour
    | Disconnect
    | Ended
    | Own
)
