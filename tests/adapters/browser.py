"""A headless Chromium over WebDriver: Debian's ``chromium`` and ``chromium-driver``, and no package of Python."""

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
INSTALLED: Final = CHROMIUM is not None and DRIVER is not None
PATIENCE: Final = 60.0
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--window-size=1000,1000",
)  # fmt: skip


class Browser:
    """One window."""

    def __init__(self, port: int, profile: Path) -> None:
        self._port = port
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = ""
        self._session = f"/session/{self._ask('/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"

    def open(self, url: str) -> None:
        self._ask("/url", {"url": url})

    def run(self, script: str) -> Any:
        """What this JavaScript returns."""
        return self._ask("/execute/sync", {"script": script, "args": []})

    def text(self, id: str) -> str:
        return str(self.run(f"return document.getElementById({id!r}).textContent"))

    def console(self) -> list[Any]:
        """What was written to its console."""
        found: list[Any] = self._ask("/se/log", {"type": "browser"})
        return found

    def looks(self, scheme: str, width: int, height: int = 1000) -> None:
        """Show it ``light`` or ``dark``, and so wide."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        for command, params in (
            ("Emulation.setEmulatedMedia", {"features": features}), ("Emulation.setDeviceMetricsOverride", size),
        ):  # fmt: skip
            self._ask("/goog/cdp/execute", {"cmd": command, "params": params})

    def picture(self) -> bytes:
        """A PNG of what is to be seen."""
        return base64.b64decode(self._ask("/screenshot", None, "GET"))

    def quit(self) -> None:
        self._ask("", None, "DELETE")

    def _ask(self, path: str, body: Any, method: str = "POST") -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        connection.request(method, self._session + path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        value = json.loads(response.read())["value"]
        connection.close()
        assert response.status == 200, value
        return value


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        try:
            end = time.monotonic() + PATIENCE
            while not _listens(port):
                assert time.monotonic() < end, "chromedriver does not start"
                time.sleep(0.05)
            made = Browser(port, folder / "profile")
            try:
                yield made
            finally:
                made.quit()
        finally:
            driver.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
