"""The promises hold in every state of the standard worlds, on the code that ships."""

from typing import Final

import pytest

from model_tests.exhaustive import explored, figures, recorded
from spec.worlds import BOTH, LARGE, STANDARD, forks, race
from syncfsm.check import World
from syncfsm.check.report import HOLDS, REACHED, verdicts
from syncfsm.link import TABLE

NIGHTLY: Final = [pytest.param(world, marks=pytest.mark.nightly) for world in LARGE]


@pytest.mark.parametrize("world", [*STANDARD, *NIGHTLY], ids=lambda world: world.name)
def test_every_promise_holds(world: World) -> None:
    exploration = explored(world)
    assert exploration.violation is None
    assert exploration.complete
    assert set(verdicts(exploration).values()) <= {HOLDS, REACHED}
    assert figures(exploration) == recorded()["worlds"][world.name], "see model_tests/exhaustive.py"
    attributed = {row for row, name in recorded()["rows"].items() if name == world.name}
    assert attributed <= {str(row) for row in exploration.fired}


def test_every_row_fires_in_some_world() -> None:
    assert set(recorded()["rows"]) == {str(rule) for rule in TABLE.rules}


def test_every_world_is_recorded() -> None:
    assert recorded()["worlds"].keys() == {world.name for world in (*STANDARD, *LARGE)}


def test_the_standard_set_is_large_enough() -> None:
    worlds = recorded()["worlds"]
    assert sum(worlds[kind(strategy).name]["states"] for kind in (forks, race) for strategy in BOTH) >= 1_000_000
