"""What peers say to each other: values, with no behaviour.

A block on the wire is a header and a body (``syncfsm.wire``); inside the core it is its header alone, and a run of
blocks that follow one another is one ``Blocks`` message.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Header, Height, Point, Score


class Hello(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Where the sender stands, and points of its best chain among which the receiver looks for a common one.

    ``head`` and ``score`` are the sender's best block, ``final`` its final point, ``base`` the oldest block it can
    still serve. ``points`` run from high to low. ``ceiling`` is a height at which the two best chains are known to
    differ (one above the head when nothing is known), so the common ancestor lies below it. ``about`` is the head in
    the receiver's hello that this one answers; ``None`` in an opening hello.
    """

    head: Point
    score: Score
    final: Point
    base: Point
    points: Annotated[tuple[Point, ...], Meta(min_length=1, max_length=limits.HELLO_POINTS)]
    ceiling: Height
    about: Point | None = None

    @property
    def rank(self) -> tuple[bytes, bytes]:
        """Orders hellos as their heads are ordered: the worse one searches."""
        return (self.score, self.head.id)


class Found(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The sender knows the common ancestor, and that is it: the search is over on both sides. If the receiver's hello
    shows that it dropped that block, ``common`` is the newest of the receiver's own that the sender holds."""

    common: Point


class Finality(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """The sender's final point has advanced to this one. A claim: it proves nothing, but two claims can contradict."""

    point: Point


class Ping(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A request for a sign of life."""


class Pong(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """The sign of life."""


class Note(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """A consensus or routing payload, opaque here. It is delivered only where the block ``about`` is known."""

    payload: Annotated[bytes, Meta(max_length=limits.NOTE_BYTES)]
    about: Point | None = None


class Parting(enum.StrEnum):
    """Why a link ends. The text goes over the wire and into logs, so it is stable."""

    CONTRADICTION = "contradicting-final"
    """The peers hold different final blocks at one height; no exchange can reconcile them."""
    PRUNED = "pruned"
    """The blocks the peer needs are no longer held; it should use the data-availability layer or a snapshot."""
    OUT_OF_STEP = "out-of-step"
    """A block arrived whose parent we do not hold; greeting anew finds the common ancestor. Nobody is to blame."""
    FULL = "full"
    """As many unfinal blocks, branches or links are held as the limits allow."""
    SEARCH_TIMEOUT = "search-timeout"
    """No common ancestor was found in time."""
    SILENT = "silent"
    """No sign of life within the limit."""
    SLOW = "slow-reader"
    """The peer does not read what it is sent."""
    FAULT = "fault"
    """The peer broke the protocol; the evidence is in the misbehaviour output."""
    SHUTDOWN = "shutdown"
    """The node stops in an orderly way."""
    DUPLICATE = "duplicate"
    """Two connections joined the same two nodes; the other one stays."""
    LOST = "lost"
    """The transport ended without a word."""
    PEER_LEFT = "peer-left"
    """The peer said bye; its reason is in the detail."""


class Bye(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """The last message of a link. ``point`` supports the reason: our base if pruned, our final if contradicting."""

    reason: Parting
    point: Point | None = None


class Blocks(msgspec.Struct, frozen=True):
    """A run of one or more blocks, oldest first, each the child of the one before, as one peer sent them."""

    headers: tuple[Header, ...]


Control = Hello | Found | Finality | Ping | Pong | Note | Bye
"""Messages that fit one frame and overtake blocks."""
Message = Control | Blocks
