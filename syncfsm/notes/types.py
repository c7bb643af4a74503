"""What waits for a peer: states, events, and the payloads that are held back; what is asked and what is told."""

from enum import StrEnum
from typing import Final

import attrs
import msgspec

from syncfsm import limits
from syncfsm.errors import LocalError
from syncfsm.notes.messages import Note
from syncfsm.outputs import Own


class State(StrEnum):
    """Where the exchange of payloads with a peer stands."""

    CLOSED = "closed"
    OPEN = "open"


CLOSED, OPEN = State.CLOSED, State.OPEN
MEANINGS: Final = {
    State.CLOSED: "No connection.",
    State.OPEN: "Payloads are taken from the integrator and from the peer.",
}


class Event(StrEnum):
    """What can happen to payloads."""

    OPENED = "opened"
    """The transport is up."""
    SAY = "say"
    """The integrator has a payload for the peer."""
    NOTE = "note"
    """A message from the peer."""
    NEWS = "news"
    """What the peer is known to have has changed, or what of it is on our best chain."""
    ENDED = "ended"
    """The connection is over."""


@attrs.frozen
class Say:
    """Asked by the integrator: send a payload to ``peers`` (everyone if ``None``), not before the block it is about.

    ``LocalError`` if the payload is longer than ``limits.NOTE_BYTES``.
    """

    note: Note
    now: float
    peers: tuple[str, ...] | None = None

    def __attrs_post_init__(self) -> None:
        size = len(self.note.payload)
        if size > limits.NOTE_BYTES:
            raise LocalError(f"a payload of {size} bytes is over {limits.NOTE_BYTES}; send it in parts")


class Deliver(Own, frozen=True):
    """A peer's payload for the integrator. The block it refers to, if any, is held here."""

    peer: str
    note: Note


class Undelivered(Own, frozen=True):
    """A payload of ours will not reach that peer: its block left our best chain, too many wait, or the link ended."""

    peer: str
    note: Note


CARRIES: Final = {Event.SAY: Say, Event.NOTE: Note}
"""What each event brings along."""


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payloads that wait until the peer has the block they refer to, oldest first."""

    peer: str
    state: State = State.CLOSED
    notes: tuple[Note, ...] = ()
