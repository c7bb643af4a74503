"""``python -m benchmarks.scale [--json FILE] [--quick] [--only PARTS] [--nodes N] [--jobs N]``: large networks."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import attrs

from benchmarks import environment, report
from benchmarks.scale import budgets, heal, live, start, trees
from benchmarks.scale.settings import QUICK, SIZES, Figures, Scale, begin

Work = Callable[[], Figures]
PARTS: Final = ("networks", "trees", "heal", "start")


def works(scale: Scale, parts: Sequence[str]) -> dict[tuple[str, ...], Work]:
    """All that is to be measured, by its place among the figures; the longest first, so that no process has to wait for
    one that began late."""
    found: dict[tuple[str, ...], Work] = {}
    if "networks" in parts:
        found |= {("networks", name, "relay"): partial(live.relay, scale, size) for name, size in SIZES.items()}
    if "trees" in parts:
        found |= {("trees", name): partial(work, scale) for name, work in trees.WAYS.items()}
    if "start" in parts:
        found["start", "from_nothing"] = partial(start.from_nothing, scale)
    if "heal" in parts:
        found |= {("heal", name): partial(failure, scale) for name, failure in heal.FAILURES.items()}
    if "start" in parts:
        found["start", "greeting"] = partial(start.greeting, scale)
    if "networks" in parts:
        for name, size in SIZES.items():
            found["networks", name, "gossipsub"] = partial(live.gossipsub, scale, size, False)
            found["networks", name, "idontwant"] = partial(live.gossipsub, scale, size, True)
            found["networks", name, "bound"] = partial(live.latency_alone, scale, size)
    return found


def run(scale: Scale, parts: Sequence[str], jobs: int) -> Figures:
    """Measure, ``jobs`` things at a time, each in a process of its own. Says on the way how far it is."""
    began, found = time.perf_counter(), Figures()
    with ProcessPoolExecutor(jobs, get_context("spawn"), begin, max_tasks_per_child=1) as pool:
        places = {pool.submit(work): place for place, work in works(scale, parts).items()}
        for done in as_completed(places):
            _put(found, places[done], done.result())
            print(f"{time.perf_counter() - began:7.1f} s  {' '.join(places[done])}", flush=True)
    found["seconds"] = round(time.perf_counter() - began, 1)
    return found


def _put(figures: Figures, place: tuple[str, ...], value: Figures) -> None:
    *folders, name = place
    for folder in folders:
        inner = figures.setdefault(folder, {})
        assert isinstance(inner, dict)
        figures = inner
    figures[name] = value


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Large networks; see README.md.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK.nodes} nodes: a minute, figures that show the way"
    )
    parser.add_argument("--only", type=_parts, default=PARTS, metavar="A,B", help=", ".join(PARTS))
    parser.add_argument("--nodes", type=int, metavar="N", help="how many nodes, instead of 10,000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at a time")
    given = parser.parse_args(arguments)
    scale = QUICK if given.quick else Scale()
    if given.nodes is not None:
        scale = attrs.evolve(scale, nodes=given.nodes)
    figures: Figures = {"environment": environment.describe(), "quick": given.quick, "scale": attrs.asdict(scale)}
    figures |= run(scale, given.only, given.jobs)
    figures |= {"against": budgets.against(figures), "most_rss_mb": max(budgets.memory(figures), default=0)}
    print(table(figures), report.table(figures, budgets.BUDGETS), sep="\n\n")
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print(f"Figures: {given.json}")


def _parts(given: str) -> tuple[str, ...]:
    parts = tuple(given.split(","))
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {part!r}; there are {', '.join(PARTS)}")
    return parts


COLUMNS: Final = {
    "p50_ms": "p50 ms", "p99_ms": "p99 ms", "max_ms": "max ms", "copies": "copies", "bytes_per_node_block": "bytes",
    "messages_per_node_block": "messages", "source_copies_per_block": "by source", "p999_block_times": "p99.9",
    "worst_block_times": "worst", "gaps": "gaps",
}  # fmt: skip
"""What the table shows: bytes and messages are per node and block, p99.9 and worst in block times."""


def table(figures: Figures) -> str:
    """One line for each network."""
    rows = [("", *COLUMNS.values())]
    for part in ("networks", "trees", "heal"):
        rows += _rows(part, figures.get(part))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _rows(name: str, found: object) -> list[tuple[str, ...]]:
    if not isinstance(found, dict):
        return []
    if any(column in found for column in COLUMNS):
        return [(name, *(f"{found[column]:,}" if column in found else "" for column in COLUMNS))]
    return [row for inner in sorted(found) for row in _rows(f"{name} {inner}", found[inner])]


if __name__ == "__main__":
    main()
