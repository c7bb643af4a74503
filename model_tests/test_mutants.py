"""No vacuous success: each promise is broken by a changed rule, and the checker finds it."""

from typing import Final

import pytest

from model_tests.mutants import Mutant, calm
from model_tests.peer_mutants import PEER_MUTANTS
from model_tests.relay_mutants import RELAY_MUTANTS
from model_tests.routing_mutants import ROUTING_MUTANTS
from model_tests.sync_mutants import SUBTLE, SYNC_MUTANTS
from syncfsm.check import Exploration
from syncfsm.check.story import tell
from syncfsm_spec.promises import ALL

EACH: Final = (*SYNC_MUTANTS, *PEER_MUTANTS, *RELAY_MUTANTS, *ROUTING_MUTANTS)


@pytest.mark.parametrize("mutant", [*EACH, *SUBTLE], ids=lambda mutant: mutant.name)
def test_the_checker_finds_the_mutant(mutant: Mutant) -> None:
    exploration = Exploration(mutant.narrowed)
    exploration.run()
    assert exploration.violation is not None
    assert exploration.violation.name == mutant.promise
    assert tell(mutant.world, exploration.violation).whole, "the story can be told on the live components"


def test_every_promise_has_a_mutant() -> None:
    assert {mutant.promise for mutant in EACH} == {promise.name for promise in ALL}


@pytest.mark.parametrize("mutant", SUBTLE, ids=lambda mutant: mutant.name)
def test_a_subtle_mutant_does_no_harm_where_nothing_happens_meanwhile(mutant: Mutant) -> None:
    exploration = Exploration(calm(mutant.narrowed))
    exploration.run()
    assert exploration.violation is None
    assert exploration.complete
