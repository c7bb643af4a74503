"""A disk in memory that remembers every write and every sync, so that the power can fail at each of them.

What was written and not synced may be there or not, sector by sector. Names come and go in order: if one is not there,
the later ones are not either, as file systems with a journal have it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Self

import attrs

from syncfsm_adapters.store.files import Files

SECTOR = 512


@attrs.define(eq=False)
class File:
    data: bytearray = attrs.field(factory=bytearray)


@attrs.frozen(eq=False)
class Operation:
    """One thing that was done to a disk: to a ``file``, or to the names."""

    kind: str
    file: File | None = None
    offset: int = 0
    data: bytes = b""
    old: str = ""
    new: str = ""


Survives = Callable[[int, int], bool]
"""(number of an operation that was not synced, number of a sector of what it wrote): is it on the disk?"""


class SimulatedDisk:
    """A folder of files. ``slow`` is how many commits later what is done beside them is done."""

    def __init__(self, files: dict[str, bytes] | None = None, slow: int = 0) -> None:
        self.files = {name: File(bytearray(data)) for name, data in (files or {}).items()}
        self.first = {name: bytes(data) for name, data in (files or {}).items()}
        self.done: list[Operation] = []
        self.slow = slow
        self.fail_at: int | None = None
        """The number of the operation that is the first to fail, for want of space."""
        self.written = self.synced = 0
        self._jobs: list[tuple[int, Callable[[Files], None], Future[None]]] = []
        self._roots = dict(self.files)

    def names(self) -> list[str]:
        return sorted(self.files)

    def size(self, name: str) -> int:
        return len(self._file(name).data)

    def read(self, name: str, offset: int, size: int) -> bytes:
        return bytes(self._file(name).data[offset : offset + size])

    def create(self, name: str) -> None:
        if name in self.files:
            raise FileExistsError(name)
        file = File()
        self._do(Operation("create", file, new=name))
        self.files[name] = file

    def write(self, name: str, offset: int, parts: Sequence[bytes]) -> None:
        file, data = self._file(name), b"".join(parts)
        self.written += len(data)
        try:
            self._do(Operation("write", file, offset, data))
        except OSError:
            half = data[: len(data) // 2]
            self.done.append(Operation("write", file, offset, half))
            _write(file.data, offset, half)
            raise
        _write(file.data, offset, data)

    def truncate(self, name: str, size: int) -> None:
        self.done.append(Operation("truncate", self._file(name), size))
        del self._file(name).data[size:]

    def sync(self, name: str) -> None:
        self.synced += 1
        self._do(Operation("sync", self._file(name)))

    def rename(self, old: str, new: str) -> None:
        self._do(Operation("rename", old=old, new=new))
        self.files[new] = self.files.pop(old)

    def remove(self, name: str) -> None:
        self._file(name)
        self._do(Operation("remove", old=name))
        del self.files[name]

    def sync_names(self) -> None:
        self._do(Operation("sync names"))

    def intact(self, name: str, size: int) -> bool:
        for due, job, future in [each for each in self._jobs if each[0] <= 0]:
            self._jobs.remove((due, job, future))
            self._run(job, future)
        self._jobs = [(due - 1, job, future) for due, job, future in self._jobs]
        return name in self.files and self.size(name) == size

    def forget(self, name: str) -> None:
        pass

    def later(self, job: Callable[[Files], None]) -> "Future[None]":
        future: Future[None] = Future()
        if self.slow:
            self._jobs.append((self.slow, job, future))
        else:
            self._run(job, future)
        return future

    def _run(self, job: Callable[[Files], None], future: "Future[None]") -> None:
        try:
            job(self)
            future.set_result(None)
        except OSError as error:
            future.set_exception(error)

    def close(self) -> None:
        pass

    def say(self, word: str) -> None:
        """A mark among what is done."""
        self.done.append(Operation("say", new=word))

    def _file(self, name: str) -> File:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def _do(self, operation: Operation) -> None:
        if self.fail_at is not None and len(self.done) >= self.fail_at:
            raise OSError(28, "No space left on device")
        self.done.append(operation)

    # The power fails ----------------------------------------------------------------------------------------------

    def open_writes(self, end: int) -> list[int]:
        """The writes among the first ``end`` operations that are not synced by then."""
        found = []
        synced: set[File] = set()
        for number in reversed(range(end)):
            operation = self.done[number]
            if operation.kind == "sync" and operation.file is not None:
                synced.add(operation.file)
            elif operation.kind in ("write", "truncate") and operation.file not in synced:
                found.append(number)
        return found[::-1]

    def open_names(self, end: int) -> list[int]:
        """The same for names that came or went."""
        last = max((n for n in range(end) if self.done[n].kind == "sync names"), default=-1)
        return [n for n in range(last + 1, end) if self.done[n].kind in ("create", "rename", "remove")]

    def after_failure(self, end: int, survives: Survives, names: int | None = None) -> Self:
        """The disk when the power failed after the first ``end`` operations: of what was not synced this survives, and
        as many names that came or went as ``names`` says (all, if ``None``)."""
        open_writes, open_names = set(self.open_writes(end)), self.open_names(end)
        gone = set(open_names[names:]) if names is not None else set()
        contents: dict[File, bytearray] = {}
        there = dict(self._roots)
        for name, root in there.items():
            contents[root] = bytearray(self.first[name])
        for number, operation in enumerate(self.done[:end]):
            kind, file = operation.kind, operation.file
            if kind in ("create", "rename", "remove") and number in gone:
                continue
            if kind == "create" and file is not None:
                there[operation.new] = file
                contents.setdefault(file, bytearray())
            elif kind == "rename":
                there[operation.new] = there.pop(operation.old)
            elif kind == "remove":
                del there[operation.old]
            elif kind == "truncate" and file is not None and (number not in open_writes or survives(number, 0)):
                del contents.setdefault(file, bytearray())[operation.offset :]
            elif kind == "write" and file is not None:
                data = contents.setdefault(file, bytearray())
                for sector, offset, piece in sectors(operation):
                    if number not in open_writes or survives(number, sector):
                        _write(data, offset, piece)
        return type(self)({name: bytes(contents[file]) for name, file in there.items()})


def sectors(operation: Operation) -> list[tuple[int, int, bytes]]:
    """What a write changes, cut where sectors begin: their numbers from 0, where, and what."""
    pieces: list[tuple[int, int, bytes]] = []
    at, end = operation.offset, operation.offset + len(operation.data)
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        pieces.append((len(pieces), at, operation.data[at - operation.offset : stop - operation.offset]))
        at = stop
    return pieces


def _write(data: bytearray, offset: int, piece: bytes) -> None:
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(piece)] = piece
