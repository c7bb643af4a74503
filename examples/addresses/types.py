"""States, events, the value of a connection; what the integrator asks, and is told."""

from enum import StrEnum
from typing import Final

import attrs
import msgspec

from addresses.messages import Here, Please
from syncfsm.errors import Fault
from syncfsm.events import Request
from syncfsm.outputs import Own


@attrs.frozen(kw_only=True)
class Limits:
    """The protocol's own bounds."""

    most: int = 8
    """Addresses in an answer."""
    pause: float = 30.0
    """Seconds from an answer to the next question."""


class State(StrEnum):
    """Where the exchange with one peer stands."""

    CLOSED = "closed"
    READY = "ready"
    ASKED = "asked"


CLOSED, READY, ASKED = State.CLOSED, State.READY, State.ASKED
MEANINGS: Final = {
    State.CLOSED: "Before the connection, and after its end or a fault.",
    State.READY: "We may ask.",
    State.ASKED: "We have asked, and the answer is awaited.",
}


class Event(StrEnum):
    """What can happen."""

    OPENED = "opened"
    ASK = "ask"
    TELL = "tell"
    PLEASE = "please"
    HERE = "here"
    FAULT = "fault"
    ENDED = "ended"


@attrs.frozen
class Ask(Request):
    """Ask these connections (all if ``None``) for addresses."""

    now: float
    peers: tuple[str, ...] | None = None


@attrs.frozen
class Tell(Request):
    """Answer ``Wanted``."""

    addresses: tuple[str, ...]
    now: float
    peers: tuple[str, ...] | None = None


class Wanted(Own, frozen=True):
    """The peer asks for addresses: answer with ``Tell``."""

    peer: str


class Learnt(Own, frozen=True):
    """The peer knows these addresses."""

    peer: str
    addresses: tuple[str, ...]


CARRIES: Final = {Event.ASK: Ask, Event.TELL: Tell, Event.PLEASE: Please, Event.HERE: Here, Event.FAULT: Fault}


class Exchange(msgspec.Struct, frozen=True):
    """All that is remembered of the exchange with one peer."""

    peer: str
    state: State = State.CLOSED
    owing: bool = False
    """It asked, and has not been answered."""
    learnt: float | None = None
    """When its last answer came."""
    told: float | None = None
    """When we answered it last."""
