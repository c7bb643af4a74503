"""Packets, said twice: TLC and the explorer find the same states and edges, and the specification keeps the promises.

What sync says meanwhile is not in the specification of packets, so what changes nothing else is no edge here.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs
import pytest

from model_tests.graphs import explore, same
from model_tests.packets import ROUTES, SPEAKS, TREE, translate
from model_tests.routing_mutants import ROUTING_MUTANTS
from model_tests.small_packets import SMALL, USUAL, another_way, forgotten, square
from model_tests.tla import dumped
from model_tests.tlc import FAST_START, ROUTING, main, run_tlc
from model_tests.translation import row_name
from syncfsm.check import Exploration, World, with_rules
from syncfsm_spec.routing.worlds import broadcast, mesh, verdicts

WORLDS: Final = [*USUAL, *(pytest.param(world, marks=pytest.mark.nightly) for world in SMALL if world not in USUAL)]
BESIDE: Final = {
    "AskAsk", "FetchGive", "PassBring", "SendPeerHasPacket", "SendPeerHasSubject", "TellPeerHasAll", "TellTell",
}  # fmt: skip
"""Rows of a connection that only ever fire with one of the router, and so name no edge."""
NEVER: Final = {"LeftIsUnknown", "PassBroughtBefore"}
"""Rows that are specified, and fire in no world of correct nodes."""
LEFT_OUT: Final = {
    "BlameViolation", "CameForged", "EndedEnd", "FaultViolation", "JoinedIsThere", "JudgedPenalised", "LeftOutLeaveOut",
    "NewsLetGo", "NewsNoneWaits", "OpenedIgnore", "OpenedOpen", "PassSubjectLacking", "PublishUnfit", "SendHold",
    "SendHoldIsFull",
}  # fmt: skip
"""Rows that ``Routing.tla`` leaves out: packets about a block, incorrect peers, how a connection begins and ends."""
CHANGES: Final = {
    "a packet goes back": ("leads_back == road.peer # None /\\ road.peer = k.source", "leads_back == FALSE"),
    "a lost way is kept": ("THEN [@[o] EXCEPT !.peer = None]", "THEN @[o]"),
    "what went is not sent anew": ("did == IF peer \\in Range(k.over)", "did == IF FALSE"),
    "what came is kept no more": ("Newest(Append(@, did.kept), Kept)", "Newest(@, Kept)"),
}
"""Changes of ``Routing.tla`` that matter in ``another_way``."""
OF_CODE: Final = ("deliver-again", "unjudged", "not-anew", "lost-ways")
"""Changes of the code that do."""
SERVED: Final = "Poke(peer, Pass(kept[i].packet, kept[i].hops))]"
BROKEN: Final = (
    ("AtMostOnce", another_way, "[Marked(r, p) EXCEPT", "[r EXCEPT"),
    ("JudgedFirst", verdicts, "IF valid /\\ Takes(r, p)", "IF Takes(r, p)"),
    ("ReachesAll", broadcast, "IF ids = <<>> THEN <<>> ELSE <<Poke(peer, Have(ids))>>", "<<>>"),
    ("RoutesConverge", another_way, *CHANGES["a lost way is kept"]),
    ("Bounded", verdicts, "Len(r.waiting) >= Judging \\/", "FALSE \\/"),
    ("NoPunishHonest", broadcast, SERVED, f"{SERVED} \\o [i \\in 1..Len(kept) |-> {SERVED}"),
    ("NeverForgets", verdicts, "(w.before \\cup {w.top, s})", "{s}"),
    (
        "Settles",
        verdicts,
        "m.tellers = <<>> THEN Asking(Tail(todo), busy, did)",
        "m.tellers = <<>> THEN Asking(Tail(todo), busy, still([later EXCEPT !.asked = IF m.asked = 1 THEN 2 ELSE 1]))",
    ),
)
"""For each promise a change of ``Routing.tla`` that breaks it, and a world that shows it."""


# States -----------------------------------------------------------------------------------------------------------


def _explored(world: World) -> Exploration:
    """All states of the world, with nothing claimed of it."""
    exploration = Exploration(attrs.evolve(world, properties=()))
    exploration.run()
    return exploration


@pytest.mark.parametrize(
    "world",
    [square(), *(pytest.param(world, marks=pytest.mark.nightly) for world in (mesh(), forgotten()))],
    ids=lambda world: world.name,
)
def test_tlc_and_explorer_count_the_same(world: World) -> None:
    """In these worlds sync says nothing that the specification has not."""
    explored = _explored(world)
    found = run_tlc(world, invariants=ROUTING.states_of(world), properties=ROUTING.steps)
    assert found.violated is None, found.output
    assert (found.states, found.generated) == (explored.states, explored.transitions + 1)
    assert found.depth == explored.depth + 1  # TLC counts states, the explorer actions


@pytest.mark.parametrize(("promise", "world", "old", "new"), BROKEN, ids=[promise for promise, *_ in BROKEN])
def test_tlc_says_which_promise_is_broken(promise: str, world: Callable[[], World], old: str, new: str) -> None:
    states = ROUTING.states_of(world())
    found = run_tlc(
        world(),
        spec="FairSpec",
        invariants=[promise] if promise in states else [],
        properties=[] if promise in states else [promise],
        change=("Routing", old, new),
        java=FAST_START,
    )
    assert found.violated == ("Temporal properties" if promise in ROUTING.runs else promise)


# Edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_code_and_specification_have_the_same_edges_and_keep_the_promises(world: World, tmp_path: Path) -> None:
    same(translate(world), ROUTING, tmp_path)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_specification_is_seen(change: str, tmp_path: Path) -> None:
    graph, world = tmp_path / "graph.dot", another_way()
    run_tlc(world, spec="SpecByRow", dump=graph, change=("Routing", *CHANGES[change]), java=FAST_START)
    assert explore(translate(world))[0].edges != dumped(graph, ROUTING.variables).edges


def test_a_change_of_the_code_is_seen(tmp_path: Path) -> None:
    world = another_way()
    specified, _ = same(translate(world), ROUTING, tmp_path)
    tables = {mutant.name: mutant.table for mutant in ROUTING_MUTANTS}
    for name in OF_CODE:
        changed, _ = explore(translate(with_rules(world, tables[name])))
        assert changed.edges != specified.edges, name


# Rows -------------------------------------------------------------------------------------------------------------


def test_every_row_of_the_specification_fires_in_a_small_world() -> None:
    fired = {row_name(rule) for world in SMALL for rule in _explored(world).fired if rule in ROUTES | SPEAKS}
    assert _actions() - fired == {*NEVER, TREE}
    assert fired >= BESIDE


def test_specification_has_every_row_but_those_that_are_left_out() -> None:
    rows = {row_name(rule) for rule in ROUTES | SPEAKS if len(rule.event) == 1}
    specified = set(re.findall(r'"([A-Z]\w+)"', ROUTING.module("Routing")))
    assert rows - specified == LEFT_OUT
    assert specified - rows == {"ClosedIgnore"}  # the row of all events
    assert specified - {"ClosedIgnore", "JudgedNotWaiting"} == _actions() - {TREE} | BESIDE


def _actions() -> set[str]:
    """The names of the actions of ``World.tla`` that are a row's."""
    return set(re.findall(r"^(\w+) +== /\\ Does", ROUTING.module("World"), re.MULTILINE))


# By hand ----------------------------------------------------------------------------------------------------------


def test_a_designer_gets_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdicts", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("verdicts: every property holds; ")
    asked = re.findall(r"^(?:INVARIANT|PROPERTY) (\w+)$", (tmp_path / "MC.cfg").read_text(), re.MULTILINE)
    states = (*ROUTING.states, "RoutesConverge")  # which this world claims, and not ReachesAll
    assert asked == [*states, *ROUTING.steps, *ROUTING.runs]


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ("about", "in world 'about' a packet is about a block, or is no first one, or forged"),
        ("unicast", "in world 'unicast' blocks come in more ways than the specification has"),
    ],
)
def test_a_world_that_tlc_cannot_take_is_told(world: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([world]) == 2
    assert capsys.readouterr().err == f"tlc: {message}\n"
