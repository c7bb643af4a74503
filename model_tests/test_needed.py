"""Each row of every table is there for a promise: without it, that promise breaks."""

from typing import Final

import pytest

from model_tests.exhaustive import explored
from model_tests.needed import ROWS, WORLDS, broken, needed
from syncfsm.machine import Rule

HARMLESS: Final = {
    "peer: (open) connect [always] -> stay / misuse": "It tells a caller's mistake to the caller. The connection "
    "is the same without it.",
    "sync: (start, init) moved [nothing_shared] -> closed / part_pruned": "It says at once what the peer finds one "
    "message later, in the hello that names our new base.",
}
"""Rows without which every promise holds in every world, and what they are good for."""


@pytest.mark.parametrize("row", needed())
def test_without_the_row_a_promise_breaks(row: str) -> None:
    world, promise = needed()[row]
    assert broken(WORLDS[world], ROWS[row]) == promise


def test_every_row_that_does_something_is_needed_or_explained() -> None:
    assert needed().keys() | HARMLESS.keys() == ROWS.keys()
    assert not needed().keys() & HARMLESS.keys()


@pytest.mark.nightly
@pytest.mark.parametrize("row", HARMLESS)
def test_without_a_harmless_row_every_promise_holds(row: str) -> None:
    rule: Rule = ROWS[row]
    for world in WORLDS.values():
        if rule in explored(world).fired:
            assert broken(world, rule) is None, world.name
