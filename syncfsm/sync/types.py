"""What a link is: its states, its events, and all it knows.

The machine is symmetric: both ends of a connection run the same table. It tracks the peer's head
(founding/link-notes#peer-head) by two blocks (founding/link-notes#two-blocks-tracked).
"""

from enum import StrEnum
from typing import Final

import attrs
import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.chain import Outcome
from syncfsm.errors import Fault
from syncfsm.protocol import Change
from syncfsm.sync.messages import Busy, DoNotWant, Finality, Give, Has, Hello, Want


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


class Mode(StrEnum):
    """How new blocks go to a peer that is in step."""

    OFF = "off"
    """Not at all, by an operator's will: neither blocks nor what our head is."""
    BACKUP = "backup"
    """We say what our head is."""
    ACTIVE = "active"
    """We send the blocks."""


class Event(StrEnum):
    """What can happen to a link."""

    GREET = "greet"
    """The transport is up, and the feed has decided whether we want blocks from this peer."""
    HELLO = "hello"
    FOUND = "found"
    FINAL = "final"
    BLOCKS = "blocks"
    HAS = "has"
    WANT = "want"
    DO_NOT_WANT = "do-not-want"
    GIVE = "give"
    BUSY = "busy"
    """Messages from the peer."""
    ASK = "ask"
    """The feed has decided that we want blocks from this peer."""
    SHUT = "shut"
    """The feed has decided that we want none."""
    SERVE = "serve"
    """The feed has decided that this peer gets blocks."""
    REFUSE = "refuse"
    """The feed has decided that it gets none."""
    SWITCH = "switch"
    """The operator turns blocks to this peer off, or on again."""
    MOVED = "moved"
    """Our own chain changed: it grew, switched forks, or became final further up."""
    FINALISED = "finalised"
    """Our own final point advanced."""
    TURN = "turn"
    """There is room for blocks, and it is sync's turn to use it."""
    TICK = "tick"
    """Time has passed."""
    FAULT = "fault"
    """What the peer sent is no valid block."""
    ENDED = "ended"
    """The connection is over."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one node knows of what one peer has. A value: every step makes a new one.

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
    dropped: bool = False
    """Since we greeted, finality dropped a branch here, or refused a block of the peer's: what the peer still builds on
    that fits nowhere, and is late, not wrong."""
    aside: int = 0
    """Bytes (``Header.cost``) of blocks that were new here, and beside our best chain, when the peer gave them; since
    our final point last moved."""
    pending: int = 0
    """How much of ``aside`` is on the branch that ends with ``received``: no longer counted once that is our best."""
    owes_hello: bool = False
    """A hello was put off by the rate limit; the newest is sent when the limit allows."""
    since: float = 0.0
    """When the search last made progress."""
    relays: bool = True
    """Does the peer's release know of modes? One that does not gets every block, and sends every block."""
    mode: Mode = Mode.ACTIVE
    """How new blocks go to the peer."""
    wanted: bool = True
    """Do we want blocks from the peer, as we last told it?"""
    says: Has | None = None
    """The peer's head as it last said, while that is not held here and still may be."""
    owes: int = 0
    """How many heads of ours the peer was not told of: it has them, and does not know that we do; or we greeted it when
    blocks to it were turned on again."""
    may_say: float = 0.0
    """Hellos we may still send at once, as of ``metered_at``."""
    may_hear: float = 0.0
    """Hellos we still accept at once, as of ``metered_at``."""
    may_ask: float = 0.0
    """How often at once we still tell the peer that it gets no blocks, or that its own are not wanted."""
    metered_at: float = 0.0


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


class Shared(msgspec.Struct, frozen=True):
    """Blocks that both hold. ``common`` is the nearest common ancestor, or a common block below it; ``has`` is the
    newest block of ours that the peer is known to hold, on whatever branch."""

    common: Header
    has: Header


class Assessment(msgspec.Struct, frozen=True):
    """What a hello tells us. ``shared`` is there with COMMON, and may be with BRACKET.

    ``ceiling`` is the lowest height at which the chains are known to differ.
    """

    relation: Relation
    better: bool
    """Is theirs better than the last hello we said?"""
    knows_head: bool = False
    """Do we hold the block that the peer calls its head?"""
    shared: Shared | None = None
    ceiling: int = 0


class Greet(msgspec.Struct, frozen=True):
    """With ``GREET``: does the peer's release know of modes, and do we want blocks from it?"""

    relays: bool
    wanted: bool


class Serve(msgspec.Struct, frozen=True):
    """With ``SERVE``: did the peer ask, or do we give?"""

    asked: bool


@attrs.frozen
class Switch:
    """The operator turns ``off`` all blocks, and all word of new ones, to these peers; or on again. ``peers`` are
    connections, ``None`` stands for all."""

    off: bool
    now: float
    peers: tuple[str, ...] | None = None


class Heard(msgspec.Struct, frozen=True):
    """With ``HELLO``: the hello, what it means against our chain, and what ``sent`` becomes if it ends the search or
    tells what a peer in step has."""

    hello: Hello
    assessment: Assessment
    sent: Header | None


class Told(msgspec.Struct, frozen=True):
    """With ``HAS``: the peer's head, that block if it is held here, and what ``sent`` becomes."""

    has: Has
    held: Header | None
    sent: Header | None


class Ancestor(msgspec.Struct, frozen=True):
    """With ``FOUND``: the block that the peer found, if it is held here, and what ``sent`` becomes."""

    found: Header | None
    sent: Header | None


class Receipt(msgspec.Struct, frozen=True):
    """With ``BLOCKS``: a run, what the chain made of it (as in ``Brought``), and what ``sent`` becomes.

    ``aside``: bytes of it that are new here, and beside our best chain."""

    run: tuple[Header, ...]
    outcome: Outcome
    sent: Header | None
    aside: int

    @property
    def newest(self) -> Header:
        """The last block of the run."""
        return self.run[-1]


class Moved(msgspec.Struct, frozen=True):
    """With ``MOVED``: whether the new head descends from the old one, and whether the best chain moved at all.

    For a link that searches, what the peer's last hello means now; and what ``sent`` becomes.
    """

    extends: bool
    best: bool
    assessment: Assessment | None
    sent: Header | None


class Turn(msgspec.Struct, frozen=True):
    """With ``TURN``: the blocks that a link in step can send now, or the hello with which a streaming search goes
    on."""

    blocks: tuple[Header, ...] = ()
    hello: Hello | None = None


CARRIES: Final = {
    Event.GREET: Greet,
    Event.HELLO: Heard,
    Event.FOUND: Ancestor,
    Event.FINAL: Finality,
    Event.BLOCKS: Receipt,
    Event.HAS: Told,
    Event.WANT: Want,
    Event.DO_NOT_WANT: DoNotWant,
    Event.GIVE: Give,
    Event.BUSY: Busy,
    Event.ASK: Want,
    Event.SERVE: Serve,
    Event.REFUSE: Busy,
    Event.SWITCH: Switch,
    Event.MOVED: Moved,
    Event.FINALISED: Change,
    Event.TURN: Turn,
    Event.FAULT: Fault,
}
"""What each event brings along."""
