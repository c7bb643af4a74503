"""A chain of one's own on asyncio: three nodes on loopback, one of which is lost and returns.

An id is a hash of the parent's id, the height and a hash of the body. Nobody signs, so anybody can extend this chain;
``syncfsm.signed`` is the one to copy if only some may.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

from syncfsm.blocks import Header, Past
from syncfsm.errors import Fault
from syncfsm.events import Produced
from syncfsm.node.node import Config, Node
from syncfsm_adapters.asyncio import TcpNode
from syncfsm_adapters.store import FileStore, load_chain

GENESIS = Header(0, sha256(b"my chain").digest(), b"", bytes(8), 0, b"")


def seal(parent: Header, body: bytes) -> Header:
    """The block after ``parent`` with this body. The longest chain wins, so the score is the height."""
    score, proof = (parent.height + 1).to_bytes(8), sha256(body).digest()
    return Header(parent.height + 1, sha256(parent.id + score + proof).digest(), parent.id, score, len(body), proof)


class HashChain:
    """What makes a block of this chain a good one."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        for header in headers:
            score = header.height.to_bytes(8)
            if (header.score, header.id) != (score, sha256(header.parent + score + header.proof).digest()):
                return Fault("bad-id", f"{header.point}: the score or the id does not follow", header.id)
        return None

    def body(self, header: Header, body: bytes) -> Fault | None:
        wrong = sha256(body).digest() != header.proof
        return Fault("wrong-body", f"{header.point}: the body has another hash", header.id) if wrong else None


def open_node(folder: Path, name: str) -> TcpNode:
    """The node of this name, with the blocks that it had when it was last open."""
    store, config = FileStore.open(folder / name, GENESIS, b"my chain"), Config(HashChain())
    node = Node.start(config, load_chain(store, config.limits))
    return TcpNode(node, store, sha256(name.encode()).digest(), chance=SystemRandom())


async def make(sequencer: TcpNode, count: int) -> None:
    """Blocks on its head, one every 10 ms."""
    for number in range(count):
        header = seal(sequencer.host.node.chain.head, body := b"payload %d" % number)
        sequencer.host.feed(Produced((header,), asyncio.get_running_loop().time(), (body,)))
        await asyncio.sleep(0.01)


async def in_step(name: str, node: TcpNode, sequencer: TcpNode) -> None:
    while node.host.head != sequencer.host.head:
        await asyncio.sleep(0.01)
    print(f"{name}: in step at height {node.host.head.height}, {node.host.tally.received} blocks came from peers")


async def story(folder: Path) -> None:
    sequencer, follower, lost = (open_node(folder, name) for name in ("sequencer", "follower", "lost"))
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(sequencer.run("127.0.0.1:0", ()))
        peers = await sequencer.listening()
        tasks.create_task(follower.run(None, peers))
        running = tasks.create_task(lost.run(None, peers))
        await make(sequencer, 20)
        await in_step("lost", lost, sequencer)
        running.cancel()  # it is lost as a process is that is killed
        await make(sequencer, 100)
        back = open_node(folder, "lost")
        tasks.create_task(back.run(None, peers))
        await in_step("back", back, sequencer)
        await in_step("follower", follower, sequencer)
        for node in (sequencer, follower, back):
            node.stop()


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        asyncio.run(story(Path(made)))
