"""The nodes of the story: each an operating-system process with a store of its own, known by what its journal says."""

import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

import trio

from syncfsm import signed
from syncfsm.errors import LocalError
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.story.cable import Cable
from syncfsm_adapters.story.heads import Line
from syncfsm_adapters.story.overlay import overlay
from syncfsm_adapters.story.plan import LOST, SEQUENCER, Mode, Plan, Scene

CHAIN: Final = "outage"
PROGRAM: Final = (sys.executable, "-m", "syncfsm_adapters")
REAP: Final = 5.0
"""Seconds in which processes that were killed are gone; only a broken disk keeps one for longer."""


class Stage:
    """The processes of one story. ``scenes`` is what can be seen of them, ``lines`` all that they have written.

    In the mode ``network`` the links of ``LOST`` run through cables that can be cut.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.links = overlay(plan)
        self.scenes = {name: Scene(name) for name in self.links}
        self.lines: list[Line] = []
        self._processes: dict[str, trio.Process] = {}
        self._cables: list[Cable] = []
        self._news = trio.Event()
        self._nursery: trio.Nursery  # of those who listen to journals and carry bytes, while it is open

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Processes can be started; none is left afterwards, however it ends."""
        async with trio.open_nursery() as self._nursery:
            try:
                yield
            finally:
                await self._end_all()
            self._nursery.cancel_scope.cancel()

    async def _end_all(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
        with trio.move_on_after(REAP, shield=True):  # so that nobody writes to the folder any more
            for process in self._processes.values():
                await process.wait()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until what the journals say makes it true."""
        while not true():
            await self._news.wait()

    def named(self, key: str) -> str:
        """The node of which the others' journals speak so; ``key`` itself if it is none of the story's."""
        return next((scene.name for scene in self.scenes.values() if key and scene.key == key), key)

    def linked(self) -> bool:
        """Has every node all of its links?"""
        return all(len(scene.links) == len(self.links[name]) for name, scene in self.scenes.items())

    def file(self, name: str) -> Path:
        """The node's store."""
        return self.plan.folder / f"{name}.store"

    def agreed(self) -> bool:
        """Are all heads, and all ids from genesis on, the same in all files? Reads them; no process may run."""
        chains = []
        for name in self.scenes:
            chain_id = CHAIN.encode()
            store = FileStore.open(self.file(name), signed.genesis(chain_id), chain_id)
            try:
                chains.append(tuple(store.best_chain()))
            finally:
                store.close()
        first = chains[0]
        whole = [point.height for point in first] == list(range(len(first)))
        return whole and all(chain == first for chain in chains)

    # Processes ----------------------------------------------------------------------------------------------------

    async def start(self, name: str) -> None:
        """Start a node, which dials those neighbours that are there, and wait until it listens."""
        plan, scene = self.plan, self.scenes[name]
        there = [other for other in self.scenes.values() if other.alive and other.name in self.links[name]]
        peers = [await self._address(other, name) for other in there]
        scene.address = ""
        command = [
            *PROGRAM, "node", "--name", name, "--chain", CHAIN, "--log", "json",
            "--store", str(self.file(name)), "--listen", "127.0.0.1:0", "--interval", str(plan.interval),
            "--payload-bytes", str(plan.payload_bytes), "--silence", str(plan.silence),
            "--keepalive", str(plan.silence / 4), *await self._role(name),
            *(word for peer in peers for word in ("--peer", peer)),
        ]  # fmt: skip
        # In a group of its own, as Ctrl-C is for the director, who then ends all. But in the same session: if the
        # director is killed, the system wakes and ends a process that is held.
        process = await trio.lowlevel.open_process(command, stdout=PIPE, stderr=PIPE, process_group=0)
        self._processes[name] = process
        self._nursery.start_soon(self._listen, name, process)
        await self.until(lambda: bool(scene.address))

    async def _role(self, name: str) -> tuple[str, str]:
        if name == SEQUENCER:
            key = self.plan.folder / "sequencer.key"
            if not key.exists():
                await trio.run_process(
                    [*PROGRAM, "keygen", "--chain", CHAIN, str(key)], capture_stdout=True, stderr=DEVNULL
                )
            return "--key", str(key)
        return "--public-key", self.scenes[SEQUENCER].public_key

    async def _address(self, scene: Scene, caller: str) -> str:
        """Where ``caller`` reaches the node, and who must be there."""
        if caller != LOST or self.plan.mode is not Mode.NETWORK:
            return f"{scene.node_id}@{scene.address}"
        cable = Cable(int(scene.address.rsplit(":", 1)[1]))
        await self._nursery.start(cable.serve)
        self._cables.append(cable)
        return f"{scene.node_id}@127.0.0.1:{cable.port}"

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

    async def stop(self, name: str) -> None:
        """Have a node end in order."""
        self._processes[name].terminate()
        await self._processes[name].wait()
        await self.until(lambda: not self.scenes[name].alive)

    # Losses -------------------------------------------------------------------------------------------------------

    async def lose(self, name: str) -> None:
        """Cut the node off, kill it, or hold it, as the plan has it."""
        process = self._processes[name]
        if self.plan.mode is Mode.NETWORK:
            for cable in self._cables:
                cable.cut()
        elif self.plan.mode.kills:
            process.kill()
            await process.wait()
            self.scenes[name].alive = False
        else:
            process.send_signal(signal.SIGSTOP)
            self.scenes[name].held = True

    async def restore(self, name: str) -> None:
        """Let it come back."""
        if self.plan.mode is Mode.NETWORK:
            for cable in self._cables:
                cable.mend()
        elif self.plan.mode.kills:
            await self.start(name)
        else:
            self._processes[name].send_signal(signal.SIGCONT)
            self.scenes[name].held = False
