"""``syncfsm da`` as a process of its own, for tests."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from syncfsm_adapters.da.http import Response, Target, post


class DaProcess:
    """Runs while it is open. ``flags`` are those of the command, beside where it listens."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "syncfsm_adapters", "da", "--listen", "127.0.0.1:0", "--log", "json"]
        self._process = subprocess.Popen(
            [*command, "--control", *self._flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate(timeout=30)
            raise AssertionError(f"syncfsm da has not started: {errors}")
        self.url = f"http://127.0.0.1:{json.loads(line)['port']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> int:
        """Send it this signal; its exit code once it has ended."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.communicate(timeout=30)
        return self._process.returncode

    async def call(self, method: str, *params: object, token: str = "") -> Any:
        """A call by hand: what stands in ``result``; ``RuntimeError`` with the error's text."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        call = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        content = json.dumps(call).encode()
        found = await post(Target.parse(self.url), content, headers, most=10**6, connecting=30, patience=30)
        assert isinstance(found, Response), found
        reply = json.loads(found.body)
        if "error" in reply:
            assert found.status == 500
            raise RuntimeError(reply["error"]["message"])
        assert reply["id"] == 7
        return reply["result"]


def store(folder: Path) -> tuple[str, str]:
    return ("--store", str(folder / "da.sqlite"))
