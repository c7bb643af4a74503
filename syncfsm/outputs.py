"""What the core wants done: values, returned in order, to be carried out in order.

Order matters in one place: ``Accepted`` comes before anything that depends on it, so an adapter that stores first and
sends afterwards never tells a peer of a block that a crash could lose.
"""

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault
from syncfsm.messages import Bye, Control, Note, Parting


@attrs.frozen
class Accepted:
    """These blocks are part of the tree now; store them, bodies included, before going on."""

    headers: tuple[Header, ...]


@attrs.frozen
class HeadMoved:
    """The best head moved. Blocks of the old chain above ``common`` are undone, those of the new one applied."""

    old: Point
    new: Point
    common: Point


@attrs.frozen
class FinalMoved:
    """The final point advanced; nothing at or below it will ever be undone."""

    old: Point
    new: Point


@attrs.frozen
class Dropped:
    """The core no longer holds these headers: branches that lost to finality, and blocks below the retention window.

    ``base`` is the oldest block still held.
    """

    headers: tuple[Header, ...]
    base: Point


@attrs.frozen
class Send:
    """Send this small message to that peer; it overtakes blocks, but never the block it refers to."""

    peer: str
    message: Control


@attrs.frozen
class SendBlocks:
    """Send these blocks, in this order; the adapter takes the bodies from its store."""

    peer: str
    headers: tuple[Header, ...]


@attrs.frozen
class Deliver:
    """A peer's payload for the integrator. The block it refers to, if any, is held here."""

    peer: str
    note: Note


@attrs.frozen
class Undelivered:
    """A payload of ours will not reach that peer: its block left our best chain, too many wait, or the link ended."""

    peer: str
    note: Note


@attrs.frozen
class Misbehaviour:
    """A peer did what no correct peer does; the link ends in the same step."""

    peer: str
    fault: Fault


@attrs.frozen
class Disconnect:
    """The link is over. Exactly one for every link; nothing is sent on it afterwards.

    A ``Bye`` that precedes it in the same step should be flushed. ``detail`` is for people. ``said`` is the peer's own
    bye, if that is how it ended (``Parting.PEER_LEFT``).
    """

    peer: str
    reason: Parting
    detail: str = ""
    said: Bye | None = None


Output = (
    Accepted | HeadMoved | FinalMoved | Dropped | Send | SendBlocks | Deliver | Undelivered | Misbehaviour | Disconnect
)
