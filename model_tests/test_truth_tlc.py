"""The room of truth before TLC: it counts as the explorer does, keeps the promises, and a change is noticed."""

import re
from typing import Final

import attrs
import pytest

from model_tests.test_tlc import agree
from model_tests.tlc import FAST_START, FOLLOWING, POSTING, READING, Specification, run_tlc, specified
from model_tests.translation import row_name
from model_tests.truth_small import SMALL, few
from syncfsm.check import Exploration, World
from syncfsm.truth.poster.protocol import TABLE as POSTER
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm_spec.truth.promises import ALL
from syncfsm_spec.truth.worlds import (
    answers,
    batches,
    breaks,
    crashes,
    halts,
    overruled,
    prunes,
    reorganises,
    says_that_it_broke,
    taken_back,
)

QUICK: Final = (batches(), says_that_it_broke(), overruled())
LARGE: Final = (reorganises(), prunes(), breaks(), crashes(), answers(), taken_back(), halts())
NEVER: Final = {"BlobsNotAsked", "PostedIgnore"}
"""Rows for answers that nobody has asked for: a layer of the worlds gives none."""
LEFT_OUT: Final = {
    "BeginBegin",
    "BeginHasOther",
    "BeginIgnore",
    "MadeIsStrange",
    "RefusedGiveUp",
    "RefusedIgnore",
    "TickIsSilent",
    "TickIgnore",
}
"""Rows that only follow another, of what else the node knows, of a caller's mistake, and of time that does nothing."""


@pytest.mark.parametrize(
    "world",
    [*QUICK, *(pytest.param(world, marks=pytest.mark.nightly) for world in LARGE)],
    ids=lambda world: world.name,
)
def test_tlc_and_explorer_agree(world: World) -> None:
    agree(world, "Spec")


def _rows(specification: Specification) -> set[str]:
    """The names of the actions that are rows."""
    text = specification.module(specification.modules)
    return set(re.findall(r"^(\w+) +== /\\ ", text, re.MULTILINE)) - {"NoRow"}


def test_every_row_of_the_specification_fires_in_a_small_world() -> None:
    fired = set[str]()
    for world in SMALL:
        exploration = Exploration(attrs.evolve(world, properties=()))
        exploration.run()
        fired |= {row_name(rule) for rule in exploration.fired}
    assert (_rows(READING) | _rows(POSTING)) - fired == NEVER


def test_the_specification_has_every_row() -> None:
    named = [{row_name(rule) for rule in table.rules} for table in (READER, POSTER)]
    for rows, specification in zip(named, (READING, POSTING), strict=True):
        assert _rows(specification) <= rows
        assert rows - _rows(specification) <= LEFT_OUT


FEW_REORGANISES: Final = few(reorganises(), a1=1, a_block=1, goes_back_1=1, is_out=1)
FEW_CRASHES: Final = few(crashes(), makes=3, **{"crashes; its blob lands": 1}, is_out=1, is_back=1)
MUTANTS: Final = (
    (FEW_REORGANISES, "TruthWins", "Reader",
     "Follows(r, place) == ", "Follows(r, place) == TRUE \\/ "),
    (few(prunes(), a1=1, a2=1, a3=1, prunes=1), "NoneSkipped", "Reader",
     "Lose(r) == Same([Ends(r) EXCEPT", "Lose(r) == Same([Ends(r) EXCEPT !.final.place.height = 2, !.trail = <<>>,"),
    (FEW_REORGANISES, "FinalOnlyAdvances", "Reader", "Len(trail) > Finality", "Len(trail) > 0"),
    (FEW_REORGANISES, "LivesWithoutDA", "Reader",
     "BackOffNow(r) == Same([Ends(r) EXCEPT", "BackOffNow(r) == Same([Ends(r) EXCEPT !.trail = <<>>,"),
    (FEW_CRASHES, "NothingLost", "Poster", "p.landed \\in 1..read", "p.landed \\in 1..read - 1"),
    (FEW_CRASHES, "NeverContradicts", "Poster", '"BeginBegin", "catching"', '"BeginBegin", "gathering"'),
    (few(answers(), makes=2, **{"the answer is lost": 1}), "OneAtATime", "Poster",
     '"UnsureLookForIt", "waiting"', '"UnsureLookForIt", "gathering"'),
    (FEW_CRASHES, "KnowsFirst", "Poster", "Waits(p) == [p EXCEPT !.held = TRUE]", "Waits(p) == p"),
    (FEW_CRASHES, "Capped", "Poster", "Len(Open(p)) >= Unconfirmed", "Len(Open(p)) > Unconfirmed"),
)  # fmt: skip
"""World, promise, module, and what is changed there."""


@pytest.mark.parametrize(
    ("world", "promise", "module", "old", "new"), MUTANTS, ids=[promise for _, promise, *_ in MUTANTS]
)
def test_a_changed_specification_breaks_a_promise(world: World, promise: str, module: str, old: str, new: str) -> None:
    model, _ = specified(world)
    named = {name for name in (*model.states, *model.steps) if promise in (name, FINAL.get(name))}
    states, steps = named & set(model.states), named & set(model.steps)
    found = run_tlc(
        world, invariants=sorted(states), properties=sorted(steps), change=(module, old, new), java=FAST_START
    )
    assert FINAL.get(found.violated or "", found.violated) == promise, found.output


FINAL: Final = {"FinalIsThere": "FinalOnlyAdvances"}
"""A promise in two parts: of steps, and of states."""


def test_every_promise_is_stated_and_has_a_mutant() -> None:
    """A whole node has a specification of its own (``test_following_tlc.py``). Evidence has none: witnesses have no
    table, they are functions, and the checker alone explores them."""
    stated = {FINAL.get(name, name) for model in (READING, POSTING) for name in (*model.states, *model.steps)}
    assert stated == {promise for _, promise, *_ in MUTANTS}
    of_nodes = {*FOLLOWING.states, *FOLLOWING.steps} & {promise.name for promise in ALL}
    assert of_nodes == {"TruthWins", "FinalOnlyAdvances", "LivesWithoutPeers"}
    assert {promise.name for promise in ALL} - stated - of_nodes == {"EvidenceKept"}
