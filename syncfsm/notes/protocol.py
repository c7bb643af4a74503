"""The payloads' protocol, as the rest of the house knows it."""

from collections.abc import Mapping
from typing import Any, Final

from syncfsm.machine import Table
from syncfsm.notes.actions import ACTIONS
from syncfsm.notes.guards import GUARDS
from syncfsm.notes.messages import Note
from syncfsm.notes.rules import RULES
from syncfsm.notes.types import CARRIES, MEANINGS, Event, Held, Say, State
from syncfsm.numbers import MessageNumber, ProtocolNumber
from syncfsm.protocol import Hook, Kind, Notice, Protocol, short

TABLE: Final[Table[Held]] = Table(
    name="notes", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.CLOSED,
    end=State.CLOSED, rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def waits_for(note: Note) -> bytes | None:
    """A payload never overtakes the block it is about."""
    return note.about.id if note.about is not None else None


def some_wait(held: Held, carried: object) -> bool:
    """Can news of the peer's blocks matter?"""
    return bool(held.notes)


def status(held: Held) -> Mapping[str, Any]:
    """For an operator."""
    return {"waiting": len(held.notes)}


def show(held: Held) -> str:
    """How many wait, if any."""
    return f"{len(held.notes)} held" if held.notes else ""


def _words(note: Note) -> str:
    return f"note on {short(note.about.id)}" if note.about else "note"


NOTES: Final[Protocol[Held]] = Protocol(
    number=ProtocolNumber.NOTES,
    name="notes",
    doc="Payloads about blocks. Above sync, as it reads what the peer has.",
    table=TABLE,
    kinds=(Kind(MessageNumber.NOTE & 0xFF, Note, Event.NOTE, waits_for=waits_for, words=_words),),
    begin=Held,
    hooks={Hook.OPENED: Event.OPENED, Hook.ENDED: Event.ENDED},
    heeds={Notice.PEER_HAS_MORE: some_wait},
    requests={Say: Event.SAY},
    notices={Notice.PEER_HAS_MORE: Event.NEWS},
    show=show,
    status=status,
)
