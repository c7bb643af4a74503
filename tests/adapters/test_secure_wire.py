"""What can be done to the bytes between two nodes that speak TLS: to read, change, cut and mix them, or send others."""

from collections.abc import Callable
from random import Random

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.connect import Target
from syncfsm_adapters.secure import Identity
from tests.adapters.tcp_nodes import Carriers, Running, connected, grow, in_trio, start
from tests.adapters.tls_client import tls_client
from tests.adapters.tls_peers import IDS, SEED, CutError, between, tls_greeting

MARK = b"whoever is on the way must not read this"
BLOCKS = grow([MARK * 400] * 40)
HEAD = BLOCKS[-1][0].point


async def syncs(nursery: trio.Nursery, node: Running, carriers: Carriers) -> None:
    """The node is unharmed: it takes blocks from a good peer."""
    good = Running(carriers, b"", blocks=BLOCKS, who=IDS[3])
    await start(nursery, good, node)
    await node.at(HEAD)


# Somebody on the way ------------------------------------------------------------------------------------------------


@in_trio
async def test_who_passes_all_on_learns_nothing_and_changes_nothing(carriers: Carriers) -> None:
    full, new = Running(carriers, b"", blocks=BLOCKS, who=IDS[0]), Running(carriers, b"", who=IDS[1])
    seen = bytearray()

    def look(out: bool, data: bytes) -> bytes:
        seen.extend(data)
        return data

    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        async with between(full.address, look) as address:
            await start(nursery, new, f"{IDS[0].id.hex()}@{address}")
            await new.at(HEAD)
            nursery.cancel_scope.cancel()
    assert len(seen) > 40 * 400 * len(MARK)
    for words in (MARK, IDS[0].id, IDS[1].id, BLOCKS[0][0].id):
        assert words not in seen


Do = Callable[[bytes, bytes], bytes]
"""(what has passed before, what is to pass): what passes."""


def flip(before: bytes, data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes((data[at] ^ 4,)) + data[at + 1 :]


def drop(before: bytes, data: bytes) -> bytes:
    return b""


def splice(before: bytes, data: bytes) -> bytes:
    """A record that has passed already, once more."""
    end = len(before)
    start = before.rindex(b"\x17\x03\x03", 0, end)
    return before[start:] + data


def cut(before: bytes, data: bytes) -> bytes:
    raise CutError


@pytest.mark.parametrize("do", [flip, drop, splice, cut])
@pytest.mark.parametrize("after", [0, 3000, 200_000], ids=["at once", "as they meet", "in the blocks"])
@in_trio
async def test_what_is_changed_ends_the_connection_and_nothing_wrong_enters(
    carriers: Carriers, do: Do, after: int
) -> None:
    """Once, then all passes: the node comes back on a new connection, and nobody was blamed."""
    full, new = Running(carriers, b"", blocks=BLOCKS, who=IDS[0]), Running(carriers, b"", who=IDS[1], handshake=0.5)
    passed = bytearray()
    done: list[bool] = []

    def change(out: bool, data: bytes) -> bytes:
        if out or done:
            return data
        before = bytes(passed)
        passed.extend(data)
        if len(before) < after or (do is splice and b"\x17\x03\x03" not in before):
            return data
        done.append(True)
        return do(before, data)

    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        async with between(full.address, change) as address:
            await start(nursery, new, f"{IDS[0].id.hex()}@{address}")
            await new.at(HEAD)
            new.tcp.stop()
            full.tcp.stop()
            nursery.cancel_scope.cancel()
    assert done
    assert new.wrote("no-link") or new.wrote("broken")
    assert full.rules == new.rules == []
    assert list(new.host.store.best_chain()) == list(full.host.store.best_chain())


@in_trio
async def test_a_cut_is_no_goodbye(carriers: Carriers) -> None:
    """The wire ends in good order, as far as TCP can tell; but the peer did not say so."""
    full, new = Running(carriers, b"", blocks=BLOCKS[:1], who=IDS[0]), Running(carriers, b"", who=IDS[1])
    cut_now: list[bool] = []

    def change(out: bool, data: bytes) -> bytes:
        if cut_now:
            raise CutError
        return data

    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        async with between(full.address, change) as address:
            await start(nursery, new, address)
            await new.at(BLOCKS[0][0].point)
            cut_now.append(True)
            full.grow(b"more")
            for node in (full, new):
                assert await node.parted() == ("lost", "the connection ended")
                assert "before the peer had closed TLS" in node.wrote("broken")[0]["detail"]
            nursery.cancel_scope.cancel()


# Others -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", ["tls", "plain"])
@in_trio
async def test_with_and_without_tls_do_not_meet_and_both_say_what_to_do(carriers: Carriers, listener: str) -> None:
    secure, plain = Running(carriers, b"", who=IDS[0]), Running(carriers, b"plain")
    listens, dials = (secure, plain) if listener == "tls" else (plain, secure)
    async with trio.open_nursery() as nursery:
        await start(nursery, listens)
        await start(nursery, dials, listens)
        for each in (secure, plain):
            await each.no_link()
            told = each.wrote("no-link")[0]
            assert told["reason"] == "transport", told
            assert "use --plain on both sides or on none" in told["detail"]
            assert each.outputs == []
        nursery.cancel_scope.cancel()


GARBAGE = {
    "words": (b"GET / HTTP/1.1\r\n\r\n", "no-tls"),
    "noise": (b"\xee" + Random(3).randbytes(3000), "no-tls"),
    "noise in a record": (b"\x16\x03\x01\x08\x00" + Random(4).randbytes(3000), "tls"),
    "an endless record": (b"\x16\x03\x01\xff\xff" + bytes(2**17), "tls"),
    "an alert": (b"\x15\x03\x03\x00\x02\x02\x28", "tls"),
    "half a hello": (b"\x16\x03\x01", "closed"),
    "nothing": (b"", "closed"),
}


@pytest.mark.parametrize("name", GARBAGE)
@in_trio
async def test_what_is_no_tls_gets_no_link(carriers: Carriers, name: str) -> None:
    data, reason = GARBAGE[name]
    node = Running(carriers, b"", who=IDS[0])
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
async def test_garbage_in_the_name_of_a_proved_peer_is_its_own_fault(carriers: Carriers) -> None:
    """TLS does not make a liar honest: what comes through it is checked as ever."""
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with tls_client(node.address, SEED) as liar:
            await liar.say(tls_greeting(Identity(SEED).id) + b"\xee" * 100)
            assert (await node.parted())[0] == "fault"
        assert node.rules == ["unknown-frame"]
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_handshake_can_not_be_had_again(carriers: Carriers) -> None:
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with tls_client(node.address, SEED) as peer:
            await peer.say(tls_greeting(Identity(SEED).id))
            await node.until(lambda: node.wrote("connected"))
            await peer.start_over()
            assert (await node.parted())[0] == "lost"
        assert "unexpected message" in node.wrote("broken")[0]["detail"]
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_who_has_keys_changed_over_and_over_and_does_not_read_is_left(carriers: Carriers) -> None:
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with tls_client(node.address, SEED) as peer:
            await peer.say(tls_greeting(Identity(SEED).id))
            await node.until(lambda: node.wrote("connected"))
            with trio.move_on_after(10):
                while not node.partings:
                    await peer.send(b"".join(peer.change_keys() for _ in range(500)))
            assert (await node.parted())[0] == "lost"
        assert "asks for new keys and does not read" in node.wrote("broken")[0]["detail"]
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


# What needs proof ---------------------------------------------------------------------------------------------------


def test_without_tls_there_is_no_list_and_nobody_is_expected(carriers: Carriers) -> None:
    with pytest.raises(LocalError, match="needs TLS"):
        Running(carriers, b"plain", allowed={IDS[0].id})
    with pytest.raises(LocalError, match="needs TLS"):
        Target(Running(carriers, b"plain").tcp.connector, f"{IDS[0].id.hex()}@127.0.0.1:1", Random(1))
