"""How far behind a node was in the last minutes, so that whoever opens the page sees what has just been."""

from collections import deque
from typing import Final

import trio

from syncfsm_adapters.look.report import Reporter

EVERY: Final = 1.0
"""Seconds from one sample to the next."""
SAMPLES: Final = 600


class Trail:
    """The last ``SAMPLES`` of a node."""

    def __init__(self, reporter: Reporter) -> None:
        self.samples: deque[tuple[float, int, float, int]] = deque(maxlen=SAMPLES)
        self._reporter = reporter

    async def run(self) -> None:
        """Take samples, until cancelled."""
        while True:
            self.samples.append(self._reporter.sample())
            await trio.sleep(EVERY)
