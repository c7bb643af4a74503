"""Networks of three nodes and more, said twice: TLC and the explorer find the same states and steps, and the
specification keeps what is promised of relay as well as the code does."""

from pathlib import Path
from typing import Final

import attrs
import pytest

from model_tests.graphs import explore
from model_tests.relay_small import BY_NAME, COUNTS, EDGES, LARGE
from model_tests.tla import Graph, Value, dumped
from model_tests.tlc import FAST_START, RELAY, run_tlc, specified
from syncfsm.check import Exploration, World

USUAL: Final = EDGES[:7]
WORLDS: Final = [*USUAL, *(pytest.param(world, marks=pytest.mark.nightly) for world in EDGES if world not in USUAL)]
COUNTED: Final = [*COUNTS, *(pytest.param(world, marks=pytest.mark.nightly) for world in LARGE)]
BROKEN: Final = (
    ("OncePerNode", "once-triangle", "Feeds", "p \\notin Range(f.refused) /\\ ~f.proven /\\ f.peer \\in", "p \\in"),
    ("NeverDark", "dies-at-once", "Feeds", "IF next \\in Askeds(gone) THEN <<>> ELSE Ask(gone, next)", "<<>>"),
    ("TreeSpans", "outage", "Feeds", '"GivenTakeOffer", Asked(f, p, "given")', '"GivenTakeOffer", f'),
    ("OneFeed", "crowded", "Feeds", "!.others = But(@, p),\n", "!.others = @,\n"),
    ("NotStarved", "starved", "Feeds", "IF w = <<>> THEN Now ELSE w]", "Now]"),
    ("OneFeedAtRest", "crowded", "Feeds", 'Poke(f.peer, "shut") \\o caught.pokes)', "caught.pokes)"),
    ("OneFeedInTime", "starved", "Feeds", "Wait(f) == IF f.proven THEN", "Wait(f) == IF TRUE THEN 0 ELSE IF TRUE THEN"),
    ("AllHeard", "once-triangle", "Feeds", "!.off = But(@, p), !.ahead = Plus(@, p)", "!.off = But(@, p)"),
    ("Bounded", "once-line", "Link", "Min2(@ + freed, Room)", "@"),
    ("ParentKnown", "line-anew", "Link", "LET b == At[v.c.head][Height[after] + 1] IN", "LET b == v.c.head IN"),
    ("Tracked", "once-line", "Link", 'THEN Row("TurnRestFits", "idle"', 'THEN Row("TurnRestFits", "syncing"'),
    ("BackupSendsIds", "once-triangle", "Link", 'blocks == IF l.mode = "active"', 'blocks == IF l.mode # "off"'),
    ("OffIsManual", "turned-away", "Link", "best /\\ Quiet(l) /\\ IF", "best \\/ IF"),
    ("Settles", "gates", "Feeds", "gate == insists \\/", "gate =="),
)
"""For each promise a world, and a change of a module that breaks it there; the first ones are for every test run."""
CHANGES: Final = (
    ("once-line", "Network", "ELSE Shown(IF looks", "ELSE Shown(IF FALSE"),
    ("joined", "Feeds", "THEN 0 ELSE @]", "THEN @ ELSE @]"),
)
MUTANTS: Final = {
    "ask-at-once": "once-triangle",
    "mourn-in-silence": "dies-at-once",
    "trust": "crowded",
    "never-insist": "gates",
    "deaf-to-givers": "outage",
    "count-the-giver-in": "turned",
    "forget-whom-it-serves": "outage",
    "tell-over-off": "turned-away",
}
"""Changes of the code, each with a world where it matters."""
BESIDE: Final = {"EndedEnd", "LeftIgnore", "TickIgnore"}
"""Rows that fire here and change nothing, nor say anything: the specification has no need of them."""


def _explored(world: World) -> Exploration:
    """All states of the world, with nothing claimed of it."""
    exploration = Exploration(attrs.evolve(world, properties=()))
    exploration.run()
    return exploration


def _steps(graph: Graph) -> set[tuple[tuple[Value, ...], tuple[Value, ...]]]:
    return {(before, after) for before, _, after in graph.edges}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_code_and_specification_have_the_same_steps_and_keep_the_promises(world: World, tmp_path: Path) -> None:
    graph, (specification, translation) = tmp_path / "graph.dot", specified(world)
    found = run_tlc(
        world,
        spec="FairSpec",
        invariants=specification.states_of(world),
        properties=(*specification.steps, *specification.runs),
        dump=graph,
        java=FAST_START,
    )
    assert found.violated is None, found.output
    (explored, states), told = explore(translation), dumped(graph, specification.variables)
    assert explored.states == told.states
    assert len(explored.states) == states, "two states of the code are one in the specification"
    assert _steps(explored) == _steps(told)


@pytest.mark.parametrize("world", COUNTED, ids=lambda world: world.name)
def test_tlc_and_explorer_count_the_same(world: World) -> None:
    explored, (specification, _) = _explored(world), specified(world)
    found = run_tlc(world, invariants=specification.states_of(world), properties=specification.steps)
    assert found.violated is None, found.output
    assert (found.states, found.generated) == (explored.states, explored.transitions + 1)
    assert found.depth == explored.depth + 1  # TLC counts states, the explorer actions


@pytest.mark.parametrize(("promise", "name", "module", "old", "new"), BROKEN)
def test_tlc_says_which_promise_is_broken(promise: str, name: str, module: str, old: str, new: str) -> None:
    world = BY_NAME[name]
    states = specified(world)[0].states_of(world)
    found = run_tlc(
        world,
        spec="FairSpec",
        invariants=[promise] if promise in states else [],
        properties=[] if promise in states else [promise],
        change=(module, old, new),
        java=FAST_START,
    )
    assert found.violated == ("Temporal properties" if promise in RELAY.runs else promise)
