"""One tree for the chain, or one a producer: the question that the founding notes leave open, with four producers.

Nodes that ship have one tree. What one a producer would come to is measured with four networks of them on the same
lines, each with a chain and a producer of its own, which makes a block when it would have its turn. That flatters it:
no block waits for the one before, which came by another tree. All of ``WAYS`` are measured with ``NODES`` nodes.
"""

from collections.abc import Callable
from math import inf
from typing import Final

import attrs

from benchmarks.scale.live import relay, settle
from benchmarks.scale.settings import GREETED, PRODUCERS, SIZES, Cost, Figures, Scale, apart, milliseconds, producers_of
from syncfsm.testing.scale import LargeNetwork, Source
from syncfsm.testing.scale.source import INTERVAL

NODES: Final = 1000
SIZE: Final = SIZES["10KB"]
TURN: Final = 10
"""Blocks that a producer makes before the next one takes over, where they do not change with each block."""


def smaller(scale: Scale) -> Scale:
    """Four networks at once are to take no more memory than one."""
    return attrs.evolve(scale, nodes=min(scale.nodes, NODES))


def one_producer(scale: Scale) -> Figures:
    """One producer, as in ``networks``, of this size."""
    return relay(smaller(scale), SIZE)


def each_block(scale: Scale) -> Figures:
    """One tree, and the producer changes with each block."""
    return relay(smaller(scale), SIZE, PRODUCERS)


def in_rounds(scale: Scale) -> Figures:
    """One tree, and the producer changes after ``TURN`` blocks: how late is the first block of a new one?"""
    return relay(smaller(scale), SIZE, PRODUCERS, TURN)


def tree_each(scale: Scale) -> Figures:
    """Four trees, on the same lines."""
    scale, cost = smaller(scale), Cost()
    networks: list[LargeNetwork] = []
    for _ in range(PRODUCERS):
        networks.append(apart(scale, networks[0] if networks else None))
        networks[-1].join_all()
    clock = networks[0]
    clock.run(GREETED)
    producers = producers_of(scale, PRODUCERS)
    sources = [
        Source(network, (producer,), SIZE, PRODUCERS * INTERVAL)
        for network, producer in zip(networks, producers, strict=True)
    ]
    _make(sources, scale.warm)
    before = [network.ledger.traffic() for network in networks]
    heights = _make(sources, scale.blocks // PRODUCERS)
    traffic = [network.ledger.traffic().since(then) for network, then in zip(networks, before, strict=True)]
    for network, source in zip(networks, sources, strict=True):
        settle(network, source)
    ledgers = [network.ledger for network in networks]
    delays = sorted(
        delay
        for ledger, made in zip(ledgers, heights, strict=True)
        for delay in ledger.delays(made, range(scale.nodes))
        if delay > 0
    )
    blocks = sum(len(made) for made in heights)
    copies = sum(ledger.copies[height] for ledger, made in zip(ledgers, heights, strict=True) for height in made)
    return {
        **milliseconds(delays),
        "copies": round(copies / blocks / (scale.nodes - 1), 3),
        "bytes_per_node_block": round(sum(each.bytes for each in traffic) / blocks / scale.nodes),
        "messages_per_node_block": round(sum(each.smalls for each in traffic) / blocks / scale.nodes, 2),
        "missing": delays.count(inf),
        "gaps": sum(ledger.gaps for ledger in ledgers),
        "doubles": sum(ledger.doubles for ledger in ledgers),
        "cost": cost.figures(clock),
    }


def _make(sources: list[Source], count: int) -> list[range]:
    """Each makes so many blocks, by turns; their heights."""
    clock, heights = sources[0].network, []
    for source in sources:
        heights.append(source.plan(count))
        clock.run(clock.now + INTERVAL)
    clock.run(clock.now + (count - 1) * PRODUCERS * INTERVAL)
    return heights


WAYS: Final[dict[str, Callable[[Scale], Figures]]] = {
    "one_producer": one_producer,
    "each_block": each_block,
    "in_rounds": in_rounds,
    "tree_each": tree_each,
}
