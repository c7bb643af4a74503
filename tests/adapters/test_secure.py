"""Nodes that prove who they are, over TLS on real TCP, and those who try without."""

import socket
import ssl
from pathlib import Path

import pytest
import trio
from nacl.signing import SigningKey

from syncfsm.wire.frames import FrameKind
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.secure.certificate import certificate
from tests.adapters.tcp_nodes import Carriers, Running, connected, grow, in_trio, start
from tests.adapters.tls_client import ALERT, DATA, DECRYPT_ERROR, TlsClient, tls_client
from tests.adapters.tls_peers import IDS, OWN, SEED, SHOWN, context, tls_greeting

BLOCKS = grow(b"%d" % number * 2000 for number in range(40))


def pinned(who: Identity, address: str) -> str:
    return f"{who.id.hex()}@{address}"


def why_not(node: Running) -> tuple[str, str]:
    return node.wrote("no-link")[0]["reason"], node.wrote("no-link")[0]["detail"]


async def syncs(nursery: trio.Nursery, node: Running, carriers: Carriers) -> None:
    """The node is unharmed: it takes blocks from a good peer."""
    good = Running(carriers, b"", blocks=BLOCKS, who=IDS[3])
    await start(nursery, good, node)
    await node.at(BLOCKS[-1][0].point)


# Who is there -----------------------------------------------------------------------------------------------------


@in_trio
async def test_a_node_catches_up_and_both_prove_who_they_are(carriers: Carriers) -> None:
    full, new = Running(carriers, b"", blocks=BLOCKS, who=IDS[0]), Running(carriers, b"", who=IDS[1])
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, pinned(IDS[0], full.address))
        await new.at(BLOCKS[-1][0].point)
        new.grow(b"back")
        await full.at(new.host.head)
        for node, other in ((full, IDS[1]), (new, IDS[0])):
            (peer,) = node.host.node.status().peers
            assert (peer.id, peer.proved) == (other.id, True)
        new.tcp.stop()
        await full.until(lambda: full.partings)
        full.tcp.stop()
    assert full.partings == [("peer-left", "shutdown")]
    assert full.wrote("broken") == new.wrote("broken") == []


@in_trio
async def test_who_expects_another_node_takes_none_and_both_are_told(carriers: Carriers) -> None:
    node, dialler = Running(carriers, b"", blocks=BLOCKS, who=IDS[0]), Running(carriers, b"", who=IDS[1])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await start(nursery, dialler, pinned(IDS[2], node.address))
        for each in (node, dialler):
            await each.no_link()
            assert why_not(each)[0] == "identity"
            assert each.outputs == []
        assert IDS[2].id.hex() in why_not(dialler)[1]
        assert "is there: correct the id in --peer" in why_not(dialler)[1]
        assert "you are not the node that was dialled" in why_not(node)[1]
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_closed_node_takes_those_on_its_list_and_tells_the_others(carriers: Carriers) -> None:
    node = Running(carriers, b"", who=IDS[0], allowed={IDS[3].id})
    stranger = Running(carriers, b"", blocks=BLOCKS, who=IDS[1])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await start(nursery, stranger, node)
        for each in (node, stranger):
            await each.no_link()
            assert why_not(each)[0] == "not-allowed"
            assert IDS[1].id.hex() in why_not(each)[1]
            assert each.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_list_holds_for_those_that_are_dialled_too(carriers: Carriers) -> None:
    node, dialler = Running(carriers, b"", who=IDS[0]), Running(carriers, b"", who=IDS[1], allowed={IDS[3].id})
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await start(nursery, dialler, node)
        await node.no_link()
        assert why_not(node)[0] == "not-allowed"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
@in_trio
async def test_a_node_that_meets_its_own_id_in_another_process_says_so(carriers: Carriers, secure: bool) -> None:
    twins = [Running(carriers, b"twin", who=IDS[0] if secure else None) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        await start(nursery, twins[0])
        await start(nursery, twins[1], twins[0])
        for each in twins:
            await each.no_link()
            assert why_not(each)[0] == "twin"
            assert "give it a key of its own" in why_not(each)[1]
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_node_that_dials_itself_gives_that_up(carriers: Carriers) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node, address, listen=address)
        await node.until(lambda: len(node.wrote("no-link")) == 2)  # both ends
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()
    assert {why["reason"] for why in node.wrote("no-link")} == {"self-connection"}
    assert node.wrote("twin") == []


@in_trio
async def test_twins_that_take_turns_at_a_third_node_notice(carriers: Carriers) -> None:
    third = Running(carriers, b"", who=IDS[1])
    twins = [Running(carriers, b"", who=IDS[0]) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        await start(nursery, third)
        for twin in twins:
            await start(nursery, twin, third)
        for twin in twins:
            await twin.until(lambda twin=twin: twin.wrote("twin"))  # type: ignore[misc]
            assert "stop one of the two" in twin.wrote("twin")[0]["sentence"]
        nursery.cancel_scope.cancel()
    assert third.rules == []


# Who proves nothing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", SHOWN)
@in_trio
async def test_a_dialler_with_another_certificate_is_refused(carriers: Carriers, shown: str, tmp_path: Path) -> None:
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await _tls_hello(node.address, context(tmp_path, False, *SHOWN[shown]))
        await node.no_link()
        assert why_not(node)[0] == ("tls" if shown == "unknown authority" else "identity")
        assert node.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("shown", SHOWN)
@in_trio
async def test_a_listener_with_another_certificate_is_left(carriers: Carriers, shown: str, tmp_path: Path) -> None:
    node = Running(carriers, b"", who=IDS[0])
    made = context(tmp_path, True, *SHOWN[shown])
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream: trio.SocketStream) -> None:
        await _greet(trio.SSLStream(stream, made, server_side=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        await start(nursery, node, f"127.0.0.1:{listener.socket.getsockname()[1]}")
        await node.no_link()
        assert why_not(node)[0] == ("tls" if shown == "unknown authority" else "identity")
        assert node.outputs == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["no certificate", "TLS 1.2", "another protocol", "another version"])
@in_trio
async def test_a_dialler_that_lacks_what_is_asked_for_is_refused(carriers: Carriers, how: str, tmp_path: Path) -> None:
    made = context(tmp_path, False)
    if how == "no certificate":
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    elif how == "TLS 1.2":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        made.set_alpn_protocols(["http/1.1" if how == "another protocol" else "syncfsm/1"])
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        await _tls_hello(node.address, made)
        await node.no_link()
        assert why_not(node)[0] == ("tls" if how in ("no certificate", "TLS 1.2") else "version")
        assert node.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


async def _tls_hello(address: str, made: ssl.SSLContext) -> None:
    async with connected(address) as stream:
        await _greet(trio.SSLStream(stream, made))


async def _greet(tls: "trio.SSLStream[trio.SocketStream]") -> None:
    """Greet as a good node would, and hear the other out."""
    try:
        await tls.send_all(tls_greeting(OWN.id))
        while await tls.receive_some(2**12):
            pass
    except (trio.BrokenResourceError, ssl.SSLError):
        pass


@in_trio
async def test_a_stolen_certificate_is_of_no_use_without_its_key(carriers: Carriers) -> None:
    """The thief's TLS shows the certificate of a node that is expected, and signs with a key of its own."""
    node = Running(carriers, b"", who=IDS[0], allowed={IDS[1].id, IDS[3].id})
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with connected(node.address) as stream:
            thief = TlsClient(stream, certificate(IDS[1].id), SigningKey(SEED))
            await thief.shake()
            await thief.say(tls_greeting(IDS[1].id))
            kind, content = await thief.heard()
            assert (kind, content[-1]) == (ALERT, DECRYPT_ERROR)
        await node.no_link()
        assert why_not(node)[0] == "tls"
        assert node.outputs == []
        await syncs(nursery, node, carriers)
        nursery.cancel_scope.cancel()


@in_trio
async def test_with_its_key_the_same_certificate_opens_the_door(carriers: Carriers) -> None:
    node = Running(carriers, b"", who=IDS[0], allowed={OWN.id})
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with tls_client(node.address, SEED) as owner:
            await owner.say(tls_greeting(OWN.id))
            kind, content = await owner.heard()
            assert kind == DATA
            assert content[0] == FrameKind.GREETING
            await node.until(lambda: node.wrote("connected"))
        assert node.wrote("connected")[0]["id"] == OWN.id
        nursery.cancel_scope.cancel()


@in_trio
async def test_who_greets_with_an_id_that_is_not_its_own_is_refused(carriers: Carriers) -> None:
    node = Running(carriers, b"", who=IDS[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with tls_client(node.address, SEED) as liar:
            await liar.say(tls_greeting(IDS[1].id))
            await node.no_link()
        assert why_not(node)[0] == "identity"
        assert node.outputs == []
        nursery.cancel_scope.cancel()
