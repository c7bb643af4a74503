"""The ``transitions`` machine of each table decides as the dispatch that ships, on every value, event, message and view
met; and every row of every table is met."""

from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

import attrs
import pytest

from model_tests.exhaustive import TABLE_OF, explored, recorded
from model_tests.needed import table_of
from syncfsm.check import World, with_rules
from syncfsm.errors import LocalError
from syncfsm.machine import Rule, Step, Table, twin
from syncfsm.node.registry import STANDARD as REGISTRY
from syncfsm_spec.notes.worlds import talk
from syncfsm_spec.peer.worlds import clock
from syncfsm_spec.settings import LOCATOR, STREAMING
from syncfsm_spec.sync.worlds import (
    ban,
    contradiction,
    early_liar,
    full,
    liar,
    line_finals,
    meter,
    next_parts,
    noise,
    prune_away,
    race,
    spoil,
    tired,
)
from syncfsm_spec.worlds import ALONE, NODES

KINDS: Final = (
    ban, clock, contradiction, early_liar, full, liar, line_finals, meter, next_parts, noise, prune_away, spoil, talk,
    tired,
)  # fmt: skip
OF_TWO: Final = (*ALONE, race(LOCATOR), *(kind(strategy) for kind in KINDS for strategy in (LOCATOR, STREAMING)))
FIRST: Final = {*recorded()["rows"].values()} - {world.name for world in OF_TWO}
WORLDS: Final = (*OF_TWO, *(world for world in NODES if world.name in FIRST))
"""In both strategies, and the smallest in which each of the other rows fires."""


class Both(Table[Any]):
    """Decides by both, and compares."""

    def step(self, value: Any, event: StrEnum, message: object, view: object) -> Step[Any]:
        try:
            shipped = super().step(value, event, message, view)
        except LocalError:
            with pytest.raises(LocalError):
                twin.step(self, value, event, message, view)
            raise
        assert twin.step(self, value, event, message, view) == shipped
        return shipped


def by_both(world: World) -> World:
    """The same world, each of whose tables decides by both."""
    for name in REGISTRY.tables:
        with suppress(LookupError):  # not every world has every table
            world = with_rules(world, Both(**attrs.asdict(table_of(world, name), recurse=False)))
    return world


def test_transitions_decides_as_the_dispatch_on_every_row() -> None:
    fired: set[Rule] = set()
    for world in WORLDS:
        exploration = explored(attrs.evolve(by_both(world), properties=()))
        assert exploration.violation is None, world.name
        fired.update(exploration.fired)
    assert fired == set(TABLE_OF)


def test_every_table_is_sound() -> None:
    assert {name: table.lint() for name, table in REGISTRY.tables.items() if table.lint()} == {}
