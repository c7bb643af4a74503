"""The shipped code and the specification allow the same: every edge of TLC's graph is replayed on the code, and every
explored edge is an edge of TLC's graph.

An edge is the state before, the row that fires first, and the state after. A row's name says what it is in both
worlds, so an edge that both have but for different reasons shows too.
"""

from pathlib import Path
from typing import Final

import attrs
import pytest

from model_tests import following_small, truth_small
from model_tests import small as sync_small
from model_tests.graphs import explore, same
from model_tests.tla import Value, dumped
from model_tests.tlc import FAST_START, SYNC, run_tlc, specified
from model_tests.translation import translate
from model_tests.truth_mutants import MUTANTS
from syncfsm.check import NodeComponent, World, with_rules

USUAL: Final = (*sync_small.USUAL, *truth_small.USUAL, *following_small.USUAL)
SMALL: Final = (*sync_small.SMALL, *truth_small.SMALL, *following_small.SMALL)
WORLDS: Final = [*USUAL, *(pytest.param(world, marks=pytest.mark.nightly) for world in SMALL if world not in USUAL)]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_code_and_specification_have_the_same_edges_and_keep_the_promises(world: World, tmp_path: Path) -> None:
    specification, translation = specified(world)
    explored, states = same(translation, specification, tmp_path)
    assert len(explored.states) == states, "two states of the code are one in the specification"


def test_an_edge_that_differs_is_seen(tmp_path: Path) -> None:
    """In a specification that concludes in the wrong state."""
    changed = ("Link", 'THEN Row("HelloCommonAndLacking", "syncing"', 'THEN Row("HelloCommonAndLacking", "idle"')
    run_tlc(SMALL[0], spec="SpecByRow", dump=tmp_path / "graph.dot", change=changed, java=FAST_START)
    assert explore(translate(SMALL[0]))[0].edges != dumped(tmp_path / "graph.dot", SYNC.variables).edges


def test_code_that_differs_is_seen(tmp_path: Path) -> None:
    """A poster that does not see that what was confirmed is so no more."""
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == "what was taken back counts as confirmed")
    world = truth_small.TAKEN_BACK
    (specification, usual), (_, changed) = specified(world), specified(with_rules(world, mutant.table))
    run_tlc(world, spec="SpecByRow", dump=tmp_path / "graph.dot", java=FAST_START)
    graph = dumped(tmp_path / "graph.dot", specification.variables)
    assert explore(usual)[0].edges == graph.edges
    assert explore(changed)[0].edges != graph.edges


@pytest.mark.parametrize("world", [SMALL[1], SMALL[5], SMALL[13]], ids=lambda world: world.name)
def test_where_no_count_can_reach_its_limit_nothing_depends_on_it(world: World) -> None:
    """So it may be left out of the states: counted or not, the same happens."""
    components = (
        attrs.evolve(component, counted=True) if isinstance(component, NodeComponent) else component
        for component in world.components
    )
    counted = explore(translate(attrs.evolve(world, components=tuple(components))))[0]
    usual = explore(translate(world))[0]
    assert counted.states != usual.states
    assert {_uncounted(state) for state in counted.states} == usual.states
    edges = {(_uncounted(before), row, _uncounted(after)) for before, row, after in counted.edges}
    assert edges == usual.edges


def _uncounted(state: tuple[Value, ...]) -> tuple[Value, ...]:
    chain, links, *rest = state
    assert isinstance(links, tuple)
    counts = ("aside", "pending")
    kept = (frozenset((name, 0 if name in counts else value) for name, value in link) for link in links)
    return (chain, tuple(kept), *rest)
