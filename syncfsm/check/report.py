"""What an exploration found, as plain data."""

from typing import Any

from syncfsm.check.explore import Exploration
from syncfsm.check.found import NEVER_RAISES
from syncfsm.check.properties import Sometimes, SometimesStep
from syncfsm.check.world import World
from syncfsm.registry import Registry

HOLDS, VIOLATED, REACHED, OPEN = "holds", "violated", "reached", "open"
"""``open``: the exploration stopped before this could be told."""


def verdicts(exploration: Exploration) -> dict[str, str]:
    """Each property by its name, with the one that every world has. One with several parts holds if all of them do."""
    violation, reached = exploration.violation, exploration.reached
    kept = HOLDS if violation is None and exploration.complete else OPEN
    found = {NEVER_RAISES[0]: kept}
    for p in exploration.world.properties:
        if isinstance(p, Sometimes | SometimesStep):
            found[p.name] = REACHED if p.name in reached else OPEN
        else:
            found[p.name] = kept
    if violation is not None:
        found[violation.name] = VIOLATED
    return found


def report(exploration: Exploration, seconds: float) -> dict[str, Any]:
    """One world's figures. ``seconds`` is what it took, by the caller's clock."""
    fired, rows = exploration.fired, exploration.world.rows
    tables = _tables(exploration.world)

    def named(row: Any) -> str:
        return f"{tables[row]}: {row}" if row in tables else str(row)

    return {
        "name": exploration.world.name,
        "states": exploration.states,
        "transitions": exploration.transitions,
        "seconds": round(seconds, 3),
        "states_per_second": round(exploration.states / seconds) if seconds else None,
        "depth": exploration.depth,
        "settle_bound": exploration.settled.bound if exploration.settled and not exploration.settled.cycle else None,
        "properties": verdicts(exploration),
        "rules_fired": [named(row) for row in rows if row in fired],
        "rules_never_fired": [named(row) for row in rows if row not in fired],
    }


def _tables(world: World) -> dict[Any, str]:
    """The name of each row's table, as far as the components know."""
    found: dict[Any, str] = {}
    for component in world.components:
        registry = getattr(component, "registry", None)
        known = {**(registry.tables if isinstance(registry, Registry) else {}), **getattr(component, "tables", {})}
        found.update({row: name for name, table in known.items() for row in table.rules})
    return found


def never_fired(reports: list[dict[str, Any]]) -> list[str]:
    """Rows that fired in none of these worlds, in their order."""
    fired = {row for each in reports for row in each["rules_fired"]}
    return list(dict.fromkeys(row for each in reports for row in each["rules_never_fired"] if row not in fired))
