"""Nodes on real TCP under asyncio: they sync, stop when asked, and a cancellation leaves nothing behind."""

import asyncio
from random import Random

import pytest

from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Produced
from syncfsm.node.node import Config, Node
from syncfsm.node.status import Why
from syncfsm.testing import GENESIS, branch
from syncfsm_adapters.asyncio import TcpNode
from syncfsm_adapters.store import MemoryStore

BLOCKS = tuple(branch(GENESIS, 300))


def node(number: int) -> TcpNode:
    started = Node.start(Config(Unchecked()), Chain.start(GENESIS))
    return TcpNode(started, MemoryStore(GENESIS, b"demo"), bytes([number]) * 32, chance=Random(number))


def produce(node: TcpNode) -> None:
    now = asyncio.get_running_loop().time()
    node.host.feed(Produced(BLOCKS, now, tuple(bytes(header.size) for header in BLOCKS)))


async def in_step(follower: TcpNode) -> None:
    async with asyncio.timeout(20):
        while follower.host.node.chain.head != BLOCKS[-1]:
            await asyncio.sleep(0.01)


async def others() -> set[asyncio.Task[object]]:
    await asyncio.sleep(0)
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def test_a_node_follows_and_both_stop_when_asked() -> None:
    async def story() -> None:
        sequencer, follower = node(1), node(2)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(sequencer.run("127.0.0.1:0", ()))
            tasks.create_task(follower.run(None, await sequencer.listening()))
            produce(sequencer)
            await in_step(follower)
            assert follower.host.node.status().why is Why.IN_STEP
            sequencer.stop()
            follower.stop()
        assert not sequencer.links
        assert not follower.links
        assert not await others()

    asyncio.run(story())


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.005, 0.02, 0.1])
def test_a_cancellation_at_any_instant_leaves_no_link_and_no_task(pause: float) -> None:
    async def story() -> None:
        sequencer, follower = node(1), node(2)
        serving = asyncio.create_task(sequencer.run("127.0.0.1:0", ()))
        following = asyncio.create_task(follower.run(None, await sequencer.listening()))
        produce(sequencer)
        await asyncio.sleep(pause)
        following.cancel()
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await following
            assert not follower.links
            assert not follower.host.node.links
            again = node(2)
            following = asyncio.create_task(again.run(None, await sequencer.listening()))
            await in_step(again)
            again.stop()
            sequencer.stop()
            await asyncio.gather(serving, following)
        assert not await others()

    asyncio.run(story())


def test_an_address_that_is_taken_is_told_and_nothing_runs_on() -> None:
    async def story() -> None:
        first, second = node(1), node(2)
        running = asyncio.create_task(first.run("127.0.0.1:0", ()))
        [address] = await first.listening()
        with pytest.raises(LocalError, match="can not listen"):
            await second.run(address, ())
        first.stop()
        await running
        assert not await others()

    asyncio.run(story())
