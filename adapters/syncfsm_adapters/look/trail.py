"""How far behind a node was in the last minutes, so that whoever opens the page sees what has just been."""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

EVERY: Final = 1.0
"""Seconds from one sample to the next."""
SAMPLES: Final = 600


class Trail:
    """The last ``SAMPLES`` of what ``look`` finds. ``clock`` gives Unix time."""

    def __init__(self, look: Callable[[], tuple[int, int]], clock: Callable[[], float]) -> None:
        self.samples: deque[tuple[float, int, int]] = deque(maxlen=SAMPLES)
        """When, blocks behind, and blocks not confirmed."""
        self._look, self._clock = look, clock

    def take(self) -> None:
        """Take a sample."""
        self.samples.append((round(self._clock(), 3), *self._look()))

    async def run(self) -> None:
        """Take samples, until cancelled."""
        while True:
            self.take()
            await trio.sleep(EVERY)
