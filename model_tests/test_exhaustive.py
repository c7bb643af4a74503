"""The promises hold in every state of the standard worlds, on the code that ships."""

from typing import Final

import pytest

from model_tests.exhaustive import explored, figures, recorded
from spec.worlds import LARGE, STANDARD
from syncfsm.check import World
from syncfsm.check.report import HOLDS, REACHED, verdicts
from syncfsm.link import TABLE

UNREACHABLE: Final = {
    "(start, init, syncing, idle) connect [always] -> stay / misuse": "a caller's mistake, it raises: test_partings",
    "(start, init, syncing, idle) greet [always] -> stay / ignore": "a node greets once; the table is total anyway",
    "(closed) greet, hello, found, final, blocks, note, ping, pong, bye, moved, finalised, room, say, tick, leave, lost, "
    "fault [always] -> stay / ignore": "a node forgets a link that has ended; the table is total anyway",
}
"""Rows that no world can fire, and why."""

OPEN: Final = {
    "race-locator": "Two corrections cross and each waits for an answer to its own: the search stops (Settles).",
}
"""Worlds in which a promise is known to be broken. A repair shows here, as these tests must fail."""


def _param(world: World) -> object:
    marks = [pytest.mark.nightly] if world in LARGE else []
    if world.name in OPEN:
        marks.append(pytest.mark.xfail(reason=OPEN[world.name]))
    return pytest.param(world, id=world.name, marks=marks)


@pytest.mark.parametrize("world", [_param(world) for world in (*STANDARD, *LARGE)])
def test_every_promise_holds(world: World) -> None:
    exploration = explored(world)
    assert exploration.violation is None
    assert exploration.complete
    assert set(verdicts(exploration).values()) <= {HOLDS, REACHED}
    assert figures(exploration) == recorded()["worlds"][world.name], "see model_tests/exhaustive.py"
    attributed = {row for row, name in recorded()["rows"].items() if name == world.name}
    assert attributed <= {str(row) for row in exploration.fired}


def test_every_row_fires_in_some_world() -> None:
    rows = {str(rule) for rule in TABLE.rules}
    assert rows - set(recorded()["rows"]) == set(UNREACHABLE)


def test_the_standard_set_is_large_enough() -> None:
    worlds = recorded()["worlds"]
    two = [world.name for world in STANDARD if len(world.components) == 5 and world.name in worlds]
    assert sum(worlds[name]["states"] for name in two) >= 1_000_000
