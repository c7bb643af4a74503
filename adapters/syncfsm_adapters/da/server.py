"""The HTTP side of the embedded layer. A request is of a length that one blob fits in; the answer has no deadline, as a
blob waits for its block.
"""

import hmac
from functools import partial
from typing import Final

import h11
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.da.api import Api
from syncfsm_adapters.da.channels import Talk
from syncfsm_adapters.da.embedded import OUT, Embedded
from syncfsm_adapters.http import server as http
from syncfsm_adapters.http.server import JSON, TEXT, Bounds, Reply

SLACK: Final = 64 * 1024
"""Bytes of a request beside its blob."""


class Server:
    """Serves one ``Api``. Who does not show ``token``, if there is one, is refused."""

    def __init__(self, layer: Embedded, api: Api, token: str = "") -> None:
        self._layer, self._api, self._token = layer, api, token
        self._most = layer.ledger.options.blob_bytes * 4 // 3 + SLACK
        bounds = Bounds(body=self._most)
        self._http, self._large = http.Server(self._answer, bounds), trio.Semaphore(bounds.large)

    async def serve(
        self, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
    ) -> None:  # fmt: skip
        """Listen until cancelled; starts with the port. ``LocalError`` if that can not be."""
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise LocalError(f"can not listen on {host}:{port} ({error}); name another with --listen") from error
        task_status.started(listeners[0].socket.getsockname()[1])
        await self._http.serve(listeners)

    async def _answer(self, request: h11.Request, body: bytes) -> Reply:
        if not self._is_known(request):
            return Reply(401, b"missing or wrong token")
        if self._layer.out and b'"local.' not in body:
            return Reply(503, OUT.encode())
        if (b"upgrade", b"websocket") in ((name, value.lower()) for name, value in request.headers):
            return Reply(101, takes=partial(self._talk, request))
        if request.method != b"POST":
            return Reply(405, b"this is JSON-RPC: POST a request, or open a WebSocket")
        status, said = await self._api.answer(body)
        return Reply(status, said, JSON if said[:1] == b"{" else TEXT)

    async def _talk(self, request: h11.Request, stream: trio.SocketStream, early: bytes) -> None:
        await Talk(stream, self._api, self._layer, self._most, self._large).run(request, early)

    def _is_known(self, request: h11.Request) -> bool:
        shown = next((value for name, value in request.headers if name == b"authorization"), b"")
        return not self._token or hmac.compare_digest(shown, b"Bearer " + self._token.encode())
