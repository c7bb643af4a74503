"""The connection's protocol, as the rest of the house knows it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.limits import Limits
from syncfsm.machine import Table
from syncfsm.numbers import MessageNumber, ProtocolNumber
from syncfsm.peer.actions import ACTIONS
from syncfsm.peer.guards import GUARDS
from syncfsm.peer.messages import Bye, Ping, Pong
from syncfsm.peer.rules import RULES
from syncfsm.peer.types import CARRIES, MEANINGS, Event, Peer, State
from syncfsm.protocol import Hook, Kind, Protocol

TABLE: Final[Table[Peer]] = Table(
    name="peer", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.CLOSED, end=State.CLOSED,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def deadline(peer: Peer, limits: Limits) -> float:
    """When a tick can do something: part for silence, or ask for a sign of life."""
    return min(peer.heard_at + limits.silence, max(peer.heard_at, peer.pinged_at) + limits.keepalive)


def aged(peer: Peer, seconds: float) -> Peer:
    """The same connection, all that it remembers of time so much longer ago."""
    return replace(peer, heard_at=peer.heard_at - seconds, pinged_at=peer.pinged_at - seconds)


def status(peer: Peer) -> Mapping[str, Any]:
    """For an operator."""
    return {"id": peer.id.hex(), "proved": peer.proved, "room": peer.room, "heard_at": peer.heard_at}


def show(peer: Peer) -> str:
    """Nothing: that there is a connection goes without saying."""
    return ""


def _words(bye: Bye) -> str:
    return f"bye ({bye.reason!s})"


PEER: Final[Protocol[Peer]] = Protocol(
    number=ProtocolNumber.PEER,
    name="peer",
    doc="The connection itself: alive, leaving, the purse of room. The only one that ends a connection.",
    table=TABLE,
    kinds=(
        Kind(MessageNumber.BYE & 0xFF, Bye, Event.BYE, words=_words, last=True),
        Kind(MessageNumber.PING & 0xFF, Ping, Event.PING),
        Kind(MessageNumber.PONG & 0xFF, Pong, Event.PONG),
    ),
    begin=Peer,
    hooks={Hook.OPENED: Event.CONNECT, Hook.TICK: Event.TICK, Hook.FAULT: Event.FAULT},
    deadline=deadline,
    aged=aged,
    show=show,
    status=status,
    quiet=frozenset({Event.HEARD, Event.SPENT, Event.ROOM}),
    essential=True,
)
