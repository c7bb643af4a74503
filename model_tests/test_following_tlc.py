"""A node that follows a layer beside a peer before TLC: it counts as the explorer does, keeps the promises, and a
change is noticed. That the edges are the same in small worlds is in ``test_conformance.py``."""

import re
from pathlib import Path
from typing import Final

import attrs
import pytest

from model_tests.following_small import AWAY, CONTRADICTS, RESTARTS, SMALL, TURNS_BACK
from model_tests.graphs import explore
from model_tests.terms import NotSpecifiedError
from model_tests.test_tlc import BROKEN, agree
from model_tests.tla import dumped
from model_tests.tlc import FAST_START, FOLLOWING, READING, SYNC, run_tlc, specified
from model_tests.translation import row_name
from model_tests.truth_mutants import MUTANTS as MUTANTS_OF_CODE
from syncfsm.check import Exploration, World, with_rules
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm_spec.truth.following import STANDARD, Follows, away, other_final
from syncfsm_spec.truth.parts import LIMITS

QUICK: Final = (away().name, other_final().name)
RARE: Final = {"FoundNotHeld", "HelloSearch"}
"""Rows that fire only in worlds that are too large for every edge to be replayed."""


@pytest.mark.parametrize(
    "world",
    [pytest.param(world, marks=[] if world.name in QUICK else pytest.mark.nightly) for world in STANDARD],
    ids=lambda world: world.name,
)
def test_tlc_and_explorer_agree(world: World) -> None:
    """By row: so each step has a row, and ``FollowingRows.tla`` has all that fire."""
    agree(world, "SpecByRow")


def test_every_row_of_the_specification_fires_in_a_small_world() -> None:
    actions = set(re.findall(r"^(\w+) +== /\\ ", FOLLOWING.module("FollowingRows"), re.MULTILINE))
    fired = set[str]()
    for world in SMALL:
        exploration = Exploration(attrs.evolve(world, properties=()))
        exploration.run()
        fired |= {f"Reader{row_name(row)}" if row in READER.rules else row_name(row) for row in exploration.fired}
    assert actions - fired == {"NoRow", *RARE}


GIVES_UP: Final = 'Row("RefusedGiveUp", "broken", '
MUTANTS: Final = (
    (TURNS_BACK, "TruthWins", "Following", 'IF r.row = "BlobsIsOther" /\\', "IF FALSE /\\"),
    (RESTARTS, "TruthWins", "Following", "~OnBest(c, final) THEN D!Start", "~OnBest(c, final) THEN k"),
    (CONTRADICTS, "FinalOnlyAdvances", "Reader", GIVES_UP, GIVES_UP.replace('"broken"', "r.state")),
    (AWAY, "LivesWithoutPeers", "Following", "<<Confirmed(b, ", "<<Confirmed(<<>>, "),
    (RESTARTS, "NoneMissing", "Tree", "Height[b] >= oldest)", "Height[b] > oldest)"),
    (TURNS_BACK, "InSync", "Link", *BROKEN),
)  # fmt: skip
"""World, property, module, and what is changed there."""


@pytest.mark.parametrize(
    ("world", "property", "module", "old", "new"), MUTANTS, ids=[f"{mutant[1]}-{mutant[2]}" for mutant in MUTANTS]
)
def test_a_changed_specification_breaks_a_property(
    world: World, property: str, module: str, old: str, new: str
) -> None:
    states, steps = [[property] if property in own else [] for own in (FOLLOWING.states, FOLLOWING.steps)]
    found = run_tlc(world, invariants=states, properties=steps, change=(module, old, new), java=FAST_START)
    assert found.violated == property, found.output


def test_every_property_has_a_mutant() -> None:
    assert {*FOLLOWING.states, *FOLLOWING.steps} == {property for _, property, *_ in MUTANTS}


def test_code_that_differs_is_seen(tmp_path: Path) -> None:
    """A reader that does not say what was taken back."""
    (mutant,) = (mutant for mutant in MUTANTS_OF_CODE if mutant.name == "what is taken back is not told")
    run_tlc(TURNS_BACK, spec="SpecByRow", dump=tmp_path / "graph.dot", java=FAST_START)
    graph = dumped(tmp_path / "graph.dot", FOLLOWING.variables)
    assert explore(specified(TURNS_BACK)[1])[0].edges == graph.edges
    assert explore(specified(with_rules(TURNS_BACK, mutant.table))[1])[0].edges != graph.edges


def test_a_reader_that_asks_for_several_heights_is_left_out() -> None:
    parts = tuple(attrs.evolve(part, limits=LIMITS) if isinstance(part, Follows) else part for part in AWAY.components)
    with pytest.raises(NotSpecifiedError, match="asks for several heights at once"):
        specified(attrs.evolve(AWAY, components=parts))


def test_modules_of_both_folders_are_found() -> None:
    assert FOLLOWING.module("World") == SYNC.module("World")
    assert FOLLOWING.module("Reader") == READING.module("Reader")
