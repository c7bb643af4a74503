"""Peers that are dialled are added and removed while a node runs, and it tells whom it dials in vain; on both loops."""

from functools import partial

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.connect.backoff import parse_address
from tests.adapters.tcp_nodes import Carriers, Running, an_id, connected, greeting, grow, in_trio, start
from tests.adapters.test_tcp import free_addresses

BLOCKS = grow([b"block %d" % number for number in range(3)])


@in_trio
async def test_a_peer_is_added_removed_and_added_again(carriers: Carriers) -> None:
    source, node = Running(carriers, b"source", blocks=BLOCKS), Running(carriers, b"node")
    with pytest.raises(LocalError, match="has not begun to dial yet"):
        node.tcp.add("127.0.0.1:7000")
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        await start(nursery, node)
        for _ in range(2):
            node.tcp.add(source.address)
            await node.until(lambda: node.tcp.links)
            await node.at(BLOCKS[-1][0].point)
            with pytest.raises(LocalError, match=f"{source.address} is a peer already"):
                node.tcp.add(source.address)
            node.tcp.remove(source.address)
            await source.until(lambda: not source.tcp.links)
            assert not node.tcp.links
            with pytest.raises(LocalError, match="none of the peers that are dialled; there are none"):
                node.tcp.remove(source.address)
        with pytest.raises(LocalError, match="is no address"):
            node.tcp.add("nobody")
        with pytest.raises(LocalError, match="is no name of a host"):
            node.tcp.add("a" * 64 + ":7000")
        node.tcp.stop()
        source.tcp.stop()
    assert len(node.wrote("connected")) == 2
    with pytest.raises(LocalError, match="is about to stop"):
        node.tcp.add(source.address)


@in_trio
async def test_a_peer_that_is_removed_while_it_is_dialled_is_not_kept(carriers: Carriers) -> None:
    source, node = Running(carriers, b"source", blocks=BLOCKS), Running(carriers, b"node")
    removed, dialled = trio.Event(), trio.Event()

    async def slow(theirs: trio.SocketStream) -> None:
        """A line that carries nothing before the peer is removed."""
        dialled.set()
        await removed.wait()
        async with theirs, connected(source.address) as ours, trio.open_nursery() as pumps:
            pumps.start_soon(pump, theirs, ours)
            pumps.start_soon(pump, ours, theirs)

    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        (listener,) = await nursery.start(partial(trio.serve_tcp, slow, 0, host="127.0.0.1"))
        await start(nursery, node, address := f"127.0.0.1:{listener.socket.getsockname()[1]}")
        await dialled.wait()
        node.tcp.remove(address)
        removed.set()
        await node.until(lambda: node.partings)
        assert node.partings[0][0] == "shutdown"
        assert not node.tcp.links
        nursery.cancel_scope.cancel()


async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
        await sink.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


@in_trio
async def test_whom_it_dials_in_vain_and_nobody_else(carriers: Carriers) -> None:
    (nobody,) = free_addresses(1)
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node, nobody)
        async with connected(node.address) as stranger:
            await stranger.send_all(b"\xff" * 64)  # what comes to us by itself is none of our attempts
            await node.until(lambda: len({line["address"] for line in node.wrote("no-link")}) == 2)
        await node.until(lambda: len([line for line in node.wrote("no-link") if line["address"] == nobody]) >= 2)
        (attempt,) = node.tcp.attempts()
        assert (attempt.address, attempt.reason, attempt.said_by) == (nobody, "unreachable", "us")
        assert attempt.count >= 2
        assert attempt.again is not None
        host, port = parse_address(nobody)
        other = Running(carriers, b"other")
        await start(nursery, other, listen=f"{host}:{port}")
        await node.until(lambda: node.tcp.links)
        assert node.tcp.attempts() == []
        node.tcp.remove(nobody)
        assert node.tcp.attempts() == []
        nursery.cancel_scope.cancel()


@in_trio
async def test_an_address_of_its_own_is_not_dialled_again_and_says_so(carriers: Carriers) -> None:
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        node.tcp.add(node.address)
        await node.until(lambda: node.tcp.attempts())
        (attempt,) = node.tcp.attempts()
        assert (attempt.reason, attempt.again) == ("self-connection", None)
        nursery.cancel_scope.cancel()


@in_trio
async def test_only_a_peer_that_is_dialled_can_be_off_by_its_address(carriers: Carriers) -> None:
    source, node = Running(carriers, b"source"), Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        await start(nursery, node, source)
        with pytest.raises(LocalError, match="is none of the peers that are dialled"):
            node.tcp.switch("127.0.0.1:9", True)
        node.tcp.switch(source.address, True)
        await node.until(lambda: node.wrote("switched"))
        node.tcp.switch(greeting(b"source").node_id, False)
        assert [line["off"] for line in node.wrote("switched")] == [True, False]
        assert an_id(b"source") not in node.tcp.connector.off
        nursery.cancel_scope.cancel()
