"""The promises hold in every state of the standard worlds, on the code that ships."""

from typing import Final

import pytest

from model_tests.exhaustive import TABLE_OF, explored, figures, recorded, row
from syncfsm.check import World
from syncfsm.check.report import HOLDS, REACHED, verdicts
from syncfsm.node.registry import STANDARD as REGISTRY
from syncfsm_spec.sync.worlds import forks, race
from syncfsm_spec.worlds import BOTH, LARGE, NODES

ENOUGH: Final = 2_840_000
"""States. A world of two strategies that has more with one is explored here with the other, which has fewer; both are
by ``syncfsm check``, and at night."""
LATER: Final = {name for name, found in recorded()["worlds"].items() if found["states"] > ENOUGH}
WORLDS: Final = [
    pytest.param(world, marks=pytest.mark.nightly) if world.name in LATER or world in LARGE else world
    for world in (*NODES, *LARGE)
]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_every_promise_holds(world: World) -> None:
    exploration = explored(world)
    assert exploration.violation is None
    assert exploration.complete
    assert set(verdicts(exploration).values()) <= {HOLDS, REACHED}
    assert figures(exploration) == recorded()["worlds"][world.name], "see model_tests/exhaustive.py"
    attributed = {fired for fired, name in recorded()["rows"].items() if name == world.name}
    assert attributed <= set(map(row, exploration.fired))


def test_every_row_fires_in_some_world() -> None:
    assert set(recorded()["rows"]) == set(map(row, TABLE_OF))


def test_no_two_rows_are_the_same() -> None:
    """What fired is told by the row alone, so a row must say which table it is of."""
    assert len(TABLE_OF) == len(set(map(row, TABLE_OF))) == sum(len(table.rules) for table in REGISTRY.tables.values())


def test_of_each_kind_of_world_one_is_explored_each_time() -> None:
    later = LATER - {world.name for world in LARGE}
    kinds = {name.removesuffix("-ledger").removesuffix("-streaming") for name in later}
    assert {f"{kind}-locator" for kind in kinds} <= {world.name for world in NODES} - LATER


def test_every_world_is_recorded() -> None:
    assert recorded()["worlds"].keys() == {world.name for world in (*NODES, *LARGE)}


def test_the_standard_set_is_large_enough() -> None:
    worlds = recorded()["worlds"]
    assert sum(worlds[kind(strategy).name]["states"] for kind in (forks, race) for strategy in BOTH) >= 1_000_000
