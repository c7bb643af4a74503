"""Networks of three nodes and more, said twice: TLC and the explorer find the same states and steps, and the
specification keeps what is promised of relay as well as the code does."""

import re
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from model_tests.graphs import explore
from model_tests.relay_mutants import RELAY_MUTANTS
from model_tests.relay_small import BY_NAME, COUNTS, EDGES, LARGE
from model_tests.relay_translation import translate
from model_tests.tla import Graph, Value, dumped
from model_tests.tlc import FAST_START, RELAY, STARVED, main, run_tlc, specified
from model_tests.translation import UNNAMED, row_name
from syncfsm.check import Exploration, World, with_rules
from syncfsm.sync.feed.protocol import TABLE as FEED

USUAL: Final = EDGES[:7]
WORLDS: Final = [*USUAL, *(pytest.param(world, marks=pytest.mark.nightly) for world in EDGES if world not in USUAL)]
COUNTED: Final = [*COUNTS, *(pytest.param(world, marks=pytest.mark.nightly) for world in LARGE)]
BROKEN: Final = (
    ("OncePerNode", "once-triangle", "Feeds", "~f.proven /\\ f.peer \\in greeted \\ m", "TRUE"),
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
    ("SettledAtRest", "once-line", "Link", 'THEN Row("TurnRestFits", "idle"', 'THEN Row("TurnRestFits", "syncing"'),
    ("FinalAdvances", "finals", "Link", '[i \\in 1..Len(blocks) |-> [type |-> "block", block |-> blocks[i]]]', "<<>>"),
    ("NoEcho", "once-triangle", "Link", "LET sent == After(l, b, v)", "LET sent == l.sent"),
    ("OnlyChild", "line-anew", "Link", "LET b == At[v.c.head][Height[after] + 1] IN", "LET b == v.c.head IN"),
    ("BackupSendsIds", "once-triangle", "Link", 'blocks == IF l.mode = "active"', 'blocks == IF l.mode # "off"'),
    ("OffIsManual", "turned-away", "Link", "best /\\ Quiet(l) /\\ IF", "best \\/ IF"),
    ("ConfirmedOnBest", "banned", "Tree", "IF Barred(b, held, c.banned) \\/", "IF"),
    ("Settles", "gates", "Feeds", "gate == insists \\/", "gate =="),
)
"""For each promise a world, and a change of a module that breaks it there."""
OFTEN: Final = ("OncePerNode", "NeverDark", "TreeSpans", "OneFeed", "NotStarved")
"""Those of relay's own are broken in every test run, the others at night."""
BREAKS: Final = [
    pytest.param(*each, marks=[] if each[0] in OFTEN else [pytest.mark.nightly], id=each[0]) for each in BROKEN
]
CHANGES: Final = (
    ("once-line", "Network", "IN  Shown(IF looks", "IN  Shown(IF FALSE"),
    ("crowded", "Feeds", 'Row("WantedRefuse", f, Poke(p, "refuse"))', 'Row("WantedRefuse", f, <<>>)'),
    ("turned", "Feeds", '!.pokes = Poke(old, "give") \\o @]', "!.pokes = @]"),
    pytest.param("finals", "Network", "THEN Pruned(d) ELSE d", "THEN d ELSE d", marks=pytest.mark.nightly),
)
"""A world, and a change of a module that matters there."""
MUTANTS: Final = {
    "ask-at-once": "once-triangle",
    "mourn-in-silence": "dies-at-once",
    "trust": "crowded",
    "never-insist": "gates",
    "deaf-to-givers": "outage",
    "count-the-giver-in": "turned",
    "forget-whom-it-serves": "dies-at-once",
    "tell-over-off": "turned-away",
}
"""Changes of the code, each with a world where it matters."""
BESIDE: Final = {"EndedEnd", "EndedGiveBack", "OpenedOpen", "TickIgnore"}
"""Rows that fire in these worlds and are not specified: those of payloads, and those that change nothing here."""
NEVER: Final = {"JoinedIsThere"}
"""The rows of the feed's table that fire in none of them."""


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


@pytest.mark.parametrize(("promise", "name", "module", "old", "new"), BREAKS)
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


def test_every_promise_is_broken_by_something() -> None:
    assert {promise for promise, *_ in BROKEN} == {
        *STARVED.states, *STARVED.only_claimed, *STARVED.steps, *STARVED.runs,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "module", "old", "new"), CHANGES)
def test_a_change_of_the_specification_is_seen(name: str, module: str, old: str, new: str, tmp_path: Path) -> None:
    graph, world = tmp_path / "graph.dot", BY_NAME[name]
    run_tlc(world, dump=graph, change=(module, old, new), java=FAST_START)
    assert _steps(explore(translate(world))[0]) != _steps(dumped(graph, RELAY.variables))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_change_of_the_code_is_seen(name: str) -> None:
    world = BY_NAME[MUTANTS[name]]
    table: Any = next(mutant.table for mutant in RELAY_MUTANTS if mutant.name == name)
    changed, usual = _explored(with_rules(world, table)), _explored(world)
    assert (changed.states, changed.transitions) != (usual.states, usual.transitions)


# Rows -------------------------------------------------------------------------------------------------------------


def test_specification_has_every_row_that_fires() -> None:
    rules = {rule for world in (*EDGES, *LARGE) for rule in _explored(world).fired}
    fired = {row_name(rule) for rule in rules if not UNNAMED.intersection(rule.event)}
    texts = (RELAY.module(module) for module in ("Link", "Feeds", "Network"))
    specified = {row for text in texts for row in re.findall(r'"([A-Z]\w+)"', text)}
    assert fired - specified == BESIDE
    assert {row_name(rule) for rule in FEED.rules if len(rule.event) <= 2} - fired == NEVER


# By hand ----------------------------------------------------------------------------------------------------------


def test_a_designer_gets_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["once-line-locator", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("once-line-locator: every property holds; 33 distinct")
    asked = re.findall(r"^(?:INVARIANT|PROPERTY) (\w+)$", (tmp_path / "MC.cfg").read_text(), re.MULTILINE)
    assert asked == [*RELAY.states, "NeverDark", "OncePerNode", *RELAY.steps, *RELAY.runs]
    assert specified(BY_NAME["starved"])[0] is STARVED


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ("busy-and-off-anew-locator", "in world 'busy-and-off-anew-locator' a node is of an older release"),
        ("older-locator", "a link owes a hello, holds payloads, or is with an older release"),
        ("early-liar-locator", "in world 'early-liar-locator' a liar is one of ours"),
        ("line-locator-ledger", "world 'line-locator-ledger' is not one of nodes, lines and an environment"),
    ],
)
def test_a_world_that_tlc_cannot_take_is_told(world: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([world]) == 2
    assert capsys.readouterr().err == f"tlc: {message}\n"
