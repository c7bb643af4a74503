"""Nodes on real TCP that are stopped or cancelled at any instant: no link, no wire and no task is left of them, and the
node at the other end knows."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

import pytest
import trio

from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Produced
from syncfsm.node.node import Config, Node
from syncfsm.testing import GENESIS, branch
from syncfsm_adapters import asyncio as on_asyncio
from syncfsm_adapters import tcp as on_trio
from syncfsm_adapters.asyncio import sockets
from syncfsm_adapters.connect import Shell
from syncfsm_adapters.store import MemoryStore
from tests.adapters.tcp_nodes import Carriers, Running, connected, grow, in_trio, start

S = TypeVar("S", bound=Shell)
BLOCKS = tuple(branch(GENESIS, 100))
INSTANTS = 60
"""Turns of the event loop after which a node is ended; a follower is in step after fewer."""
SECONDS = 20
"""After which a test hangs."""


def wires() -> set[int]:
    """The open sockets of this process."""
    found = set()
    for number in range(1024):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found.add(number)
    return found


def two(kind: type[S], now: float) -> tuple[S, S]:
    """One that has the blocks and listens, and one that has none and is to dial it."""
    started = Node.start(Config(Unchecked()), Chain.start(GENESIS))
    listening, dialling = (
        kind(started, MemoryStore(GENESIS, b"demo"), bytes([number]) * 32, chance=Random(number)) for number in range(2)
    )
    listening.host.feed(Produced(BLOCKS, now, tuple(bytes(header.size) for header in BLOCKS)))
    return listening, dialling


def quiet(nodes: Sequence[Shell]) -> bool:
    """Has no node a link, or a connection that has not greeted?"""
    return not any(node.links or node.host.node.links or node.connector.strangers for node in nodes)


WAYS = {"stopped": ("stop",), "cancelled": ("cancel",), "cancelled-as-it-stops": ("stop", "cancel")}
WHO = {"the-one-that-listens": (0,), "the-one-that-dials": (1,), "both": (0, 1)}


@pytest.mark.parametrize("which", WHO.values(), ids=WHO)
@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_what_ends_at_any_instant_under_asyncio_leaves_nothing_behind(
    ways: tuple[str, ...], which: tuple[int, ...]
) -> None:
    async def story(instants: int) -> int:
        before = wires()
        nodes = listening, dialling = two(on_asyncio.TcpNode, asyncio.get_running_loop().time())
        runs = [asyncio.create_task(listening.run("127.0.0.1:0", ()))]
        runs.append(asyncio.create_task(dialling.run(None, await listening.listening())))
        for _ in range(instants):
            await asyncio.sleep(0)
        reached = dialling.host.head.height
        for way in ways:
            for number in which:
                nodes[number].stop() if way == "stop" else runs[number].cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            await asyncio.wait([runs[number] for number in which])
            while not quiet(nodes):
                await asyncio.sleep(0.001)
            for node in nodes:
                node.stop()
            outcomes = await asyncio.gather(*runs, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert wires() == before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return reached

    with asyncio.Runner() as runner:
        reached = [runner.run(story(instants)) for instants in range(INSTANTS)]
    assert (min(reached), max(reached)) == (0, len(BLOCKS))


@pytest.mark.parametrize("which", WHO.values(), ids=WHO)
@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_what_ends_at_any_instant_under_trio_leaves_nothing_behind(
    ways: tuple[str, ...], which: tuple[int, ...]
) -> None:
    async def story(instants: int) -> int:
        nodes = listening, dialling = two(on_trio.TcpNode, trio.current_time())
        before = wires()
        scopes, ended = (trio.CancelScope(), trio.CancelScope()), (trio.Event(), trio.Event())
        addresses: list[str] = []

        async def run(number: int, task_status: trio.TaskStatus[None]) -> None:
            with scopes[number]:
                async with trio.open_nursery() as nursery:
                    if number:
                        nursery.start_soon(dialling.run, None, addresses)
                    else:
                        addresses.extend(await nursery.start(listening.run, "127.0.0.1:0", ()))
                    task_status.started()
            ended[number].set()

        with trio.fail_after(SECONDS):
            async with trio.open_nursery() as nursery:
                await nursery.start(run, 0)
                await nursery.start(run, 1)
                for _ in range(instants):
                    await trio.lowlevel.checkpoint()
                reached = dialling.host.head.height
                for way in ways:
                    for number in which:
                        nodes[number].stop() if way == "stop" else scopes[number].cancel()
                    await trio.lowlevel.checkpoint()
                for number in which:
                    await ended[number].wait()
                while not quiet(nodes):
                    await trio.sleep(0.001)
                for node in nodes:
                    node.stop()
        assert wires() == before
        return reached

    reached = [trio.run(story, instants) for instants in range(INSTANTS)]
    assert (min(reached), max(reached)) == (0, len(BLOCKS))


@in_trio
async def test_who_says_nothing_does_not_keep_a_node_from_stopping(carriers: Carriers) -> None:
    node = Running(carriers, b"node", handshake=3600)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            await start(nursery, node)
            async with connected(node.address) as stranger:
                await stranger.receive_some(1)  # the node has greeted it
                node.tcp.stop()
                with contextlib.suppress(trio.BrokenResourceError):
                    while await stranger.receive_some(2**12):
                        pass
    assert node.outputs == []


@pytest.mark.parametrize("place", [sockets.Listener, trio.SocketListener], ids=["asyncio", "trio"])
def test_a_connection_that_can_not_be_accepted_is_told_and_the_next_one_is(
    place: type[sockets.Listener] | type[trio.SocketListener], monkeypatch: pytest.MonkeyPatch
) -> None:
    accept: Any = place.accept
    failures = [OSError(errno.EMFILE, "too many open files")] * 2

    def fail(listener: Any) -> Any:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(place, "accept", fail)

    @in_trio
    async def story(carriers: Carriers) -> None:
        node, other = Running(carriers, b"node", blocks=grow([b"1"])), Running(carriers, b"other")
        async with trio.open_nursery() as nursery:
            await start(nursery, node)
            nursery.start_soon(other.run, None, [node.address])
            await other.at(node.host.head)
            nursery.cancel_scope.cancel()
        assert [fields["error"] for fields in node.wrote("accept-failed")] == ["[Errno 24] too many open files"] * 2

    story(carriers=Carriers(on_asyncio.TcpNode if place is sockets.Listener else on_trio.TcpNode))


def test_of_several_addresses_each_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, ("127.0.0.1", port)) for port in (1, 2, 3)]
    shares: list[float] = []

    async def resolve(host: str, port: int) -> list[tuple[int, sockets.Resolved]]:
        return list(found)

    async def hang(family: int, address: sockets.Resolved, seconds: float) -> socket.socket:
        shares.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(sockets, "_resolve", resolve)
    monkeypatch.setattr(sockets, "_connect", hang)
    with pytest.raises(TimeoutError):
        asyncio.run(sockets.dial("several", 7000, 600))
    assert [round(share / 100) for share in shares] == [2, 3, 6]  # nothing was used up


def test_an_address_that_refuses_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        found = [(socket.AF_INET, each.getsockname()) for each in (nobody, there)]

        async def resolve(host: str, port: int) -> list[tuple[int, sockets.Resolved]]:
            return list(found)

        monkeypatch.setattr(sockets, "_resolve", resolve)
        with asyncio.run(sockets.dial("several", 7000, SECONDS)) as wire:
            assert wire.getpeername() == there.getsockname()
        found.reverse()
        found.pop(0)
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(sockets.dial("several", 7000, SECONDS))
