"""``python -m benchmarks [--json FILE] [--only TOPICS] [--quick]``: measure, write, and print a table."""

import argparse
import json
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks import environment, report
from benchmarks.measure import Figures

TOPICS: Final = (
    "link",
    "node",
    "chain",
    "store",
    "catch_up",
    "secure",
    "guard",
    "recovery",
    "exploration",
    "discovery",
)
"""Each is a module here with a ``run``, imported when it is asked for: each needs other extras. Discovery is the last,
as its chains fill the memory."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the topics that are asked for, all unless told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What syncfsm costs; see README.md here.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", type=_topics, default=TOPICS, metavar="A,B", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="small sizes: seconds, and figures that only show the way")
    given = parser.parse_args(arguments)
    figures: Figures = {"environment": environment.describe(), "quick": given.quick}
    if "discovery" in given.only:
        figures["notes"] = {"discovery": import_module("benchmarks.discovery").NOTE}
    for topic in given.only:
        print(f"… {topic}", end=" ", flush=True)
        run = import_module(f"benchmarks.{topic}").run
        start = time.perf_counter()
        figures[topic] = run(given.quick)
        print(f"{time.perf_counter() - start:.1f} s", flush=True)
    print(report.table(figures))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print(f"Figures: {given.json}")


def _topics(given: str) -> tuple[str, ...]:
    topics = tuple(given.split(","))
    for topic in topics:
        if topic not in TOPICS:
            raise argparse.ArgumentTypeError(f"no topic {topic!r}; there are {', '.join(TOPICS)}")
    return topics


if __name__ == "__main__":
    main()
