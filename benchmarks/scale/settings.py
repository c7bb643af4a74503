"""How large a run is, and what all its parts share."""

import gc
import resource
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import attrs

from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.testing.luck import Luck
from syncfsm.testing.scale import LargeNetwork, Overlay, percentile, random_overlay
from syncfsm.testing.scale.network import WORK
from syncfsm.testing.trees import GENESIS
from syncfsm_adapters.command.exploring import ends_with_its_parent

Figures = dict[str, object]
SIZES: Final = {"1KB": 1_000, "10KB": 10_000, "100KB": 100_000}
GATES: Final = 9
FAST_GATES: Final = 16
SOURCE_GATES: Final = 4
"""To how many peers a node sends blocks, its feed among them if they come from its side, unless more insist: one with a
slow line, one with a fast line, and the producers, which are to send few copies."""
SENTRIES: Final = 3
"""So many of the producers' gates are for nodes that their operators have named: the nearest, of these the fastest."""
LIMITS: Final = Limits(gates=GATES, early=0.002)
GRAIN: Final = LIMITS.room // 2
"""Nodes are told of room when half of it is taken: that saves a step for each block sent, and changes nothing else."""
GREETED: Final = 2.0
"""Seconds after which all have greeted each other."""
FAST: Final = 100e6
"""Bytes a second that a fast node can send; it is in the published network or not, there is nothing between."""


PRODUCERS: Final = 4


@attrs.frozen
class Scale:
    """``warm`` blocks come before ``blocks`` that are measured; gossipsub remembers nothing from block to block, so
    ``gossip`` of them are enough. ``heal`` blocks follow when a failure is over, or has begun if it is for good."""

    nodes: int = 10_000
    warm: int = 40
    blocks: int = 100
    gossip: int = 20
    heal: int = 25
    history: int = 100
    seed: int = 1

    @property
    def luck(self) -> Luck:
        """Choices of what fails, the same for all protocols."""
        return Luck(self.seed + 1000)


QUICK: Final = Scale(nodes=200, warm=5, blocks=10, gossip=5, heal=20, history=20)


@lru_cache(maxsize=1)
def overlay_of(scale: Scale) -> Overlay:
    """The same for all that is measured."""
    return random_overlay(scale.nodes, scale.seed)


def producers_of(scale: Scale, count: int = 1) -> tuple[int, ...]:
    """Who makes blocks: fast nodes in Europe, where most nodes are."""
    overlay = overlay_of(scale)
    fast = [node for node in overlay.within("europe") if overlay.places[node].up > FAST]
    return tuple(fast[:count])


def apart(scale: Scale, beside: LargeNetwork | None = None) -> LargeNetwork:
    """Nodes that have nothing but the genesis block, and no connections. Those with a fast line have more gates, but
    for who makes blocks: it is to send few copies. With another network ``beside`` it they share their lines."""
    overlay = overlay_of(scale)
    start, fast = _beginning(LIMITS), _beginning(attrs.evolve(LIMITS, gates=FAST_GATES))
    spared = producers_of(scale, PRODUCERS)
    starts = {at: fast for at, place in enumerate(overlay.places) if place.up > FAST}
    starts |= dict.fromkeys(spared, _beginning(attrs.evolve(LIMITS, gates=SOURCE_GATES)))
    network = LargeNetwork(overlay, start, starts, seed=scale.seed, work=WORK, grain=GRAIN, beside=beside)
    for producer in spared:
        network.name_sentries(producer, nearest(overlay, producer)[:SENTRIES])
    return network


def nearest(overlay: Overlay, node: int) -> list[int]:
    """Its neighbours, the nearest first, and of these the one with the fastest line."""
    return sorted(overlay.neighbours[node], key=lambda other: (overlay.latency(node, other), -overlay.places[other].up))


def _beginning(limits: Limits) -> Node:
    return Node.start(Config(Unchecked(), limits=limits), Chain.start(GENESIS, limits))


def in_step(scale: Scale) -> LargeNetwork:
    """Nodes that have greeted all their neighbours."""
    network = apart(scale)
    network.join_all()
    network.run(GREETED)
    return network


def begin() -> None:
    """In each process that measures, first. (What begins it is a program, in which it would not be found.)"""
    ends_with_its_parent()
    gc.disable()


def milliseconds(delays: Sequence[float]) -> Figures:
    """What sorted delays come to."""
    names = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: round(1000 * percentile(delays, share), 1) for name, share in names.items()}


class Cost:
    """What measuring took: seconds on the wall and of the processor, and memory."""

    def __init__(self) -> None:
        self._wall, self._used = time.perf_counter(), time.process_time()

    def figures(self, network: LargeNetwork | None = None) -> Figures:
        used = time.process_time() - self._used
        found: Figures = {
            "seconds": round(time.perf_counter() - self._wall, 1),
            "processor_seconds": round(used, 1),
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            // (1024 if sys.platform == "linux" else 2**20),
        }
        if network is not None:
            steps = network.steps
            found["steps"] = dict(sorted((type_.__name__, count) for type_, count in steps.items()))
            found["microseconds_per_step"] = round(1e6 * used / max(1, steps.total()), 1)
        return found
