"""The ``transitions`` machine decides as the dispatch that ships, on every link, event, message and view met; and every
row of the table is met."""

from enum import StrEnum
from typing import Final

import attrs
import pytest

from model_tests.exhaustive import explored
from spec.alone import alone
from spec.building import LOCATOR, STREAMING
from spec.worlds import ban, clock, contradiction, early_liar, full, liar, line_finals, meter, prune_away, race, talk
from syncfsm.check import with_rules
from syncfsm.errors import LocalError
from syncfsm.link import TABLE, Link
from syncfsm.machine import Rule, Step, Table

KINDS: Final = (ban, clock, contradiction, early_liar, full, liar, line_finals, meter, prune_away, talk)
WORLDS: Final = (alone(), race(LOCATOR), *(kind(strategy) for kind in KINDS for strategy in (LOCATOR, STREAMING)))
"""The smallest that fire every row between them, in both strategies."""


class Both(Table[Link]):
    """Decides by both, and compares."""

    def step(self, value: Link, event: StrEnum, message: object, view: object) -> Step[Link]:
        try:
            shipped = super().step(value, event, message, view)
        except LocalError:
            with pytest.raises(LocalError):
                self.step_by_transitions(value, event, message, view)
            raise
        assert self.step_by_transitions(value, event, message, view) == shipped
        return shipped


BOTH: Final = Both(**attrs.asdict(TABLE, recurse=False))


def test_transitions_decides_as_the_dispatch_on_every_row() -> None:
    fired: set[Rule] = set()
    for world in WORLDS:
        exploration = explored(attrs.evolve(with_rules(world, BOTH), properties=()))
        assert exploration.violation is None, world.name
        fired.update(exploration.fired)
    assert fired == set(TABLE.rules)
