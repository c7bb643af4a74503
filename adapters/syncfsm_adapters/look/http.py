"""A node over HTTP, for who runs it: a page, the report, metrics, whether all is well. On loopback, as a rule.

Nothing can be changed over it. It is h11 over trio's TCP, and whatever a client may take is bounded: how many there
are, how long a request is, and how long it takes. The page hears of the newest report by server-sent events; who
reads slowly gets fewer of them, never old ones.
"""

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Final

import h11
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.connect.backoff import parse_address
from syncfsm_adapters.look.metrics import Metrics
from syncfsm_adapters.look.report import Reporter

CLIENTS: Final = 64
REQUEST_BYTES: Final = 16 * 1024
PATIENCE: Final = 10.0
"""Seconds in which a request must be there, and an answer taken."""
IDLE: Final = 60.0
"""Seconds for which a connection may be silent between two requests."""
EVERY: Final = 0.5
"""Seconds from one report of the page to the next."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
POLICY: Final = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'"
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
PAGE: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("favicon.svg", "image/svg+xml"),
}
Reply = tuple[int, str, bytes]
"""Status, content type, content."""


class Site:
    """Serves one node at ``listen``, ``host:port``. ``LocalError`` if that is not on loopback and not ``anywhere``."""

    def __init__(self, listen: str, reporter: Reporter, anywhere: bool = False) -> None:
        self._host, self._port = parse_address(listen)
        if self._host not in LOOPBACK and not anywhere:
            raise LocalError(
                f"whoever reaches {self._host} could look at this node: listen on 127.0.0.1, behind a proxy that asks "
                "who it is, or say --http-anywhere"
            )
        self._anywhere = anywhere
        self._reporter, self._metrics = reporter, Metrics(reporter)
        self._slots = trio.CapacityLimiter(CLIENTS)
        self._answers: Mapping[str, Callable[[h11.Request], Reply]] = {
            "/healthz": self._health, "/status": self._status, "/metrics": self._page_of_metrics,
        }  # fmt: skip

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; starts with the port. ``LocalError`` if that can not be."""
        try:
            listeners = await trio.open_tcp_listeners(self._port, host=self._host)
        except OSError as error:
            raise LocalError(
                f"can not listen on {self._host}:{self._port} ({error}); name another with --http"
            ) from error
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._client, listeners)

    async def _client(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                self._slots.acquire_on_behalf_of_nowait(stream)
            except trio.WouldBlock:
                return
            try:
                await self._talk(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, h11.ProtocolError):
                return
            finally:
                self._slots.release_on_behalf_of(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES)
        while True:
            with trio.fail_after(IDLE):
                request = await _request(http, stream)
            if request is None:
                return
            path = request.target.decode("ascii", "replace").partition("?")[0]
            if path == "/events" and request.method == b"GET" and self._is_for_us(request):
                await self._events(http, stream)
                return
            await _send(http, stream, self._reply(request, path), request.method == b"HEAD")
            if http.our_state is h11.MUST_CLOSE:
                return
            http.start_next_cycle()

    def _reply(self, request: h11.Request, path: str) -> Reply:
        if not self._is_for_us(request):
            return 421, "text/plain", b"this node is asked by its own address only"
        if request.method not in (b"GET", b"HEAD"):
            return 405, "text/plain", b"nothing can be changed here: use syncfsm peers and syncfsm block"
        if path in self._answers:
            return self._answers[path](request)
        if path in PAGE:
            name, kind = PAGE[path]
            return 200, kind, (files("syncfsm_adapters.look") / "page" / name).read_bytes()
        there = ", ".join(sorted((*self._answers, "/", "/events")))
        return 404, "text/plain", f"there are {there}".encode()

    def _is_for_us(self, request: h11.Request) -> bool:
        """A page of somebody else, whose name was made to lead here, shows that name as the host."""
        if self._anywhere:
            return True
        named = next((value for name, value in request.headers if name == b"host"), b"").decode("ascii", "replace")
        host = named.rpartition(":")[0] if ":" in named and not named.endswith("]") else named
        return host.strip("[]") in LOOPBACK

    # What is asked ------------------------------------------------------------------------------------------------

    def _health(self, request: h11.Request) -> Reply:
        reason = self._reporter.reason()
        return (200 if reason.is_fine else 503), "text/plain; charset=utf-8", f"{reason.sentence}\n".encode()

    def _status(self, request: h11.Request) -> Reply:
        return 200, "application/json", json.dumps(self._reporter.report()).encode()

    def _page_of_metrics(self, request: h11.Request) -> Reply:
        accepts = next((value for name, value in request.headers if name == b"accept"), b"").decode("ascii", "replace")
        kind, content = self._metrics.page(accepts)
        return 200, kind, content

    async def _events(self, http: h11.Connection, stream: trio.SocketStream) -> None:
        """The newest report, again and again. The next one is made when this one has been taken."""
        headers = [("Content-Type", "text/event-stream"), ("Connection", "close"), *HEADERS]
        data: Any = h11.Response(status_code=200, headers=headers)
        while True:
            with trio.fail_after(PATIENCE):
                await stream.send_all(http.send(data) or b"")
            await trio.sleep(0 if isinstance(data, h11.Response) else EVERY)
            data = h11.Data(data=b"data: " + json.dumps(self._reporter.report()).encode() + b"\n\n")


async def _request(http: h11.Connection, stream: trio.SocketStream) -> h11.Request | None:
    """The next request, without its body, as none makes sense here. ``None`` if there is none, or if it is long."""
    found: h11.Request | None = None
    left = REQUEST_BYTES
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            with trio.fail_after(PATIENCE if found is not None or http.trailing_data[0] else IDLE):
                http.receive_data(await stream.receive_some(REQUEST_BYTES))
        elif isinstance(event, h11.Request):
            found = event
        elif isinstance(event, h11.EndOfMessage):
            return found
        elif isinstance(event, h11.Data) and left > 0:
            left -= len(event.data)
        else:
            return None


async def _send(http: h11.Connection, stream: trio.SocketStream, reply: Reply, bare: bool) -> None:
    status, kind, content = reply
    headers = [("Content-Type", kind), ("Content-Length", str(len(content))), *HEADERS]
    data = http.send(h11.Response(status_code=status, headers=headers)) or b""
    data += (b"" if bare else http.send(h11.Data(data=content)) or b"") + (http.send(h11.EndOfMessage()) or b"")
    with trio.fail_after(PATIENCE):
        await stream.send_all(data)
