"""One direction of a connection: first in, first out, except that small messages may overtake blocks.

A line is one of two kinds. Without a ``Way`` it takes everything at once, and what has arrived has been written: a node
feels back pressure by its readers. With one, bytes take time, as on a real line:

    put -> waiting -> writing (bytes / rate) -> under way (latency) -> the target
"""

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Final, TypeAlias

import attrs

from syncfsm.blocks import Unchecked
from syncfsm.errors import Fault, LocalError
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Message
from syncfsm.registry import Registry
from syncfsm.wire.codec import Bad, codec_of
from syncfsm.wire.frames import HEADER_BYTES
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox

Carried: TypeAlias = Message
"""A message, small or with blocks."""
Unread: TypeAlias = tuple[Fault, int]
"""What arrived is no message; with the number of the protocol in which it was sent."""
_ALL: Final = 2**40
_LIMITS: Final = Limits()


def weight(message: Carried | None, registry: Registry = STANDARD) -> int:
    """Bytes that a message takes on a line that has a rate: a block what it counts against room, else its frame."""
    if message is None:
        return 0
    headers = registry.headers(message)
    if headers:
        return sum(header.cost for header in headers)
    return len(codec_of(registry).encode(message)) + HEADER_BYTES


@attrs.frozen
class Way:
    """What a line has of its own: ``latency`` in seconds, 0 or more, and ``rate`` in bytes a second, above 0."""

    latency: float
    rate: float = inf


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
    way: Way | None = None
    """With one, ``waiting`` and ``writing`` are used, and room comes back once a message has been written."""
    waiting: deque[Carried | None] = attrs.field(factory=deque)
    """What the source has handed over and the line has not begun to write."""
    writing: tuple[float, Carried | None] | None = None
    """What is being written, and when it will have been. Nothing overtakes it."""
    _wire: Wire | None = None

    @property
    def load(self) -> int:
        """How many messages are on the line, in whatever stage."""
        return len(self.under_way) + len(self.waiting) + (self.writing is not None)

    def carries(self) -> Iterator[Carried | None]:
        """All that is on the line, in whatever stage."""
        yield from (message for _, message in self.under_way)
        yield from (self.writing[1],) if self.writing is not None else ()
        yield from self.waiting

    def begin(self) -> None:
        """A new connection."""
        self.open = True
        self.drop()
        self._wire = Wire(self.registry) if self.codec else None

    def drop(self) -> None:
        """All that is on the line is lost."""
        self.under_way.clear()
        self.waiting.clear()
        self.writing = None

    def put(self, message: Carried | None, now: float, due: float) -> None:
        """The source sends; not due before what it sent earlier. With a way, the line knows when it is due."""
        if self.way is not None:
            self.waiting.append(message)
            self._write_next(self.way, now)
            return
        if self.under_way:
            due = max(due, self.under_way[-1][0] + self.pause)
        self.under_way.append((due, message))

    def _write_next(self, way: Way, now: float) -> None:
        if self.writing is None and self.waiting:
            at = self.registry.first_small(self.waiting)
            message = self.waiting[at]
            del self.waiting[at]
            if self._last(message):
                while self.waiting and self.waiting[0] is not None:
                    self.waiting.popleft()
            self.writing = now + weight(message, self.registry) / way.rate, message

    def written(self, now: float) -> Carried | None:
        """What was being written is under way, and the next is being written; the line must have a way, and be
        writing."""
        if self.way is None or self.writing is None:
            raise LocalError(f"the line from {self.source} to {self.target} is not writing; ask for writing first")
        message, self.writing = self.writing[1], None
        self.under_way.append((now + self.way.latency, message))
        self._write_next(self.way, now)
        return message

    def mend(self) -> None:
        """It carries again, at full speed: what was held back, or was being written, is due at once."""
        self.cut, self.pause = False, 0.0
        self.under_way = deque((0.0, message) for _, message in self.under_way)

    def take(self, overtake: bool) -> Carried | Unread | None:
        """The next message for the target, ``None`` for the end; something must be under way.

        With ``overtake`` it is the one that may go first (``Registry.first_small``). The last message of a connection
        drops what it overtakes.
        """
        at = self.registry.first_small([message for _, message in self.under_way]) if overtake else 0
        message = self.under_way[at][1]
        del self.under_way[at]
        if self._last(message):
            while self.under_way and self.under_way[0][1] is not None:
                self.under_way.popleft()
        return self._wire.carry(message) if self._wire is not None and message is not None else message

    def _last(self, message: Carried | None) -> bool:
        return type(message) in self.registry.lasts
