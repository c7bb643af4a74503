"""What a node decides across its peers: states, events, and whom it follows."""

from enum import StrEnum
from typing import Final

import msgspec

from syncfsm.protocol import Said
from syncfsm.sync.messages import Hello


class State(StrEnum):
    """Does the node follow a peer?"""

    FREE = "free"
    LED = "led"
    TIRED = "tired"


FREE, LED, TIRED = State.FREE, State.LED, State.TIRED
MEANINGS: Final = {
    State.FREE: "No peer leads: whoever waits next may.",
    State.LED: "The node has turned to one peer, and the others wait, but for those that will send it nothing.",
    State.TIRED: "The leader took too long: all who wait are greeted, one after the other, in the same step.",
}


class Event(StrEnum):
    """What can happen."""

    JOINED = "joined"
    """A connection begins."""
    LEFT = "left"
    """A connection is over."""
    HEARD = "heard"
    """A peer has said hello."""
    GAINED = "gained"
    """A peer has brought blocks that are new."""
    LOOK = "look"
    """The end of a step at which somebody waits: is there one to greet?"""


class Candidate(msgspec.Struct, frozen=True):
    """A peer that waits, and its hello if it has said one. It is harmless if it will send us nothing, because we hold
    its head or have a better one."""

    peer: str
    hello: Hello | None
    harmless: bool


class Look(msgspec.Struct, frozen=True):
    """With ``LOOK``: has what the leader said been reached; is patience at its end; who waits longest; and who of those
    that are harmless, and of those that have said that they have more than we."""

    reached: bool
    tired: bool
    first: Candidate | None = None
    harmless: Candidate | None = None
    ahead: Candidate | None = None


CARRIES: Final = {Event.JOINED: str, Event.LEFT: str, Event.HEARD: Said, Event.GAINED: str, Event.LOOK: Look}
"""What each event brings along; a ``str`` is the name of a connection."""


class Patience(msgspec.Struct, frozen=True):
    """Since when a node has waited: it is the node's, and goes on from one leader to the next."""

    began: float
    """When it turned to the first leader of those for whom others wait in a row."""
    helped: float
    """When a leader last gave it something new; ``began``, if none has."""


class Leader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the node follows, and who waits."""

    state: State = State.FREE
    peer: str = ""
    """The connection that leads; empty if none does."""
    goal: Hello | None = None
    """The leader's hello, ``None`` until it came."""
    patience: Patience | None = None
    """``None`` while nobody leads."""
    waiting: tuple[str, ...] = ()
    """Connections that are not greeted yet, oldest first."""
