"""What a node decides across its peers: states, events, and all that it knows of where blocks come from and go to."""

from enum import StrEnum
from typing import Final

import msgspec

from syncfsm.protocol import Joined, Said


class State(StrEnum):
    """Does the node have a feed?"""

    ALONE = "alone"
    FED = "fed"


ALONE, FED = State.ALONE, State.FED
MEANINGS: Final = {
    State.ALONE: "No peer is there.",
    State.FED: "One peer is the feed: the node wants its blocks from there, and beside it only from those that it has "
    "asked because the feed was late, and until that is settled.",
}


class Event(StrEnum):
    """What can happen."""

    JOINED = "joined"
    """A connection begins."""
    LEFT = "left"
    """A connection is over."""
    GAINED = "gained"
    """A peer has brought blocks that are new."""
    MADE = "made"
    """Blocks came from a source of the node's own."""
    LATE = "late"
    """A deadline has come."""
    AHEAD = "ahead"
    """A peer says that its head is one that is better than ours and not held here."""
    WANTED = "wanted"
    """A peer wants blocks from us."""
    UNWANTED = "unwanted"
    """It wants none any more."""
    GIVEN = "given"
    """A peer gives us its blocks from here on, unasked."""
    REFUSED = "refused"
    """A peer gives us none, though we want them."""


CARRIES: Final = {
    Event.JOINED: Joined,
    Event.LEFT: str,
    Event.GAINED: str,
    Event.AHEAD: Said,
    Event.WANTED: Said,
    Event.UNWANTED: Said,
    Event.GIVEN: Said,
    Event.REFUSED: Said,
}
"""What each event brings along; a ``str`` is the name of a connection. ``WANTED`` says whether the peer insists,
``REFUSED`` brings its ``Busy``."""


class Why(StrEnum):
    """Why a peer beside the feed sends us blocks."""

    LATE = "late"
    """The feed was late."""
    LESS = "less"
    """The feed is new, and does not say that it has more than we."""
    RACE = "race"
    """It has told of blocks before the feed brought them, several times in a row."""
    GIVEN = "given"
    """It began by itself."""


class Asked(msgspec.Struct, frozen=True):
    """A peer beside the feed from whom blocks are to come, why, and when it was asked or last brought some."""

    peer: str
    why: Why
    since: float


class Waits(msgspec.Struct, frozen=True):
    """Since when a node has known that there is more than it holds, and when it last got any of it."""

    began: float
    helped: float


class Rival(msgspec.Struct, frozen=True):
    """Who has told of blocks before the feed brought them, and how many times in a row; while it races, how many blocks
    the feed has brought first."""

    peer: str
    times: int


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a node has its blocks from, and whom it sends them to. Peers are named by their connections."""

    state: State = State.ALONE
    peer: str = ""
    """The feed; empty if there is none."""
    proven: bool = False
    """Has it brought anything since it became the feed?"""
    others: tuple[str, ...] = ()
    """All other connections: oldest first, and who was the feed last."""
    ahead: tuple[str, ...] = ()
    """Those of the others that say that they have more and were not asked, in the order in which they said so."""
    asked: tuple[Asked, ...] = ()
    """Those of the others from whom blocks are to come."""
    worn: tuple[str, ...] = ()
    """Who was late as the feed, or was asked in vain: oldest first. They are asked when nobody else can be."""
    refused: tuple[str, ...] = ()
    """Who was busy when asked, since the feed last brought anything."""
    off: tuple[str, ...] = ()
    """Who never sends blocks to us, by its operator's will."""
    waits: Waits | None = None
    """``None`` while nobody says that there is more, and nobody is asked but for a race."""
    lag: float = 0.0
    """How long the feed has taken lately to bring what another had told of: its longest, slowly forgotten."""
    rival: Rival | None = None
    lost: int = 0
    """How many races the feed has won in a row."""
    beaten: tuple[str, ...] = ()
    """Who lost a race to this feed, or was too busy for one: the others race first."""
    makes: bool = False
    """Do the newest blocks come from a source of its own?"""
    served: tuple[str, ...] = ()
    """Who wants blocks from us, and gets them."""
