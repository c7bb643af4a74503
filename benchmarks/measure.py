"""How work in one process is timed: several rounds, the ones to be compared by turns, and the best of them."""

import time
from collections.abc import Callable, Mapping

Figures = dict[str, object]
"""What a topic found: a tree of names and numbers, as it goes into the JSON."""
Work = Callable[[], object]


def seconds(work: Work) -> float:
    """Processor time that ``work`` takes once: what else the machine does is not counted."""
    start = time.process_time()
    work()
    return time.process_time() - start


def by_turns(rounds: int, works: Mapping[str, Work]) -> dict[str, float]:
    """The least seconds that each work took, as all that disturbs only adds. They take turns, so that a slow spell of
    the machine meets all of them alike."""
    runs: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            runs[name].append(seconds(work))
    return {name: min(found) for name, found in runs.items()}


def least(rounds: int, work: Work) -> float:
    """The least seconds that one work took."""
    return by_turns(rounds, {"": work})[""]


def rounded(value: float) -> float:
    """Three digits that count; more would be noise."""
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))
