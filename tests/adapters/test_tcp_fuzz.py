"""Random and damaged bytes against a node on TCP: it stays up, takes nothing unsigned, and forgets them all."""

from random import Random

import trio

from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.sync.messages import Finality, Found
from syncfsm.wire.frames import FrameKind, frame_word
from syncfsm.wire.handshake import Refusal, RefusalReason, announce, first_frame, second_frame
from syncfsm.wire.outbox import Outbox
from tests.adapters.tcp_nodes import GENESIS, Carriers, Running, connected, greeting, grow, hello, in_trio, start

CONNECTIONS = 300
AT_ONCE = 8
CHANCE = Random(20)
CHAIN = grow([CHANCE.randbytes(size) for size in (0, 1, 900, 70_000, 30)])
OTHER = grow([CHANCE.randbytes(size) for size in (5, 40_000)])
SIGNED = {GENESIS.id, *(header.id for header, _ in CHAIN + OTHER)}
REFUSAL = first_frame(Refusal(RefusalReason.BANNED, "go away"))


def conversation(chance: Random) -> bytes:
    """What a peer could say, in an order that need not make sense."""
    outbox = Outbox(Limits(), STANDARD)
    for _ in range(chance.randrange(1, 12)):
        branch = chance.choice((CHAIN, OTHER))
        header, body = chance.choice(branch)
        what = chance.randrange(4)
        if what == 0:
            for block in branch[: chance.randint(1, len(branch))]:
                outbox.block(ProtocolNumber.SYNC, *block)
        elif what == 1:
            outbox.block(ProtocolNumber.SYNC, header, body)
        else:
            about = Note(b"note", header.point), Found(header.point), Finality(header.point)
            outbox.message(chance.choice((hello(header), Ping(), Pong(), *about)))
    if chance.random() < 0.2:
        outbox.message(Bye(chance.choice(list(Parting))))
    return b"".join(iter(lambda: outbox.take(chance.randrange(1, 100_000)), b""))


def damaged(data: bytes, chance: Random) -> bytes:
    """``data`` with some bytes changed, left out, repeated or made up."""
    changed = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(changed) + 1)
        end = min(len(changed), at + chance.choice((1, 4, 100, 20_000)))
        part = changed[at:end]
        changed[at:end] = chance.choice((b"", part + part, chance.randbytes(len(part)), chance.randbytes(3)))
    return bytes(changed)


def made_up(chance: Random) -> bytes:
    kind = chance.choice(list(FrameKind))
    length = chance.choice((0, 2, 60, 16_380))
    return frame_word(kind, length) + chance.randbytes(length)


def attack(chance: Random) -> bytes:
    meeting = first_frame(greeting(chance.randbytes(4))) + second_frame(announce(STANDARD))
    first = REFUSAL if chance.random() < 0.1 else meeting
    if chance.random() < 0.2:
        first = damaged(first, chance)
    return first + chance.choice((damaged(conversation(chance), chance), made_up(chance), chance.randbytes(5000)))


@in_trio
async def test_no_bytes_bring_a_node_down(carriers: Carriers) -> None:
    node = Running(carriers, b"node", chosen=Limits(body=60_000))
    chance = Random(2024)
    free = trio.CapacityLimiter(AT_ONCE)

    async def one(data: bytes) -> None:
        async with free, connected(node.address) as stream:
            try:
                await stream.send_all(data)
                if not chance.randrange(3):
                    return  # without a word, and perhaps with a reset
                await stream.send_eof()
                while await stream.receive_some(2**16):
                    pass
            except trio.BrokenResourceError:
                pass  # the node had enough

    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with trio.open_nursery() as attackers:
            for _ in range(CONNECTIONS):
                attackers.start_soon(one, attack(chance))
        await node.until(lambda: not node.tcp.links)
        assert not node.host.node.links
        assert {header.id for header in node.host.store.headers_from_base()} <= SIGNED
        assert len(set(node.rules)) >= 8  # the attacks are of many kinds
        good = Running(carriers, b"good", blocks=grow([b"x"] * 20))
        await start(nursery, good, node)
        await node.at(good.host.head)
        node.grow(b"4")
        await good.at(node.host.head)
        nursery.cancel_scope.cancel()
