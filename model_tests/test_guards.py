"""No guard of sync's table can break ``OnlyChild``: it chooses a row, and every row's action keeps the promise.

Looked for in the first states of each world, or until the code raises, as it soon does with some guards.
"""

from typing import Final

import attrs
import pytest

from syncfsm.check import Exploration, with_rules
from syncfsm.machine import Guard
from syncfsm.sync.protocol import TABLE
from syncfsm_spec.sync.worlds import finals, forks, prune_fork, race
from syncfsm_spec.worlds import BOTH

WORLDS: Final = [kind(strategy) for kind in (forks, race, finals, prune_fork) for strategy in BOTH]
MOST: Final = 10_000


def always(*given: object) -> bool:
    return True


def never(*given: object) -> bool:
    return False


def contrary(name: str) -> Guard:
    return lambda *given: not TABLE.guards[name](*given)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TABLE.guards)
def test_whatever_a_guard_says_only_children_are_sent(name: str) -> None:
    for world in WORLDS:
        only_child = tuple(p for p in world.properties if p.name == "OnlyChild")
        for guard in (always, never, contrary(name)):
            table = attrs.evolve(TABLE, guards={**TABLE.guards, name: guard})
            exploration = Exploration(with_rules(attrs.evolve(world, properties=only_child), table))
            exploration.run(MOST)
            assert exploration.violation is None or exploration.violation.name != "OnlyChild", (world.name, guard)
