"""What each row of the tables is for: the protocol without it, and the first promise that breaks.

    python -m model_tests.needed      finds out anew, and records it; takes some minutes

Do it after a row was added, or if a test says that a row is needed no more.
"""

import json
from pathlib import Path
from typing import Any, Final

import attrs

from model_tests.exhaustive import TABLE_OF, explored
from model_tests.exhaustive import row as row_of
from syncfsm.check import NodeComponent, World, with_rules
from syncfsm.check.found import NEVER_RAISES
from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule, Table
from syncfsm.node.registry import STANDARD as REGISTRY
from syncfsm_spec.worlds import NODES

RECORD: Final = Path(__file__).parent / "needed.json"
WORLDS: Final = {world.name: world for world in NODES}
ROWS: Final = {row_of(rule): rule for rule in TABLE_OF if (rule.target, rule.action) != (STAY, IGNORE)}
"""The rows that do something, of every table."""


def table_of(world: World, name: str) -> Table[Any]:
    """The table of this name that moves the world."""
    for component in world.components:
        registry = getattr(component, "registry", REGISTRY)
        found: dict[str, Table[Any]] = {**registry.tables, **getattr(component, "tables", {})}
        if isinstance(component, NodeComponent) or getattr(component, "name", "") == name:
            return found[name]
    raise LookupError(f"no component of world {world.name} has a table {name}")


def without(rule: Rule, world: World) -> Table[Any]:
    """The world's table without this row: its events go to the next that applies; instead of the last, nothing
    happens."""
    table, nothing = table_of(world, TABLE_OF[rule]), attrs.evolve(rule, target=STAY, action=IGNORE)
    left = tuple(nothing if row == rule else row for row in table.rules if row != rule or rule.guard == ALWAYS)
    return attrs.evolve(table, rules=left)


def broken(world: World, rule: Rule) -> str | None:
    """The promise that breaks first in this world without this row."""
    violation = explored(with_rules(world, without(rule, world))).violation
    return violation.name if violation else None


def needed() -> dict[str, tuple[str, str]]:
    """The record: for each row that is needed, a world that shows it, and the promise that breaks there."""
    found: dict[str, tuple[str, str]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def record() -> None:
    """Find the smallest world in which each row is needed, and write the record."""
    worlds = sorted(map(_rows_of, NODES))
    found = {}
    for name, rule in ROWS.items():
        shown = _shown(rule, [world for _, world, rows in worlds if name in rows])
        print(name, "=>", shown, flush=True)
        if shown is not None:
            found[name] = shown
    RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rows_of(world: World) -> tuple[int, str, frozenset[str]]:
    exploration = explored(world)
    return exploration.states, world.name, frozenset(map(row_of, exploration.fired))


def _shown(rule: Rule, names: list[str]) -> tuple[str, str] | None:
    """The first of these worlds in which a promise breaks without this row. That something raises says less of what the
    row is for: it counts if nothing else breaks in any of them."""
    raises = None
    for name in names:
        promise = broken(WORLDS[name], rule)
        if promise == NEVER_RAISES[0]:
            raises = raises or (name, promise)
        elif promise is not None:
            return name, promise
    return raises


if __name__ == "__main__":
    record()
