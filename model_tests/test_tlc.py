"""TLC and the explorer find the same states, and the specification keeps the promises as well as the code does."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from model_tests.small import SMALL
from model_tests.tlc import FAST_START, SYNC, main, run_tlc, specified
from model_tests.translation import NAMED, row_name
from syncfsm.check import Exploration, World
from syncfsm.limits import Strategy
from syncfsm.sync.types import State
from syncfsm_spec.kit.trees import a1, g
from syncfsm_spec.settings import LOCATOR, STREAMING, Setting
from syncfsm_spec.sync.worlds import ahead, race
from syncfsm_spec.worlds import KINDS_OF_TWO

LARGE: Final = [kind for kind in KINDS_OF_TWO if kind not in (ahead, race)]
"""For the night, but ``race``: its 3.9 million states would nearly double TLC's time."""
LEFT_OUT: Final = {
    "AskAsk", "AskOlder", "BlocksInvalid", "BlocksNoRoomInTree", "ConnectMisuse", "DoNotWantActive",
    "DoNotWantIgnore", "EndedEnd", "FaultViolation", "GiveDeclinedEnough", "GreetGreet", "GreetIgnore",
    "HasViolation", "HeardNoteLife", "HelloFlooding", "MovedHellosSpent", "PingPong", "PongIgnore",
    "RefuseOlder", "RefuseRefuse", "RefuseRefusedEnough", "ShutOlder", "ShutShut", "SpentSpend", "TickIgnore",
    "TickOwesHello", "TickOwesWorseHello", "TickQuiet", "TickSearchIsLate", "TickSilent",
}  # fmt: skip
"""Rows that ``Link.tla`` leaves out, or that are never the first to fire there."""
NEVER: Final = "BlocksOutOfStep"
"""The row of ``Link.tla`` that fires in no world of correct nodes, which is what ``ParentKnown`` promises."""
BROKEN: Final = ('THEN Row("TurnRestFits", "idle"', 'THEN Row("TurnRestFits", "syncing"')
"""In ``Link.tla``: links that stay in syncing when the last block is sent."""


def _explored(world: World) -> Exploration:
    """All states of the world, with nothing claimed of it."""
    exploration = Exploration(attrs.evolve(world, properties=()))
    exploration.run()
    return exploration


def agree(world: World, spec: str, more: Sequence[str] = ()) -> None:
    """Explorer and TLC count the same, and TLC finds that the properties hold."""
    explored, (specification, _) = _explored(world), specified(world)
    invariants, properties = specification.states, (*specification.steps, *more)
    found = run_tlc(world, spec=spec, invariants=invariants, properties=properties)
    assert found.violated is None, found.output
    assert (found.states, found.generated) == (explored.states, explored.transitions + 1)
    assert found.depth == explored.depth + 1  # TLC counts states, the explorer actions


@pytest.mark.parametrize("strategy", [LOCATOR, STREAMING])
def test_tlc_and_explorer_agree(strategy: Strategy) -> None:
    agree(ahead(strategy), "FairSpec", SYNC.runs)


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", [LOCATOR, STREAMING])
@pytest.mark.parametrize("kind", LARGE, ids=lambda kind: kind.__name__)
def test_tlc_and_explorer_agree_in_large_worlds(kind: Callable[[Strategy], World], strategy: Strategy) -> None:
    """Without ``Settles``: TLC would keep the graph for it. The explorer finds the bound, and ``SettledAtRest`` says
    where runs end."""
    agree(kind(strategy), "Spec")


@pytest.mark.parametrize("promise", ["Settles", "SettledAtRest", "Tracked"])
def test_tlc_says_which_promise_is_broken(promise: str) -> None:
    world = Setting().two("behind", [g, a1], [g], [], connects=1, cuts=0)
    temporal = promise == "Settles"
    found = run_tlc(
        world,
        spec="FairSpec",
        invariants=() if temporal else (promise,),
        properties=(promise,) if temporal else (),
        change=("Link", *BROKEN),
        java=FAST_START,
    )
    assert found.violated == ("Temporal properties" if temporal else promise)


def test_every_row_of_the_specification_fires_in_a_small_world() -> None:
    fired = {row_name(rule) for world in SMALL for rule in _explored(world).fired if rule in NAMED}
    assert _actions() - fired == {"NoRow", NEVER}


def test_specification_has_every_row_but_those_that_are_left_out() -> None:
    """What needs time, a third node, full trees, older releases, or peers that lie; and what only ever follows."""
    actions = _actions()
    rows = {row_name(rule) for rule in NAMED if State.CLOSED not in rule.source or len(rule.event) == 1}
    assert actions - rows == {"NoRow"}
    assert rows - actions == LEFT_OUT


def _actions() -> set[str]:
    """The names of the actions of ``Rows.tla``."""
    return set(re.findall(r"^(\w+) +== /\\ ", SYNC.module("Rows"), re.MULTILINE))


# By hand ----------------------------------------------------------------------------------------------------------


def test_a_designer_gets_the_model_and_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "model"
    assert main(["ahead-locator", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"MC.tla and MC.cfg are in {folder.resolve()}.")
    states = _explored(ahead(LOCATOR)).states
    assert said[-1].startswith(f"ahead-locator: every property holds; {states:,} distinct states, ")
    assert (folder / "MC.tla").read_text().startswith("---- MODULE MC ----\nEXTENDS Rows, Promises\nTheParent ==")
    asked = re.findall(r"^(?:INVARIANT|PROPERTY) (\w+)$", (folder / "MC.cfg").read_text(), re.MULTILINE)
    assert asked == [*SYNC.states, *SYNC.steps, *SYNC.runs]


def test_what_tlc_finds_wrong_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed module beside the model goes before the one in ``spec/``."""
    link = SYNC.module("Link")
    (tmp_path / "Link.tla").write_text(link.replace(*BROKEN), encoding="utf-8")
    assert main(["ahead-locator", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "Error: Invariant Tracked is violated." in said
    assert "\nState 1: <Initial predicate>" in said
    assert said.splitlines()[-1].startswith("ahead-locator: Tracked VIOLATED; ")


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ("forks", "there is no world 'forks'; TLC takes forks-locator, forks-streaming, race-locator"),
        ("ahead-locator-ledger", "world 'ahead-locator-ledger' is not one of two nodes, two lines and an environment"),
        ("clock-locator", "in world 'clock-locator' time passes, and the specification has none"),
        ("full-locator", "in world 'full-locator' there are more than the 3 blocks that a node holds"),
        ("talk-locator", "the specification has no move like 'A has a note on "),
    ],
)
def test_a_world_that_tlc_cannot_take_is_told_in_one_line(
    world: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([world]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tlc: {message}")
    assert len(said.splitlines()) == 1
