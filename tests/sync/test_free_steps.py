"""Steps of a search between correct peers are not counted, whatever their chains and however few points they offer."""

from itertools import product
from random import Random

import pytest

from syncfsm.events import Event, Produced
from syncfsm.limits import HELLO_POINTS, Limits, Strategy
from syncfsm.sync.protocol import SYNC
from syncfsm.testing import GENESIS, Pair, branch
from tests.building import node

TRUNK = branch(GENESIS, 3000, "trunk")
POINTS = (2, 3, 5, HELLO_POINTS)
OPENINGS = 2
"""The hello with which a peer begins, and one that crosses with it."""


def counted(pair: Pair, side: int) -> float:
    """Hellos of the other that this side has counted."""
    link = pair.nodes[side].at(SYNC, pair.name)
    assert link is not None
    return pair.nodes[side].config.limits.hello_burst - link.may_hear


@pytest.mark.parametrize("strategies", list(product(Strategy, Strategy)), ids="-".join)
@pytest.mark.parametrize("seed", range(3))
def test_the_steps_of_an_undisturbed_search_are_free(seed: int, strategies: tuple[Strategy, Strategy]) -> None:
    chance = Random(seed)
    for points in product(POINTS, POINTS):
        fork = chance.choice((0, 1, 2, 3, chance.randrange(2, 300), chance.randrange(2, 3000)))
        lengths = [chance.choice((1, 2, 3, chance.randrange(1, 50), chance.randrange(1, 1000))) for _ in points]
        gain = chance.choice((1, 1000))
        trunk = TRUNK[:fork]
        root = trunk[-1] if trunk else GENESIS
        here, there = branch(root, lengths[0], "here", gain), branch(root, lengths[1], "there")
        limits = [Limits(points=each) for each in points]
        pair = Pair(
            node(trunk, here, limits=limits[0], strategy=strategies[0]),
            node(trunk, there, limits=limits[1], strategy=strategies[1]),
        )
        pair.connect()
        pair.settle()
        assert pair.up
        assert pair.nodes[0].chain.head == pair.nodes[1].chain.head
        assert max(counted(pair, 0), counted(pair, 1)) <= OPENINGS, (fork, lengths, points, gain)


@pytest.mark.parametrize("strategies", list(product(Strategy, Strategy)), ids="-".join)
@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_is_disturbed_counts_few(seed: int, strategies: tuple[Strategy, Strategy]) -> None:
    """Either side makes blocks, or turns to another branch, while the search goes on."""
    chance = Random(seed)
    for points in product(POINTS, POINTS):
        fork = chance.randrange(2, 300)
        trunk = TRUNK[:fork]
        here, there = (
            branch(trunk[-1], chance.randrange(1, 60), "here"),
            branch(trunk[-1], chance.randrange(1, 60), "there"),
        )
        pair = Pair(
            node(trunk, here, limits=Limits(points=points[0]), strategy=strategies[0]),
            node(trunk, there, limits=Limits(points=points[1]), strategy=strategies[1]),
        )
        pair.connect()
        switches = 0
        for _ in range(chance.randrange(1, 4)):
            pair.settle(chance.randrange(1, 4))
            side = chance.randrange(2)
            root = chance.choice((pair.nodes[side].chain.head, trunk[fork // 2]))
            more = branch(root, chance.randrange(1, 90), f"more {switches}", chance.choice((1, 7)))
            event: Event = Produced(tuple(more), pair.now)
            pair.feed(side, event)
            switches += 1
        pair.settle()
        assert pair.up
        assert max(counted(pair, 0), counted(pair, 1)) <= OPENINGS + 3 * switches
