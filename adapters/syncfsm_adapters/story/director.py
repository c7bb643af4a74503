"""Tells the story: starts the processes, cuts one off, brings it back, and asks at the end what they hold.

Every node is an operating-system process with a store of its own; the director knows of them what their journals
say. The lost node's connections run through cables that the director can cut.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import trio

from syncfsm import signed
from syncfsm.errors import LocalError
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.story.cable import Cable
from syncfsm_adapters.story.figures import Account, Line, figures
from syncfsm_adapters.story.plan import LOST, SEQUENCER, WARM_BLOCKS, Plan, Scene

CHAIN = "outage"
Say = Callable[[str], None]
"""Told what happens next, in words."""


class Director:
    """One telling. ``scenes`` is what can be seen; ``tell`` runs it to its end."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan = plan
        self.scenes = {name: Scene(name) for name in (SEQUENCER, *plan.names)}
        self.phase = "starting"
        self.lines: list[Line] = []
        self._say = say
        self._processes: dict[str, trio.Process] = {}
        self._cables: dict[str, Cable] = {}
        self._news = trio.Event()
        self._nursery: trio.Nursery

    async def tell(self) -> dict[str, Any]:
        """The whole story. ``LocalError`` if a process ends by itself or the story takes too long."""
        with trio.move_on_after(self.plan.patience) as scope:
            async with trio.open_nursery() as self._nursery:
                try:
                    result = await self._acts()
                finally:
                    for process in self._processes.values():
                        process.kill()
                self._nursery.cancel_scope.cancel()
        if scope.cancelled_caught:
            raise LocalError(f"the story took over {self.plan.patience:.0f} s and stopped while {self.phase}")
        return result

    async def _acts(self) -> dict[str, Any]:
        plan = self.plan
        await self._begin()
        source, lost = self.scenes[SEQUENCER], self.scenes[LOST]
        self._enter(f"all {plan.followers} followers in step; {WARM_BLOCKS} blocks together")
        together = source.height + WARM_BLOCKS
        await self._until(lambda: all(scene.height >= together for scene in self.scenes.values()))
        cut_at, at = time.monotonic(), lost.height
        await self._cut()
        self._enter(f"{LOST} is cut off at height {at}; waiting until the sequencer is {plan.gap} blocks further")
        await self._until(lambda: source.height >= at + plan.gap)
        mended_at = time.monotonic()
        await self._mend()
        self._enter(f"{LOST} is back; the sequencer is at {source.height}")
        await self._until(lambda: lost.height >= at + plan.gap and lost.height >= source.height)
        self._enter(f"{LOST} is at the live head, {lost.height}; {plan.tail} more blocks live")
        goal = lost.height + plan.tail
        await self._until(lambda: all(scene.height >= goal for scene in self.scenes.values()))
        await self._end()
        self._enter("reading the files back")
        account = Account(plan.mode, plan.interval, SEQUENCER, LOST, cut_at, mended_at)
        agreed = await trio.to_thread.run_sync(self._audit)
        return figures(account, sorted(self.lines, key=lambda line: float(line["t"])), plan.names, agreed)

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self._say(phase)

    # Acts ---------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Start the sequencer, then the followers, each dialling those before it; the one to be lost comes last."""
        self._enter("starting the sequencer")
        await self._start(SEQUENCER, "--key", str(self.plan.folder / "sequencer.key"))
        others = [name for name in self.plan.names if name != LOST]
        self._enter(f"starting {self.plan.followers} followers")
        for name in others:
            await self._start(name, *self._follower())
        for name in (SEQUENCER, *others):
            self._cables[name] = Cable(int(self.scenes[name].address.rsplit(":", 1)[1]))
            await self._nursery.start(self._cables[name].serve)
        await self._start(LOST, *self._follower())
        await self._until(lambda: all(len(scene.links) == self.plan.followers for scene in self.scenes.values()))

    async def _cut(self) -> None:
        if self.plan.mode == "network":
            for cable in self._cables.values():
                cable.cut()
        else:
            self._processes[LOST].kill()
            await self._processes[LOST].wait()
            self.scenes[LOST].alive = False

    async def _mend(self) -> None:
        if self.plan.mode == "network":
            for cable in self._cables.values():
                cable.mend()
        else:
            await self._start(LOST, *self._follower())

    async def _end(self) -> None:
        """The sequencer first: when it has stopped, there is one last head for all to have."""
        self._enter("stopping")
        await self._stop(SEQUENCER)
        head = self.scenes[SEQUENCER].id
        await self._until(lambda: all(scene.id == head for scene in self.scenes.values()))
        for name in self.plan.names:
            await self._stop(name)

    def _audit(self) -> bool:
        """Are all heads, and all ids from genesis on, the same in all files?"""
        chains = []
        for name in self.scenes:
            chain_id = CHAIN.encode()
            store = FileStore.open(self._file(name), signed.genesis(chain_id), chain_id)
            try:
                chains.append(tuple(store.best_chain()))
            finally:
                store.close()
        first = chains[0]
        whole = [point.height for point in first] == list(range(len(first)))
        return whole and all(chain == first for chain in chains)

    # Processes ----------------------------------------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        return self.plan.folder / f"{name}.store"

    def _follower(self) -> tuple[str, str]:
        return ("--public-key", self.scenes[SEQUENCER].public_key)

    async def _start(self, name: str, *role: str) -> None:
        """Start a node and wait until it listens."""
        plan, scene = self.plan, self.scenes[name]
        scene.address = ""
        if name == LOST:
            peers = [f"127.0.0.1:{cable.port}" for cable in self._cables.values()]
        else:
            peers = [other.address for other in self.scenes.values() if other.alive and other.name != LOST]
        command = [
            sys.executable, "-m", "syncfsm_adapters", "node", "--name", name, "--chain", CHAIN, "--log", "json",
            "--store", str(self._file(name)), "--listen", "127.0.0.1:0", "--interval", str(plan.interval),
            "--payload-bytes", str(plan.payload_bytes), "--silence", str(plan.silence),
            "--keepalive", str(plan.silence / 4), *role, *(word for peer in peers for word in ("--peer", peer)),
        ]  # fmt: skip
        # In a session of its own, as Ctrl-C is for the director, who then ends all.
        process = await trio.lowlevel.open_process(command, stdout=PIPE, stderr=PIPE, start_new_session=True)
        self._processes[name] = process
        self._nursery.start_soon(self._listen, name, process)
        await self._until(lambda: bool(scene.address))

    async def _listen(self, name: str, process: trio.Process) -> None:
        """Read a node's journal until it ends. A node that ends unasked ends the story, with its last words."""
        assert process.stdout is not None
        assert process.stderr is not None
        rest = b""
        while chunk := await process.stdout.receive_some():
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                line = json.loads(text)
                self.lines.append(line)
                self.scenes[name].tell(line)
            self._news.set()
            self._news = trio.Event()
        words = b""
        while chunk := await process.stderr.receive_some():
            words += chunk
        code = await process.wait()
        if code not in (0, -signal.SIGKILL):
            raise LocalError(f"node {name} ended with exit code {code}: {words.decode(errors='replace').strip()}")

    async def _stop(self, name: str) -> None:
        self._processes[name].terminate()
        await self._processes[name].wait()
        await self._until(lambda: not self.scenes[name].alive)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self._news.wait()
