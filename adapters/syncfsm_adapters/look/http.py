"""What a node answers to who looks at it over HTTP: a page, and what the page is made of.

    /          the page, with /page.css, /page.js and /favicon.ico
    /healthz   200 and a sentence if nobody has to do anything, else 503 and the sentence that says what
    /status    the report, as JSON
    /events    the report as server-sent events, again and again: the newest once the line takes one more
    /metrics   for Prometheus

It is read only. Nothing is worked out before somebody asks, but for one sample a second of how far behind the node is.
A page of another site is answered nothing: neither by a name of its own for this machine, nor from its scripts.
"""

import json
import time
from collections.abc import AsyncGenerator, Callable, Collection
from importlib.resources import files
from typing import Any, Final

import h11
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.connect.backoff import cannot_listen, parse_address
from syncfsm_adapters.http.server import JSON, Bounds, Reply, Server
from syncfsm_adapters.look.metrics import Metrics
from syncfsm_adapters.look.reach import check_reach, is_meant
from syncfsm_adapters.look.report import Reporter
from syncfsm_adapters.look.trail import Trail

BOUNDS: Final = Bounds(body=1024, connections=64, large=1, read=10.0, idle=30.0)
READERS: Final = 16
"""Most readers of events at once, so that the others find a connection."""
PACE: Final = 0.5
"""Seconds from one event to the next, and for which one report serves all who ask."""
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("favicon.svg", "image/svg+xml"),
}
HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


class Site:
    """Lets one node be looked at, at ``listen``, ``host:port``. ``opened`` are names by which others than this machine
    may ask for it; ``LocalError`` if they could and there is none."""

    def __init__(
        self, listen: str, reporter: Reporter, opened: Collection[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        check_reach(listen, opened)
        self._listen, self._reporter, self._opened, self._clock = listen, reporter, opened, clock
        self._trail = Trail(reporter)
        self._metrics = Metrics(self.newest, reporter.record)
        self._newest: tuple[float, dict[str, Any]] | None = None
        self._readers = 0
        page = files("syncfsm_adapters.look") / "page"
        self._files = {path: ((page / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; starts with the port. ``LocalError`` if that can not be."""
        host, port = parse_address(self._listen)
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise LocalError(cannot_listen(self._listen, error)) from error
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._trail.run)
            task_status.started(listeners[0].socket.getsockname()[1])
            await Server(self.answer, BOUNDS).serve(listeners)

    def newest(self) -> dict[str, Any]:
        """A report that is no older than ``PACE``."""
        now = self._clock()
        if self._newest is None or now - self._newest[0] >= PACE:
            self._newest = now, self._reporter.report()
        return self._newest[1]

    async def answer(self, request: h11.Request, body: bytes) -> Reply:
        """What is said to a request."""
        reply = self._refusal(request) or self._reply(request)
        return Reply(reply.status, reply.body, reply.kind, (*HEADERS, *reply.headers), reply.parts)

    def _refusal(self, request: h11.Request) -> Reply | None:
        host = _header(request, b"host")
        if not is_meant(host, self._opened):
            return Reply(421, f"{host!r} is no name of this node: allow it with --http-open\n".encode())
        if request.method not in (b"GET", b"HEAD"):
            return Reply(405, b"this is read only: GET\n", headers=[("Allow", "GET, HEAD")])
        foreign = _header(request, b"sec-fetch-site") in ("cross-site", "same-site")
        if foreign and _header(request, b"sec-fetch-mode") != "navigate":
            return Reply(403, b"this is not for other sites\n")
        return None

    def _reply(self, request: h11.Request) -> Reply:
        path = request.target.partition(b"?")[0].decode("ascii")
        if path in self._files:
            return Reply(200, *self._files[path])
        if path == "/healthz":
            report = self.newest()
            return Reply(200 if report["fine"] else 503, f"{report['word']}: {report['sentence']}\n".encode())
        if path == "/status":
            return Reply(200, json.dumps(self.newest()).encode(), JSON)
        if path == "/metrics":
            return Reply(200, *self._metrics.page(_header(request, b"accept")))
        if path == "/events":
            if self._readers >= READERS:
                return Reply(503, b"there are too many readers of events\n", headers=[("Retry-After", "5")])
            return Reply(200, kind="text/event-stream", parts=self._events())
        return Reply(404, b"there is /, /healthz, /status, /events and /metrics\n")

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """What has been, then what is, for as long as somebody reads. Who reads slowly misses some: none is made before
        the line has taken the last one."""
        self._readers += 1
        try:
            yield _event("trail", list(self._trail.samples))
            while True:
                yield _event("report", self.newest())
                await trio.sleep(PACE)
        finally:
            self._readers -= 1


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _header(request: h11.Request, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in request.headers if key == name), "")
