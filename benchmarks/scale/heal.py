"""What happens to live blocks when much of the network fails at once.

``p999_block_times`` and ``worst_block_times`` are of all blocks under way at the failure or made since, to all correct
nodes that a way leads to, in units of the time from block to block. ``gaps`` counts what such a node never had, or had
before the block below. A node that could have nothing is measured from when it could.
"""

from collections.abc import Callable, Iterable
from math import inf

from benchmarks.scale.live import settle
from benchmarks.scale.settings import Cost, Figures, Scale, in_step, overlay_of, producers_of
from syncfsm.testing.scale import Dialling, Edge, LargeNetwork, Source, dawdles, percentile, withholds
from syncfsm.testing.scale.members import DIALS, TAKES
from syncfsm.testing.scale.source import INTERVAL

SIZE = 10_000
CUT = 3.0
"""Seconds for which a third of the connections is cut: shorter than ``Limits.silence``."""
REGION, AWAY = "na_west", 20.0
"""The region that is cut off, and for how many seconds."""
GLANCE = 0.005


class Stage:
    """A network that has warmed up, and what fails in it."""

    def __init__(self, scale: Scale) -> None:
        self.scale, self.cost = scale, Cost()
        self.network: LargeNetwork = in_step(scale)
        self.dialling = Dialling(self.network)
        self.source = Source(self.network, producers_of(scale), SIZE)
        self.source.make(scale.warm)
        self.first = self.source.head.height
        """The newest block when all goes wrong; it is under way."""
        self.network.run(self.network.now + INTERVAL / 4)

    @property
    def producer(self) -> int:
        return self.source.producers[0]

    def others(self, share: float) -> set[int]:
        """This share of the nodes, but not the producer."""
        luck, found = self.scale.luck, set[int]()
        while len(found) < round(share * self.scale.nodes):
            found.add(luck.below(self.scale.nodes))
            found.discard(self.producer)
        return found

    def wait(self, seconds: float) -> None:
        """So much time passes, and blocks are made."""
        self.source.make(round(seconds / INTERVAL))

    def figures(self, nodes: set[int]) -> Figures:
        """What it came to for these nodes."""
        settle(self.network, self.source, nodes)
        ledger, heights = self.network.ledger, range(self.first, self.source.head.height + 1)
        delays = sorted(ledger.delays(heights, sorted(nodes - {self.producer})))
        return {
            "p50_block_times": round(percentile(delays, 0.5) / INTERVAL, 2),
            "p999_block_times": round(percentile(delays, 0.999) / INTERVAL, 2),
            "worst_block_times": round(delays[-1] / INTERVAL, 2),
            "gaps": delays.count(inf) + ledger.gaps + ledger.doubles,
            "copies": round(sum(ledger.copies[height] for height in heights) / len(heights) / len(nodes), 3),
            "nodes": len(nodes),
            "blocks": len(heights),
            "accusations": len(self.network.accusations),
            "cost": self.cost.figures(self.network),
        }


def kill20(scale: Scale) -> Figures:
    """A fifth of all nodes is killed at one moment."""
    stage = Stage(scale)
    killed = frozenset(stage.others(0.2))
    stage.dialling.kill(killed)
    stage.wait(scale.heal * INTERVAL)
    return stage.figures(stage.network.overlay.reachable(stage.producer, killed))


def cut(scale: Scale) -> Figures:
    """A third of all connections is cut, and healed."""
    stage = Stage(scale)
    network, luck = stage.network, scale.luck
    edges = [edge for edge in network.edges if luck.chance(1 / 3)]
    stage.dialling.cut(edges)
    reached = _reached(network, stage.producer)
    stage.wait(CUT)
    stage.dialling.heal(edges)
    _measure_from_now(network, set(range(scale.nodes)) - reached)
    stage.wait(scale.heal * INTERVAL)
    return stage.figures(set(range(scale.nodes)))


def region(scale: Scale) -> Figures:
    """A region is cut off for a while. Its nodes are measured from when the first connection leads there again;
    ``dialled_after_s`` is how long dialling took until then."""
    stage = Stage(scale)
    network = stage.network
    inside = set(network.overlay.within(REGION))
    border = [edge for edge in network.edges if len({member.index for member in edge.members} & inside) == 1]
    stage.dialling.cut(border)
    stage.wait(AWAY)
    stage.dialling.heal(border)
    stage.source.plan(scale.heal)
    healed = network.now
    while not any(_connected(edge) for edge in border):
        network.run(network.now + GLANCE)
    dialled = network.now - healed
    _measure_from_now(network, inside)
    network.run(healed + scale.heal * INTERVAL)
    return {**stage.figures(set(range(scale.nodes))), "dialled_after_s": round(dialled, 3), "inside": len(inside)}


def liars(scale: Scale) -> Figures:
    """A twentieth of the nodes tell of blocks from now on, and give none, or, every other of them, late on purpose."""
    stage = Stage(scale)
    lying = frozenset(stage.others(0.05))
    for at, node in enumerate(sorted(lying)):
        stage.network.misbehave(node, dawdles if at % 2 else withholds)
    stage.wait(scale.heal * INTERVAL)
    return stage.figures(overlay_of(scale).reachable(stage.producer, lying))


def _reached(network: LargeNetwork, start: int) -> set[int]:
    """Those to whom a way leads that is not cut."""
    near: dict[int, list[int]] = {member.index: [] for member in network.members}
    for edge in network.edges:
        if edge.up:
            a, b = (member.index for member in edge.members)
            near[a].append(b)
            near[b].append(a)
    found, waiting = {start}, [start]
    while waiting:
        more = [node for node in near[waiting.pop()] if node not in found]
        found.update(more)
        waiting += more
    return found


def _measure_from_now(network: LargeNetwork, nodes: Iterable[int]) -> None:
    for node in nodes:
        network.ledger.since[node] = network.now


def _connected(edge: Edge) -> bool:
    dials, takes = edge.ends[DIALS], edge.ends[TAKES]
    return dials is not None and takes is not None and dials.other is takes and dials.open and takes.open


FAILURES: dict[str, Callable[[Scale], Figures]] = {"region": region, "cut": cut, "liars": liars, "kill20": kill20}
