"""Where a poster stands: states, events, the value; what it wants done, and what it tells."""

from enum import StrEnum
from typing import Final

import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.truth.answers import Posted, Refused, TooBig, Trouble, Unsure


class State(StrEnum):
    """What a poster is doing."""

    IDLE = "idle"
    AWAITING = "awaiting"
    CATCHING = "catching"
    GATHERING = "gathering"
    SUBMITTING = "submitting"
    WAITING = "waiting"
    BACKING_OFF = "backing-off"
    PAUSED = "paused"
    OVERRULED = "overruled"
    HALTED = "halted"


IDLE, AWAITING, CATCHING, GATHERING = State.IDLE, State.AWAITING, State.CATCHING, State.GATHERING
SUBMITTING, WAITING, BACKING_OFF = State.SUBMITTING, State.WAITING, State.BACKING_OFF
PAUSED, OVERRULED, HALTED = State.PAUSED, State.OVERRULED, State.HALTED
MEANINGS: Final = {
    State.IDLE: "It has not begun.",
    State.AWAITING: "The layer is being read. No block is made before, unless that takes too long.",
    State.CATCHING: "The reader does not know yet what is on the layer.",
    State.GATHERING: "Blocks are gathered until a batch is due.",
    State.SUBMITTING: "A batch was given to the layer, and the layer has not answered.",
    State.WAITING: "The batch is on the layer, or may be: the reader will find it.",
    State.BACKING_OFF: "The layer did not take it. It is given again later.",
    State.PAUSED: "The layer takes none before somebody has mended something.",
    State.OVERRULED: "The layer confirms a block that is not ours. Nothing more is posted.",
    State.HALTED: "The layer is not followed any more. Nothing more is posted.",
}


class Event(StrEnum):
    """What can happen to a poster."""

    START = "start"
    """There is a sequencer, which is to make blocks."""
    BEGIN = "begin"
    """It tells what it has, as it was asked to; or its chain is another one now."""
    MADE = "made"
    """The sequencer has made a block, and keeps it."""
    SEEN = "seen"
    """The reader has gone on, or back."""
    POSTED = "posted"
    UNSURE = "unsure"
    TOO_BIG = "too-big"
    REFUSED = "refused"
    TROUBLE = "trouble"
    RESUME = "resume"
    """An operator has mended what was wrong."""
    TICK = "tick"
    """Time has passed."""


class Start(msgspec.Struct, frozen=True):
    """Be a sequencer's: read the layer first, and then say ``Load``."""


class Begin(msgspec.Struct, frozen=True):
    """The last final block, by the reader; the sequencer's own block at that height, or its
    head if that is lower; and all blocks of the sequencer above it, oldest first."""

    final: Point
    ours: Point
    blocks: tuple[Header, ...]


class Seen(msgspec.Struct, frozen=True):
    """What the reader knows: up to which height it has read the layer, what is confirmed and final there, whether that
    was all that there was, and whether the layer took back what was final."""

    read: int
    tip: Point
    final: Point
    all: bool
    broken: bool = False


CARRIES: Final = {
    Event.START: Start,
    Event.BEGIN: Begin,
    Event.MADE: Header,
    Event.SEEN: Seen,
    Event.POSTED: Posted,
    Event.UNSURE: Unsure,
    Event.TOO_BIG: TooBig,
    Event.REFUSED: Refused,
    Event.TROUBLE: Trouble,
}
"""What each event brings along."""


class Poster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is remembered of posting. Nothing of it has to survive: what was posted, the layer tells."""

    state: State = State.IDLE
    final: Point = Point(0, b"-")
    """The layer can not take it back, nor anything before it."""
    blocks: tuple[Header, ...] = ()
    """The sequencer's blocks after it, oldest first."""
    confirmed: int = 0
    """How many of them the layer confirms."""
    gathered: float = 0.0
    """Since when there are blocks to post."""
    sent: Point | None = None
    """Up to where the batch goes that was given to the layer and is not confirmed."""
    landed: int = 0
    """In which block of the layer it is; 0 if that is not known."""
    given: float = 0.0
    """When the last batch was given to the layer: what came later is for the next one."""
    read: int = 0
    """Up to which height the reader has read the layer."""
    most: int = 0
    """How many blocks a batch may have since one was too big; 0 if none was."""
    until: float = 0.0
    tries: int = 0
    """How many failures there were in a row."""
    held: bool = False
    """Is the producer to make no block?"""
    since: float = 0.0
    """Since when nothing was confirmed although there is something to confirm."""
    told: bool = False
    """Was that said?"""
    why: str = ""
    """Why the layer did not take a batch, since one was last confirmed; for people."""

    @property
    def tip(self) -> Point:
        """The last confirmed block."""
        return self.blocks[self.confirmed - 1].point if self.confirmed else self.final

    @property
    def open(self) -> tuple[Header, ...]:
        """The blocks that are not confirmed."""
        return self.blocks[self.confirmed :]


# What it wants done, and what it tells --------------------------------------------------------------------------


class Load(msgspec.Struct, frozen=True):
    """Tell what the sequencer has: feed a ``Begin``, at once. If not all of the layer was ``read``, nobody knows what
    is there, and blocks are made all the same."""

    read: bool


class Submit(msgspec.Struct, frozen=True):
    """Make a batch of the blocks from ``first`` to ``last``, sign it, give it to the layer, and feed what became of it.
    Every ``Submit`` must be answered."""

    first: Point
    last: Point


class Hold(msgspec.Struct, frozen=True):
    """Make no more blocks: so many are not confirmed."""

    open: int


class Go(msgspec.Struct, frozen=True):
    """Make blocks again."""


class Overdue(msgspec.Struct, frozen=True):
    """Nothing was confirmed since then, though this many blocks wait for it."""

    since: float
    open: int
    why: str


class Stuck(msgspec.Struct, frozen=True):
    """The layer takes no batch from us: mend what ``detail`` says, and ``RESUME``."""

    detail: str


class Overruled(msgspec.Struct, frozen=True):
    """The layer confirms a block that this sequencer has not: another posts with its key, or its blocks are lost."""

    tip: Point
    ours: Point
