"""What happens to a node: values, each with the time at which it happened.

``now`` is seconds on any clock that never runs backwards; the core has no clock of its own. ``peer`` names one
connection: a node that comes back comes back under a new name.
"""

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault
from syncfsm.messages import Blocks, Control, Note, Parting


@attrs.frozen
class Connected:
    """The transport to ``peer`` is up and the handshake is done."""

    peer: str
    now: float


@attrs.frozen
class Received:
    """``peer`` sent this. Bodies of blocks have been checked against their headers by the wire layer."""

    peer: str
    message: Control | Blocks
    now: float


@attrs.frozen
class Garbled:
    """What ``peer`` sent is no message, or a body that is not the one its header promises."""

    peer: str
    fault: Fault
    now: float


@attrs.frozen
class Room:
    """The transport has written ``freed`` bytes worth of blocks and hellos (``Header.cost``) to ``peer``."""

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
    """End the link to ``peer``, telling it why."""

    peer: str
    reason: Parting
    now: float


@attrs.frozen
class Produced:
    """Blocks from a source of this node's own: it made them, or fetched them from the data-availability layer.

    Each must be the child of the one before, and the first one's parent must be held. They are checked like any other.
    """

    headers: tuple[Header, ...]
    now: float


@attrs.frozen
class Finalised:
    """The source of truth confirms ``point``: it and everything below can never be undone. It must be held."""

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


@attrs.frozen
class Say:
    """Send a payload to ``peers`` (everyone if ``None``), not before the block it is about."""

    note: Note
    now: float
    peers: tuple[str, ...] | None = None


@attrs.frozen
class Tick:
    """Time has passed: ``Node.next_deadline`` has come."""

    now: float


Event = Connected | Received | Garbled | Room | Lost | Leave | Produced | Finalised | Verdict | Say | Tick
