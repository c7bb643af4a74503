"""Where a reader stands: states, events, the value; what it wants done, and what it tells."""

from enum import StrEnum
from typing import Final

import msgspec

from syncfsm.blocks import Point
from syncfsm.errors import Fault
from syncfsm.truth.answers import Answer, Head, Place
from syncfsm.truth.messages import Cover, Entry


class State(StrEnum):
    """What a reader is doing."""

    IDLE = "idle"
    READING = "reading"
    RESTING = "resting"
    TROUBLED = "troubled"
    LOST = "lost"
    BROKEN = "broken"


IDLE, READING, RESTING = State.IDLE, State.READING, State.RESTING
TROUBLED, LOST, BROKEN = State.TROUBLED, State.LOST, State.BROKEN
MEANINGS: Final = {
    State.IDLE: "It has not begun.",
    State.READING: "The layer is asked for the next height, and for some after it.",
    State.RESTING: "All that there is has been read.",
    State.TROUBLED: "The layer did not answer, and is asked again later.",
    State.LOST: "The layer does not keep the next height any more.",
    State.BROKEN: "The layer took back what was final, or has what the node can not follow. Nothing more is read.",
}


class Event(StrEnum):
    """What can happen to a reader."""

    BEGIN = "begin"
    """Begin at what was kept: places of the layer, and what it confirms up to there."""
    BLOBS = "blobs"
    NONE = "none"
    FUTURE = "future"
    PRUNED = "pruned"
    TROUBLE = "trouble"
    BROKE = "broke"
    """The layer says that it took back what was final."""
    REFUSED = "refused"
    """The node can not follow what was read."""
    NEWS = "news"
    """The layer says where its end is."""
    TICK = "tick"
    """Time has passed."""


class Mark(msgspec.Struct, frozen=True):
    """A place of the layer, and the last block that the batches up to it confirm.

    To begin where it is not known what block of the layer is there, its id is left empty.
    """

    place: Place
    tip: Point


class Kept(msgspec.Struct, frozen=True):
    """What of a reader outlives it: the newest place that is final, and those after it that were read, oldest first.

    To begin anew, or at a mark that somebody gives, there is none after it.
    """

    final: Mark
    trail: tuple[Mark, ...] = ()

    @property
    def tip(self) -> Point:
        """The last confirmed block."""
        return self.trail[-1].tip if self.trail else self.final.tip


class At(msgspec.Struct, frozen=True):
    """What the layer answered, asked for this height."""

    height: int
    answer: Answer


class Refusal(msgspec.Struct, frozen=True):
    """Why the node can not follow what it was told of, in words for people."""

    why: str


CARRIES: Final = {
    Event.BEGIN: Kept,
    Event.BLOBS: At,
    Event.NONE: At,
    Event.FUTURE: At,
    Event.PRUNED: At,
    Event.TROUBLE: At,
    Event.BROKE: At,
    Event.REFUSED: Refusal,
    Event.NEWS: Head,
}
"""What each event brings along."""


class Reader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is remembered of the layer."""

    state: State = State.IDLE
    final: Mark = Mark(Place(0, b"", b""), Point(0, b"-"))
    """The newest place that can not be taken back."""
    trail: tuple[Mark, ...] = ()
    """The places after it that were read, oldest first: never more than ``TruthLimits.finality``."""
    asked: tuple[int, ...] = ()
    """The heights that were asked for and not judged, lowest first."""
    early: tuple[At, ...] = ()
    """Answers that came before their turn, lowest first: they are judged when the ones before them were."""
    width: int = 1
    """How many heights are asked for at once: one more after each that is there, up to ``TruthLimits.window``; one
    where the layer ends."""
    until: float = 0.0
    """When the layer is asked again, at the latest, unless it is asked now."""
    tries: int = 0
    """How many failures there were in a row."""
    heard: float = 0.0
    """When the layer last answered what it was asked."""
    told: bool = False
    """Was it said that nothing is heard?"""
    why: str = ""
    """What the layer's last trouble was, since it last answered, or why nothing more is read; for people."""

    @property
    def mark(self) -> Mark:
        """The newest place that was read."""
        return self.trail[-1] if self.trail else self.final

    @property
    def tip(self) -> Point:
        """The last confirmed block."""
        return self.mark.tip

    @property
    def kept(self) -> Kept:
        """What of it is to be kept."""
        return Kept(self.final, self.trail)

    @property
    def next(self) -> int:
        """The height of the layer that is read next."""
        return self.mark.place.height + 1


# What it wants done, and what it tells --------------------------------------------------------------------------


class Fetch(msgspec.Struct, frozen=True):
    """Ask the layer for this height, and feed its answer. Every ``Fetch`` must be answered."""

    height: int


class Turn(msgspec.Struct, frozen=True):
    """It is this answer's turn: feed it at once."""

    answer: At


class Confirmed(msgspec.Struct, frozen=True):
    """A valid batch: its blocks are confirmed. They come whole, for a node that has no peers."""

    cover: Cover
    blocks: tuple[Entry, ...]
    place: Place


class TakenBack(msgspec.Struct, frozen=True):
    """The layer reorganised: nothing after this block is confirmed any more."""

    tip: Point


class Settled(msgspec.Struct, frozen=True):
    """The layer can not take this block back."""

    tip: Point


class Keep(msgspec.Struct, frozen=True):
    """Keep this in place of what was kept, once all that was said before it is done: a new reader begins there."""

    kept: Kept


class Skipped(msgspec.Struct, frozen=True):
    """A blob that is no valid batch: all readers skip it. ``index`` is its place among those of the height."""

    place: Place
    index: int
    fault: Fault


class Unheard(msgspec.Struct, frozen=True):
    """The layer has not answered since then, for longer than it should take. What was confirmed stands."""

    since: float
    why: str


class Unreadable(msgspec.Struct, frozen=True):
    """The layer does not keep this height any more; begin at a mark that somebody else has, not below ``oldest``."""

    height: int
    oldest: int


class Broke(msgspec.Struct, frozen=True):
    """The layer has another block where there was a final one, ``now``; or it says so itself, and ``why``. Nothing more
    is read: find out what happened."""

    was: Place
    now: Place | None
    why: str = ""
