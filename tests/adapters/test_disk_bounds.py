"""What peers can fill of a node's disk, on TCP, with bodies: one connection little, all of them what fits."""

from collections.abc import Callable
from typing import Final

import trio

from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm_adapters.store import MemoryStore
from tests.adapters.tcp_nodes import CHAIN_ID, GENESIS, Block, Carriers, Running, grow, hello, in_trio, raw, start

SIZE: Final = 20_000
"""Bytes of a body."""
LIMITS: Final = Limits(aside=3 * (SIZE + BLOCK_OVERHEAD), unfinal_bytes=10 * SIZE, turn_frames=1)
OURS: Final = grow([bytes(SIZE)] * 2)


def beside(number: int) -> Block:
    """A block on the genesis, beside ours."""
    return grow([number.to_bytes(4) * (SIZE // 4)])[0]


def parted(node: Running, times: int) -> Callable[[], bool]:
    return lambda: len(node.partings) == times


@in_trio
async def test_a_peer_that_fills_the_disk_is_parted_with_and_comes_to_its_end_when_it_comes_again(
    carriers: Carriers,
) -> None:
    """Three blocks fit a connection, and the fourth ends it; ten blocks fit the node, which has two. A restart does not
    change that."""
    store = MemoryStore(GENESIS, CHAIN_ID)
    node = Running(carriers, b"node", blocks=OURS, store=store, chosen=LIMITS)
    given = [beside(number) for number in range(1, 13)]
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        for at in (0, 4, 8):
            async with raw(node.address) as peer:
                await peer.say(hello(OURS[-1][0]))
                await peer.send(given[at : at + 4])
                await node.until(parted(node, at // 4 + 1))
        reasons, details = zip(*node.partings, strict=True)
        assert reasons == ("full",) * 3
        assert ["Limits.aside" in detail for detail in details] == [True, True, False]
        assert "unfinal_bytes" in details[2]
        assert not node.rules, "nobody is blamed"
        held = [header for header, _ in given if header.id in node.host.node.chain]
        assert held == [header for header, _ in given[:8]]
        assert node.host.node.chain.unfinal_bytes == LIMITS.unfinal_bytes
        nursery.cancel_scope.cancel()
    node = Running(carriers, b"node", store=store, chosen=LIMITS)
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello(OURS[-1][0]))
            await peer.send(given[8:9])
            reason, detail = await node.parted()
        assert reason == "full"
        assert "unfinal_bytes" in detail
        assert given[8][0].id not in node.host.node.chain
        nursery.cancel_scope.cancel()
