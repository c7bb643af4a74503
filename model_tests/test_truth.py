"""The room of truth, explored: what is promised of reading and posting holds in every world, and a change breaks it."""

import attrs
import pytest

from model_tests.mutants import Mutant
from model_tests.test_transitions import Both
from model_tests.truth_mutants import MUTANTS, WITNESSES, with_witness
from syncfsm.check import Exploration, World, with_rules
from syncfsm.check.story import tell
from syncfsm.truth.poster.protocol import TABLE as POSTER
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm_spec.truth import following, witnesses, worlds
from syncfsm_spec.truth.promises import ALL, EVIDENCE_KEPT
from syncfsm_spec.truth.worlds import batches, breaks, crashes, lone_poster, lone_reader

STANDARD = (*worlds.STANDARD, *following.STANDARD, *witnesses.STANDARD)
MOST = 300_000
"""More states than any of these worlds has."""


def explored(world: World) -> Exploration:
    exploration = Exploration(world)
    exploration.run(MOST)
    return exploration


@pytest.mark.parametrize("world", STANDARD, ids=lambda world: world.name)
def test_what_is_promised_holds(world: World) -> None:
    exploration = explored(world)
    assert exploration.violation is None
    assert exploration.complete


def test_every_row_fires() -> None:
    fired = set().union(*(explored(world).fired for world in STANDARD))
    assert {*READER.rules, *POSTER.rules} - fired == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_checker_finds_the_mutant(mutant: Mutant) -> None:
    exploration = explored(mutant.narrowed)
    assert exploration.violation is not None
    assert exploration.violation.name == mutant.promise
    assert tell(mutant.world, exploration.violation).whole


@pytest.mark.parametrize("changed", WITNESSES, ids=WITNESSES)
def test_the_checker_finds_a_witness_that_does_not_do_its_part(changed: str) -> None:
    exploration = explored(with_witness(witnesses.equivocates(), WITNESSES[changed]))
    assert exploration.violation is not None
    assert exploration.violation.name == EVIDENCE_KEPT.name


def test_every_promise_has_a_mutant() -> None:
    assert {mutant.promise for mutant in MUTANTS} | {EVIDENCE_KEPT.name} == {promise.name for promise in ALL}


@pytest.mark.parametrize("world", [batches(), breaks(), crashes(), lone_reader(), lone_poster()], ids=lambda w: w.name)
def test_transitions_decides_as_the_dispatch_that_ships(world: World) -> None:
    for table in (READER, POSTER):
        if set(table.rules) <= set(world.rows):
            world = with_rules(world, Both(**attrs.asdict(table, recurse=False)))
    exploration = explored(world)
    assert exploration.violation is None
    assert exploration.complete


@pytest.mark.parametrize("table", [READER, POSTER], ids=lambda table: table.name)
def test_the_tables_are_sound(table: object) -> None:
    assert isinstance(table, type(READER))
    assert table.lint() == []
