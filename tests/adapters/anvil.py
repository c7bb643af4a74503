"""A chain of Ethereum on this machine: anvil, from npm, which ``make ethereum`` puts under ``.anvil``."""

import os
import signal
import subprocess
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import IO, Any, Final, Self

from syncfsm_adapters.da.rpc import Failed, Rpc
from tests.pages import ROOT

PROGRAM: Final = next((ROOT / ".anvil" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"), None)
"""The program itself: what npm starts is one that starts it, and a signal would not reach it."""
WHERE: Final = "anvil is not there: run make ethereum, which needs npm"
KEY: Final = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""The first account that anvil fills, of its test mnemonic, which everybody knows."""


STARTS: Final = 60.0
"""Seconds that it may take to start."""


class Anvil:
    """Runs while it is open, and makes a block every ``pace`` seconds; only when told to if that is 0."""

    def __init__(self, *flags: str, pace: float = 0.1) -> None:
        blocks = ("--block-time", str(pace)) if pace else ("--no-mining",)
        self._flags = (*blocks, "--slots-in-an-epoch", "2", *flags)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [str(PROGRAM), "--host", "127.0.0.1", "--port", "0", *self._flags]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        given, lines = SimpleQueue[str](), list[str]()
        self._reader = Thread(target=_read, args=(self._process.stdout, given), daemon=True)
        self._reader.start()
        end = monotonic() + STARTS
        while "" not in lines:
            try:
                lines.append(given.get(timeout=max(0.0, end - monotonic())))
            except Empty:
                break
            if lines[-1].startswith("Listening on "):
                self.url = f"http://{lines[-1].split()[-1]}"
                return self
        self._end()
        raise AssertionError(f"anvil has not started within {STARTS:g} s: {''.join(lines)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()

    def hold(self, held: bool) -> None:
        """Have it answer nothing, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if held else signal.SIGCONT)
        if held:
            os.waitpid(self._process.pid, os.WUNTRACED)  # until it is so

    async def call(self, method: str, *params: Any) -> Any:
        found = await Rpc(self.url, "", 2**26, 30.0).call(method, Any, *params)
        assert not isinstance(found, Failed), found
        return found


def _read(lines: IO[str], given: SimpleQueue[str]) -> None:
    """Read all there is, so that a full pipe never holds it up; at the end an empty line."""
    for line in lines:
        given.put(line)
    given.put("")
