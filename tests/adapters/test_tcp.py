"""Nodes on real TCP: they find each other, keep one link, sync, relay, part and come back."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
import trio
import trio.testing

from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Say
from syncfsm.outputs import HeadMoved
from syncfsm_adapters.connect import target
from syncfsm_adapters.connect.backoff import LONGEST, SHORTEST, Backoff, parse_address
from syncfsm_adapters.store import MemoryStore, load_chain
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.tcp import TcpNode
from tests.adapters.tcp_nodes import CHAIN_ID, GENESIS, PRODUCER, Carriers, Running, grow, in_trio, start

CHANCE = Random(5)
SMALL = [CHANCE.randbytes(200) for _ in range(490)]
LARGE = [CHANCE.randbytes(64 * 1024) for _ in range(10)]


@pytest.fixture
def carriers(carriers_and_tls: Carriers) -> Carriers:
    """Without TLS, and with it."""
    return carriers_and_tls


def free_addresses(count: int) -> list[str]:
    """Addresses on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def dialled(node: Running) -> bool:
    return any(made["dialled"] for made in node.wrote("connected"))


@in_trio
async def test_a_new_node_gets_all_blocks_and_stores_them(carriers: Carriers, tmp_path: Path) -> None:
    blocks = grow([*SMALL[:245], *LARGE, *SMALL[245:]])
    path = tmp_path / "blocks.store"
    full = Running(carriers, b"full", blocks=blocks)
    new = Running(carriers, b"new", store=FileStore.open(path, GENESIS, CHAIN_ID))
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, full)
        await new.at(blocks[-1][0].point)
        new.tcp.stop()
        full.tcp.stop()
    assert (new.host.tally.received, new.host.tally.repeated) == (500, 0)
    again = FileStore.open(path, GENESIS, CHAIN_ID)
    assert load_chain(again, Limits()).head == blocks[-1][0]
    assert again.bodies([header.point for header, _ in blocks]) == [body for _, body in blocks]
    again.close()


@in_trio
async def test_the_least_room_is_enough(carriers: Carriers) -> None:
    blocks = grow(SMALL[:30])
    full, new = Running(carriers, b"full", blocks=blocks, chosen=Limits(room=1)), Running(carriers, b"new")
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, full)
        await new.at(blocks[-1][0].point)
        nursery.cancel_scope.cancel()


@in_trio
async def test_live_blocks_travel_along_a_line(carriers: Carriers) -> None:
    first, middle, last = Running(carriers, b"first"), Running(carriers, b"middle"), Running(carriers, b"last")
    async with trio.open_nursery() as nursery:
        await start(nursery, first)
        await start(nursery, middle, first)
        await start(nursery, last, middle)
        for number in range(20):
            first.grow(b"block %d" % number)
            await last.at(first.host.head)
        nursery.cancel_scope.cancel()
    moves = [moved.new.height for moved in last.told(HeadMoved)]
    assert moves == list(range(1, 21))
    assert [node.host.tally.repeated for node in (first, middle, last)] == [0, 0, 0]


@in_trio
async def test_nodes_that_dial_each_other_keep_exactly_one_link(carriers: Carriers) -> None:
    for _ in range(20):
        a, b = Running(carriers, b"a"), Running(carriers, b"b")
        async with trio.open_nursery() as nursery:
            of_a, of_b = free_addresses(2)
            async with trio.open_nursery() as starting:
                starting.start_soon(partial(start, nursery, a, of_b, listen=of_a))
                starting.start_soon(partial(start, nursery, b, of_a, listen=of_b))
            for node in (a, b):
                await node.until(partial(dialled, node))
            for node, other in ((a, b), (b, a), (a, b)):
                node.grow(b"block")
                await other.at(node.host.head)
            for node in (a, b):
                await node.until(lambda node=node: len(node.tcp.links) == 1)  # type: ignore[misc]
            (link_a,), (link_b,) = a.tcp.links.values(), b.tcp.links.values()
            assert link_a.dial.by_me != link_b.dial.by_me
            nursery.cancel_scope.cancel()
        assert a.rules == b.rules == []


@in_trio
async def test_blocks_flow_both_ways_over_one_link(carriers: Carriers) -> None:
    a, b = Running(carriers, b"a"), Running(carriers, b"b")
    async with trio.open_nursery() as nursery:
        await start(nursery, a)
        await start(nursery, b, a)
        for node, other in ((a, b), (b, a), (a, b)):
            node.grow(b"block")
            await other.at(node.host.head)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_link_comes_back_when_the_peer_does(carriers: Carriers) -> None:
    ahead, behind = Running(carriers, b"ahead"), Running(carriers, b"behind")
    async with trio.open_nursery() as nursery:
        await start(nursery, ahead)
        await start(nursery, behind, ahead)
        ahead.grow(b"1")
        await behind.at(ahead.host.head)
        ahead.tcp.stop()
        assert await behind.parted() == ("peer-left", "shutdown")
        again = Running(carriers, b"ahead", blocks=grow([b"1", b"2"]))
        await start(nursery, again, listen=ahead.address)
        await behind.at(again.host.head)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_peer_that_connects_anew_replaces_its_old_connection(carriers: Carriers) -> None:
    first, again, node = Running(carriers, b"same"), Running(carriers, b"same"), Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await start(nursery, first, node)
        await node.until(lambda: node.tcp.links)
        await start(nursery, again, node)
        assert await node.parted() == ("duplicate", "")
        assert len(node.tcp.links) == 1
        assert await first.parted() == ("peer-left", "duplicate")
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_note_comes_after_its_block_and_overtakes_what_is_queued(carriers: Carriers) -> None:
    """4 MiB of blocks wait; a note about an early one arrives before the late ones, and none before its own."""
    blocks = grow(Random(6).randbytes(64 * 1024) for _ in range(64))
    full, new = Running(carriers, b"full", blocks=blocks), Running(carriers, b"new")
    order: list[str] = []

    def told(output: object, now: float) -> None:
        if isinstance(output, HeadMoved):
            order.append(f"head {output.new.height}")
        elif isinstance(output, Deliver):
            order.append(f"note {output.note.payload.decode()}")

    new.host.watch(told)
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, full)
        await full.until(lambda: full.tcp.links)
        for header, _ in (blocks[0], blocks[-1], blocks[20]):
            full.host.feed(Say(Note(b"%d" % header.height, header.point), full.now()))
        full.host.feed(Say(Note(b"0"), full.now()))
        await new.until(lambda: sum("note" in line for line in order) == 4)
        nursery.cancel_scope.cancel()
    heights = {line: at for at, line in enumerate(order)}
    reached = 0
    for line in order:
        what, number = line.split()
        if what == "head":
            reached = int(number)
        else:
            assert int(number) <= reached or number == "0"
    assert heights["note 0"] < heights["head 64"]
    assert heights["note 1"] < heights["head 64"]
    assert heights["note 21"] < heights["head 64"]


@in_trio
async def test_shutdown_says_why_and_closes_all(carriers: Carriers, tmp_path: Path) -> None:
    going = Running(carriers, b"going", store=FileStore.open(tmp_path / "going.store", GENESIS, CHAIN_ID))
    staying = [Running(carriers, b"staying-%d" % number) for number in range(3)]
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as inner:
            await start(inner, going)
            for node in staying:
                await start(nursery, node, going)
            await going.until(lambda: len(going.tcp.links) == 3)
            going.grow(b"last")
            going.tcp.stop()
        for node in staying:
            assert await node.parted() == ("peer-left", "shutdown")
        nursery.cancel_scope.cancel()
    assert going.partings == [("shutdown", "")] * 3
    FileStore.open(tmp_path / "going.store", GENESIS, CHAIN_ID).close()


@in_trio
async def test_a_cancelled_node_leaves_its_store_whole(carriers: Carriers, tmp_path: Path) -> None:
    blocks = grow(SMALL[:200])
    full = Running(carriers, b"full", blocks=blocks)
    new = Running(
        carriers, b"new", store=FileStore.open(tmp_path / "new.store", GENESIS, CHAIN_ID), chosen=Limits(run=7)
    )
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, full)
        await new.until(lambda: new.host.head.height)
        nursery.cancel_scope.cancel()
    again = FileStore.open(tmp_path / "new.store", GENESIS, CHAIN_ID)
    head = load_chain(again, Limits()).head
    assert head == new.host.node.chain.head
    assert again.bodies([header.point for header, _ in blocks[: head.height]]) == [b for _, b in blocks[: head.height]]
    again.close()


@in_trio
async def test_a_port_in_use_is_said_with_what_to_do(carriers: Carriers) -> None:
    first, second = Running(carriers, b"first"), Running(carriers, b"second")
    async with trio.open_nursery() as nursery:
        await start(nursery, first)
        with pytest.raises(LocalError, match=f"can not listen on {first.address}.*stop the program that listens there"):
            await second.run(first.address, [])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["", "host", "host:", ":7000", "host:port", "host:65536", "host:-1", "host:²"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(LocalError, match="write host:port"):
        parse_address(address)
    assert parse_address("[::1]:7000") == ("::1", 7000)


class Watched(Backoff):
    """Notes what it is told and asked."""

    calls: ClassVar[list[str]] = []

    def begin(self, now: float) -> None:
        self.calls.append("begin")
        super().begin(now)

    def slow_down(self) -> None:
        self.calls.append("slow down")
        super().slow_down()

    def next(self, now: float) -> float:
        self.calls.append("next")
        return super().next(now)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the back-off of the only node that dials is told and asked."""
    monkeypatch.setattr(target, "Backoff", Watched)
    monkeypatch.setattr(Watched, "calls", [])
    return Watched.calls


@in_trio
async def test_a_node_that_dials_itself_gives_up_that_address(carriers: Carriers, calls: list[str]) -> None:
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        (address,) = free_addresses(1)
        await start(nursery, node, address, listen=address)
        await node.until(lambda: len(node.wrote("no-link")) == 2)
        assert calls == ["begin"]
        node.tcp.stop()
    assert [fields["reason"] for fields in node.wrote("no-link")] == ["self-connection"] * 2


@in_trio
async def test_a_peer_that_refuses_is_dialled_rarely_and_one_that_is_down_is_not(
    carriers: Carriers, calls: list[str]
) -> None:
    node, other = Running(carriers, b"node"), Running(carriers, b"other", store=MemoryStore(GENESIS, b"other"))
    async with trio.open_nursery() as nursery:
        (address,) = free_addresses(1)
        await start(nursery, node, address)
        await node.until(lambda: len(node.wrote("no-link")) == 2)
        assert calls[:3] == ["begin", "next", "begin"]
        await start(nursery, other, listen=address)
        await node.until(lambda: "chain-id" in {fields["reason"] for fields in node.wrote("no-link")})
        assert calls[-3:] == ["begin", "slow down", "next"]
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_store_that_fails_stops_the_node_with_its_message(
    carriers: Carriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, new = Running(carriers, b"full", blocks=grow([b"1"])), Running(carriers, b"new")

    def fail(change: object) -> None:
        raise LocalError("the disk is full; make space")

    monkeypatch.setattr(new.host.store, "commit", fail)
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        with pytest.raises(LocalError, match="the disk is full"):
            await new.run(None, [full.address])
        await full.parted()
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_bug_is_not_hidden(carriers: Carriers, monkeypatch: pytest.MonkeyPatch) -> None:
    full, new = Running(carriers, b"full", blocks=grow([b"1"])), Running(carriers, b"new")
    monkeypatch.setattr(new.host.store, "commit", lambda change: 1 // 0)
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        with pytest.raises(ExceptionGroup) as caught:
            await new.run(None, [full.address])
        nursery.cancel_scope.cancel()
    assert caught.group_contains(ZeroDivisionError)


def test_a_producer_keeps_its_schedule_and_leaves_out_what_it_missed() -> None:
    node, times = Running(Carriers(TcpNode), b"node"), list[float]()

    async def payloads() -> AsyncIterator[bytes]:
        for number in range(6):
            await trio.sleep(2.5 if number == 3 else 0.1)
            yield b"%d" % number

    async def run() -> None:
        start = trio.current_time()
        node.host.watch(
            lambda output, now: times.append(round(now - start, 6)) if isinstance(output, HeadMoved) else None
        )
        assert await PRODUCER.run(node.host, payloads(), 1.0) == 6

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    assert times == [0.1, 1.0, 2.0, 4.5, 5.0, 6.0]


def test_back_off_doubles_from_the_start_of_an_attempt_and_starts_anew_after_one_that_lasted() -> None:
    backoff = Backoff(Random(1))
    now, pauses = 100.0, []
    for _ in range(8):
        backoff.begin(now)
        due = backoff.next(now + 0.001)
        pauses.append(due - now)
        now = due
    for number, pause in enumerate(pauses):
        longest = min(SHORTEST * 2**number, LONGEST)
        assert longest / 2 <= pause <= longest
    backoff.begin(now)
    assert backoff.next(now + 5) == now + 5
    backoff.begin(now + 5)
    assert backoff.next(now + 5) <= now + 5 + 2 * SHORTEST
    backoff.begin(now)
    backoff.slow_down()
    assert backoff.next(now) >= now + LONGEST / 2
