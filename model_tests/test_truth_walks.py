"""Worlds of truth that are too large to be explored, walked at random: all that may happen in any of the small ones may
happen in these, several times."""

from typing import Final

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from model_tests.truth_mutants import MUTANTS
from syncfsm.check import Move, World, connect, cut, with_rules
from syncfsm.testing.profiles import CI, NIGHTLY
from syncfsm.testing.walk import walks
from syncfsm_spec.kit.moves import makes
from syncfsm_spec.kit.trees import a3, c3
from syncfsm_spec.truth import following
from syncfsm_spec.truth.following import A, B, Follows, restart
from syncfsm_spec.truth.layer import NAMED, REFUSED, TROUBLE, UNSURE, GoBack, Grow, Out, Prune, Say
from syncfsm_spec.truth.parts import DA, LIMITS, RESUMES, S
from syncfsm_spec.truth.worlds import crash, posting_world

LAND: Final = ("a1", "a1-a2", "a2", "a2-a3", "c2", "junk")
OUTAGES: Final = (Move("is out", ((DA, Out(True)),), 3), Move("is back", ((DA, Out(False)),), 3))


def followed() -> World:
    """A node with a peer, and a layer that reads two heights at once and may take two back."""
    moves = [
        *(Move(f"{name} lands", ((DA, Grow((NAMED[name],))),), 2) for name in LAND),
        Move("a block", ((DA, Grow()),), 3),
        Move("goes back 1", ((DA, GoBack(1)),), 2),
        Move("goes back 2 to c2", ((DA, GoBack(2, (NAMED["c2"],))),)),
        Move("prunes", ((DA, Prune()),)),
        *OUTAGES,
        *makes(B, a3, c3),
        connect(A, B, 3),
        cut(A, B, 3),
        attrs.evolve(restart(False), times=3),
        attrs.evolve(restart(True), times=2),
    ]  # fmt: skip
    world = following.world("walked", followed.__doc__ or "", moves, connects=1)
    parts = (attrs.evolve(part, limits=LIMITS) if isinstance(part, Follows) else part for part in world.components)
    return attrs.evolve(world, components=tuple(parts))


def posted() -> World:
    """A sequencer to which all happens that may."""
    moves = [
        *OUTAGES,
        crash(True, 3),
        crash(False, 3),
        Move("goes back; the blob waits", ((DA, GoBack(1, keep=True)),), 2),
        Move("goes back; the blob is gone", ((DA, GoBack(1)),), 2),
        Move("the answer is lost; the blob lands", ((DA, Say(UNSURE, True)),), 2),
        Move("the answer and the blob are lost", ((DA, Say(UNSURE)),), 2),
        Move("it is not taken", ((DA, Say(TROUBLE)),), 2),
        Move("it is refused", ((DA, Say(REFUSED)),), 2),
        Move("an operator says go on", ((S, RESUMES),), 2),
    ]
    return posting_world("walked", posted.__doc__ or "", moves)


FOUND: Final = settings(
    CI, stateful_step_count=60, max_examples=2000, phases=[Phase.generate], report_multiple_bugs=False
)
"""It is enough that something is found: nobody reads the shortest story."""
KINDS: Final = {"followed": followed, "posted": posted}


@pytest.mark.parametrize("kind", KINDS)
def test_the_promises_hold(kind: str) -> None:
    run_state_machine_as_test(walks(KINDS[kind]()), settings=settings(CI, stateful_step_count=60))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_the_promises_hold_in_walks_that_nobody_has_seen(kind: str) -> None:
    run_state_machine_as_test(walks(KINDS[kind]()), settings=settings(NIGHTLY, stateful_step_count=100))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("followed", "what is taken back is not told"),
        ("followed", "the layer gives no blocks"),
        ("posted", "the producer is never held"),
        ("posted", "what is unsure is given again"),
    ],
)
def test_a_changed_rule_is_found(kind: str, name: str) -> None:
    (mutant,) = (each for each in MUTANTS if each.name == name)
    world = with_rules(KINDS[kind](), mutant.table)
    world = attrs.evolve(world, properties=tuple(one for one in world.properties if one.name == mutant.promise))
    with pytest.raises(AssertionError, match=f"{mutant.promise} does not hold in world truth-walked"):
        run_state_machine_as_test(walks(world), settings=FOUND)
