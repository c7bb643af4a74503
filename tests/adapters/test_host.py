"""What a host counts of its traffic, and whom it says its blocks come from."""

import attrs
import trio
from immutables import Map

from syncfsm.chain import Chain
from syncfsm.events import Connected, Produced, Received
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.registry import Registry
from syncfsm.sync.messages import Blocks, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.wire.outbox import Outbox
from syncfsm_adapters.host import Host, Tally
from syncfsm_adapters.store import MemoryStore
from tests.adapters.tcp_nodes import CHAIN_ID, CHECK, GENESIS, Block, Carriers, Running, grow, in_trio, start

BODIES = [b"block %d" % number for number in range(10)]


class Nowhere:
    """A carrier that carries nothing."""

    def send(self, peer: str, message: object) -> None: ...

    def send_blocks(self, peer: str, protocol: int, blocks: object) -> None: ...

    def disconnect(self, peer: str, reason: str, detail: str) -> None: ...


EMPTY = Hello(GENESIS.point, GENESIS.score, GENESIS.point, GENESIS.point, (GENESIS.point,), 1)
"""What a peer says that has nothing yet."""


def host(registry: Registry = STANDARD, *peers: str) -> Host:
    node = Node.start(Config(CHECK, registry=registry), Chain.start(GENESIS))
    made = Host(node, MemoryStore(GENESIS, CHAIN_ID), Nowhere())
    for peer in peers:
        made.feed(
            Connected(peer, 0.0, peer.encode().ljust(32), False, Map({p.number: p.version for p in registry.protocols}))
        )
    return made


def brings(peer: str, *blocks: Block) -> Received:
    return Received(peer, Blocks(tuple(header for header, _ in blocks), tuple(body for _, body in blocks)), 0.0)


def on_the_wire(blocks: list[Block]) -> int:
    """Bytes of these blocks in an outbox."""
    outbox = Outbox(Limits(), STANDARD)
    for header, body in blocks:
        outbox.block(SYNC.number, header, body)
    return len(outbox.take(2**20))


@in_trio
async def test_bodies_and_small_messages_are_counted_apart(carriers: Carriers) -> None:
    """What was written is the small messages and the blocks, to the byte."""
    blocks = grow(BODIES)
    first, middle, last = Running(carriers, b"first"), Running(carriers, b"middle"), Running(carriers, b"last")
    async with trio.open_nursery() as nursery:
        await start(nursery, first)
        await start(nursery, middle, first)
        await start(nursery, last, middle)
        await last.until(lambda: last.host.node.status().in_step)
        await middle.until(lambda: middle.host.node.status().in_step)
        for header, body in blocks:
            first.host.feed(Produced((header,), first.now(), (body,)))
        await last.at(blocks[-1][0].point)
        tallies = [node.host.tally for node in (first, middle, last)]
        assert [tally.sent_blocks for tally in tallies] == [10, 10, 0]
        bytes_of_blocks = [on_the_wire(blocks), on_the_wire(blocks), 0]
        with trio.move_on_after(10):  # what is last said is yet to be written
            while bytes_of_blocks != [tally.sent_bytes - tally.sent_message_bytes for tally in tallies]:
                await trio.sleep(0.01)
        assert bytes_of_blocks == [tally.sent_bytes - tally.sent_message_bytes for tally in tallies]
        assert middle.host.fed_by in [made["peer"] for made in middle.wrote("connected") if made["dialled"]]
        nursery.cancel_scope.cancel()


def test_tallies_add_up_name_by_name() -> None:
    names = [field.name for field in attrs.fields(Tally)]
    ones, twos = Tally(*range(len(names))), Tally(*range(0, 10 * len(names), 10))
    assert attrs.asdict(ones + twos) == {name: 11 * place for place, name in enumerate(names)}


def test_the_first_peer_feeds_whoever_else_gives() -> None:
    one, *_ = grow(BODIES)
    fed = host(STANDARD, "p", "q")
    assert fed.fed_by == "p"
    for peer in ("p", "q"):
        fed.feed(Received(peer, EMPTY, 0.0))
    fed.feed(brings("q", one))
    assert fed.head == one[0].point
    assert fed.fed_by == fed.node.status().decided["feed"]["feed"] == "p"
