"""What is to happen, and when: virtual time."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Call = Callable[..., None]


class Agenda:
    """Calls, by the time at which they are due; those of one time in the order in which they were planned."""

    __slots__ = ("_calls", "_planned", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds; what is called may read it."""
        self._calls: list[tuple[float, int, Call, tuple[Any, ...]]] = []
        self._planned = 0

    def at(self, when: float, call: Call, *given: Any) -> None:
        """Call this at that time; one that is over stands for now."""
        self._planned += 1
        heappush(self._calls, (when, self._planned, call, given))

    def run(self, until: float) -> None:
        """Let time pass, and call what comes due; then it is ``until``."""
        calls = self._calls
        while calls and calls[0][0] <= until:
            when, _, call, given = heappop(calls)
            if when > self.now:
                self.now = when
            call(*given)
        self.now = max(self.now, until)
