"""``syncfsm da`` as a process: killed, guarded by a token, asked nonsense; the client before servers that fail it."""

import base64
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Blobs, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm_adapters.command.cli import main
from syncfsm_adapters.da.celestia import Celestia, Gas
from syncfsm_adapters.da.embedded import Embedded, Full
from syncfsm_adapters.da.ledger import Ledger, Options
from syncfsm_adapters.da.shares import commitment, namespace
from tests.adapters.da_process import DaProcess, store

OURS = namespace(b"ours")
QUICK = ("--block-time", "0.02")
NEVER = ("--block-time", "1000")


def base(data: bytes) -> str:
    return base64.b64encode(data).decode()


def in_time(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(60):
            await test()

    trio.run(bounded)


# Killed ---------------------------------------------------------------------------------------------------------


def test_a_killed_layer_has_all_that_it_said_was_included(tmp_path: Path) -> None:
    async def run() -> None:
        heights = []
        for number in range(3):
            with DaProcess(*store(tmp_path), *QUICK) as process:
                layer = Celestia(process.url, OURS)
                for each in range(3):
                    posted = await layer.submit(b"%d %d" % (number, each))
                    assert isinstance(posted, Posted)
                    heights.append(posted.height)
                assert process.end(signal.SIGKILL) == -signal.SIGKILL
        with DaProcess(*store(tmp_path), *QUICK) as process:
            layer = Celestia(process.url, OURS)
            found = [await layer.blobs(height) for height in heights]
        assert [each.blobs for each in found if isinstance(each, Blobs)] == [
            (b"%d %d" % (number, each),) for number in range(3) for each in range(3)
        ]

    in_time(run)


def test_what_waits_when_the_layer_is_killed_lands_later(tmp_path: Path) -> None:
    """Whoever gave it is unsure, and must look before giving it again."""

    async def run() -> None:
        outcomes = list[object]()
        with DaProcess(*store(tmp_path), *NEVER) as process:
            layer = Celestia(process.url, OURS)
            async with trio.open_nursery() as nursery:
                for _ in range(2):  # the second is told that the first waits

                    async def submit() -> None:
                        outcomes.append(await layer.submit(b"late"))
                        if len(outcomes) == 1:
                            process.end(signal.SIGKILL)

                    nursery.start_soon(submit)
        assert [type(outcome) for outcome in outcomes] == [Unsure, Unsure]
        assert outcomes[0] == Unsure("tx already in mempool")
        with DaProcess(*store(tmp_path), *QUICK) as process:
            layer = Celestia(process.url, OURS)
            await layer.wait(2, 30)
            found = await layer.blobs(2)
            layer.close()
        assert isinstance(found, Blobs)
        assert found.blobs == (b"late",)

    in_time(run)


def test_two_processes_do_not_share_a_file(tmp_path: Path) -> None:
    with DaProcess(*store(tmp_path), *QUICK), pytest.raises(AssertionError, match="in use by another process"):
        DaProcess(*store(tmp_path), *QUICK).__enter__()


# Asked ----------------------------------------------------------------------------------------------------------


def test_it_answers_as_a_node_of_celestia_does(tmp_path: Path) -> None:
    async def run() -> None:
        space, proof = base(OURS), base(commitment(OURS, b"data"))
        blob = {"namespace": space, "data": base(b"data"), "share_version": 0, "commitment": proof, "signer": None}
        with DaProcess(*QUICK) as process:
            height = await process.call("blob.Submit", [blob], {"gas_price": 0.002, "is_gas_price_set": True})
            told = await process.call("blob.Get", height, space, proof)
            assert told == {**blob, "index": 0}
            assert await process.call("blob.GetAll", height, [space]) == [told]
            assert await process.call("blob.GetAll", height, [base(namespace(b"none"))]) is None
            assert await process.call("blob.Included", height, space, [], proof) is True
            assert await process.call("blob.Included", height, space, [], base(bytes(32))) is False
            header = await process.call("header.GetByHeight", height)
            assert header["header"]["height"] == str(height)
            after = await process.call("header.WaitForHeight", height + 1)
            assert int(after["header"]["height"]) > height
            for method in ("header.LocalHead", "header.NetworkHead"):
                assert int((await process.call(method))["header"]["height"]) > height
            wrong: list[tuple[str, str, tuple[Any, ...]]] = [
                ("blob: not found", "blob.Get", (height, space, base(bytes(32)))),
                ("header: given height is from the future: networkHeight: ", "header.GetByHeight", (10**6,)),
                ("height is equal to 0", "header.GetByHeight", (0,)),
                ("state: no blobs provided", "blob.Submit", ([],)),
                ("invalid commitment", "blob.Submit", ([{**blob, "commitment": base(bytes(32))}],)),
                ("a namespace has 29 bytes", "blob.GetAll", (height, [base(b"short")])),
                ("no base64", "blob.GetAll", (height, ["*"])),
                ("not found", "blob.Burn", ()),
                ("invalid params", "blob.GetAll", (height,)),
                ("invalid params", "blob.Submit", ("nonsense",)),
                ("no height", "header.GetByHeight", ("7",)),
                ("can not be taken back", "local.Reorganise", (height,)),
            ]
            for text, method, params in wrong:
                with pytest.raises(RuntimeError, match=text):
                    await process.call(method, *params)
            await process.call("local.Prune", height + 1)
            with pytest.raises(RuntimeError, match=r"requested header \(\d+\) is below Tail \(\d+\)"):
                await process.call("header.GetByHeight", height)

    in_time(run)


def test_who_does_not_know_the_token_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "token").write_text("secret\n")
        with DaProcess(*QUICK, "--token", str(tmp_path / "token")) as process:
            layer = Celestia(process.url, OURS, token="wrong")
            assert isinstance(await layer.head(), Trouble)
            refused = await layer.submit(b"data")
            assert isinstance(refused, Refused)
            assert "check the token" in refused.detail
            layer = Celestia(process.url, OURS, token="secret")
            assert isinstance(await layer.submit(b"data"), Posted)

    in_time(run)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--listen", "0.0.0.0:0"], "give it a --token"),
        (["--listen", "nowhere"], "is no address"),
        (["--block-time", "0"], "makes no layer"),
        (["--reorganise", "5"], "give it --finality 1"),
        (["--token", "/nowhere/token"], "can not be read"),
        (["--blob-bytes", "100000000"], "has no room for a blob"),
    ],
)
def test_mistakes_are_told_in_one_line(flags: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["da", "--listen", "127.0.0.1:0", *flags]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_nonsense_ends_a_connection_and_nothing_else(tmp_path: Path) -> None:
    """Bytes that are no HTTP, a request that never ends, one that is too long, one that is cut off."""

    async def run() -> None:
        with DaProcess(*QUICK) as process:
            port = int(process.url.rpartition(":")[2])
            post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
            for said, start in (
                (b"\0" * 100 + b"\r\n\r\n", b""),
                (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000, b""),
                (post + b"999999999999\r\n\r\n", b"HTTP/1.1 413"),
                (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405"),
                (post + b"4\r\n\r\n}{}{", b"HTTP/1.1 500"),
            ):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                async with stream:
                    try:
                        await stream.send_all(said)
                        heard = await stream.receive_some(1000)
                    except trio.BrokenResourceError:
                        heard = b""
                assert heard.startswith(start) if start else not heard.startswith(b"HTTP/1.1 200"), heard
            cut = await trio.open_tcp_stream("127.0.0.1", port)
            await cut.send_all(post + b"1000\r\n\r\n{")
            await cut.aclose()
            assert int((await process.call("header.LocalHead"))["header"]["height"]) >= 1

    in_time(run)


def test_too_many_blobs_do_not_wait() -> None:
    async def run() -> None:
        ledger = Ledger.open(None, Options(block_time=1000, pending_bytes=100, blob_bytes=100))
        layer = Embedded(ledger, trio.current_time)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(layer.include, OURS, b"x" * 60)
            await trio.testing.wait_all_tasks_blocked()
            assert await layer.include(OURS, b"y" * 60) is Full.PENDING
            block = await layer.make()
        assert [blob.data for blob in ledger.blobs(block.height, (OURS,))] == [b"x" * 60]
        ledger.close()

    in_time(run)


# A client before servers that fail it ---------------------------------------------------------------------------


@asynccontextmanager
async def says(answer: bytes) -> AsyncIterator[str]:
    """A server that says this to whatever it is asked, and then nothing."""

    async def talk(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # a client need not take all of it
            async with stream:
                await stream.receive_some(100_000)
                await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, talk, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def error(text: str) -> bytes:
    return http(b'{"error": {"code": 1, "message": "%b"}}' % text.encode(), b"500 Internal Server Error")


NONSENSE = {
    "nothing": b"",
    "no http": b"\0\0\0",
    "no json": http(b"}{"),
    "other json": http(b"[1, 2]"),
    "another result": http(b'{"result": {"a": 1}}'),
    "no header": http(b'{"result": {"header": {"height": "x", "last_block_id": {"hash": ""}}, "commit": {}}}'),
    "an endless answer": http(b"x" * 200_000),
    "cut off": http(b"x" * 1000)[:-1],
    "proxy": http(b"<html>", b"502 Bad Gateway"),
    "slow down": http(b"", b"429 Too Many Requests"),
    "an error": error("something else"),
    "syncing": error("header: syncing in progress: localHeadHeight: 3, requestedHeight: 5"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_trouble_and_never_none(kind: str) -> None:
    async def run() -> None:
        async with says(NONSENSE[kind]) as url:
            layer = Celestia(url, OURS, answer_bytes=100_000)
            assert isinstance(await layer.head(), Trouble)
            assert isinstance(await layer.blobs(5), Trouble)
            assert not isinstance(await layer.submit(b"data"), Posted)

    in_time(run)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (error("tx already in mempool"), Unsure),
        (error("timed out waiting for tx to be included in a block"), Unsure),
        (error("incorrect account sequence"), Trouble),
        (error("something else"), Unsure),
        (error("insufficient funds"), Refused),
        (error("total blob size too large"), TooBig),
        (http(b"", b"413 Content Too Large"), TooBig),
        (http(b"", b"401 Unauthorized"), Refused),
        (http(b"", b"503 Service Unavailable"), Trouble),
        (http(b"", b"504 Gateway Timeout"), Unsure),
        (http(b"", b"404 Not Found"), Refused),
        (b"", Unsure),
    ],
)
def test_what_became_of_a_blob(answer: bytes, outcome: type[object]) -> None:
    async def run() -> None:
        async with says(answer) as url:
            layer = Celestia(url, OURS)
            assert isinstance(await layer.submit(b"data"), outcome)

    in_time(run)


def test_who_is_not_there_was_given_nothing() -> None:
    async def run() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            layer = Celestia(f"http://127.0.0.1:{closed.getsockname()[1]}", OURS)
            assert isinstance(await layer.submit(b"data"), Trouble)
            assert isinstance(await layer.blobs(1), Trouble)

    in_time(run)


def test_who_does_not_answer_in_time_is_trouble() -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, lambda stream: trio.sleep_forever(), listeners)
            url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            layer = Celestia(url, OURS, patience=0.05, inclusion=0.05)
            assert isinstance(await layer.blobs(1), Trouble)
            assert isinstance(await layer.submit(b"data"), Unsure)
            nursery.cancel_scope.cancel()

    in_time(run)


def test_a_node_that_gives_other_bytes_is_found_out(tmp_path: Path) -> None:
    """A blob must be what its commitment names."""

    async def run() -> None:
        with DaProcess(*store(tmp_path), *QUICK) as process:
            layer = Celestia(process.url, OURS)
            posted = await layer.submit(b"true")
        assert isinstance(posted, Posted)
        ledger = Ledger.open(tmp_path / "da.sqlite", Options())
        with ledger._change():
            ledger._database.execute("UPDATE blobs SET data = ?", (b"lies",))
        ledger.close()
        with DaProcess(*store(tmp_path), *QUICK) as process:
            layer = Celestia(process.url, OURS)
            found = await layer.blobs(posted.height)
        assert isinstance(found, Trouble)
        assert "commitment" in found.detail

    in_time(run)


def test_a_name_or_an_address_that_makes_no_sense_is_a_mistake() -> None:
    with pytest.raises(LocalError, match="29 bytes"):
        Celestia("http://127.0.0.1:1", b"short")
    with pytest.raises(LocalError, match="1 to 10 bytes"):
        namespace(b"eleven bytes")
    with pytest.raises(LocalError, match="is no address"):
        Celestia("http://127.0.0.1:x", OURS)


def test_gas_is_named_as_the_api_names_it() -> None:
    assert Gas().options() == {}
    gas = Gas(price=0.0, gas=7, priority=2, key="mine")
    named = {"gas_price": 0.0, "is_gas_price_set": True, "gas": 7, "tx_priority": 2, "key_name": "mine"}
    assert gas.options() == named


# Commitments, and the ledger ------------------------------------------------------------------------------------


def test_a_commitment_is_the_published_one() -> None:
    """From celestia-app, TestCreateCommitment: three shares of 0xFF."""
    made = commitment(namespace(b"\1" * 10), b"\xff" * (3 * 512))
    assert made.hex() == "3b9e78b6648ec1a241925b31da2ecb50bfc6f4ad552d3279928ca13ebeba8c2b"


def test_the_head_and_a_block_are_what_they_hold(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "da.sqlite", Options(delay=2, retention=3, finality=2))
    assert ledger.head.id == sha256(b"syncfsm da").digest()
    ledger.take(OURS, b"waits")
    landed = [ledger.make(0.0)[0].height for _ in range(2) if not ledger.blobs(ledger.head.height, (OURS,))]
    assert ledger.make(0.0)[1] == [1]
    assert landed == [2, 3]
    assert ledger.oldest == 2
    with pytest.raises(LocalError, match="can not be taken back"):
        ledger.take_back(2, keep=True)
    assert ledger.take_back(4, keep=True) == 1
    assert ledger.make(0.0)[0].height == 4
    assert [blob.data for blob in ledger.blobs(4, (OURS,))] == [b"waits"]
    ledger.close()
    assert Ledger.open(tmp_path / "da.sqlite", Options()).head.height == 4
