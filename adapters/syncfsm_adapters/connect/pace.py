"""How much is written at a time.

What has been taken from a session can not be overtaken by a small message, so little should be taken; but every write
has its price. So as much is taken as the socket took within ``WAIT`` at its last pace: on a slow line a frame, on a
fast one up to ``MOST_BYTES``.
"""

from typing import Final

from syncfsm import limits

WAIT: Final = 0.005
"""Seconds that a small message may wait for what is being written, if the line goes on as it did."""
MOST_BYTES: Final = 64 * 1024
"""Even if it takes that in no time, so that a line that comes to a halt keeps no more from being overtaken."""


class Pace:
    """The pace of one connection, from what its socket took."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = limits.FRAME_BYTES
        """How much to take for the next write; a frame at least."""

    def wrote(self, size: int, seconds: float) -> None:
        """A write of ``size`` bytes took so long. It grows twofold at most, and only if there was as much to write. How
        long a small write takes is not the line's doing, unless it is long."""
        if size <= self.bytes // 2 and seconds < WAIT:
            return
        fits = int(size * WAIT / seconds) if seconds > 0 else MOST_BYTES
        self.bytes = max(limits.FRAME_BYTES, min(fits, 2 * self.bytes, MOST_BYTES))
