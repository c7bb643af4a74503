"""What exploration found, as it was recorded: sizes, bounds, and for each row a world in which it fires.

    python -m model_tests.exhaustive            explores the standard worlds, and records them
    python -m model_tests.exhaustive --large    the large ones too

Do it after a change that is meant to change them, and look at the difference.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from syncfsm.check import Exploration, World
from syncfsm.machine import Rule
from syncfsm.node.registry import STANDARD as REGISTRY
from syncfsm_spec.worlds import LARGE, NODES

RECORD: Final = Path(__file__).parent / "recorded.json"
TABLE_OF: Final = {rule: name for name, table in REGISTRY.tables.items() for rule in table.rules}
"""The name of the table of each row."""


def row(rule: Rule) -> str:
    """A row, with the name of its table."""
    return f"{TABLE_OF[rule]}: {rule}"


def explored(world: World) -> Exploration:
    """The whole world."""
    exploration = Exploration(world)
    exploration.run()
    return exploration


def figures(exploration: Exploration) -> dict[str, Any]:
    """What is recorded of a world."""
    return {
        "states": exploration.states,
        "transitions": exploration.transitions,
        "depth": exploration.depth,
        "settle_bound": exploration.settled.bound if exploration.settled else None,
    }


def recorded() -> dict[str, Any]:
    """The record: ``worlds`` by name, ``rows`` with the smallest world in which each fires."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def record(large: bool) -> None:
    """Explore, and write the record. The large worlds keep theirs unless asked for; a violated one has none."""
    before = recorded() if RECORD.exists() else {"worlds": {}}
    kept = {world.name: before["worlds"][world.name] for world in LARGE if world.name in before["worlds"]}
    worlds: dict[str, Any] = {}
    rows: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for world in (*NODES, *(LARGE if large else ())):
        exploration = explored(world)
        if exploration.violation is None:
            worlds[world.name] = figures(exploration)
        sizes[world.name] = exploration.states
        for name in map(row, exploration.fired):
            if name not in rows or sizes[rows[name]] > exploration.states:
                rows[name] = world.name
        print(world.name, figures(exploration), exploration.violation and f"{exploration.violation.name} is VIOLATED")
    found = {"worlds": kept | worlds, "rows": dict(sorted(rows.items()))}
    RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record("--large" in sys.argv)
