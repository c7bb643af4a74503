"""What a link is: its states, its events, and all it knows.

The machine is symmetric: both ends of a connection run the same table. It tracks the peer's head
(founding/link-notes#peer-head) by two blocks (founding/link-notes#two-blocks-tracked).
"""

from enum import StrEnum
from typing import Final

import attrs
import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.messages import Bye, Found, Hello, Note, Parting


class State(StrEnum):
    """Where a link stands."""

    CLOSED = "closed"
    START = "start"
    INIT = "init"
    SYNCING = "syncing"
    IDLE = "idle"


MEANINGS: Final = {
    State.CLOSED: "No link: before the connection, and after its one end.",
    State.START: "Greeting: the common ancestor is not known, and the search for it is not ours to make.",
    State.INIT: "Our last hello is worse than theirs, and theirs names a block we do not know: we search, "
    "offering our chain backwards.",
    State.SYNCING: "The common ancestor is known and the peer lacks blocks of our best chain: we stream them, "
    "child after child.",
    State.IDLE: "The peer has our head.",
}
OPEN: Final = (State.START, State.INIT, State.SYNCING, State.IDLE)
"""The states of a living link."""
GREETING: Final = (State.START, State.INIT)
"""The common ancestor is not known."""
IN_STEP: Final = (State.SYNCING, State.IDLE)
"""The common ancestor is known."""


class Event(StrEnum):
    """What can happen to a link."""

    CONNECT = "connect"
    """The transport is up."""
    GREET = "greet"
    """The node has decided that this peer is to be greeted now."""
    HELLO = "hello"
    FOUND = "found"
    FINAL = "final"
    BLOCKS = "blocks"
    NOTE = "note"
    PING = "ping"
    PONG = "pong"
    BYE = "bye"
    """Messages from the peer."""
    MOVED = "moved"
    """Our own chain changed: it grew, switched forks, or became final further up."""
    FINALISED = "finalised"
    """Our own final point advanced."""
    ROOM = "room"
    """The transport has written blocks and can take more."""
    SAY = "say"
    """The integrator has a payload for the peer."""
    TICK = "tick"
    """Time has passed."""
    LEAVE = "leave"
    """This node ends the link for a reason of its own."""
    LOST = "lost"
    """The transport ended."""
    FAULT = "fault"
    """What the peer sent is no message, or no valid block."""


class Strategy(StrEnum):
    """How the searching side offers its chain."""

    STREAMING = "streaming"
    """One block back per hello, without waiting for answers, as the founding notes describe it."""
    LOCATOR = "locator"
    """Many points a hello, dense near the head, narrowed from both sides; exact for any depth."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one node knows of one connection. A value: every step makes a new one.

    ``peer`` is the connection's name, unique among all connections the node ever had.
    """

    peer: str
    state: State = State.CLOSED
    said: Hello | None = None
    """The last opening hello we sent; forgotten once the common ancestor is known."""
    heard: Hello | None = None
    """The last hello the peer sent; forgotten once the common ancestor is known."""
    final: Point | None = None
    """The peer's final point, as it last said."""
    top: int = 0
    """The greatest height of a head that we said: no step of a search that answers us is above it."""
    cursor: Point | None = None
    """The point last offered by a streaming search."""
    sent: Header | None = None
    """The newest block of our best chain that the peer is known to have; ``None`` while no common ancestor is known."""
    received: Header | None = None
    """The newest block the peer gave us or told us it has."""
    left: tuple[Header, ...] = ()
    """Blocks the peer has on branches that we or it have left, newest first; so that a way back sends nothing twice."""
    claims: tuple[Point, ...] = ()
    """Blocks the peer's hellos named that are not held here, highest first; so that none is sent to it if it comes from
    elsewhere."""
    room: int = 0
    """Bytes of blocks the transport will still take."""
    held: tuple[Note, ...] = ()
    """Payloads that wait until the peer has the block they refer to."""
    owes_hello: bool = False
    """A hello was put off by the rate limit; the newest is sent when the limit allows."""
    since: float = 0.0
    """When the search last made progress."""
    heard_at: float = 0.0
    """When the peer last gave a sign of life."""
    pinged_at: float = 0.0
    """When we last asked for one."""
    may_say: float = 0.0
    """Hellos we may still send at once, as of ``metered_at``."""
    may_hear: float = 0.0
    """Hellos we still accept at once, as of ``metered_at``."""
    metered_at: float = 0.0


@attrs.frozen
class View:
    """What a link may look at besides itself: the node's chain before anything is pruned, and the node's choices.

    ``floor`` is the height of the oldest block that will be held after this step; blocks from there up can be served.
    """

    chain: Chain
    floor: int
    now: float
    limits: Limits
    strategy: Strategy


# What events carry ----------------------------------------------------------------------------------------------


class Relation(StrEnum):
    """How a peer's hello relates to our chain."""

    CONTRADICTION = "contradiction"
    """It names a final block where we hold another one final."""
    NOTHING = "nothing"
    """No block is held by both."""
    COMMON = "common"
    """The nearest common ancestor is known."""
    BRACKET = "bracket"
    """It lies between two heights."""


class Assessment(msgspec.Struct, frozen=True):
    """What a hello tells us. ``common`` is the nearest common ancestor (COMMON) or a common block below it (BRACKET).

    ``has`` is the newest block of ours the peer is known to hold, on whatever branch: there is one if ``common`` is
    known. ``ceiling`` is the lowest height at which the chains are known to differ.
    """

    relation: Relation
    better: bool
    """Is theirs better than the last hello we said?"""
    knows_head: bool = False
    """Do we hold the block that the peer calls its head?"""
    common: Header | None = None
    has: Header | None = None
    ceiling: int = 0


class Heard(msgspec.Struct, frozen=True):
    """With ``HELLO``: the hello, and what it means against our chain. ``kept`` if it came before we greeted."""

    hello: Hello
    assessment: Assessment
    kept: bool = False


class Receipt(msgspec.Struct, frozen=True):
    """With ``BLOCKS``: the newest block of a run, what the chain made of it, and what ``sent`` becomes."""

    newest: Header
    outcome: Outcome
    sent: Header | None


class Moved(msgspec.Struct, frozen=True):
    """With ``MOVED``: whether the new head descends from the old one.

    For a link that searches, what the peer's last hello means now; for a link in step, what ``sent`` becomes.
    """

    extends: bool
    assessment: Assessment | None
    sent: Header | None


class Freed(msgspec.Struct, frozen=True):
    """With ``ROOM``: the bytes that came free, and the blocks that a link in step can send now."""

    room: int
    blocks: tuple[Header, ...]


Departure = Bye
"""With ``LEAVE``: what we tell the peer when we go. ``LOST`` carries nothing, ``FAULT`` a ``Fault``."""

Message = Heard | Found | Receipt | Note | Bye | Moved | Freed | Fault | None
__all__ = [
    "GREETING",
    "IN_STEP",
    "MEANINGS",
    "OPEN",
    "Assessment",
    "Departure",
    "Event",
    "Freed",
    "Heard",
    "Link",
    "Message",
    "Moved",
    "Parting",
    "Receipt",
    "Relation",
    "State",
    "Strategy",
    "View",
]
