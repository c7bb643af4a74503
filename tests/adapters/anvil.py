"""A chain of Ethereum on this machine: anvil, from npm, which ``make ethereum`` puts under ``.anvil``."""

import os
import signal
import subprocess
from types import TracebackType
from typing import Any, Final, Self

from syncfsm_adapters.da.rpc import Failed, Rpc
from tests.pages import ROOT

PROGRAM: Final = next((ROOT / ".anvil" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"), None)
"""The program itself: what npm starts is one that starts it, and a signal would not reach it."""
WHERE: Final = "anvil is not there: run make ethereum, which needs npm"
KEY: Final = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""The first account that anvil fills, of its test mnemonic, which everybody knows."""


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
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("Listening on "):
                self.url = f"http://{line.split()[-1]}"
                return self
        raise AssertionError("anvil has not started")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

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
