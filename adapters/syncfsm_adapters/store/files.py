"""The files of a store, as its code sees them: few operations, so that tests can put a disk in their place that fails.

What is written is in the hands of the operating system at once, and so outlives the process. It outlives a power
failure when ``sync`` (contents) and ``sync_names`` (that a file is there, or gone) have returned.
"""

import fcntl
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self

from syncfsm.errors import LocalError

OPEN_FILES: Final = 8
"""Most files that a store has open: those used last."""
PARTS: Final = 512
"""Most pieces that one call writes; systems take 1,024."""
LOCK: Final = "lock"
DRAFT: Final = ".draft"
"""How the name of a file ends that is not complete yet."""


class Files(Protocol):
    """A folder of files. Every method may raise ``OSError``."""

    def names(self) -> list[str]:
        """All files, sorted."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a file."""
        ...

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Fewer than ``size`` bytes if the file ends before."""
        ...

    def create(self, name: str) -> None:
        """A new, empty file."""
        ...

    def write(self, name: str, offset: int, parts: Sequence[bytes]) -> None:
        """All of the parts, one after the other; after an ``OSError`` some of them may be there."""
        ...

    def truncate(self, name: str, size: int) -> None: ...

    def sync(self, name: str) -> None:
        """What was written to the file survives a power failure."""
        ...

    def rename(self, old: str, new: str) -> None:
        """A file of the new name is replaced."""
        ...

    def remove(self, name: str) -> None: ...

    def sync_names(self) -> None:
        """What files there are survives a power failure."""
        ...

    def intact(self, name: str, size: int) -> bool:
        """Whether the name still leads to the file that is written to, and it has this size."""
        ...

    def forget(self, name: str) -> None:
        """The file is gone, or is not the one it was: do not go on with what is open."""
        ...

    def later(self, job: Callable[["Files"], None]) -> "Future[None]":
        """Do the job beside what else is done, in the order of the calls; it is given files of its own."""
        ...

    def close(self) -> None:
        """After all jobs are done."""
        ...


def put(files: Files, name: str, parts: Sequence[bytes]) -> None:
    """Write a file that appears complete or not at all, also after a power failure."""
    draft = name + DRAFT
    if draft in files.names():
        files.remove(draft)
    files.create(draft)
    files.write(draft, 0, parts)
    files.sync(draft)
    files.rename(draft, name)
    files.sync_names()


class Disk:
    """A folder of the file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = os.path.join(folder, "")
        self._open: OrderedDict[str, int] = OrderedDict()
        self._written: tuple[str, ...] = ()
        """The two files that were written to last, which stay open, so that they can be told from others of their
        name."""
        self._lock: int | None = None
        self._worker: ThreadPoolExecutor | None = None

    @classmethod
    def locked(cls, folder: Path) -> Self:
        """The folder, for this process alone until ``close``. ``LocalError`` if somebody else has it."""
        disk = cls(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            raise LocalError(
                f"the block store {folder} is in use by another process. Stop that one, or give each node a path of "
                "its own"
            ) from error
        disk._lock = lock
        return disk

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def size(self, name: str) -> int:
        return os.stat(self._prefix + name).st_size

    def read(self, name: str, offset: int, size: int) -> bytes:
        file = self._file(name)
        data = os.pread(file, size, offset)
        if len(data) == size or not data:
            return data
        pieces = [data]
        while data and (left := size - sum(map(len, pieces))) > 0:
            data = os.pread(file, left, offset + size - left)
            pieces.append(data)
        return b"".join(pieces)

    def create(self, name: str) -> None:
        self._keep(name, os.open(self._prefix + name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))

    def write(self, name: str, offset: int, parts: Sequence[bytes]) -> None:
        file = self._file(name)
        if name not in self._written:
            self._written = (*self._written[-1:], name)
        for start in range(0, len(parts), PARTS):
            some = parts[start : start + PARTS]
            size = sum(map(len, some))
            done = os.pwritev(file, some, offset)
            if done < size:  # seldom: a signal, or the disk is nearly full, which the next call then says
                rest = memoryview(b"".join(some))[done:]
                while rest:
                    rest = rest[os.pwrite(file, rest, offset + size - len(rest)) :]
            offset += size

    def truncate(self, name: str, size: int) -> None:
        os.ftruncate(self._file(name), size)

    def sync(self, name: str) -> None:
        os.fdatasync(self._file(name))

    def rename(self, old: str, new: str) -> None:
        self.forget(new)
        self.forget(old)
        os.replace(self._prefix + old, self._prefix + new)

    def remove(self, name: str) -> None:
        self.forget(name)
        os.unlink(self._prefix + name)

    def sync_names(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def intact(self, name: str, size: int) -> bool:
        try:
            there = os.stat(self._prefix + name)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file(name))
        return (there.st_dev, there.st_ino, there.st_size) == (ours.st_dev, ours.st_ino, size)

    def later(self, job: Callable[[Files], None]) -> "Future[None]":
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="store")
        return self._worker.submit(self._apart, job)

    def _apart(self, job: Callable[[Files], None]) -> None:
        disk = Disk(self.folder)
        try:
            job(disk)
        finally:
            disk.close()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None
        for file in self._open.values():
            os.close(file)
        self._open.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _file(self, name: str) -> int:
        file = self._open.get(name)
        if file is None:
            path = self._prefix + name
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except PermissionError:  # to look at a store takes no right to write
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._keep(name, file)
        else:
            self._open.move_to_end(name)
        return file

    def _keep(self, name: str, file: int) -> None:
        self._open[name] = file
        if len(self._open) > OPEN_FILES:
            oldest = next(other for other in self._open if other not in (*self._written, name))
            os.close(self._open.pop(oldest))

    def forget(self, name: str) -> None:
        with suppress(KeyError):
            os.close(self._open.pop(name))
