"""An operator turns blocks to a node off, and on again: over TCP on both event loops, in memory, and by a command."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path as Folder
from typing import Any

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.events import Finalised
from syncfsm.limits import Limits
from syncfsm.node.node import Config
from syncfsm.outputs import Output, Send, SendBlocks
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Blocks, Busy, Finality, Has, Hello
from syncfsm_adapters.command import keys
from syncfsm_adapters.connect.off import Off, named
from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path
from syncfsm_adapters.memory.world import PlainBlocks, Producer, line, mesh
from syncfsm_adapters.store import MemoryStore
from tests.adapters.tcp_nodes import Carriers, Running, an_id, grow, hello, in_trio, raw, start
from tests.adapters.test_node_kill import CHAIN, drained, first, node

BLOCKS = grow([b"block %d" % number for number in range(6)])
PARIAH = an_id(b"pariah")


def said(outputs: Iterable[Output], name: str) -> list[type[Any]]:
    """The kinds of what was said on the connections whose names begin so."""
    found: list[type[Any]] = []
    for output in outputs:
        if isinstance(output, Send) and output.peer.startswith(name):
            found.append(type(output.message))
        elif isinstance(output, SendBlocks) and output.peer.startswith(name):
            found.append(Blocks)
    return found


def feed_of(running: Running) -> bytes:
    """The node that this one has its blocks from."""
    link = running.tcp.links.get(running.host.fed_by)
    return link.node_id if link is not None else b""


def mode(running: Running, node_id: bytes) -> str:
    """How blocks go to a node, as the status shows it; empty if it is not linked."""
    link = running.tcp.connector.link_to(node_id)
    peers = {peer.peer: peer for peer in running.host.node.status().peers}
    return str(peers[link.name].more["sync"]["mode"]) if link is not None else ""


def is_off(running: Running) -> bool:
    return mode(running, PARIAH) == "off"


def knows_it_is_off(running: Running) -> bool:
    return bool(running.host.node.decided(FEED).off)


async def makes(source: Running, *others: Running, count: int = 5) -> None:
    """Some blocks, each of which all the others get."""
    for _ in range(count):
        source.grow(b"block")
        for other in others:
            await other.at(source.host.head)


@in_trio
async def test_over_an_off_connection_go_hellos_and_final_points_and_neither_blocks_nor_heads(
    carriers: Carriers,
) -> None:
    source = Running(carriers, b"source", blocks=BLOCKS[:3], off=[an_id(b"raw")])
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        async with raw(source.address) as peer:
            await peer.say(hello())
            await source.until(lambda: Hello in said(source.outputs, an_id(b"raw")[:8].hex()))
            source.grow(b"new")
            source.host.feed(Finalised(BLOCKS[1][0].point, source.now()))
            source.tcp.stop()
            heard = [type(message) for message in await peer.heard()]
    assert heard[:2] == [Hello, Busy]
    assert Finality in heard
    assert not {Blocks, Has} & set(heard)


@in_trio
async def test_who_is_off_learns_it_and_takes_its_blocks_from_another(carriers: Carriers) -> None:
    source, helper = Running(carriers, b"source", off=[PARIAH]), Running(carriers, b"helper")
    pariah = Running(carriers, b"pariah")
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        await start(nursery, helper, source)
        await start(nursery, pariah, source, helper)
        await pariah.until(lambda: pariah.host.node.decided(FEED).off and len(pariah.tcp.links) == 2)
        await makes(source, helper, pariah)
        assert feed_of(pariah) == an_id(b"helper")
        assert mode(source, PARIAH) == "off"
        assert mode(source, an_id(b"helper")) == "active"
        nursery.cancel_scope.cancel()
    assert not {Blocks, Has} & set(said(source.outputs, PARIAH[:8].hex()))
    assert pariah.host.tally.repeated == 0


@in_trio
async def test_switched_on_again_it_is_fed_if_it_has_nobody_else(carriers: Carriers) -> None:
    source, pariah = Running(carriers, b"source"), Running(carriers, b"pariah")
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        await start(nursery, pariah, source)
        await makes(source, pariah)
        source.tcp.switch(PARIAH, True)
        assert mode(source, PARIAH) == "off"
        await pariah.until(lambda: pariah.host.node.decided(FEED).off)
        source.outputs.clear()
        source.grow(b"for nobody")  # and given to nobody: not even by a node that serves nobody
        assert not {Blocks, Has} & set(said(source.outputs, ""))
        source.tcp.switch(PARIAH, False)
        await makes(source, pariah)
        assert mode(source, PARIAH) == "active"
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_connection_that_comes_back_is_off_as_before(carriers: Carriers) -> None:
    source = Running(carriers, b"source", blocks=BLOCKS)
    async with trio.open_nursery() as nursery:
        await start(nursery, source)
        for _ in range(2):
            pariah = Running(carriers, b"pariah")
            await start(nursery, pariah, source)
            if source.wrote("switched"):
                await pariah.until(partial(knows_it_is_off, pariah))
                assert pariah.host.head.height == 0
            else:
                await pariah.at(source.host.head)
                source.tcp.switch(PARIAH, True)
            pariah.tcp.stop()
            await source.until(lambda: not source.tcp.links)
        nursery.cancel_scope.cancel()
    assert [each["off"] for each in source.wrote("switched")] == [True, True]


@in_trio
async def test_by_an_address_it_is_off_whichever_connection_stays(carriers: Carriers) -> None:
    """Both dial each other, and who dials us is known by its id alone: until our own dial has come through."""
    pariah = Running(carriers, b"pariah")
    async with trio.open_nursery() as nursery:
        await start(nursery, pariah)
        source = Running(carriers, b"source", off=[pariah.address])
        await start(nursery, source, pariah)
        await source.until(lambda: mode(source, PARIAH) == "off")
        source.tcp.switch(PARIAH, False)  # on by whichever name it was off
        await makes(source, pariah)
        source.tcp.switch(pariah.address, True)
        assert mode(source, PARIAH) == "off"
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_connection_that_stays_is_off_once_it_is_known_whose_it_is(carriers: Carriers) -> None:
    """Two of one name dial, and are dialled: which of the connections stays, or if both do, is no matter."""
    for _ in range(4):
        pariah = Running(carriers, b"pariah")
        async with trio.open_nursery() as nursery:
            await start(nursery, pariah)
            source = Running(carriers, b"source", off=[pariah.address])
            await start(nursery, source, pariah)
            nursery.start_soon(start, nursery, Running(carriers, b"pariah"), source)
            await source.until(lambda source=source: len(source.wrote("connected")) > 1)  # type: ignore[misc]
            links = source.tcp.links.values()
            await source.until(lambda links=links: links and all(link.off for link in links))  # type: ignore[misc]
            nursery.cancel_scope.cancel()


def test_in_memory_a_restart_keeps_what_is_off() -> None:
    blocks = PlainBlocks()
    net = MemoryNetwork(1, codec=True)
    for name in "abc":
        config = Config(blocks.check, limits=Limits(keepalive=0.5, silence=2.0))
        net.add(name, config, MemoryStore(blocks.genesis, b"test"), off="c" if name == "a" else ())
    outputs: list[Output] = []
    net.watch(lambda name, output: outputs.append(output) if name == "a" else None)
    net.join(mesh(net.names), Path(latency=0.01))
    Producer(net, "a", 0.1, blocks)
    net.run(2.0)
    net.crash("a")
    net.run(3.0)
    net.restart("a")
    net.run(5.0)
    assert Busy in said(outputs, "c#2")
    assert not {Blocks, Has} & set(said(outputs, "c#"))
    assert net.host("c").fed_by.startswith("b#")
    assert net.host("c").head == net.host("b").head

    net.disconnect("b", "c")
    net.cut("b", "c")
    net.cut("c", "b")
    net.run(8.0)
    head = net.host("c").head
    assert head.height < net.host("b").head.height - 10, "it has nobody else"
    net.switch("a", "c", False)
    net.run(9.0)
    assert net.host("c").fed_by.startswith("a#")
    assert net.host("c").head.height > head.height + 30
    net.switch("a", "c", True)
    net.run(10.0)
    assert net.host("c").head.height <= net.host("a").head.height - 8


def test_only_who_is_linked_can_be_switched_in_memory() -> None:
    blocks = PlainBlocks()
    net = MemoryNetwork(1)
    for name in "abc":
        net.add(name, Config(blocks.check), MemoryStore(blocks.genesis, b"test"))
    net.join(line(net.names))
    with pytest.raises(LocalError, match="no link between 'a' and 'c'"):
        net.switch("a", "c", True)


def test_a_name_that_is_none_is_refused_in_words() -> None:
    assert named("AB" * 32) == bytes.fromhex("ab" * 32)
    assert named("[::1]:7000") == "[::1]:7000"
    with pytest.raises(LocalError, match=r"'seq' is no node id .64 hexadecimal digits., and 'seq' is no address"):
        named("seq")
    with pytest.raises(LocalError, match="a node id has 32 bytes, not 3"):
        Off([b"seq"])
    Off(["[::1]:7000", bytes(32)]).check(["[::1]:7000"])
    with pytest.raises(LocalError, match=r"127\.0\.0\.1:7000 is none of the peers that are dialled.*give that id"):
        Off(["127.0.0.1:7000"]).check(["127.0.0.1:7001"])


def test_a_command_keeps_a_node_off(tmp_path: Folder) -> None:
    keys.generate(tmp_path / "key", CHAIN)
    pariah = bytes(keys.load_or_make(tmp_path / "pariah.id").verify_key)

    def flags(name: str, *more: str) -> tuple[str, ...]:
        return ("--name", name, "--store", str(tmp_path / name), "--listen", "127.0.0.1:0", *more)

    off = ("--key", str(tmp_path / "key"), "--interval", "0.05", "--off", pariah.hex())
    with node(*flags("source", *off)) as source:
        told = drained(source)
        public, source_at = first(told, "started")["public_key"], first(told, "listening")["address"]
        follows = ("--public-key", public, "--peer", source_at)
        with node(*flags("helper", *follows)) as helper:
            telling = drained(helper)
            helper_id, helper_at = first(telling, "started")["id"], first(telling, "listening")["address"]
            with node(*flags("pariah", *follows, "--peer", helper_at)) as last:
                for count, head in enumerate(each for each in drained(last) if each["event"] == "head"):
                    assert head["fed_by"].startswith(helper_id[:16])
                    if count == 20:
                        break
        assert first(told, "switched")["off"]
