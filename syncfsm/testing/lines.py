"""One direction of a connection: first in, first out, except that small messages may overtake blocks."""

from collections import deque
from typing import Final, TypeAlias

import attrs

from syncfsm.blocks import Unchecked
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Message, Registry
from syncfsm.wire.codec import Bad
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox

Carried: TypeAlias = Message
"""A message, small or with blocks."""
Unread: TypeAlias = tuple[Fault, int]
"""What arrived is no message; with the number of the protocol in which it was sent."""
_ALL: Final = 2**40
_LIMITS: Final = Limits()


class Wire:
    """Turns each message into real bytes, and these into messages again. Bodies are zeros."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._outbox = Outbox(_LIMITS, registry)
        self._inbox = Inbox(Unchecked(), _LIMITS, registry)
        self._unread: Unread | None = None

    def carry(self, message: Carried) -> Carried | Unread:
        """What the receiver makes of ``message``; after what ends the stream, that. ``LocalError`` if it cannot be
        encoded."""
        headers = self._registry.headers(message)
        for header in headers:
            self._outbox.block(self._registry.number(message), header, bytes(header.size))
        if not headers:
            self._outbox.message(message)
        self._inbox.feed(self._outbox.take(_ALL))
        for found in self._inbox.take():
            if not isinstance(found, Bad):
                bare: Carried = self._registry.bare(found)
                return bare
            self._unread = found.fault, found.protocol
        assert self._unread is not None, "what has been written whole arrives"
        return self._unread


@attrs.define
class Line:
    """What ``source`` has sent to ``target`` and ``target`` has not received, with the times when it is due."""

    source: str
    target: str
    codec: bool
    registry: Registry = STANDARD
    open: bool = False
    """Does the source still take part in the connection?"""
    cut: bool = False
    """It carries nothing for now; it keeps what it has."""
    pause: float = 0.0
    """Least seconds between two messages."""
    under_way: deque[tuple[float, Carried | None]] = attrs.field(factory=deque)
    """``None``, the last thing on a line: the source has closed the connection."""
    _wire: Wire | None = None

    def begin(self) -> None:
        """A new connection."""
        self.open = True
        self.under_way.clear()
        self._wire = Wire(self.registry) if self.codec else None

    def put(self, message: Carried | None, due: float) -> None:
        """The source sends; not due before what it sent earlier."""
        if self.under_way:
            due = max(due, self.under_way[-1][0] + self.pause)
        self.under_way.append((due, message))

    def mend(self) -> None:
        """It carries again, at full speed: what was held back is due at once."""
        self.cut, self.pause = False, 0.0
        self.under_way = deque((0.0, message) for _, message in self.under_way)

    def take(self, overtake: bool) -> Carried | Unread | None:
        """The next message for the target, ``None`` for the end; the line must not be empty.

        With ``overtake`` it is the one that may go first (``Registry.first_small``). The last message of a connection
        drops what it overtakes.
        """
        at = self.registry.first_small([message for _, message in self.under_way]) if overtake else 0
        message = self.under_way[at][1]
        del self.under_way[at]
        if type(message) in self.registry.lasts:
            while self.under_way and self.under_way[0][1] is not None:
                self.under_way.popleft()
        return self._wire.carry(message) if self._wire is not None and message is not None else message
