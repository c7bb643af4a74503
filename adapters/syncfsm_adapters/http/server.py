"""An HTTP server: h11 over trio's TCP, with a bound on everything that a client may take.

A connection may ask again and again. It has one request at a time and seconds to send it; a request may be so long and
no longer, and few long ones are in memory at once. How long an answer may take is for who answers to say; how long it
may take to be read is not.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext
from typing import Final

import attrs
import h11
import trio

CHUNK: Final = 64 * 1024
SLACK: Final = 64 * 1024
"""Bytes of a request that is not long."""
TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@attrs.frozen(kw_only=True)
class Bounds:
    """What clients may take, in all and each."""

    body: int
    """Most bytes of a request beside its head, which has 16 KiB at most."""
    connections: int = 128
    """Further ones are closed without a word."""
    large: int = 8
    """Most long requests at once, from their first byte to their answer; others wait. This bounds memory."""
    read: float = 30.0
    """Seconds for a request's body to be there, and for an answer, or a part of one, to be taken."""
    idle: float = 120.0
    """Seconds for which a connection may be without a request."""


@attrs.frozen
class Reply:
    """What is said to a request. If there are ``parts``, each is sent once there is one, and the length of the whole is
    not known."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    headers: Sequence[tuple[str, str]] = ()
    parts: AsyncGenerator[bytes, None] | None = None
    takes: Callable[[trio.SocketStream, bytes], Awaitable[None]] | None = None
    """Takes the connection over, with what came after the request, if the request asks for that (``Upgrade``)."""


Answer = Callable[[h11.Request, bytes], Awaitable[Reply]]
"""A request and its body: what is said to it."""


class TooLongError(Exception):
    """A request has more bytes than any that makes sense."""


class Server:
    """Has every request answered by ``answer``."""

    def __init__(self, answer: Answer, bounds: Bounds) -> None:
        self._answer, self._bounds = answer, bounds
        self._slots = trio.CapacityLimiter(bounds.connections)
        self._large = trio.Semaphore(bounds.large)

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Take connections until cancelled."""
        await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                self._slots.acquire_on_behalf_of_nowait(stream)
            except trio.WouldBlock:
                return
            try:
                await _Talk(stream, self._answer, self._bounds, self._large).run()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                return
            finally:
                self._slots.release_on_behalf_of(stream)


class _Talk:
    """One connection: requests and answers by turns."""

    def __init__(self, stream: trio.SocketStream, answer: Answer, bounds: Bounds, large: trio.Semaphore) -> None:
        self._stream, self._answer, self._bounds, self._large = stream, answer, bounds, large
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        try:
            while await self._turn():
                self._http.start_next_cycle()
        except TooLongError:
            await self._refuse(413, "the request is too long")
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, str(error))

    async def _turn(self) -> bool:
        """One request and its answer. Says whether there may be another."""
        with trio.fail_after(self._bounds.idle):
            request = await self._event()
        if not isinstance(request, h11.Request):
            return False
        async with self._large if _said(request, SLACK + 1) > SLACK else nullcontext():
            with trio.fail_after(self._bounds.read):
                body = await self._body(request)
            reply = await self._answer(request, body)
        if reply.takes is not None:
            await reply.takes(self._stream, self._http.trailing_data[0])
            return False
        await self._send(reply, silent=request.method == b"HEAD")
        return self._http.our_state is not h11.MUST_CLOSE

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._http.send(go_on))
            self._http.receive_data(await self._stream.receive_some(CHUNK))
        return event

    async def _body(self, request: h11.Request) -> bytes:
        if _said(request, 0) > self._bounds.body:
            raise TooLongError
        parts, size = list[bytes](), 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > self._bounds.body:
                raise TooLongError
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def _refuse(self, status: int, text: str) -> None:
        """Say what is wrong with a request, if it can be said still; it was the last one."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(Reply(status, text.encode(), headers=[("Connection", "close")]))

    async def _send(self, reply: Reply, silent: bool = False) -> None:
        """``silent``: the head alone is wanted."""
        headers = [("Content-Type", reply.kind), *reply.headers]
        if reply.parts is None:
            headers.append(("Content-Length", str(len(reply.body))))
        data = self._http.send(h11.Response(status_code=reply.status, headers=headers))
        if not silent:
            data += self._http.send(h11.Data(data=reply.body))
        if reply.parts is not None and not silent:
            await self._write(data)
            data = b""
            async with aclosing(reply.parts) as parts:
                async for part in parts:
                    await self._write(self._http.send(h11.Data(data=part)))
        await self._write(data + self._http.send(h11.EndOfMessage()))

    async def _write(self, data: bytes) -> None:
        with trio.fail_after(self._bounds.read):
            await self._stream.send_all(data)


def _said(request: h11.Request, unsaid: int) -> int:
    """How long a request's body is by what its head says; ``unsaid`` if it brings one and says no length."""
    headers = dict(request.headers)
    if b"content-length" in headers:
        return int(headers[b"content-length"])
    return unsaid if b"transfer-encoding" in headers else 0
