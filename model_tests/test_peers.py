"""A feed among three peers, said twice: TLC and the code find the same states, and the same steps between them.

A state says which row fired last and what was said to whom, so steps for different reasons differ. Numbers of the code
that are the same but for rounding are one number in the specification.
"""

from pathlib import Path
from typing import Any, Final

import pytest

from model_tests.graphs import explore
from model_tests.peers import MANY, SMALL, USUAL, Peers
from model_tests.relay_mutants import RELAY_MUTANTS
from model_tests.tla import Graph, Value, dumped
from model_tests.tlc import FAST_START, FEED, run_tlc
from model_tests.translation import row_name
from syncfsm.check import Exploration, World, with_rules
from syncfsm.sync.feed.protocol import TABLE

WORLDS: Final = [*USUAL, *(pytest.param(world, marks=pytest.mark.nightly) for world in SMALL if world not in USUAL)]
BY_NAME: Final = {world.name: world for world in SMALL}
CHANGES: Final = (
    ("late", "Min({Max({2 * f.lag, Graft}), GraftMost})", "GraftMost"),
    ("given", "Plus(worn, f.peer)", "worn"),
    ("alone", 'still, Poke(p, "insist")', "still, <<>>"),
    ("served", "/\\ f.served # <<>>", "/\\ f.served = <<0>>"),
)
"""A world, and a change of ``Feeds.tla`` that matters there."""
MUTANTS: Final = {
    "ask-at-once": "late",
    "mourn-in-silence": "late",
    "trust": "late",
    "deaf-to-givers": "given",
    "count-the-giver-in": "given",
    "never-insist": "alone",
}
"""Changes of the code, each with a world where it matters."""


def _steps(graph: Graph) -> set[tuple[tuple[Value, ...], tuple[Value, ...]]]:
    return {(before, after) for before, _, after in graph.edges}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_code_and_specification_have_the_same_steps(world: World, tmp_path: Path) -> None:
    graph = tmp_path / "graph.dot"
    found = run_tlc(world, invariants=FEED.states, dump=graph, java=FAST_START)
    assert found.violated is None, found.output
    explored, specified = explore(Peers(world))[0], dumped(graph, FEED.variables)
    assert explored.states == specified.states
    assert _steps(explored) == _steps(specified)


@pytest.mark.nightly
def test_tlc_and_explorer_count_the_same() -> None:
    exploration = _explored(MANY)
    told, found = Peers(MANY), run_tlc(MANY, invariants=FEED.states)
    assert found.violated is None, found.output
    assert found.states == len({told.state(exploration.state(number)) for number in range(exploration.states)})


@pytest.mark.parametrize(("world", "old", "new"), CHANGES, ids=[world for world, *_ in CHANGES])
def test_a_change_of_the_specification_is_seen(world: str, old: str, new: str, tmp_path: Path) -> None:
    graph = tmp_path / "graph.dot"
    run_tlc(BY_NAME[world], dump=graph, change=("Feeds", old, new), java=FAST_START)
    assert _steps(explore(Peers(BY_NAME[world]))[0]) != _steps(dumped(graph, FEED.variables))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_change_of_the_code_is_seen(name: str) -> None:
    world = BY_NAME[MUTANTS[name]]
    table: Any = next(mutant.table for mutant in RELAY_MUTANTS if mutant.name == name)
    assert explore(Peers(with_rules(world, table)))[0].edges != explore(Peers(world))[0].edges


def test_tlc_says_that_one_feed_is_broken() -> None:
    """By a feed that stays among the others."""
    change = ("Feeds", "!.others = But(@, p),\n", "!.others = @,\n")
    found = run_tlc(BY_NAME["given"], invariants=FEED.states, change=change, java=FAST_START)
    assert found.violated == "OneFeed"


def test_specification_has_every_row_and_each_fires_in_a_small_world() -> None:
    fired = {row_name(rule) for world in SMALL for rule in _explored(world).fired}
    rows = {row_name(rule) for rule in TABLE.rules if len(rule.event) <= 2}  # the others ignore what comes late
    specified = {row for row in rows if f'"{row}"' in FEED.module("Feeds")}
    assert rows - specified == {"JoinedIsThere"}  # a node greets once
    assert fired == specified


def _explored(world: World) -> Exploration:
    exploration = Exploration(world)
    exploration.run()
    assert exploration.violation is None
    return exploration
