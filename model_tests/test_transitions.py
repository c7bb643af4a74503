"""The ``transitions`` machine of each table decides as the dispatch that ships, on every value, event, message and view
met; and every row of every table is met."""

from enum import StrEnum
from typing import Any, Final

import attrs
import pytest

from model_tests.exhaustive import TABLE_OF, explored
from syncfsm.check import with_rules
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
from syncfsm_spec.worlds import ALONE

KINDS: Final = (
    ban, clock, contradiction, early_liar, full, liar, line_finals, meter, next_parts, noise, prune_away, spoil, talk,
    tired,
)  # fmt: skip
WORLDS: Final = (*ALONE, race(LOCATOR), *(kind(strategy) for kind in KINDS for strategy in (LOCATOR, STREAMING)))
"""The smallest that fire every row between them, in both strategies."""


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


BOTH: Final = [Both(**attrs.asdict(table, recurse=False)) for table in REGISTRY.tables.values()]


def test_transitions_decides_as_the_dispatch_on_every_row() -> None:
    fired: set[Rule] = set()
    for world in WORLDS:
        for table in BOTH:
            world = with_rules(world, table)
        exploration = explored(attrs.evolve(world, properties=()))
        assert exploration.violation is None, world.name
        fired.update(exploration.fired)
    assert fired == set(TABLE_OF)


def test_every_table_is_sound() -> None:
    assert {name: table.lint() for name, table in REGISTRY.tables.items() if table.lint()} == {}
