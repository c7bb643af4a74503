"""What large networks must come to, and what they should."""

from collections.abc import Iterator
from typing import Final

from benchmarks.report import Budget
from benchmarks.scale.settings import SIZES, Figures

OTHERS: Final = ("gossipsub", "bound")
"""What relay is measured against, in the same run."""


def _of_size(size: str) -> tuple[Budget, ...]:
    relay, large = ("networks", size, "relay"), size == "100KB"
    return (
        Budget((*relay, "copies"), f"{size}: copies of a block a node", 1.1, least=True),
        Budget((*relay, "source_copies_per_block"), "   copies that the source sends", 4.2, least=True),
        Budget((*relay, "gaps"), "   heights that a node lacks", 0, least=True),
        Budget(("against", size, "gossipsub"), "   p99 against gossipsub", 1, 0.8 if large else None, least=True),
        Budget(
            ("against", size, "bound"), "   p99 against latency alone",
            1.3 if size == "1KB" else None, least=True,
        ),
    )  # fmt: skip


def _of_failure(name: str) -> tuple[Budget, ...]:
    return (
        Budget(("heal", name, "gaps"), f"{name}: heights that a node lacks", 0, least=True),
        Budget(
            ("heal", name, "p999_block_times"), "   p99.9, in block times",
            3 if name == "kill20" else None, least=True,
        ),
        Budget(("heal", name, "worst_block_times"), "   worst"),
    )  # fmt: skip


BUDGETS: Final = (
    *(budget for size in SIZES for budget in _of_size(size)),
    *(budget for name in ("kill20", "cut", "region", "liars") for budget in _of_failure(name)),
    Budget(("seconds",), "all of it: s", 2700, least=True),
    Budget(("most_rss_mb",), "memory of one process: MB, at most"),
)


def against(figures: Figures) -> Figures:
    """By size, p99 of relay as a multiple of that of the others, as far as both were measured."""
    found: Figures = {}
    for size in SIZES:
        relay = _p99(figures, size, "relay")
        others = {name: p99 for name in OTHERS if (p99 := _p99(figures, size, name)) is not None}
        if relay is not None and others:
            found[size] = {name: round(relay / p99, 3) for name, p99 in others.items()}
    return found


def _p99(figures: Figures, size: str, name: str) -> float | None:
    found: object = figures
    for step in ("networks", size, name, "p99_ms"):
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, float) else None


def memory(found: object) -> Iterator[int]:
    """What each process took at most, in MB."""
    if isinstance(found, dict):
        if isinstance(found.get("rss_mb"), int):
            yield found["rss_mb"]
        for inner in found.values():
            yield from memory(inner)
