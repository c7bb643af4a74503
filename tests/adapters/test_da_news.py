"""News of Celestia's API: a reader hears of new heights over a WebSocket, and asks where there is none."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import h11
import pytest
import trio
import trio.testing
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Request, TextMessage

from syncfsm.truth.answers import Blobs, Head, Posted, Trouble
from syncfsm_adapters.da import channels, news
from syncfsm_adapters.da.api import Api
from syncfsm_adapters.da.celestia import Celestia
from syncfsm_adapters.da.channels import Talk
from syncfsm_adapters.da.embedded import Embedded
from syncfsm_adapters.da.http import Target
from syncfsm_adapters.da.ledger import Ledger, Options
from syncfsm_adapters.da.websocket import RefusedError, WebSocket
from tests.adapters.da_process import DaProcess, store
from tests.adapters.test_da_server import OURS, QUICK, base, http, in_time, says

HEADER: Final = b'{"header": {"height": "7", "last_block_id": {"hash": ""}}, "commit": {"block_id": {"hash": ""}}}'


class Counted(Celestia):
    """Counts what it asks."""

    def __init__(self, url: str, *args: Any, **more: Any) -> None:
        super().__init__(url, *args, **more)
        self.asked = 0
        call = self._call

        async def counted(*args: Any, **more: Any) -> Any:
            self.asked += 1
            return await call(*args, **more)

        self._call = counted


def on_both(test: Callable[[], Awaitable[None]], on_trio: bool) -> None:
    if on_trio:
        in_time(test)
    else:
        asyncio.run(asyncio.wait_for(test(), 60))


async def reached(layer: Celestia, height: int) -> int:
    found = await layer.wait(height, 30)
    assert isinstance(found, Head), found
    assert found.height >= height
    return found.height


# A reader -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_trio", [True, False], ids=["trio", "asyncio"])
def test_who_has_a_subscription_need_not_ask(on_trio: bool) -> None:
    async def test() -> None:
        with DaProcess(*QUICK) as process:
            layer = Counted(process.url, OURS)
            height = await reached(layer, 3)
            asked = layer.asked
            for _ in range(20):
                height = await reached(layer, height + 1)
            assert layer.asked == asked
            posted = await layer.submit(b"a blob")
            assert isinstance(posted, Posted)
            assert isinstance(await layer.blobs(posted.height), Blobs)
            assert await reached(layer, posted.height + 1) > posted.height
            layer.close()

    on_both(test, on_trio)


@pytest.mark.parametrize("on_trio", [True, False], ids=["trio", "asyncio"])
def test_who_waits_in_vain_is_told_where_the_layer_is_and_hears_more_later(on_trio: bool) -> None:
    async def test() -> None:
        with DaProcess("--block-time", "0.3") as process:
            layer = Counted(process.url, OURS)
            height = await reached(layer, 1)
            for _ in range(3):
                found = await layer.wait(height + 1000, 0.01)
                assert isinstance(found, Head)
                assert height <= found.height < height + 1000
            assert layer._news.is_open
            await reached(layer, height + 2)
            layer.close()
            await reached(layer, height + 3)
            layer.close()

    on_both(test, on_trio)


def test_a_subscription_that_is_lost_is_had_again(tmp_path: Path) -> None:
    """The layer is killed, away, and back at the same place."""

    async def test() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            flags = (*store(tmp_path), *QUICK, "--listen", f"127.0.0.1:{free.getsockname()[1]}")
        with DaProcess(*flags) as process:
            layer = Counted(process.url, OURS)
            height = await reached(layer, await reached(layer, 3) + 1)
            process.end(signal.SIGKILL)
        assert isinstance(await layer.wait(height + 100, 30), Trouble)
        assert not layer._news.is_open
        with DaProcess(*flags):
            height = await reached(layer, height + 2)
            asked = layer.asked
            height = await reached(layer, height + 1)
            assert layer._news.is_open
            assert layer.asked == asked
            layer.close()

    in_time(test)


@pytest.mark.parametrize(
    "refusal",
    [
        http(b'{"result": %b}' % HEADER),
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        http(b"", b"405 Method Not Allowed"),
    ],
    ids=["an answer", "no handshake", "refused"],
)
def test_a_layer_without_a_subscription_is_asked(refusal: bytes) -> None:
    async def test() -> None:
        now = [0.0]
        async with says(refusal) as url:
            layer = Counted(url, OURS, clock=lambda: now[0])
            for height in (7, 5):
                found = await layer.wait(height, 30)
                assert found == Head(7) if HEADER in refusal else isinstance(found, Trouble)
            assert layer.asked >= 2
            assert layer._news._again == news.AGAIN
            now[0] = news.AGAIN + 1
            await layer.wait(7, 30)
            assert layer._news._again == 2 * news.AGAIN + 1

    in_time(test)


def test_two_who_wait_at_once_do_not_disturb_each_other() -> None:
    async def test() -> None:
        with DaProcess(*QUICK) as process:
            layer = Celestia(process.url, OURS)
            height = await reached(layer, 2)
            async with trio.open_nursery() as nursery:
                for each in range(3):
                    nursery.start_soon(reached, layer, height + 5 + each)
            layer.close()

    in_time(test)


def test_a_token_is_shown(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "token").write_text("secret")
        with DaProcess(*QUICK, "--token", str(tmp_path / "token")) as process:
            layer = Celestia(process.url, OURS, token="secret")
            await reached(layer, 2)
            assert layer._news.is_open
            layer.close()
            with pytest.raises(RefusedError, match="401"):
                await WebSocket.open(Target.parse(process.url), [], 1000)

    in_time(test)


# A layer --------------------------------------------------------------------------------------------------------------


class Client:
    """A WebSocket by hand, over any stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream, self._ws = stream, wsproto.WSConnection(wsproto.ConnectionType.CLIENT)

    async def send(self, event: Event) -> None:
        await self._stream.send_all(self._ws.send(event))

    async def event(self) -> Event:
        while True:
            for event in self._ws.events():
                return event
            self._ws.receive_data(bytes(await self._stream.receive_some(10_000)) or None)

    async def call(self, id: int, method: str, *params: Any) -> None:
        call = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        await self.send(TextMessage(data=json.dumps(call)))

    async def said(self) -> Any:
        text = ""
        while True:
            event = await self.event()
            assert isinstance(event, Message), event
            text += event.data
            if event.message_finished:
                return json.loads(text)


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Client, Embedded]]:
    """A client that talks to a layer which makes blocks when told to; each reads only what the other waits to give."""
    ledger = Ledger.open(None, Options(block_time=1000))
    layer = Embedded(ledger, trio.current_time)
    here, there = trio.testing.lockstep_stream_pair()
    client = Client(here)
    first = h11.Connection(h11.SERVER)
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            while not isinstance(request := first.next_event(), h11.Request):
                first.receive_data(bytes(await there.receive_some(10_000)))
            await Talk(there, Api(layer, "chain"), layer, 10_000, trio.Semaphore(1)).run(request, b"")
            await there.aclose()

        nursery.start_soon(serve)
        await client.send(Request(host="x", target="/"))
        assert isinstance(await client.event(), AcceptConnection)
        yield client, layer
        nursery.cancel_scope.cancel()
    ledger.close()


def test_a_channel_brings_each_block_until_it_is_cancelled() -> None:
    async def test() -> None:
        async with talking() as (client, layer):
            await client.call(5, "blob.Subscribe", base(OURS))
            assert await client.said() == {"jsonrpc": "2.0", "result": 1, "id": 5}
            layer.ledger.take(OURS, b"a blob")
            await layer.make()
            brought = await client.said()
            assert brought["method"] == "xrpc.ch.val"
            channel, value = brought["params"]
            assert (channel, value["Height"], [each["data"] for each in value["Blobs"]]) == (1, 2, [base(b"a blob")])
            await layer.make()
            assert (await client.said())["params"] == [1, {"Blobs": None, "Height": 3}]
            await client.call(6, "xrpc.cancel", 5)
            assert await client.said() == {"jsonrpc": "2.0", "method": "xrpc.ch.close", "params": [1]}
            await client.call(7, "header.LocalHead")
            assert (await client.said())["result"]["header"]["height"] == "3"

    in_time(test)


def test_a_reader_that_lags_is_cut_off() -> None:
    async def test() -> None:
        async with talking() as (client, layer):
            await client.call(5, "blob.Subscribe", base(OURS))
            await client.said()
            for _ in range(channels.BEHIND + 5):
                await layer.make()
                await trio.testing.wait_all_tasks_blocked()
            said = [await client.said()]
            while said[-1]["method"] == "xrpc.ch.val":
                said.append(await client.said())
            assert said[-1]["method"] == "xrpc.ch.close"
            assert len(said) < channels.BEHIND

    in_time(test)


def test_a_connection_has_so_many_channels_and_no_more() -> None:
    async def test() -> None:
        async with talking() as (client, _):
            for id in range(channels.CHANNELS):
                await client.call(id, "blob.Subscribe", base(OURS))
                assert "result" in await client.said()
            await client.call(99, "blob.Subscribe", base(OURS))
            assert "too many" in (await client.said())["error"]["message"]

    in_time(test)


def test_a_layer_that_is_out_says_so_and_brings_nothing() -> None:
    async def test() -> None:
        async with talking() as (client, layer):
            layer.out = True
            for method in ("header.LocalHead", "blob.Subscribe"):
                await client.call(1, method, base(OURS))
                assert (await client.said())["error"]["message"] == "the layer is out"
            layer.out = False
            await client.call(1, "header.LocalHead")
            assert "result" in await client.said()

    in_time(test)


def test_nonsense_is_answered_or_ends_the_connection() -> None:
    async def test() -> None:
        async with talking() as (client, _):
            for text, says in (
                ("}{", "no JSON"),
                ('{"method": "blob.Subscribe"}', "takes one namespace"),
                ('{"method": "blob.Subscribe", "params": ["eHh4"]}', "29 bytes"),
                ('{"method": "blob.Subscribe", "params": ["x"]}', "no base64"),
                ('{"method": "nothing"}', "not found"),
            ):
                await client.send(TextMessage(data=text))
                assert says in (await client.said())["error"]["message"]
            await client.send(TextMessage(data='{"method": "xrpc.cancel", "params": [[]]}'))
            await client.send(TextMessage(data="x" * 10_001))
            assert isinstance(await client.event(), CloseConnection)

    in_time(test)
