"""The WebSocket side of the embedded layer: the same calls as over HTTP, and ``blob.Subscribe``, as a node of Celestia
has it. A channel brings block after block from the next one on, until it is cancelled, or its reader lags too much.
"""

from typing import Any, Final

import attrs
import h11
import msgspec
import trio
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.utilities import ProtocolError

from syncfsm_adapters.da.api import APPLICATION, Api, RpcError
from syncfsm_adapters.da.api import Request as Call
from syncfsm_adapters.da.embedded import OUT, Embedded, Full
from syncfsm_adapters.http.server import CHUNK, SLACK

CALLS: Final = 16
"""Most calls at once on one connection; further ones are not read."""
CHANNELS: Final = 16
"""Most subscriptions of a connection."""
BEHIND: Final = 16
"""Blocks that a reader may be behind before its channel is closed."""
IDLE: Final = 120.0
"""Seconds for which a connection without a subscription may be silent."""
PATIENCE: Final = 30.0
"""Seconds for which a message may be under way."""
ENDS: Final = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, ProtocolError)


@attrs.define
class Channel:
    """A subscription. It is ended between two messages: half of one would be the end of the connection."""

    number: int
    space: bytes
    ended: bool = False
    waiting: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def end(self) -> None:
        self.ended = True
        self.waiting.cancel()


@attrs.define
class Talk:
    """One connection. ``most`` is the longest message; ``large`` has the places for long ones."""

    _stream: trio.abc.Stream
    _api: Api
    _layer: Embedded
    _most: int
    _large: trio.Semaphore
    _ws: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.SERVER))
    _sending: trio.Lock = attrs.field(factory=trio.Lock)
    _calls: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(CALLS))
    _channels: dict[Any, Channel] = attrs.field(factory=dict)
    """By the ids of the calls that asked for them."""
    _count: int = 0

    async def run(self, request: h11.Request, early: bytes) -> None:
        """Talk until one end has enough. ``early`` is what came right after the request."""
        try:
            async with trio.open_nursery() as nursery:
                self._ws.initiate_upgrade_connection(list(request.headers), request.target.decode("ascii"))
                if early:
                    self._ws.receive_data(early)
                await self._listen(nursery)
                nursery.cancel_scope.cancel()
        except* ENDS:
            pass

    async def _listen(self, nursery: trio.Nursery) -> None:
        parts, size, held = list[str](), 0, False
        try:
            while True:
                event = await self._event(bool(parts))
                if isinstance(event, Request):
                    await self._send(AcceptConnection())
                elif isinstance(event, Ping):
                    await self._send(event.response())
                elif isinstance(event, TextMessage):
                    parts, size = [*parts, event.data], size + len(event.data)
                    if size > self._most:
                        return
                    if size > SLACK and not held:
                        await self._large.acquire()
                        held = True
                    if event.message_finished:
                        await self._take("".join(parts), held, nursery)
                        parts, size, held = [], 0, False
                else:
                    return
        finally:
            if held:
                self._large.release()

    async def _event(self, under_way: bool) -> Event:
        silent = PATIENCE if under_way else float("inf") if self._channels else IDLE
        with trio.fail_after(silent):
            while True:
                for event in self._ws.events():
                    return event
                data = await self._stream.receive_some(CHUNK)
                if not data:
                    return CloseConnection(code=1006)
                self._ws.receive_data(bytes(data))

    async def _take(self, text: str, held: bool, nursery: trio.Nursery) -> None:
        """One call. It is answered while others are read."""
        await self._calls.acquire()
        nursery.start_soon(self._answer, text, held)

    async def _answer(self, text: str, held: bool) -> None:
        try:
            call = _call(text)
            if self._layer.out and not (call is not None and call.method.startswith("local.")):
                await self._refuse(call.id if call is not None else None, RpcError(APPLICATION, OUT))
                return
            if call is None or call.method not in ("blob.Subscribe", "xrpc.cancel"):
                _, said = await self._api.answer(text.encode())
                await self._say(said)
                return
        finally:
            self._calls.release()
            if held:
                self._large.release()
        if call.method == "blob.Subscribe":
            await self._subscribe(call)
        elif call.params and isinstance(call.params[0], int | str) and call.params[0] in self._channels:
            self._channels[call.params[0]].end()

    async def _subscribe(self, call: Call) -> None:
        try:
            space = self._api.space(call.params)
            if call.id in self._channels or len(self._channels) >= CHANNELS:
                raise RpcError(APPLICATION, Full.WAITERS.value)
        except RpcError as error:
            await self._refuse(call.id, error)
            return
        self._count += 1
        channel, height = Channel(self._count, space), self._layer.ledger.head.height + 1
        self._channels[call.id] = channel
        await self._say(msgspec.json.encode({"jsonrpc": "2.0", "result": channel.number, "id": call.id}))
        while await self._reaches(channel, height):
            value = {"Blobs": self._api.blobs(height, space), "Height": height}
            await self._say(_news("xrpc.ch.val", channel.number, value))
            height += 1
        del self._channels[call.id]
        await self._say(_news("xrpc.ch.close", channel.number))

    async def _reaches(self, channel: Channel, height: int) -> bool:
        """Wait for this height. Is the channel to be told of it?"""
        found = None
        with trio.CancelScope() as channel.waiting:
            found = await self._layer.reach(height)
        return found is not None and not channel.ended and found.height - height < BEHIND

    async def _refuse(self, id: Any, error: RpcError) -> None:
        wrong = {"code": error.code, "message": str(error)}
        await self._say(msgspec.json.encode({"jsonrpc": "2.0", "error": wrong, "id": id}))

    async def _say(self, text: bytes) -> None:
        await self._send(TextMessage(data=text.decode()))

    async def _send(self, event: Event) -> None:
        async with self._sending:
            with trio.fail_after(PATIENCE):
                await self._stream.send_all(self._ws.send(event))


def _call(text: str) -> Call | None:
    try:
        return msgspec.json.decode(text, type=Call)
    except msgspec.MsgspecError:
        return None


def _news(method: str, *params: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params})
