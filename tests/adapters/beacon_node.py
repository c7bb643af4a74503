"""A beacon node on this machine: it has anvil's blobs, forgets old ones, and may know blocks by slots."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec


class BeaconNode:
    """Runs while it is open."""

    def __init__(self, behind: str) -> None:
        self.oldest = 0
        """What it has forgotten lies below this height."""
        self.slots: dict[int, int] = {}
        """Which height a slot has; empty if it speaks of heights, as anvil does."""
        self.genesis = 0
        self.instead = ""
        """What it gives in place of every blob, unless that is empty."""
        self._behind = behind
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        place, _, asked = path.partition("?")
        if self.slots and place == "/eth/v1/config/spec":
            return 200, _data({"SECONDS_PER_SLOT": "12", "SLOTS_PER_EPOCH": "32"})
        if self.slots and place == "/eth/v1/beacon/genesis":
            return 200, _data({"genesis_time": str(self.genesis)})
        before, _, id = place.rpartition("/")
        if before != "/eth/v1/beacon/blobs":
            return 404, b'{"code": 404, "message": "no such endpoint"}'
        height = self.slots.get(int(id), -1) if self.slots else int(id)
        if height < self.oldest:
            return 404, b'{"code": 404, "message": "block not found"}'
        if self.instead:
            return 200, _data([self.instead])
        try:
            with urlopen(f"{self._behind}{before}/{height}?{asked}", timeout=30) as found:
                return 200, found.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = node.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _data(found: Any) -> bytes:
    return msgspec.json.encode({"data": found})
