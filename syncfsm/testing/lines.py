"""One direction of a connection: first in, first out, except that small messages may overtake blocks."""

from collections import deque
from typing import Final

import attrs

from syncfsm import limits
from syncfsm.blocks import Unchecked
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.messages import Blocks, Bye, Control, Hello, Note
from syncfsm.wire.connection import Inbox, Outbox, Run

Carried = Control | Blocks
_ALL: Final = 2**40
_LIMITS: Final = Limits()


def room_of(message: Carried) -> int:
    """What a message counts against the room of its link."""
    if isinstance(message, Blocks):
        return sum(header.cost for header in message.headers)
    return limits.BLOCK_OVERHEAD if isinstance(message, Hello) else 0


class Wire:
    """Turns each message into real bytes, and these into messages again. Bodies are zeros."""

    def __init__(self) -> None:
        self._outbox = Outbox(_LIMITS)
        self._inbox = Inbox(Unchecked(), _LIMITS)
        self._fault: Fault | None = None

    def carry(self, message: Carried) -> Carried | Fault:
        """What the receiver makes of ``message``; after a fault, that fault. ``LocalError`` if it cannot be encoded."""
        if self._fault is not None:
            return self._fault
        if isinstance(message, Blocks):
            for header in message.headers:
                self._outbox.block(header, bytes(header.size))
        else:
            self._outbox.control(message)
        (found,) = self._inbox.feed(self._outbox.take(_ALL))
        if isinstance(found, Fault):
            self._fault = found
        return Blocks(found.headers) if isinstance(found, Run) else found


@attrs.define
class Line:
    """What ``source`` has sent to ``target`` and ``target`` has not received, with the times when it is due."""

    source: str
    target: str
    codec: bool
    open: bool = False
    """Does the source still take part in the connection?"""
    cut: bool = False
    """It carries nothing for now; it keeps what it has."""
    pause: float = 0.0
    """Least seconds between two messages."""
    under_way: deque[tuple[float, Carried | None]] = attrs.field(factory=deque)
    """``None``, the last thing on a line: the source has closed the connection."""
    _wire: Wire = attrs.field(factory=Wire)

    def begin(self) -> None:
        """A new connection."""
        self.open = True
        self.under_way.clear()
        self._wire = Wire()

    def put(self, message: Carried | None, due: float) -> None:
        """The source sends; not due before what it sent earlier."""
        if self.under_way:
            due = max(due, self.under_way[-1][0] + self.pause)
        self.under_way.append((due, message))

    def mend(self) -> None:
        """It carries again, at full speed: what was held back is due at once."""
        self.cut, self.pause = False, 0.0
        self.under_way = deque((0.0, message) for _, message in self.under_way)

    def take(self, overtake: bool) -> Carried | Fault | None:
        """The next message for the target, ``None`` for the end; the line must not be empty.

        With ``overtake`` it is the oldest small message, even if blocks are before it. A bye drops them.
        """
        at = self._first_small() if overtake else 0
        message = self.under_way[at][1]
        del self.under_way[at]
        if isinstance(message, Bye):
            while self.under_way and self.under_way[0][1] is not None:
                self.under_way.popleft()
        return self._wire.carry(message) if self.codec and message is not None else message

    def _first_small(self) -> int:
        """The place of the oldest small message that need not wait for its own block; 0 if there is none."""
        before: set[bytes] = set()
        for at, (_, message) in enumerate(self.under_way):
            if isinstance(message, Blocks):
                before |= {header.id for header in message.headers}
            elif message is None or (isinstance(message, Note) and message.about and message.about.id in before):
                return 0
            else:
                return at
        return 0
