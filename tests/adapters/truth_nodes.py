"""A sequencer and nodes that follow a data-availability layer, in one process and in virtual time, for tests."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio
import trio.testing

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.events import Produced
from syncfsm.node.node import Config, Node
from syncfsm.truth.answers import Answer, Head, Outcome, Trouble
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.reader.types import Mark
from syncfsm_adapters.da.embedded import Embedded, EmbeddedLayer
from syncfsm_adapters.da.ledger import Ledger, Options
from syncfsm_adapters.da.shares import namespace
from syncfsm_adapters.da.truth import Truth
from syncfsm_adapters.host import Host
from syncfsm_adapters.store import MemoryStore
from syncfsm_adapters.store.base import load_chain
from tests.adapters.test_host import Nowhere
from tests.truth.chain import CHAIN_ID, CHECK, GENESIS, KEY, grow

SPACE: Final = namespace(b"ours")
BLOCK_TIME: Final = 0.2
LIMITS: Final = TruthLimits(finality=6, poll=0.5, back_off=0.2, back_off_most=1, period=2, patience=3, overdue=20)


@attrs.define
class One:
    """A host with its truth, and what its journal said."""

    host: Host
    truth: Truth
    lines: list[tuple[str, dict[str, Any]]]

    @property
    def heights(self) -> tuple[int, int, int]:
        """Soft, confirmed, final."""
        chain = self.host.node.chain
        return chain.head.height, chain.confirmed.height, chain.final.height

    def make(self, body: bytes, parent: Header | None = None) -> Header:
        (entry,) = grow(parent or self.host.node.chain.head, [body])
        self.host.feed(Produced((entry.header,), trio.current_time(), (entry.body,)))
        return entry.header

    def said(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]


@attrs.define
class Network:
    """A layer, a sequencer that makes a block every 0.2 s once it is told to, and the nodes of a test."""

    layer: Embedded
    nursery: trio.Nursery
    folder: Path

    slow: float = 0.0
    """Seconds that each answer of the layer takes."""

    @asynccontextmanager
    async def life(self) -> AsyncIterator["Network"]:
        """Nodes of this layer that are all killed when it ends."""
        async with trio.open_nursery() as nursery:
            yield Network(self.layer, nursery, self.folder)
            nursery.cancel_scope.cancel()

    def node(
        self, name: str, store: MemoryStore | None = None, limits: TruthLimits = LIMITS, given: Mark | None = None
    ) -> One:
        store = store or MemoryStore(GENESIS, CHAIN_ID)
        config = Config(CHECK.chain)
        chain = load_chain(store, config.limits) if store.standing.head.height else Chain.start(GENESIS)
        host = Host(Node.start(config, chain), store, Nowhere())
        lines: list[tuple[str, dict[str, Any]]] = []
        truth = Truth(
            host, Slow(EmbeddedLayer(self.layer, SPACE), self), CHECK, limits, self.folder / f"{name}.da",
            lambda event, **fields: lines.append((event, fields)), clock=trio.current_time, sleep=trio.sleep,
            given=given,
        )  # fmt: skip
        self.nursery.start_soon(truth.read)
        return One(host, truth, lines)

    def sequencer(
        self, name: str = "s", store: MemoryStore | None = None, limits: TruthLimits = LIMITS, given: Mark | None = None
    ) -> One:
        made = self.node(name, store, limits, given)
        made.truth.post(lambda message: KEY.sign(message).signature)
        self.nursery.start_soon(made.truth.write)
        return made

    async def blocks(self, sequencer: One, count: int, *followers: One) -> None:
        """So many blocks, with their time; the followers have them at once, as from a peer."""
        for _ in range(count):
            await trio.sleep(BLOCK_TIME)
            if sequencer.truth.held:
                continue
            header = sequencer.make(b"%f" % trio.current_time())
            for one in followers:
                hand_over(sequencer, one, header.height, header.height)


@attrs.frozen
class Slow:
    """A layer that takes its time, as long as the network says."""

    layer: EmbeddedLayer
    network: Network

    async def submit(self, blob: bytes) -> Outcome:
        await trio.sleep(self.network.slow)
        return await self.layer.submit(blob)

    async def blobs(self, height: int) -> Answer:
        await trio.sleep(self.network.slow)
        return await self.layer.blobs(height)

    async def head(self) -> Head | Trouble:
        await trio.sleep(self.network.slow)
        return await self.layer.head()

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        await trio.sleep(self.network.slow)
        return await self.layer.wait(height, seconds)

    def close(self) -> None:
        self.layer.close()


@asynccontextmanager
async def network(folder: Path, **options: Any) -> AsyncIterator[Network]:
    given = {"block_time": 0.5, "finality": LIMITS.finality, **options}
    folder.mkdir(exist_ok=True)
    ledger = Ledger.open(None, Options(**given))
    layer = Embedded(ledger, trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(layer.run)
        yield Network(layer, nursery, folder)
        nursery.cancel_scope.cancel()
    ledger.close()


def in_virtual_time(test: Callable[[], Any]) -> None:
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))


def hand_over(source: One, to: One, first: int, last: int) -> None:
    """The second gets these blocks of the first one's best chain, as from a peer."""
    chain = source.host.node.chain
    run = tuple(header for at in range(first, last + 1) if (header := chain.best_at(at)) is not None)
    bodies = tuple(body or b"" for body in source.host.store.bodies([header.point for header in run]))
    to.host.feed(Produced(run, trio.current_time(), bodies))


def ids(one: One, height: int) -> Sequence[bytes]:
    """The best chain up to a height."""
    chain = one.host.node.chain
    return [header.id for at in range(chain.base.height, height + 1) if (header := chain.best_at(at)) is not None]
