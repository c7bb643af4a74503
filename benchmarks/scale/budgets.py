"""What large networks must come to, and what they should."""

from collections.abc import Iterator
from typing import Final

from benchmarks.report import Budget, at
from benchmarks.scale.heal import FAILURES
from benchmarks.scale.settings import SIZES, Figures

COPIES: Final = 1.1
"""Most copies of a live block that a node receives, on average."""
BODIES: Final = 4.2
"""Most that its source sends, however many nodes there are."""
OTHERS: Final = ("gossipsub", "bound")
"""What relay is measured against, in the same run."""


def _of_size(size: str) -> tuple[Budget, ...]:
    relay, large = ("networks", size, "relay"), size == "100KB"
    return (
        Budget((*relay, "copies"), f"{size}: copies of a block a node", COPIES, least=True),
        Budget((*relay, "source_copies_per_block"), "   copies that the source sends", BODIES, least=True),
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
    *(budget for name in FAILURES for budget in _of_failure(name)),
    Budget(("seconds",), "all of it: s", 2700, least=True),
    Budget(("most_rss_mb",), "memory of one process: MB, at most"),
)


def against(figures: Figures) -> Figures:
    """By size, p99 of relay as a multiple of that of the others, as far as both were measured."""
    found: Figures = {}
    for size in SIZES:
        p99 = {name: at(figures, ("networks", size, name, "p99_ms")) for name in ("relay", *OTHERS)}
        relay, others = p99["relay"], {name: p99[name] for name in OTHERS}
        if relay is not None and any(others.values()):
            found[size] = {name: round(relay / other, 3) for name, other in others.items() if other}
    return found


def memory(found: object) -> Iterator[int]:
    """What each process took at most, in MB."""
    if isinstance(found, dict):
        if isinstance(found.get("rss_mb"), int):
            yield found["rss_mb"]
        for inner in found.values():
            yield from memory(inner)
