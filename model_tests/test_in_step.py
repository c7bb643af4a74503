"""Worlds that begin in step, beside the same worlds from nothing: what is lost, and what is not.

* All that a world comes to in step, it comes to from nothing, too. So what breaks in step breaks from nothing.
* Every promise has the same verdict in both: with the tables that ship, and with each mutant of relay and of routing,
  but for those that break a promise only while nodes meet. These are named here, and the standard worlds that begin
  from nothing find them.
* Likewise where blocks wait until all is still (``with_since``), and where counts that decide nothing are left out.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import pytest

from model_tests.exhaustive import explored
from model_tests.mutants import Mutant
from model_tests.peer_mutants import PEER_MUTANTS
from model_tests.relay_mutants import RELAY_MUTANTS
from model_tests.routing_mutants import ROUTING_MUTANTS
from model_tests.small import USUAL
from model_tests.sync_mutants import SUBTLE, SYNC_MUTANTS
from syncfsm.check import Environment, Exploration, NodeComponent, World, with_rules
from syncfsm.check.found import NEVER_RAISES
from syncfsm.node.node import Node
from syncfsm.routing.messages import Reach
from syncfsm_spec.kit.moves import makes, switches
from syncfsm_spec.kit.trees import a1, a2, a3
from syncfsm_spec.routing import worlds as routing
from syncfsm_spec.routing.worlds import in_step, packet, publishes, reaching
from syncfsm_spec.sync import relay
from syncfsm_spec.sync.relay import A_B, LINE, relayed
from syncfsm_spec.worlds import NODES

Kind = Callable[[bool], World]
"""A world that begins in step, or from nothing."""
OFF: Final = (switches("A", True, 2), switches("A", False))


def steady(anew: bool) -> World:
    return relayed("two-steady", (A_B,), anew=anew)


def cut_off(anew: bool) -> World:
    return relayed("two-cut-off", (A_B,), again=(A_B,), anew=anew)


def switched(anew: bool) -> World:
    return relayed("two-switched", (A_B,), OFF, last=(), anew=anew)


def switched_back(anew: bool) -> World:
    off = switches("B", True), switches("B", False)
    return relayed("two-switched-back", (A_B,), off, anew=anew)


def older(anew: bool) -> World:
    return relayed("two-older", (A_B,), OFF, last=(), old=("B",), anew=anew)


def line(anew: bool) -> World:
    return relayed("line", LINE, made=(), last=(a2,), anew=anew)


def broadcast(anew: bool) -> World:
    moves = [publishes("A", packet("A")), publishes("B", packet("B"))]
    return in_step("two-broadcast", "AB", [A_B], moves, reaching(*"AB"), "", again=[A_B], anew=anew)


def unicast(anew: bool) -> World:
    moves = [*makes("A", a1), publishes("B", packet("B", reach=Reach.ONE, to=b"A"))]
    return in_step("two-unicast", "AB", [A_B], moves, reaching(*"AB"), "", again=[A_B], anew=anew)


def about(anew: bool) -> World:
    moves = [*makes("A", a1), publishes("A", packet("A", about=a1)), publishes("B", packet("B", about=a1))]
    return in_step(
        "two-about", "AB", [A_B], moves, reaching(*"AB"), "", again=[A_B], anew=anew, limits={"notes": 1}
    )  # fmt: skip


SMALL: Final = (steady, cut_off, switched, switched_back, older, line, broadcast, unicast, about, routing.verdicts)
LARGER: Final = (relay.both_switched, relay.outage, relay.busy_and_off, routing.pair)
KINDS: Final = [*SMALL, *(pytest.param(kind, marks=pytest.mark.nightly) for kind in LARGER)]
CHANGED: Final = (*RELAY_MUTANTS, *ROUTING_MUTANTS)


def name_of(kind: Any) -> str:
    return str(getattr(kind, "__name__", None) or kind.name)


# What is come to ------------------------------------------------------------------------------------------------


def states(world: World, exploration: Exploration) -> Iterator[tuple[Any, ...]]:
    """All states, in a form that does not tell from where the world began."""
    for number in range(exploration.states):
        yield tuple(map(_value, world.components, exploration.state(number)))


def _value(component: Any, local: Any) -> Any:
    if isinstance(component, Environment):
        return frozenset((move.label, left) for move, left in zip(component.moves, local, strict=True) if left)
    return (local.chain, local.links, local.across) if isinstance(local, Node) else local


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_all_that_is_come_to_in_step_is_come_to_from_nothing(kind: Kind) -> None:
    in_step, anew = kind(False), kind(True)
    fewer, more = explored(in_step), explored(anew)
    assert fewer.states < more.states
    left = set(states(in_step, fewer))
    assert len(left) == fewer.states
    left.difference_update(states(anew, more))
    assert not left


# What is promised -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_every_promise_is_kept_in_both(kind: Kind) -> None:
    worlds = kind(False), kind(True)
    assert worlds[0].properties
    assert [promise.name for promise in worlds[0].properties] == [promise.name for promise in worlds[1].properties]
    assert [explored(world).violation for world in worlds] == [None, None]


def found(mutant: Mutant, world: World) -> bool:
    """Does this mutant break what it is to break, in this world? If a step raises there, that is not asked."""
    promises = tuple(each for each in world.properties if each.name == mutant.promise)
    violation = explored(attrs.evolve(with_rules(world, mutant.table), properties=promises)).violation
    return violation is not None and violation.name != NEVER_RAISES[0]


def concerns(mutant: Mutant, world: World) -> bool:
    """Has the world this table, and this promise?"""
    nodes = next(part for part in world.components if isinstance(part, NodeComponent))
    return mutant.table.name in nodes.registry.tables and mutant.promise in {each.name for each in world.properties}


def both(mutants: tuple[Mutant, ...], one: World, other: World) -> dict[str, tuple[bool, bool]]:
    """For each mutant that concerns them: is it found in the one, and in the other?"""
    concerned = [mutant for mutant in mutants if concerns(mutant, one)]
    assert concerned
    return {mutant.name: (found(mutant, one), found(mutant, other)) for mutant in concerned}


MEETING: Final = {
    "switched": {"on-in-silence"},
    "busy_and_off": {"on-in-silence", "off-for-ever"},
    "line": {"trust", "deaf-to-givers", "count-the-giver-in"},
    "outage": {"trust"},
}
"""What breaks a promise from nothing and not in step, as it needs what happens while nodes meet: an operator who turns
blocks on before the greeting is over; a feed that is there before the producer is. They are found in step where a
connection comes back (``both_switched``, ``relay.outage``), or where the feed is none of ours (``false_feed``)."""


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_what_breaks_a_promise_in_step_breaks_it_from_nothing_and_the_other_way_round(kind: Kind) -> None:
    told = both(CHANGED, kind(False), kind(True))
    assert {name for name, (here, anew) in told.items() if here and not anew} == set()
    assert {name for name, (here, anew) in told.items() if anew and not here} == MEETING.get(name_of(kind), set())


@pytest.mark.nightly
@pytest.mark.parametrize("kind", SMALL, ids=name_of)
def test_no_mutant_at_all_is_found_in_step_alone(kind: Kind) -> None:
    told = both((*SYNC_MUTANTS, *PEER_MUTANTS, *SUBTLE), kind(False), kind(True))
    assert {name for name, (here, anew) in told.items() if here and not anew} == set()


def test_what_begins_from_nothing_is_explored_with_the_others() -> None:
    assert {kind(True).name for kind in LARGER} <= {world.name for world in NODES}


# What else is left out ------------------------------------------------------------------------------------------


def remembering(world: World, timed: bool = False, counted: bool = False) -> World:
    """The same world, where nodes keep what no choice of it depends on."""
    parts = (
        attrs.evolve(part, timed=timed or part.timed, counted=counted or part.counted)
        if isinstance(part, NodeComponent) else part
        for part in world.components
    )  # fmt: skip
    return attrs.evolve(world, components=tuple(parts))


def agree(mutants: tuple[Mutant, ...], one: World, other: World) -> None:
    """Every promise is kept in both worlds, and each mutant is found in both or in neither."""
    assert [explored(world).violation for world in (one, other)] == [None, None]
    for name, (here, there) in both(mutants, one, other).items():
        assert here is there, name


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_when_things_happened_decides_nothing_where_time_stands_still(kind: Kind) -> None:
    agree(CHANGED, kind(False), remembering(kind(False), timed=True))


FORKS: Final = [world for world in USUAL if world.name.removesuffix("-locator") in ("fork", "ban")]


@pytest.mark.parametrize("world", FORKS, ids=name_of)
def test_counts_that_cannot_reach_their_limit_decide_nothing(world: World) -> None:
    more = remembering(world, counted=True)
    assert explored(more).states >= explored(world).states
    agree((*SYNC_MUTANTS, *PEER_MUTANTS, *SUBTLE), world, more)


@pytest.mark.parametrize("pairs", [(A_B,), LINE], ids=("two", "line"))
def test_blocks_that_wait_until_all_is_still_break_what_those_break_that_do_not(pairs: relay.Pairs) -> None:
    """But for ``TreeSpans``, which is about blocks that do: without them it says nothing."""
    patient = relayed("patient", pairs, made=(a2,), last=(a3,), again=(A_B,))
    hasty = relayed("hasty", pairs, made=(a2, a3), last=(), again=(A_B,))
    assert explored(hasty).states > explored(patient).states
    agree(tuple(mutant for mutant in CHANGED if mutant.promise != "TreeSpans"), patient, hasty)
