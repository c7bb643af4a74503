"""What the two ends of a connection say about the connection itself."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Point

Reason = Annotated[str, Meta(min_length=1, max_length=limits.REASON_WORD_BYTES, pattern=r"^[a-z0-9-]+\Z")]
"""A ``Parting``, or a word of a later release that we do not know: it is passed on as it came."""


class Ping(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A request for a sign of life."""


class Pong(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sign of life."""


class Parting(enum.StrEnum):
    """Why a link ends. The text goes over the wire and into logs, so it is stable."""

    CONTRADICTION = "contradicting-final"
    """The peers hold different final blocks at one height; no exchange can reconcile them."""
    PRUNED = "pruned"
    """The blocks the peer needs are no longer held; it should use the data-availability layer or a snapshot."""
    OUT_OF_STEP = "out-of-step"
    """A block arrived whose parent we do not hold; greeting anew finds the common ancestor. Nobody is to blame."""
    FULL = "full"
    """As many unfinal blocks, bytes of them, branches or links are held as the limits allow."""
    SEARCH_TIMEOUT = "search-timeout"
    """No common ancestor was found in time."""
    SILENT = "silent"
    """No sign of life within the limit."""
    SLOW = "slow-reader"
    """The peer does not read what it is sent."""
    FAULT = "fault"
    """The peer broke the protocol; the evidence is in the misbehaviour output."""
    BANNED = "banned"
    """The node's operator does not want to talk to this peer."""
    SHUTDOWN = "shutdown"
    """The node stops in an orderly way."""
    DUPLICATE = "duplicate"
    """Two connections joined the same two nodes; the other one stays."""
    LOST = "lost"
    """The transport ended without a word."""
    PEER_LEFT = "peer-left"
    """The peer said bye; its reason is in the detail."""


class Bye(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last message of a connection. ``point`` supports the reason: our base if pruned, our final if
    contradicting."""

    reason: Reason
    point: Point | None = None
