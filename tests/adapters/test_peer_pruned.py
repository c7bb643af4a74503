"""The way of a node whose peer has pruned what it lacks: to the layer by itself, and back to the peer when that can go
on. With real TCP, a real store, and ``syncfsm da`` as a process of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from syncfsm.limits import Limits
from syncfsm.node.status import Why
from syncfsm.outputs import Accepted
from syncfsm.peer.messages import Parting
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.signed import SignedBatches
from syncfsm_adapters.da.celestia import Celestia
from syncfsm_adapters.da.shares import namespace
from syncfsm_adapters.da.truth import Truth
from syncfsm_adapters.store.file import FileStore
from tests.adapters.da_process import DaProcess, store
from tests.adapters.tcp_nodes import CHAIN_ID, CHECK, GENESIS, KEY, Carriers, Running, in_trio, start

LIMITS: Final = TruthLimits(finality=1, poll=0.2, back_off=0.05, back_off_most=0.2, period=0.1, patience=2)
KEPT: Final = 3
"""Headers that the sequencer keeps below its final block."""
HAD: Final = 5
"""Blocks that the node had when it was lost."""
MISSED: Final = 80


@pytest.fixture
def held(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore.open(tmp_path / "node.store", GENESIS, CHAIN_ID)
    yield opened
    opened.close()


def follows(node: Running, da: DaProcess, path: Path) -> Truth:
    return Truth(
        node.host, Celestia(da.url, namespace(b"ours")), SignedBatches(CHECK), LIMITS, path, node._write,
        clock=node.now, sleep=trio.sleep,
    )  # fmt: skip


def brought(node: Running) -> list[int]:
    """The heights of the blocks that it accepted, in this order."""
    return [header.height for output in node.told(Accepted) for header in output.headers]


async def comes_true(condition: Callable[[], bool]) -> None:
    """For what no step of a node tells."""
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.01)


def in_step(node: Running) -> bool:
    return node.host.node.status().why is Why.IN_STEP


@in_trio
async def test_a_node_whose_peer_has_pruned_turns_to_the_layer_and_back(
    carriers: Carriers, tmp_path: Path, held: FileStore
) -> None:
    with DaProcess(*store(tmp_path), "--block-time", "0.05", "--finality", "1") as da:
        async with trio.open_nursery() as nursery:
            sequencer = Running(carriers, b"sequencer", chosen=Limits(retention=KEPT))
            posts = follows(sequencer, da, tmp_path / "sequencer.da")
            await start(nursery, sequencer)
            nursery.start_soon(posts.read)
            posts.post(lambda message: KEY.sign(message).signature)
            nursery.start_soon(posts.write)
            await comes_true(lambda: not posts.held)
            sequencer.grow(*(b"%d" % number for number in range(HAD + MISSED)))
            chain = sequencer.host.node.chain
            first = [(header, b"%d" % (header.height - 1)) for header in chain.path(GENESIS, HAD)]
            await sequencer.until(lambda: sequencer.host.node.chain.final.height == HAD + MISSED)
            assert sequencer.host.node.chain.base.height == HAD + MISSED - KEPT

            await da.call("local.Out", True)
            node = Running(carriers, b"node", blocks=first, store=held)
            reads = follows(node, da, tmp_path / "node.da")
            nursery.start_soon(reads.read)
            await start(nursery, node, sequencer)
            await node.until(lambda: len(node.partings) > 1)  # it tries again, in vain
            assert {reason for reason, _ in node.partings} == {Parting.PRUNED}
            assert brought(node) == []

            await da.call("local.Out", False)
            await node.at(sequencer.host.head)
            await node.until(lambda: in_step(node))
            assert node.host.tally.read == MISSED, "all by the layer"
            sequencer.grow(b"live")
            await node.at(sequencer.host.head)
            assert node.host.tally.read == MISSED, "and the next by the peer"
            assert node.host.fed_by
            await node.until(lambda: node.host.node.chain.confirmed.height == HAD + MISSED + 1)
            assert brought(node) == list(range(HAD + 1, HAD + MISSED + 2)), "no gap, and none twice"
            assert node.host.tally.repeated == 0
            assert node.host.tally.read == MISSED
            assert node.rules == sequencer.rules == []
            nursery.cancel_scope.cancel()
