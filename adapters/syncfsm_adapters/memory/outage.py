"""The outage story in virtual time: a node loses its links, comes back much later, and reaches the live head."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Literal, TypeAlias

import attrs

from syncfsm.errors import LocalError
from syncfsm.events import Event, Received
from syncfsm.limits import Limits
from syncfsm.node.node import Config
from syncfsm.outputs import Misbehaviour, Output
from syncfsm.sync.messages import Blocks as BlocksMessage
from syncfsm.sync.messages import Hello
from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path
from syncfsm_adapters.memory.world import Meter, Pairs, Producer, SignedBlocks, line, mesh, regular, star
from syncfsm_adapters.store.memory import MemoryStore

Mode: TypeAlias = Literal["network", "crash"]
Topology: TypeAlias = Literal["mesh", "star", "line", "regular"]

SEQUENCER: Final = "sequencer"
START: Final = 10
"""Blocks made before the outage."""
SILENCE: Final = 10
"""Intervals without a sign of life after which a link is given up; a fifth of it is the keep-alive."""
DEGREE: Final = 8
"""Links of a node where the topology is ``regular``."""
WITHIN: Final = 100
"""Intervals the lost node may take to come back before the story counts as failed."""


@attrs.frozen(kw_only=True)
class Story:
    """What happened. Heights in blocks, times in seconds of virtual time."""

    followers: int
    interval: float
    mode: Mode
    topology: Topology
    lost_at: int
    """The lost node's height when it lost its links."""
    restored_at: int
    """The sequencer's height when the links carried again, or the node started again."""
    recovery_seconds: float
    """From then until the lost node's head was the sequencer's."""
    recovery_blocks: int
    gaps: int
    """Heights that are missing in the lost node's store at the end."""
    duplicates: int
    """Blocks that the lost node received during the recovery and held already."""
    hellos: int
    """Hellos that the lost node received during the recovery."""
    latency_p50: float
    latency_p99: float
    """Block made to block on a connected follower's best chain."""
    bytes_per_block: float
    """What the sequencer sent, per block made and follower."""
    misbehaviours: int
    agreed: bool
    """All stores hold one best chain, id for id from genesis."""


def outage(
    followers: int,
    interval: float = 0.2,
    gap: int = 100,
    tail: int = 11,
    mode: Mode = "network",
    topology: Topology = "mesh",
    seed: int = 1,
    *,
    path: Path = Path(),  # noqa: B008  a frozen value
    codec: bool = False,
) -> Story:
    """Play the story: a sequencer and ``followers`` nodes; the last of them is away for ``gap`` blocks; ``tail`` more.

    Raises ``LocalError`` if the outage is too short for the nodes to notice.
    """
    if gap <= 2 * SILENCE:
        raise LocalError(f"a gap of {gap} blocks is not noticed by keep-alive: ask for more than {2 * SILENCE}")
    stage = _Stage(followers, interval, topology, seed, path, codec)
    lost_at = stage.lose(mode, gap)
    restored_at = stage.restore(mode)
    return stage.close(lost_at, restored_at, tail, mode, topology)


class _Stage:
    """The network the story is played in, and what is noted while it runs. ``away`` is the node that is lost."""

    def __init__(self, followers: int, interval: float, topology: Topology, seed: int, path: Path, codec: bool) -> None:
        self.interval = interval
        self.followers = [f"node-{number}" for number in range(1, followers + 1)]
        self.away = self.followers[-1]
        self.network = MemoryNetwork(seed, codec=codec)
        self.meter = Meter(self.network)
        blocks = SignedBlocks(seed)
        config = Config(blocks.check, limits=Limits(keepalive=interval * SILENCE / 5, silence=interval * SILENCE))
        names = [SEQUENCER, *self.followers]
        for name in names:
            self.network.add(name, config, MemoryStore(blocks.genesis, b"memory"))
        self.network.join(_pairs(names, topology, seed), path)
        self.producer = Producer(self.network, SEQUENCER, interval, blocks)
        self.misbehaviours = self.hellos = self.duplicates = 0
        self.missed_to = 0  # once the links carry again: copies of blocks up to here count as duplicates
        self.recovered_in: float | None = None
        self.network.probe(self._probe)
        self.network.watch(self._watch)

    def height(self, name: str) -> int:
        return self.network.host(name).head.height

    def level(self, name: str) -> bool:
        return self.network.up(name) and self.network.host(name).head == self.network.host(SEQUENCER).head

    def until(self, done: Callable[[], bool], blocks: int) -> bool:
        return self.network.run_until(done, blocks * self.interval)

    def lose(self, mode: Mode, gap: int) -> int:
        """Wait for the start, cut the node off, and wait until it is ``gap`` blocks behind. Returns where it stands."""
        self.until(lambda: self.height(SEQUENCER) >= START and self.level(self.away), START + WITHIN)
        lost_at = self.height(self.away)
        if mode == "crash":
            self.network.crash(self.away)
        else:
            self.network.partition({self.away})
        self.until(lambda: self.height(SEQUENCER) >= lost_at + gap, gap + WITHIN)
        return lost_at

    def restore(self, mode: Mode) -> int:
        """Bring the node back and wait until it is level. Returns the sequencer's height when it came back."""
        restored_at, since = self.height(SEQUENCER), self.network.now
        self.missed_to = restored_at
        if mode == "crash":
            self.network.restart(self.away)
        else:
            self.network.heal()
        if self.until(lambda: self.level(self.away), WITHIN):
            self.recovered_in = self.network.now - since
        return restored_at

    def close(self, lost_at: int, restored_at: int, tail: int, mode: Mode, topology: Topology) -> Story:
        """Let the tail live, stop, and take stock."""
        recovered_to = self.height(self.away)
        self.until(lambda: self.height(SEQUENCER) >= restored_at + tail, tail + WITHIN)
        self.producer.stop()
        self.until(lambda: all(self.level(name) for name in self.followers), WITHIN)
        store = self.network.store(self.away)
        held = {point.height for point in store.best_chain()}
        sent = self.network.traffic(SEQUENCER).bytes
        return Story(
            followers=len(self.followers),
            interval=self.interval,
            mode=mode,
            topology=topology,
            lost_at=lost_at,
            restored_at=restored_at,
            recovery_seconds=inf if self.recovered_in is None else self.recovered_in,
            recovery_blocks=recovered_to - lost_at,
            gaps=len(set(range(self.height(SEQUENCER) + 1)) - held),
            duplicates=self.duplicates,
            hellos=self.hellos,
            latency_p50=self.meter.quantile(0.5),
            latency_p99=self.meter.quantile(0.99),
            bytes_per_block=sent / self.producer.made / len(self.followers),
            misbehaviours=self.misbehaviours,
            agreed=self.network.agreed(),
        )

    def _probe(self, name: str, event: Event) -> None:
        """Count what the lost node gets while it recovers, and later copies of what it had missed."""
        if name != self.away or not self.missed_to or not isinstance(event, Received):
            return
        recovering = self.recovered_in is None
        if isinstance(event.message, Hello) and recovering:
            self.hellos += 1
        if isinstance(event.message, BlocksMessage):
            chain = self.network.host(name).node.chain
            held = [header for header in event.message.headers if header.id in chain]
            self.duplicates += sum(recovering or header.height <= self.missed_to for header in held)

    def _watch(self, name: str, output: Output) -> None:
        self.misbehaviours += isinstance(output, Misbehaviour)


def _pairs(names: Sequence[str], topology: Topology, seed: int) -> Pairs:
    if topology == "regular":
        return regular(names, DEGREE, seed)
    return {"mesh": mesh, "star": star, "line": line}[topology](names)
