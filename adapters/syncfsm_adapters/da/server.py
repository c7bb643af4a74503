"""The HTTP side of the embedded layer: h11 over trio's TCP, with a bound on everything that a client may take.

A connection may ask again and again. It has one request at a time, of a length that one blob fits in, and seconds to
send it; the answer has no deadline of its own, as a blob waits for its block.
"""

import hmac
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final

import h11
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.da.api import Api
from syncfsm_adapters.da.embedded import OUT, Embedded

CONNECTIONS: Final = 128
READ: Final = 30.0
"""Seconds for a request to be there, and for an answer to be taken."""
IDLE: Final = 120.0
"""Seconds for which a connection may be silent between two requests."""
LARGE: Final = 8
"""Most long requests at once, from their first byte to their answer; others wait. This bounds memory."""
CHUNK: Final = 64 * 1024
SLACK: Final = 64 * 1024
"""Bytes of a request beside its blob."""


Answer = Callable[[h11.Request, bytes], Awaitable[tuple[int, bytes]]]
"""A request and its body: the status and the body of what is said."""


class TooLongError(Exception):
    """A request has more bytes than any that makes sense."""


class Server:
    """Serves one ``Api``. Who does not show ``token``, if there is one, is refused."""

    def __init__(self, layer: Embedded, api: Api, token: str = "") -> None:
        self._layer, self._api, self._token = layer, api, token
        self._most = layer.ledger.options.blob_bytes * 4 // 3 + SLACK
        self._slots = trio.CapacityLimiter(CONNECTIONS)
        self._large = trio.Semaphore(LARGE)

    async def serve(
        self, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:  # fmt: skip
        """Listen until cancelled; starts with the port. ``LocalError`` if that can not be."""
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise LocalError(f"can not listen on {host}:{port} ({error}); name another with --listen") from error
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._connection, listeners)

    async def _connection(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                self._slots.acquire_on_behalf_of_nowait(stream)
            except trio.WouldBlock:
                return
            try:
                await _Talk(stream, self._answer, self._most, self._large).run()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, h11.RemoteProtocolError):
                return
            finally:
                self._slots.release_on_behalf_of(stream)

    async def _answer(self, request: h11.Request, body: bytes) -> tuple[int, bytes]:
        if not self._is_known(request):
            return 401, b"missing or wrong token"
        if request.method != b"POST":
            return 405, b"this is JSON-RPC: POST a request"
        if self._layer.out and b'"local.' not in body:
            return 503, OUT.encode()
        return await self._api.answer(body)

    def _is_known(self, request: h11.Request) -> bool:
        shown = next((value for name, value in request.headers if name == b"authorization"), b"")
        return not self._token or hmac.compare_digest(shown, b"Bearer " + self._token.encode())


class _Talk:
    """One connection: requests and answers by turns."""

    def __init__(self, stream: trio.SocketStream, answer: Answer, most: int, large: trio.Semaphore) -> None:
        self._stream, self._answer, self._most, self._large = stream, answer, most, large
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while True:
            with trio.fail_after(IDLE):
                request = await self._event()
            if not isinstance(request, h11.Request):
                return
            try:
                async with self._large if _size(request, SLACK + 1) > SLACK else nullcontext():
                    with trio.fail_after(READ):
                        body = await self._body(request)
                    status, said = await self._answer(request, body)
            except TooLongError:
                await self._send(413, b"the request is too long", close=True)
                return
            await self._send(status, said)
            if self._http.our_state is h11.MUST_CLOSE:
                return
            self._http.start_next_cycle()

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._http.send(go_on))
            self._http.receive_data(await self._stream.receive_some(CHUNK))
        return event

    async def _body(self, request: h11.Request) -> bytes:
        if _size(request, 0) > self._most:
            raise TooLongError
        parts, size = list[bytes](), 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > self._most:
                raise TooLongError
            parts.append(bytes(event.data))
        return b"".join(parts)

    async def _send(self, status: int, body: bytes, close: bool = False) -> None:
        kind = b"application/json" if body[:1] == b"{" else b"text/plain"
        headers = [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(body))]
        headers += [(b"Connection", b"close")] if close else []
        response = h11.Response(status_code=status, headers=headers)
        data = self._http.send(response) + self._http.send(h11.Data(data=body)) + self._http.send(h11.EndOfMessage())
        with trio.fail_after(READ):
            await self._stream.send_all(data)


def _size(request: h11.Request, unsaid: int) -> int:
    """How long a request's body is by what its head says; ``unsaid`` if that says nothing."""
    return next((int(value) for name, value in request.headers if name == b"content-length"), unsaid)
