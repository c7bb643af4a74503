"""The ``transitions`` machine decides as the dispatch that ships, on every link, event, message and view met."""

from typing import Final

import attrs
import pytest

from spec.building import LOCATOR, STREAMING
from spec.worlds import ban, full, liar, line_finals, meter, prune_fork, talk
from syncfsm.check import Exploration, NodeComponent, World
from syncfsm.link import TABLE, Event, Link, View
from syncfsm.machine import Step, Table

WORLDS: Final = [
    kind(strategy)
    for kind in (ban, full, line_finals, liar, meter, prune_fork, talk)
    for strategy in (LOCATOR, STREAMING)
]


@attrs.define
class Both:
    """Rules that decide by both, and compare."""

    table: Table[Link]
    steps: int = 0

    def step(self, value: Link, event: Event, message: object, view: View) -> Step[Link]:
        shipped = self.table.step(value, event, message, view)
        assert self.table.step_by_transitions(value, event, message, view) == shipped
        self.steps += 1
        return shipped


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_transitions_decides_as_the_dispatch(world: World) -> None:
    both = Both(TABLE)
    nodes = (attrs.evolve(c, table=both) if isinstance(c, NodeComponent) else c for c in world.components)
    exploration = Exploration(attrs.evolve(world, components=tuple(nodes), properties=()))
    exploration.run()
    assert exploration.violation is None
    assert both.steps > 0
