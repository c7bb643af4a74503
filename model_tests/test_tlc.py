"""TLC and the explorer find the same states, and the specification keeps the promises as well as the code does."""

import re
from collections.abc import Callable
from typing import Final

import attrs
import pytest

from model_tests.small import SMALL
from model_tests.tlc import FAST_START, SPEC, NotSpecifiedError, row_name, run_tlc, translate
from spec.building import LOCATOR, STREAMING, Setting, a1, g
from spec.worlds import ahead, ban, contradiction, finals, forks, prune, prune_fork, talk
from syncfsm.check import Exploration, World
from syncfsm.link import TABLE, Event, State, Strategy

LARGE: Final = (forks, finals, contradiction, prune, prune_fork, ban)
LEFT_OUT: Final = {
    "BlocksInvalid", "BlocksNoRoomInTree", "BlocksUngreeted", "ConnectMisuse", "FaultViolation", "FoundUngreeted",
    "FinalisedUngreeted", "GreetIgnore", "GreetUngreeted", "HelloFlooding", "HelloUngreeted", "MovedHellosSpent",
    "MovedUngreeted", "NoteIgnore", "NoteSubjectHeld", "PingPong", "PongIgnore", "SayHoldIsFull", "SayHoldNote",
    "SayPeerHasSubject", "TickIgnore", "TickOwesHello", "TickOwesWorseHello", "TickQuiet", "TickSearchIsLate",
    "TickSilent",
}  # fmt: skip
"""Rows that ``Link.tla`` leaves out; ``GreetUngreeted`` is there, but never the first to fire."""


def _explored(world: World) -> Exploration:
    """All states of the world, with nothing claimed of it."""
    exploration = Exploration(attrs.evolve(world, properties=()))
    exploration.run()
    return exploration


def _same_counts(world: World) -> None:
    explored, found = _explored(world), run_tlc(world)
    assert (found.states, found.generated) == (explored.states, explored.transitions + 1)
    assert found.depth == explored.depth + 1  # TLC counts states, the explorer actions


@pytest.mark.parametrize("strategy", [LOCATOR, STREAMING])
def test_explorer_and_tlc_count_the_same(strategy: Strategy) -> None:
    _same_counts(ahead(strategy))


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", [LOCATOR, STREAMING])
@pytest.mark.parametrize("kind", LARGE, ids=lambda kind: kind.__name__)
def test_explorer_and_tlc_count_the_same_in_large_worlds(kind: Callable[[Strategy], World], strategy: Strategy) -> None:
    _same_counts(kind(strategy))


@pytest.mark.parametrize("promise", ["Settles", "SettledAtRest", "Tracked"])
def test_tlc_says_which_promise_is_broken(promise: str) -> None:
    """A specification whose links never send the last block."""
    broken = ('THEN Row("RoomRestFits", "idle"', 'THEN Row("RoomRestFits", "syncing"')
    world = Setting().two("behind", [g, a1], [g], [], connects=1, cuts=0)
    temporal = promise == "Settles"
    found = run_tlc(
        world,
        spec="FairSpec",
        invariants=() if temporal else (promise,),
        properties=(promise,) if temporal else (),
        change=("Link", *broken),
        java=FAST_START,
    )
    assert found.violated == ("Temporal properties" if temporal else promise)


def test_every_row_of_the_specification_fires_in_a_small_world() -> None:
    fired = {row_name(rule) for world in SMALL for rule in _explored(world).fired}
    assert _actions() - fired == {"NoRow"}


def test_specification_has_every_row_but_those_that_are_left_out() -> None:
    """What needs time, payloads, links that wait to be greeted, full trees, or peers that lie."""
    actions = _actions()
    rows = {row_name(rule) for rule in TABLE.rules if State.CLOSED not in rule.source or rule.event == (Event.CONNECT,)}
    assert actions - rows == {"NoRow"}
    assert rows - actions == LEFT_OUT


def _actions() -> set[str]:
    """The names of the actions of ``Rows.tla``."""
    return set(re.findall(r"^(\w+) +== /\\ ", (SPEC / "Rows.tla").read_text(encoding="utf-8"), re.MULTILINE))


def test_what_is_left_out_is_said() -> None:
    with pytest.raises(NotSpecifiedError, match="no move like 'A has a note"):
        translate(talk(LOCATOR)).constants()
