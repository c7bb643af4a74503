"""How the head of a node moved, and what the node counted meanwhile: its journal, read for figures."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import attrs

Line = Mapping[str, Any]
"""One line of a node's journal."""


@attrs.frozen
class Heads:
    """The lines with which one node told of its best head. Each has the time ``t`` in ``time.monotonic`` seconds, the
    height, and what the node has counted since it started."""

    lines: tuple[Line, ...]

    @classmethod
    def of(cls, lines: Iterable[Line], node: str) -> Self:
        return cls(tuple(line for line in lines if line["node"] == node and line["event"] == "head"))

    def before(self, time: float) -> Line | None:
        """The last line up to ``time``."""
        return next((line for line in reversed(self.lines) if line["t"] <= time), None)

    def since(self, time: float) -> tuple[Line, ...]:
        """The lines after ``time``."""
        return tuple(line for line in self.lines if line["t"] > time)

    def at(self, time: float) -> int:
        """The height at ``time``."""
        line = self.before(time)
        return int(line["height"]) if line is not None else 0

    def reached(self, height: int) -> float | None:
        """When the head first stood at ``height`` or above."""
        return next((float(line["t"]) for line in self.lines if line["height"] >= height), None)


def per_block(windows: Iterable[Sequence[Line]], counter: str) -> float:
    """By how much a counter grew for each block by which a head rose, on average over the nodes. Each window has lines
    of one node and of one life of it."""
    grown = blocks = 0
    for window in windows:
        if len(window) > 1:
            grown += window[-1][counter] - window[0][counter]
            blocks += window[-1]["height"] - window[0]["height"]
    return grown / blocks if blocks else 0.0


def gaps(lines: Sequence[Line]) -> int:
    """Heights that a node skipped: every head must follow from the one before by blocks that it was given since, by
    peers or by the data-availability layer."""
    steps = pairwise((line["height"], line["received"] - line["repeated"] + line.get("read", 0)) for line in lines)
    return sum(max(0, (high - low) - (new - old)) for (low, old), (high, new) in steps)
