"""A JSON-RPC server on this machine that remembers what it is asked, for tests of what goes over the wire."""

import json
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

Answer = Callable[[bytes], tuple[int, bytes]]
"""What comes of the body of a request: a status and a body."""


class Recording:
    """Serves while it is open. ``asked`` has each method with its parameters, in order. It does not speak WebSocket."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, list[Any]]] = []
        recording = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = json.loads(body)
                recording.asked.append((call["method"], call["params"]))
                status, said = answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *given: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, method: str) -> list[list[Any]]:
        """The parameters of the calls of this method."""
        return [params for name, params in list(self.asked) if name == method]


def passing_on(url: str) -> Answer:
    """Has the server at ``url`` answer."""
    where = urlsplit(url)
    assert where.hostname is not None

    def answer(body: bytes) -> tuple[int, bytes]:
        there = HTTPConnection(str(where.hostname), where.port, timeout=120)
        try:
            there.request("POST", "/", body, {"Content-Type": "application/json"})
            found = there.getresponse()
            return found.status, found.read()
        finally:
            there.close()

    return answer
