"""The nodes of the story: each an operating-system process with a store of its own, known by what its journal says."""

import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
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
from syncfsm_adapters.story.plan import LOST, SEQUENCER, TWIN, Mode, Plan, Scene

CHAIN: Final = "outage"
DA: Final = "da"
FINALITY: Final = 4
"""So many of the layer's blocks may be taken back."""
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
        """To the peers of ``LOST``."""
        self._layer_cables: list[Cable] = []
        """From ``LOST`` to the data-availability layer."""
        self._da = ""
        """Where that layer is."""
        self.twin = Scene(TWIN)
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
            "--keepalive", str(plan.silence / 4), *await self._role(name), *await self._truth(name),
            *(word for peer in peers for word in ("--peer", peer)),
        ]  # fmt: skip
        await self._open(name, command)
        await self.until(lambda: bool(scene.address))

    async def _open(self, name: str, command: Sequence[str], stdin: int | None = None) -> None:
        """Start a process. In a group of its own, as Ctrl-C is for the director, who then ends all. But in the same
        session: if the director is killed, the system wakes and ends a process that is held."""
        process = await trio.lowlevel.open_process(command, stdin=stdin, stdout=PIPE, stderr=PIPE, process_group=0)
        self._processes[name] = process
        self._nursery.start_soon(self._listen, name, process)

    async def _role(self, name: str) -> tuple[str, str]:
        if name == SEQUENCER:
            key = self.plan.folder / "sequencer.key"
            if not key.exists():
                await trio.run_process(
                    [*PROGRAM, "keygen", "--chain", CHAIN, str(key)], capture_stdout=True, stderr=DEVNULL
                )
                if self.plan.da:
                    shutil.copy(key, self.plan.folder / "twin.key")
                    shutil.copytree(f"{key}.guard", self.plan.folder / "twin.key.guard")
            return "--key", str(key)
        return "--public-key", self.scenes[SEQUENCER].public_key

    async def _address(self, scene: Scene, caller: str) -> str:
        """Where ``caller`` reaches the node, and who must be there."""
        if caller != LOST or self.plan.mode is not Mode.NETWORK:
            return f"{scene.node_id}@{scene.address}"
        cable = await self._cable(scene.address)
        self._cables.append(cable)
        return f"{scene.node_id}@127.0.0.1:{cable.port}"

    async def _cable(self, address: str) -> Cable:
        cable = Cable(int(address.rsplit(":", 1)[1]))
        await self._nursery.start(cable.serve)
        return cable

    # The data-availability layer, and who has the sequencer's key ---------------------------------------------------

    async def start_layer(self) -> None:
        """Start the layer, and wait until it listens."""
        flags = ("--block-time", str(self.plan.batch_seconds / 8), "--finality", str(FINALITY), "--log", "json")
        command = [*PROGRAM, "da", "--listen", "127.0.0.1:0", "--until-stdin-ends", *flags]
        await self._open(DA, command, stdin=PIPE)
        await self.until(lambda: bool(self._da))

    async def _truth(self, name: str) -> tuple[str, ...]:
        if not self._da:
            return ()
        where = self._da
        if name == LOST:
            cable = await self._cable(where)
            self._layer_cables.append(cable)
            where = f"http://127.0.0.1:{cable.port}"
        return ("--da", where, "--da-finality", str(FINALITY), "--batch-seconds", str(self.plan.batch_seconds))

    def cut_peers(self) -> None:
        """``LOST`` hears its peers no more, and still the layer."""
        for cable in self._cables:
            cable.cut()

    def mend_peers(self) -> None:
        for cable in self._cables:
            cable.mend()

    async def start_twin(self) -> Scene:
        """A second sequencer, with a copy of the key and of what its guard knew at first, linked to ``LOST`` alone. It
        makes blocks when it is told to."""
        folder, lost = self.plan.folder, self.scenes[LOST]
        self.twin = Scene(TWIN)
        command = [
            *PROGRAM, "node", "--name", TWIN, "--chain", CHAIN, "--log", "json", "--store", str(folder / "twin.store"),
            "--key", str(folder / "twin.key"), "--interval", "0.005", "--payloads", "-",
            "--peer", f"{lost.node_id}@{lost.address}",
        ]  # fmt: skip
        await self._open(TWIN, command, stdin=PIPE)
        return self.twin

    async def make_at_twin(self, count: int) -> None:
        """So many blocks, as fast as they can be made."""
        pipe = self._processes[TWIN].stdin
        assert pipe is not None
        await pipe.send_all(b"".join(b"stolen %d\n" % number for number in range(count)))

    async def end_twin(self) -> None:
        self._processes[TWIN].kill()
        await self._processes[TWIN].wait()

    def _scene(self, name: str) -> Scene:
        return self.twin if name == TWIN else self.scenes[name]

    async def _listen(self, name: str, process: trio.Process) -> None:
        """Read a node's journal until it ends. A node that ends unasked ends the story, with its last words."""
        assert process.stdout is not None
        assert process.stderr is not None
        rest = b""
        while chunk := await process.stdout.receive_some():
            *whole, rest = (rest + chunk).split(b"\n")
            for text in whole:
                line = json.loads(text)
                if name == DA:
                    self._da = self._da or f"http://127.0.0.1:{line['port']}"
                    continue
                self.lines.append(line)
                self._scene(name).tell(line)
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
            for cable in (*self._cables, *self._layer_cables):
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
            for cable in (*self._cables, *self._layer_cables):
                cable.mend()
        elif self.plan.mode.kills:
            await self.start(name)
        else:
            self._processes[name].send_signal(signal.SIGCONT)
            self.scenes[name].held = False
