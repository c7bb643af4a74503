"""The files of a guard: two slots that are written by turns, and a lock.

A slot is ``magic ‖ sequence ‖ owner ‖ length ‖ checksum ‖ content``. It is overwritten in place, so a write that is
torn costs this slot alone, and the other one has what was kept before. A slot may be longer than what it holds.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final, Protocol

import attrs

from syncfsm.errors import LocalError

MAGIC: Final = b"signed 1"
OWNER_BYTES: Final = 16
"""A random number of the process that wrote a slot."""
PREFIX: Final = Struct(">8sQ16sI16s")
SLOTS: Final = (0, 1)


@attrs.frozen
class Slot:
    """What one slot holds. ``sequence`` grows by one with every write."""

    sequence: int
    owner: bytes
    content: bytes

    def encode(self) -> bytes:
        length = len(self.content)
        sum = _checksum(self.sequence, self.owner, self.content)
        return PREFIX.pack(MAGIC, self.sequence, self.owner, length, sum) + self.content


def decode(data: bytes) -> Slot | None:
    """The slot in these bytes; ``None`` if they are no whole slot: torn, or damaged."""
    if len(data) < PREFIX.size:
        return None
    magic, sequence, owner, length, sum = PREFIX.unpack_from(data)
    content = data[PREFIX.size : PREFIX.size + length]
    if magic != MAGIC or len(content) != length or sum != _checksum(sequence, owner, content):
        return None
    return Slot(sequence, owner, content)


def _checksum(sequence: int, owner: bytes, content: bytes) -> bytes:
    covered = sequence.to_bytes(8) + owner + len(content).to_bytes(4) + content
    return blake2b(covered, digest_size=16).digest()


class Files(Protocol):
    """Where the slots of a guard are. ``OSError`` goes to the caller."""

    def lock(self) -> None:
        """Keep every other process out until ``close``. ``BlockingIOError`` if there is one."""
        ...

    def read(self, slot: int, most: int = -1) -> bytes | None:
        """The first ``most`` bytes of a slot, all if that is negative; ``None`` if there is no such file."""
        ...

    def write(self, slot: int, data: bytes) -> None:
        """Overwrite the beginning of a slot, made if it is not there; once this returns, it survives a power
        failure."""
        ...

    def settle(self) -> None:
        """Once this returns, files that were made survive a power failure."""
        ...

    def close(self) -> None:
        """Let others in."""
        ...


class Folder:
    """The files in a folder, made if it does not exist.

    Slots are opened anew for every access: that is how a change by another machine is seen on a network file system,
    and how a file that was replaced is noticed. The lock is a file of its own that stays open. ``flock`` holds between
    two openings in one process too, and Linux carries it to the server of a network file system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def lock(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def read(self, slot: int, most: int = -1) -> bytes | None:
        try:
            with open(self._file(slot), "rb", buffering=0) as file:
                return file.read(most)
        except FileNotFoundError:
            return None

    def write(self, slot: int, data: bytes) -> None:
        file = os.open(self._file(slot), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(file, data[written:], written)
            _sync(file)
        finally:
            os.close(file)

    def settle(self) -> None:
        for folder in (self.path, self.path.parent):
            file = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _file(self, slot: int) -> Path:
        return self.path / f"slot-{slot}"


def _sync(file: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # without it, macOS leaves bytes in the drive's own memory
    if full is not None:
        fcntl.fcntl(file, full)
    else:
        os.fdatasync(file)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say what an error of the file system means, and what to do."""
    try:
        yield
    except BlockingIOError as error:
        raise LocalError(
            f"the guard in {path} is in use by another process: one sequencer at a time may sign with a key. Stop the "
            "other one; where it runs on another machine, look there"
        ) from error
    except OSError as error:
        raise LocalError(
            f"the guard in {path} can not be read or written: {error.strerror}. Without it nothing is signed. Look at "
            "the free space of the disk, at its health, and at the permissions; or give a folder with --guard, on a "
            "file system that has locks"
        ) from error
