"""One direction of a simulated connection: what waits, what is being transmitted, what is on its way.

    put -> lane (waiting) -> bandwidth -> flight (latency) -> the other end

A lane keeps the order of the wire: small messages first, then blocks. It carries values, or, to exercise the codec,
real bytes. A way that is cut holds back what is on it and takes no more, as a TCP connection over a dead path does.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from math import ceil, inf
from random import Random
from typing import Final, Protocol, TypeAlias

import attrs
import msgspec

from syncfsm import limits
from syncfsm.blocks import Header, HeaderCheck
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.messages import Blocks, Bye, Control, Hello, Note
from syncfsm.wire.connection import Inbox, Outbox, Run
from syncfsm.wire.frames import HEADER_BYTES, PAYLOAD_BYTES, WORD

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_ALL: Final = 2**30
"""More than a lane holds: where bandwidth has no bound, all that waits leaves at once."""

Body: TypeAlias = tuple[Header, bytes]
Arrival: TypeAlias = tuple[Control | Blocks | Fault, Mapping[bytes, bytes]]
"""What an end receives, and by id the bodies of the blocks in it."""


class Clock:
    """Virtual time, in seconds, and what is to happen. Things of one instant happen in the order they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = count()

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Have ``action`` called at ``time``, or now if that is past."""
        heapq.heappush(self._due, (max(time, self.now), next(self._sequence), action))

    def advance(self, until: float) -> bool:
        """Let the next thing happen if it is due by ``until``; else set the clock to ``until`` and say ``False``."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, action = heapq.heappop(self._due)
        action()
        return True


@attrs.frozen(kw_only=True)
class Path:
    """How a link carries: ``latency`` and the most ``jitter`` adds to it in seconds, ``bandwidth`` in bytes a second."""

    latency: float = 0.001
    jitter: float = 0.0
    bandwidth: float = inf


@attrs.define
class Way:
    """One direction between two nodes; it outlives connections. ``cut``: it carries nothing for now."""

    path: Path
    cut: bool = False


@attrs.define
class Traffic:
    """What one node has sent. ``bytes`` are those transmitted; the others are counted when the node hands them over."""

    bytes: int = 0
    messages: int = 0
    blocks: int = 0
    hellos: int = 0


@attrs.frozen
class Parcel:
    """What is transmitted in one go. ``freed`` is the room it gives back, ``content`` what arrives, if complete."""

    size: int
    freed: int
    content: object | None


@lru_cache(maxsize=4096)
def block_bytes(header: Header) -> int:
    """Bytes a block takes on the wire, frames included."""
    payload = 2 + len(_ENCODE(header)) + header.size
    if payload <= PAYLOAD_BYTES:
        return HEADER_BYTES + payload
    fragments = ceil((payload + WORD.size) / PAYLOAD_BYTES)
    return payload + WORD.size + fragments * HEADER_BYTES


class Lane(Protocol):
    """The sender's queue and the receiver's unpacking of one direction."""

    def control(self, message: Control) -> bool:
        """Queue a small message. ``False`` if ``Limits.control`` is reached: the peer does not read."""
        ...

    def block(self, header: Header, body: bytes) -> None: ...

    def take(self, most: int) -> Parcel | None:
        """What to transmit next, in about ``most`` bytes."""
        ...

    def unpack(self, contents: Sequence[object]) -> Iterator[Arrival]:
        """What arrives together, blocks that follow one another as one run."""
        ...


class ValueLane:
    """Carries the values themselves; sizes are those of their encoding."""

    def __init__(self, bounds: Limits) -> None:
        self._bounds = bounds
        self._control: deque[tuple[int, Control]] = deque()
        self._blocks: deque[Body] = deque()
        self._after: dict[bytes, list[tuple[int, Control]]] = {}
        self._pending = 0
        self._taken = 0  # bytes of the first block that are transmitted already

    def control(self, message: Control) -> bool:
        size = HEADER_BYTES + len(_ENCODE(message))
        if self._pending + size > self._bounds.control:
            return False
        self._pending += size
        if isinstance(message, Bye):
            self._blocks.clear()
            self._after.clear()
        about = message.about.id if isinstance(message, Note) and message.about else None
        if about is not None and any(header.id == about for header, _ in self._blocks):
            self._after.setdefault(about, []).append((size, message))
        else:
            self._control.append((size, message))
        return True

    def block(self, header: Header, body: bytes) -> None:
        self._blocks.append((header, body))

    def take(self, most: int) -> Parcel | None:
        if self._control:
            size, message = self._control.popleft()
            self._pending -= size
            return Parcel(size, limits.BLOCK_OVERHEAD if isinstance(message, Hello) else 0, message)
        if not self._blocks:
            return None
        header, _ = self._blocks[0]
        left = block_bytes(header) - self._taken
        if left > most:
            self._taken += most
            return Parcel(most, 0, None)
        self._taken = 0
        self._control.extend(self._after.pop(header.id, ()))
        return Parcel(left, header.cost, self._blocks.popleft())

    def unpack(self, contents: Sequence[object]) -> Iterator[Arrival]:
        run: list[Body] = []
        for content in contents:
            if isinstance(content, tuple):
                if run and (content[0].parent != run[-1][0].id or len(run) == self._bounds.run):
                    yield _as_run(run)
                    run.clear()
                run.append(content)
            else:
                if run:
                    yield _as_run(run)
                    run.clear()
                yield content, {}  # type: ignore[misc]
        if run:
            yield _as_run(run)


def _as_run(run: Sequence[Body]) -> Arrival:
    return Blocks(tuple([header for header, _ in run])), {header.id: body for header, body in run}


class ByteLane:
    """Carries real bytes, through the ``Outbox`` and ``Inbox`` that every transport uses."""

    def __init__(self, bounds: Limits, check: HeaderCheck) -> None:
        self._outbox = Outbox(bounds)
        self._inbox = Inbox(check, bounds)
        self._hellos = 0

    def control(self, message: Control) -> bool:
        self._hellos += isinstance(message, Hello)
        return self._outbox.control(message)

    def block(self, header: Header, body: bytes) -> None:
        self._outbox.block(header, body)

    def take(self, most: int) -> Parcel | None:
        data = self._outbox.take(most)
        if not data:
            return None
        freed = self._outbox.sent_cost()
        if not self._outbox.pending_control:
            freed += self._hellos * limits.BLOCK_OVERHEAD
            self._hellos = 0
        return Parcel(len(data), freed, data)

    def unpack(self, contents: Sequence[object]) -> Iterator[Arrival]:
        for found in self._inbox.feed(b"".join(contents)):  # type: ignore[arg-type]
            if isinstance(found, Run):
                bodies = {header.id: body for header, body in zip(found.headers, found.bodies, strict=True)}
                yield Blocks(found.headers), bodies
            else:
                yield found, {}


END: Final = object()
"""On a pipe: the sender has closed; nothing follows."""


class Receiver(Protocol):
    """Both ends of a pipe, as it sees them."""

    def freed(self, cost: int) -> None:
        """At the sender: blocks and hellos of this cost have left."""
        ...

    def arrived(self, message: Control | Blocks | Fault, bodies: Mapping[bytes, bytes]) -> None: ...

    def ended(self) -> None:
        """At the receiver: the sender has closed."""
        ...
