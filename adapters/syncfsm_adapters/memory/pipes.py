"""Simulated connections. In each direction: what waits, what is being transmitted, what is on its way.

    put -> lane (waiting) -> bandwidth -> flight (latency) -> the other end

A lane keeps the order of the wire: small messages first, then blocks. It carries values, or, to exercise the codec,
real bytes. A way that is cut holds back what is on it and takes no more, as a TCP connection over a dead path does.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count
from math import ceil, inf
from random import Random
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs
import msgspec

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.limits import Limits
from syncfsm.node.node import Config
from syncfsm.protocol import Message
from syncfsm.wire.frames import HEADER_BYTES, WORD
from syncfsm.wire.inbox import FRAGMENT_BYTES, LANE_BYTES, Arrived, Inbox
from syncfsm.wire.outbox import Outbox

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_ALL: Final = 2**30
"""More than a lane holds: where bandwidth has no bound, all that waits leaves at once."""


class Clock:
    """Virtual time in seconds, and what is to happen. What is due at one instant happens in the order of asking."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = count()

    def at(self, time: float, action: Callable[[], object]) -> None:
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
    """How a way carries: ``latency`` in seconds, at most ``jitter`` more, ``bandwidth`` in bytes a second."""

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


@lru_cache(maxsize=4096)
def block_bytes(header: Header) -> int:
    """Bytes a block takes on the wire, frames included."""
    payload = 2 + len(_ENCODE(header)) + header.size
    if payload <= FRAGMENT_BYTES:
        return HEADER_BYTES + LANE_BYTES + payload
    payload += WORD.size
    return payload + ceil(payload / FRAGMENT_BYTES) * (HEADER_BYTES + LANE_BYTES)


C = TypeVar("C")
"""What a lane carries: what one message, block or piece of bytes is while it is under way."""


@attrs.frozen
class Parcel(Generic[C]):
    """What is transmitted in one go. ``freed`` is the room it gives back. No content: it completes nothing yet."""

    size: int
    freed: int
    content: C | None


class Lane(Protocol[C]):
    """The sender's queue and the receiver's unpacking of one direction."""

    def message(self, message: Message) -> bool:
        """Queue a small message. ``False`` if ``Limits.control`` is reached: the peer does not read."""
        ...

    def block(self, protocol: int, header: Header, body: bytes) -> None:
        """Queue a block of this protocol."""
        ...

    def take(self, most: int) -> Parcel[C] | None:
        """What to transmit next, in about ``most`` bytes."""
        ...

    def unpack(self, contents: Sequence[C]) -> Iterator[Arrived]:
        """What arrives together, blocks that follow one another as one run."""
        ...


class ValueLane:
    """Carries the values themselves, each block as a run of one; sizes are those of their encoding."""

    def __init__(self, bounds: Limits, receiver: Config) -> None:
        self._bounds = bounds
        self._registry, self._longest_run = receiver.registry, receiver.limits.run
        self._waiting: list[Any] = []  # in the order in which they were queued
        self._pending = 0  # bytes of small messages in _waiting
        self._taken = 0  # bytes of the first block that are transmitted already

    def message(self, message: Message) -> bool:
        size = _size(message)
        if self._pending + size > self._bounds.control:
            return False
        self._pending += size
        if type(message) in self._registry.lasts:
            self._waiting = [each for each in self._waiting if not self._blocked(each)]
        self._waiting.append(message)
        return True

    def _blocked(self, message: Any) -> bool:
        """Is it a block, or does it wait for one?"""
        registry = self._registry
        queued = {header.id for each in self._waiting for header in registry.headers(each)}
        return bool(registry.headers(message) or registry.waits_for(message) in queued)

    def block(self, protocol: int, header: Header, body: bytes) -> None:
        self._waiting.append(self._registry.run(protocol, (header,), (body,)))

    def take(self, most: int) -> Parcel[Any] | None:
        if not self._waiting:
            return None
        at = self._registry.first_small(self._waiting)
        message = self._waiting[at]
        headers = self._registry.headers(message)
        if not headers:
            del self._waiting[at]
            size = _size(message)
            self._pending -= size
            return Parcel(size, self._registry.cost(message), message)
        left = block_bytes(headers[0]) - self._taken
        if left > most:
            self._taken += most
            return Parcel(most, 0, None)
        self._taken = 0
        del self._waiting[at]
        return Parcel(left, headers[0].cost, message)

    def unpack(self, contents: Sequence[Any]) -> Iterator[Arrived]:
        run: list[Any] = []
        for content in contents:
            headers = self._registry.headers(content)
            child = headers and run and type(content) is type(run[-1]) and headers[0].parent == run[-1].headers[0].id
            if run and not (child and len(run) < self._longest_run):
                yield _as_run(run)
                run.clear()
            if headers:
                run.append(content)
            else:
                yield content
        if run:
            yield _as_run(run)


def _size(message: Message) -> int:
    return HEADER_BYTES + 2 + len(_ENCODE(message))


def _as_run(run: Sequence[Any]) -> Arrived:
    joined: Arrived = type(run[0])(
        tuple([header for each in run for header in each.headers]),
        tuple([body for each in run for body in each.bodies]),
    )
    return joined


class ByteLane:
    """Carries real bytes, through the ``Outbox`` and ``Inbox`` that every transport uses."""

    def __init__(self, bounds: Limits, receiver: Config) -> None:
        self._outbox = Outbox(bounds, receiver.registry)
        self._inbox = Inbox(receiver.check, receiver.limits, receiver.registry)

    def message(self, message: Message) -> bool:
        return self._outbox.message(message)

    def block(self, protocol: int, header: Header, body: bytes) -> None:
        self._outbox.block(protocol, header, body)

    def take(self, most: int) -> Parcel[bytes] | None:
        data = self._outbox.take(most)
        return Parcel(len(data), self._outbox.freed(), data) if data else None

    def unpack(self, contents: Sequence[bytes]) -> Iterator[Arrived]:
        self._inbox.feed(b"".join(contents))
        while self._inbox.more:
            yield from self._inbox.take()


class Pipe(Generic[C]):
    """Carries what one end of a connection says to the other, in order.

    ``on_freed`` tells the sender how much room came free, in portions of at least ``report`` bytes; ``on_arrival`` and
    ``on_end`` tell the receiver. All three are called from the clock, never from within a call to the pipe.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        way: Way,
        lane: Lane[C],
        traffic: Traffic,
        report: int,
        on_freed: Callable[[int], None],
        on_arrival: Callable[[Arrived], None],
        on_end: Callable[[], None],
    ) -> None:
        self._clock, self._random, self._way, self._lane, self._traffic = clock, random, way, lane, traffic
        self._report, self._on_freed, self._on_arrival, self._on_end = report, on_freed, on_arrival, on_end
        self._flight: deque[tuple[float, C | None]] = deque()  # when due, and what; None: nothing follows
        self._last = 0.0  # when the last of _flight is due
        self._freed = 0
        self._busy = False
        self._closing = False
        self._ended = False  # nothing more is transmitted

    def message(self, message: Message) -> bool:
        """Queue a small message; ``False`` if too many wait."""
        kept = self._lane.message(message)
        self._pump()
        return kept

    def blocks(self, protocol: int, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks."""
        for header, body in blocks:
            self._lane.block(protocol, header, body)
        self._pump()

    def close(self) -> None:
        """End the pipe after what is queued."""
        self._closing = True
        self._pump()

    def abort(self) -> None:
        """End the pipe after what is under way already, as if the sender had died."""
        if not self._ended:
            self._ended = True
            self._depart(None)

    def mended(self) -> None:
        """The way carries again: what was held back arrives one latency from now, in order; then the rest follows."""
        held, self._flight, self._last = self._flight, deque(), 0.0
        for _, content in held:
            self._depart(content)
        self._pump()

    def _pump(self) -> None:
        """Transmit what waits, as far as the bandwidth allows."""
        if self._busy or self._ended or self._way.cut:
            return
        bandwidth = self._way.path.bandwidth
        while parcel := self._lane.take(_ALL if bandwidth == inf else limits.FRAME_BYTES):
            if bandwidth < inf:
                self._busy = True
                self._clock.at(self._clock.now + parcel.size / bandwidth, partial(self._finish, parcel))
                return
            self._transmitted(parcel)
        if self._closing:
            self._ended = True
            self._depart(None)

    def _finish(self, parcel: Parcel[C]) -> None:
        if not self._ended:
            self._busy = False
            self._transmitted(parcel)
            self._pump()

    def _transmitted(self, parcel: Parcel[C]) -> None:
        self._traffic.bytes += parcel.size
        self._freed += parcel.freed
        if self._freed >= self._report:
            self._clock.at(self._clock.now, partial(self._on_freed, self._freed))
            self._freed = 0
        if parcel.content is not None:
            self._depart(parcel.content)

    def _depart(self, content: C | None) -> None:
        path = self._way.path
        due = self._clock.now + path.latency + (self._random.random() * path.jitter if path.jitter else 0.0)
        if not self._flight or due > self._last:
            self._last = max(due, self._last)
            self._clock.at(self._last, self._arrive)
        self._flight.append((self._last, content))

    def _arrive(self) -> None:
        """Hand over what is due. What is due while the way is cut stays until it is mended."""
        if self._way.cut:
            return
        contents: list[C] = []
        ended = False
        while self._flight and self._flight[0][0] <= self._clock.now:
            content = self._flight.popleft()[1]
            if content is None:
                ended = True
            else:
                contents.append(content)
        for arrival in self._lane.unpack(contents):
            self._on_arrival(arrival)
        if ended:
            self._on_end()


@attrs.define(eq=False)
class End:
    """One end of a connection: what ``owner`` knows as ``peer``."""

    edge: "Edge"
    owner: str
    peer: str
    out: Pipe[Any] = attrs.field(init=False)
    open: bool = True


@attrs.define(eq=False)
class Edge:
    """Two nodes that want to be linked, ``ways`` by sender, and the connection between them if there is one."""

    nodes: tuple[str, str]
    ways: dict[str, Way]
    ends: tuple[End, ...] = ()
    opening: bool = False
    connections: int = 0
    opened_at: float = 0.0
    back_off: float = 0.0
    retry_at: float = 0.0

    def other(self, name: str) -> str:
        """The node at the far side of ``name``."""
        return self.nodes[self.nodes[0] == name]

    @property
    def carries(self) -> bool:
        """Do both ways carry?"""
        return not any(way.cut for way in self.ways.values())

    @property
    def whole(self) -> bool:
        """Is there a connection, open at both ends, over ways that carry?"""
        return bool(self.ends) and all(end.open for end in self.ends) and self.carries
