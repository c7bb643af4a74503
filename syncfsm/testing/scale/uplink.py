"""The way out of one node, which all its connections share: a queue of bytes.

Blocks are written one after the other, in frames. A small message is written before all blocks that wait, and between
two frames of the block that is being written; so it waits for one frame at most, and for other small ones. That is how
an ``Outbox`` writes too, on a line that carries so many bytes a second.

A block costs two calls, ``put`` and ``done``; a small message one, as nothing can come before it any more.
"""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Generic, TypeVar

from syncfsm import limits

T = TypeVar("T")


class Uplink(Generic[T]):
    """``rate`` is in bytes a second, sizes are bytes, times are seconds. ``wanted`` is asked when a block's turn has
    come: one that is not wanted any more is left out."""

    __slots__ = ("_begun", "_frame", "_free", "_left", "_waiting", "_wanted", "_writing", "rate")

    def __init__(self, rate: float, wanted: Callable[[T], bool] = lambda block: True) -> None:
        self.rate = rate
        self._frame = limits.FRAME_BYTES / rate
        self._wanted = wanted
        self._waiting: deque[tuple[int, T]] = deque()
        self._writing: T | None = None
        self._left = 0
        """Bytes of the block being written that are not written at ``_begun``, when its next frame begins or began."""
        self._begun = 0.0
        self._free = 0.0
        """When the small messages that come after that block, or before none, will have been written."""

    def small(self, now: float, size: int) -> float:
        """A small message is to be written: when it will have been."""
        seconds = size / self.rate
        if self._writing is None or not self._pause(now):
            self._free = max(now, self._free) + seconds
            return self._free
        self._begun += seconds
        return self._begun

    def _pause(self, now: float) -> bool:
        """Move on to the next pause between two frames; ``False`` if the last frame is being written."""
        if now > self._begun:
            frames = ceil((now - self._begun) / self._frame)
            written = frames * limits.FRAME_BYTES
            if written >= self._left:
                self._free = max(self._free, self._end)
                return False
            self._begun += frames * self._frame
            self._left -= written
        return True

    @property
    def _end(self) -> float:
        return self._begun + self._left / self.rate

    def put(self, now: float, size: int, block: T) -> float | None:
        """A block is to be written. If nothing else is being written: when to ask whether it is ``done``."""
        self._waiting.append((size, block))
        return self._next(now) if self._writing is None else None

    def done(self, now: float) -> tuple[T | None, float | None]:
        """The block that has been written, ``None`` if small messages have held it up; and when to ask next, if any
        block is being written."""
        if (end := self._end) > now:
            return None, end
        block, self._writing = self._writing, None
        return block, self._next(now)

    def _next(self, now: float) -> float | None:
        while self._waiting:
            size, block = self._waiting.popleft()
            if self._wanted(block):
                self._writing, self._left, self._begun = block, size, max(now, self._free)
                return self._end
        return None

    @property
    def waiting(self) -> int:
        """How many blocks are not written yet."""
        return len(self._waiting) + (self._writing is not None)


class Downlink:
    """The way into one node: what arrives faster than it carries waits. Small messages pass between the frames."""

    __slots__ = ("_free", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free = 0.0

    def arrive(self, now: float, size: int, rate: float) -> float:
        """The last byte of a block that was sent at ``rate`` is here: when the node will have read it. Ask in the order
        in which blocks arrive."""
        begun = max(self._free, now - size / rate)
        self._free = max(now, begun + size / self.rate)
        return self._free
