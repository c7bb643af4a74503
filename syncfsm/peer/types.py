"""What a connection is: its states, its events, and all that it knows of itself."""

from enum import StrEnum
from typing import Final

import msgspec

from syncfsm.errors import Fault
from syncfsm.peer.messages import Bye, Ping, Pong
from syncfsm.protocol import Part


class State(StrEnum):
    """Where a connection stands."""

    CLOSED = "closed"
    OPEN = "open"


CLOSED, OPEN = State.CLOSED, State.OPEN
MEANINGS: Final = {
    State.CLOSED: "No connection: before it began, and after its one end.",
    State.OPEN: "The transport is up, and both sides have greeted.",
}


class Event(StrEnum):
    """What can happen to a connection."""

    CONNECT = "connect"
    """The transport is up."""
    HEARD = "heard"
    """A message has arrived, of whatever protocol: a sign of life."""
    PING = "ping"
    PONG = "pong"
    BYE = "bye"
    """Messages from the peer."""
    SPENT = "spent"
    """A protocol has handed out blocks, or small messages that count like blocks."""
    ROOM = "room"
    """The transport has written some of them and can take more."""
    TICK = "tick"
    """Time has passed."""
    LEAVE = "leave"
    """This node ends the connection: an essential protocol says so, or whoever runs the node."""
    LOST = "lost"
    """The transport ended."""
    FAULT = "fault"
    """What the peer sent is no message."""


class Opened(msgspec.Struct, frozen=True):
    """With ``CONNECT``: the peer's node id, and whether the transport has proved it."""

    id: bytes = b""
    proved: bool = False


CARRIES: Final = {
    Event.CONNECT: Opened,
    Event.PING: Ping,
    Event.PONG: Pong,
    Event.BYE: Bye,
    Event.SPENT: int,
    Event.ROOM: int,
    Event.LEAVE: Part,
    Event.FAULT: Fault,
}
"""What each event brings along. ``SPENT`` and ``ROOM`` count bytes."""


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that one node knows of a connection as such.

    ``peer`` is the connection's name, unique among all connections the node ever had.
    """

    peer: str
    state: State = State.CLOSED
    id: bytes = b""
    """The node at the other end, as it says."""
    proved: bool = False
    """Has the transport proved that it is that node?"""
    room: int = 0
    """Bytes of blocks the transport will still take, whichever protocol sends them."""
    heard_at: float = 0.0
    """When the peer last gave a sign of life."""
    pinged_at: float = 0.0
    """When we last asked for one."""
