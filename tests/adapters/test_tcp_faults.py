"""What a peer on TCP can do wrong: it is told, blamed with the right rule or not at all, and nobody else suffers."""

from collections.abc import Awaitable, Callable
from random import Random

import msgspec
import pytest
import trio
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.limits import Limits
from syncfsm.peer.messages import Bye, Parting, Ping
from syncfsm.peer.protocol import PEER
from syncfsm.wire.frames import FrameKind, frame_word
from syncfsm.wire.handshake import VERSION, Greeting, RefusalReason, first_frame
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.connect import connector
from syncfsm_adapters.store import MemoryStore
from tests.adapters.tcp_nodes import (
    CHAIN_ID,
    GENESIS,
    Carriers,
    Raw,
    Running,
    connected,
    greeting,
    grow,
    hello,
    in_trio,
    raw,
    refusal,
    start,
)

BLOCKS = grow([b"1", b"2", b"3"])
LARGE = grow(Random(4).randbytes(64 * 1024) for _ in range(300))
STRANGER = Producer(SigningKey(b"stranger".ljust(32)), CHAIN_ID)


async def syncs(nursery: trio.Nursery, node: Running, carriers: Carriers) -> None:
    """The node is unharmed: it takes and gives blocks with a good peer."""
    good = Running(carriers, b"good", blocks=BLOCKS)
    await start(nursery, good, node)
    await node.at(BLOCKS[-1][0].point)
    node.grow(b"4")
    await good.at(node.host.head)


# The handshake --------------------------------------------------------------------------------------------------

OTHER_GENESIS = signed.genesis(b"other")
STRANGERS = [
    (MemoryStore(GENESIS, b"other"), "chain-id"),
    (MemoryStore(OTHER_GENESIS, CHAIN_ID), "genesis"),
]


@pytest.mark.parametrize(("store", "reason"), STRANGERS, ids=["chain-id", "genesis"])
@in_trio
async def test_nodes_that_do_not_fit_together_tell_each_other_why(
    carriers: Carriers, store: MemoryStore, reason: str
) -> None:
    node, stranger = Running(carriers, b"node"), Running(carriers, b"stranger", store=store)
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await start(nursery, stranger, node)
        for each in (node, stranger):
            await each.no_link()
            assert each.wrote("no-link")[0]["reason"] == reason
            assert each.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


MISFITS = [
    (greeting(version=VERSION + 1), RefusalReason.VERSION, "run releases that share one"),
    (greeting(chain_id=b"other"), RefusalReason.CHAIN_ID, "correct the chain id"),
    (Greeting(VERSION, CHAIN_ID, b"raw", OTHER_GENESIS.point), RefusalReason.GENESIS, "the same genesis file"),
    (greeting(b"node"), RefusalReason.SELF, "give each its own"),
]


@pytest.mark.parametrize(("mine", "reason", "advice"), MISFITS, ids=[case[1] for case in MISFITS])
@in_trio
async def test_a_refusal_says_what_to_do(
    carriers: Carriers, mine: Greeting, reason: RefusalReason, advice: str
) -> None:
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with connected(node.address) as stream:
            await stream.send_all(first_frame(mine))
            refused = await refusal(stream)
        assert refused.reason == reason
        assert advice in refused.text
        await node.no_link()
        noted = RefusalReason.TWIN if reason is RefusalReason.SELF else reason  # it did not dial itself
        assert node.wrote("no-link")[0]["reason"] == noted
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


FIRST_BYTES = [
    (b"GET / HTTP/1.1\r\n\r\n", "unknown-frame"),
    (frame_word(FrameKind.MESSAGE, 2) + b"\x91\x03", "no-greeting"),
    (frame_word(FrameKind.GREETING, 4000), "greeting-too-long"),
    (frame_word(FrameKind.GREETING, 4) + b"junk", "malformed-greeting"),
    (first_frame(greeting())[:-1], "closed"),
]


@pytest.mark.parametrize(("data", "reason"), FIRST_BYTES, ids=[case[1] for case in FIRST_BYTES])
@in_trio
async def test_who_does_not_greet_gets_no_link(carriers: Carriers, data: bytes, reason: str) -> None:
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with connected(node.address) as stream:
            await stream.send_all(data)
            await stream.send_eof()
            await node.no_link()
        assert node.wrote("no-link")[0]["reason"] == reason
        assert node.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_who_says_nothing_is_given_up_and_dialled_again(carriers: Carriers) -> None:
    node = Running(carriers, b"node", handshake=0.1)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        host, port = listener.socket.getsockname()
        await start(nursery, node, f"{host}:{port}")
        async with connected(node.address), listener, await listener.accept(), await listener.accept():
            await node.until(lambda: len(node.wrote("no-link")) >= 3)
        assert {fields["reason"] for fields in node.wrote("no-link")[:2]} == {"timeout"}
        nursery.cancel_scope.cancel()


@in_trio
async def test_connections_that_do_not_greet_are_limited(carriers: Carriers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "STRANGERS", 1)
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with connected(node.address) as first:
            await first.receive_some(1)  # the node has greeted it, so it counts
            async with connected(node.address) as second:
                assert await second.receive_some(1) == b""
        await node.no_link()
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


# Peers that break the protocol ----------------------------------------------------------------------------------


async def bad_signature(peer: Raw) -> None:
    await peer.send(grow([b"1", b"2"], producer=STRANGER))


async def forged_ancestor(peer: Raw) -> None:
    (first,) = grow([b"1"], producer=STRANGER)
    await peer.send([first, *grow([b"2"], parent=first[0], producer=STRANGER)])


async def tampered_body(peer: Raw) -> None:
    await peer.send([BLOCKS[0], (BLOCKS[1][0], b"X")])


async def swapped_proof(peer: Raw) -> None:
    header, body = BLOCKS[0]
    await peer.send([(msgspec.structs.replace(header, proof=header.proof[:-1] + b"X"), body)])


async def garbage(peer: Raw) -> None:
    await peer.stream.send_all(Random(1).randbytes(100_000))


async def oversized_frame(peer: Raw) -> None:
    await peer.stream.send_all(frame_word(FrameKind.MESSAGE, 2**24 - 1))


async def second_greeting(peer: Raw) -> None:
    await peer.stream.send_all(first_frame(greeting()))


async def hello_flood(peer: Raw) -> None:
    chains = (grow([b"fork %d" % number])[0][0] for number in range(200))
    await peer.say(*(hello(head) for head in chains))


async def too_large(peer: Raw) -> None:
    await peer.send(LARGE[:1])


BREACHES = [
    (bad_signature, "bad-signature"),
    (forged_ancestor, "bad-signature"),
    (tampered_body, "wrong-body"),
    (swapped_proof, "bad-id"),
    (garbage, "unknown-frame"),
    (oversized_frame, "frame-too-long"),
    (second_greeting, "unexpected-frame"),
    (hello_flood, "hello-flood"),
    (too_large, "block-too-large"),
]


@pytest.mark.parametrize(("breach", "rule"), BREACHES, ids=[case[0].__name__ for case in BREACHES])
@in_trio
async def test_a_peer_that_breaks_the_protocol_is_blamed_and_told(
    carriers: Carriers, breach: Callable[[Raw], Awaitable[None]], rule: str
) -> None:
    node = Running(carriers, b"node", chosen=Limits(body=60_000))
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello())
            await breach(peer)
            assert await peer.last_word() == Bye(Parting.FAULT)
        assert node.rules == [rule]
        assert [reason for reason, _ in node.partings] == ["fault"]
        assert node.host.head.height <= 1  # what came before the breach may be good
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_block_without_its_parent_parts_and_blames_nobody(carriers: Carriers) -> None:
    node = Running(carriers, b"node")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello())
            await peer.send(BLOCKS[1:])
            assert await peer.last_word() == Bye(Parting.OUT_OF_STEP)
        assert node.rules == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_link_too_many_is_refused_with_the_reason(carriers: Carriers) -> None:
    node = Running(carriers, b"node", chosen=Limits(links=1))
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address), raw(node.address, greeting(b"second")) as second:
            assert await second.last_word() == Bye(Parting.FULL)
            assert len(node.tcp.links) == 1
        await node.until(lambda: not node.tcp.links)
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_peer_that_goes_without_a_word_is_lost_and_nobody_is_blamed(carriers: Carriers) -> None:
    node = Running(carriers, b"node", chosen=Limits(silence=60, keepalive=60))
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address):
            await node.until(lambda: node.tcp.links)
        assert await node.parted() == ("lost", "the connection ended")
        assert node.rules == []
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_peer_that_falls_silent_is_asked_and_then_left(carriers: Carriers) -> None:
    node = Running(carriers, b"node", chosen=Limits(silence=0.8, keepalive=0.1))
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            *_, ping, bye = await peer.heard()
        assert (ping, bye) == (Ping(), Bye(Parting.SILENT))
        assert [reason for reason, _ in node.partings] == ["silent"]
        nursery.cancel_scope.cancel()


# Peers that do not read -----------------------------------------------------------------------------------------


async def talk_on(peer: Raw) -> None:
    """Give signs of life, whose answers are not read either, until the connection breaks."""
    while True:
        await peer.say(*[Ping()] * 100)
        await trio.lowlevel.checkpoint()


@in_trio
async def test_a_peer_that_does_not_read_costs_a_bounded_amount_and_holds_nobody_up(carriers: Carriers) -> None:
    chosen = Limits(room=256 * 1024, control=4096)
    node, good = Running(carriers, b"node", blocks=LARGE, chosen=chosen), Running(carriers, b"good")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello())  # the node begins to stream 19 MiB
            await node.until(lambda: node.tcp.links)
            ((name, connection),) = node.tcp.links.items()
            largest = 0

            def weigh(output: object, now: float) -> None:
                nonlocal largest
                assert connection.session.pending <= chosen.control
                if name in node.host.node.links:
                    largest = max(largest, chosen.room - node.host.node.all(PEER)[name].room)

            node.host.watch(weigh)
            await start(nursery, good, node)
            await good.at(LARGE[-1][0].point)
            assert name in node.tcp.links
            with pytest.raises(trio.BrokenResourceError):
                await talk_on(peer)
        assert 0 < largest <= chosen.room + LARGE[0][0].cost
        assert await node.parted() == ("slow-reader", "")
        node.grow(b"more")
        await good.at(node.host.head)
        nursery.cancel_scope.cancel()


@in_trio
async def test_shutdown_does_not_wait_for_a_peer_that_does_not_read(carriers: Carriers) -> None:
    node = Running(carriers, b"node", blocks=LARGE)
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello())
            await node.until(lambda: node.tcp.links)
            node.tcp.stop()
            while node.tcp.links:
                await trio.lowlevel.checkpoint()
            with pytest.raises(trio.BrokenResourceError):
                await talk_on(peer)
