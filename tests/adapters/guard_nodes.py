"""Sequencers and followers as processes, for the tests of the guard: what they signed, and ways to ruin a store."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from threading import Thread
from typing import Any

import attrs

from syncfsm.blocks import Point
from syncfsm_adapters.command import keys

CHAIN = "guard"
PATIENCE = 30.0
"""Seconds without a line after which a test gives a process up."""
Line = dict[str, Any]


class Process:
    """A node process. ``lines`` are read ahead, as a pipe that nobody reads would hold it up."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, "-m", "syncfsm_adapters", "node", "--chain", CHAIN, "--log", "json", *flags]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        self.told: list[Line] = []
        self._over = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            if text.endswith(b"\n"):  # the last words of a killed process may be half a line
                self._queue.put(json.loads(text))
        self._queue.put(None)

    def lines(self) -> Iterator[Line]:
        """What it says, until it ends."""
        while not self._over:
            try:
                line = self._queue.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"nothing was said for {PATIENCE} s after {self.told[-3:]}") from None
            if line is None:
                self._over = True
                return
            self.told.append(line)
            yield line

    def until(self, event: str, **fields: Any) -> Line:
        """The next line of this event with these fields."""
        for line in self.lines():
            if line["event"] == event and fields.items() <= line.items():
                return line
        raise AssertionError(f"it ended before {event} {fields}: {self.told[-3:]} {self.error()}")

    def at(self, height: int) -> Line:
        """The first line of a head at this height or above."""
        return next(line for line in self.lines() if line["event"] == "head" and line["height"] >= height)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self) -> int:
        """Read on until it has ended; its exit code."""
        for _ in self.lines():
            pass
        return self._process.wait()

    def refused(self) -> str:
        """It must end without a head; what it said then."""
        for line in self.lines():
            assert line["event"] != "head", line
        assert self._process.wait() == 2
        return self.error()

    def error(self) -> str:
        assert self._process.stderr is not None
        self._process.wait()
        return self._process.stderr.read().decode()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def process(*flags: str) -> Iterator[Process]:
    made = Process(*flags)
    try:
        yield made
    finally:
        made.close()


@attrs.define
class Place:
    """The folders of a sequencer. Its store is alone in one of them, so that a test can ruin it whatever its files."""

    folder: Path
    starts: int = 0

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def guard(self) -> Path:
        return self.folder / "key.guard"

    def sequencer(self, *flags: str) -> tuple[str, ...]:
        """Its flags. No two starts make the same payloads, so no block is the same by chance."""
        self.store.mkdir(exist_ok=True)
        self.starts += 1
        if self.starts == 1:
            keys.generate(self.folder / "key", CHAIN)
        keys.load_or_make(self.folder / "s.id")
        return (
            "--name", "s", "--key", str(self.folder / "key"), "--store", str(self.store / "blocks"),
            "--node-key", str(self.folder / "s.id"), "--interval", "0.01",
            "--payload-bytes", str(100 + self.starts), *flags,
        )  # fmt: skip

    def follower(self, public: str, *flags: str) -> tuple[str, ...]:
        return ("--name", "f", "--store", str(self.folder / "f.store"), "--public-key", public, *flags)


def wipe(store: Path) -> None:
    shutil.rmtree(store)
    store.mkdir()


def replace(store: Path, copy: Path) -> None:
    wipe(store)
    shutil.copytree(copy, store, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.control"))


def flip(store: Path, chance: Random) -> None:
    """One bit of one of its files."""
    for path in _one_file(store, chance):
        data = bytearray(path.read_bytes())
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)


def truncate(store: Path, chance: Random) -> None:
    for path in _one_file(store, chance):
        path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def _one_file(store: Path, chance: Random) -> list[Path]:
    """One of its files; none if it was killed before it had any."""
    files = [path for path in sorted(store.rglob("*")) if path.is_file() and path.stat().st_size]
    return [chance.choice(files)] if files else []


def signed_twice(*journals: list[Line]) -> dict[int, set[str]]:
    """The heights at which these journals have heads with different ids."""
    ids: dict[int, set[str]] = {}
    for line in (line for journal in journals for line in journal if line["event"] == "head"):
        ids.setdefault(line["height"], set()).add(line["id"])
    return {height: found for height, found in ids.items() if len(found) > 1}


def point(line: Line) -> Point:
    return Point(line["height"], bytes.fromhex(line["id"]))
