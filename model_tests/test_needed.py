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

UNSHOWN: Final = {
    "routing: (open) pass [brought_before] -> closed / violation": (
        "It ends a connection over which one packet comes again and again; nothing is judged twice anyway."
    ),
    "routing: (open) send [hold_is_full] -> stay / displace": (
        "The oldest of too many packets that wait for a block gives way to a new one."
    ),
    "feed: (fed) gained [rival_is_due] -> stay / race": (
        "It makes trees follow what is fast; large networks show what that is worth."
    ),
    "feed: (fed) gained [race_is_lost] -> stay / end_race": ("A race that is lost costs copies as long as it goes on."),
    "feed: (fed) gained [asked_and_ahead] -> stay / renew": (
        "One that brings what it told of, bit by bit, is not shut in between; others would be asked for the rest."
    ),
    "feed: (fed) gained [gives] -> stay / turn_round": (
        "Where another node makes the blocks, edges turn at once, not when each feed on the way is late."
    ),
    "feed: (fed) made [gift_declined] -> stay / turn_to_child": ("One copy of each block of one's own less."),
    "feed: (fed) made [always] -> stay / give": (
        "What a node makes goes out at once; without it, others ask when they have heard of it and waited."
    ),
    "feed: (fed) ahead [feed_has_no_more] -> stay / ask_at_once": ("A new feed that has no more is not waited for."),
    "feed: (fed) late [patience_ends] -> stay / ask_all": (
        "It bounds by patience for how long many liars can be asked one after the other."
    ),
    "feed: (fed) refused [feed_refuses_others_left] -> stay / turn_to_another": (
        "One that is busy is not pressed while there are others: it sends no more copies than it is to."
    ),
    "feed: (fed) given [asked_already] -> stay / take_offer": (
        "That it gives of itself decides where the old feed has its blocks from."
    ),
    "feed: (fed) wanted [serves] -> stay / serve": (
        "One that is served already and says hello again is not refused while the gates are full."
    ),
    "router: (routing) joined [always] -> stay / greet": (
        "A peer that comes is told what is kept; what it misses it asks for when it hears of it."
    ),
    "router: (routing) left-out [always] -> stay / leave_out": (
        "A peer whose protocol has ended is thought of no more; what is said to it is lost."
    ),
    "router: (routing) taken [always] -> stay / find_ways": (
        "A way to a producer follows its newest block; without one, packets for it go to everybody."
    ),
    "router: (routing) judged [penalised] -> stay / condemn": (
        "Who passes on what the integrator penalises is told of; it is passed on no further anyway."
    ),
    "router: (routing) judged [always] -> stay / refuse": (
        "A packet that is refused is forgotten at once, and not when its time is up."
    ),
}
"""Rows whose lack breaks no promise in the smallest worlds in which they fire: what they save is time, copies or
traffic, which no promise is about. Their own tests, and large networks, show it."""


@pytest.mark.parametrize("row", needed())
def test_without_the_row_a_promise_breaks(row: str) -> None:
    world, promise = needed()[row]
    assert broken(WORLDS[world], ROWS[row]) == promise


def test_every_row_that_does_something_is_needed_or_explained() -> None:
    assert needed().keys() | HARMLESS.keys() | UNSHOWN.keys() == ROWS.keys()
    assert not needed().keys() & (HARMLESS.keys() | UNSHOWN.keys())


@pytest.mark.nightly
@pytest.mark.parametrize("row", HARMLESS)
def test_without_a_harmless_row_every_promise_holds(row: str) -> None:
    rule: Rule = ROWS[row]
    for world in WORLDS.values():
        if rule in explored(world).fired:
            assert broken(world, rule) is None, world.name
