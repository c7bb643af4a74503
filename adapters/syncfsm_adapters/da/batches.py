"""Which batch has which blocks, in a file, for whoever asks. It is a list of what the reader has told, and the reader
never looks at it: what is lost of it costs an answer, and nothing else.

    title    ``MAGIC``
    batches  first height, last height, height of the layer, check sum; lowest first, and none overlaps another

It grows by 28 bytes a batch, and nothing of it is in memory.
"""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import IO, Final, overload
from zlib import crc32

from syncfsm.errors import LocalError
from syncfsm.truth.reader.types import Confirmed
from syncfsm.truth.stands import Batched, batched

MAGIC: Final = b"syncfsm batches of a layer 1"
_ROW: Final = Struct("<QQQ")
_SUM: Final = Struct("<I")
ROW_BYTES: Final = _ROW.size + _SUM.size
MANY: Final = 4096
"""Rows that are looked at at once when the file is checked."""


class Batches:
    """The list in the file ``path``, which is made with the first batch. To open it looks at all of it, a second for a
    million batches: what is damaged is cut off, with all after it, and ``lost`` is how many bytes that were.

    Every method raises ``LocalError`` if the file can not be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.lost = path, 0
        try:
            if path.exists():
                self._check()
        except OSError as error:
            raise self._unusable(error) from error

    def tell(self, told: Confirmed) -> None:
        """Keep a batch, in place of those that had the same blocks before. What was taken back is not cut off: whoever
        asks knows up to where blocks are confirmed, and what comes next takes its place."""
        try:
            with self._opened() as file:
                rows = _Rows(file)
                rows.cut(rows.having(told.cover.first))
                rows.add(batched(told))
        except OSError as error:
            raise self._unusable(error) from error

    def find(self, height: int) -> Batched | None:
        """The batch that has the block at this height, which must be confirmed; ``None`` if it is not known."""
        try:
            if not self._path.exists():
                return None
            with self._path.open("rb") as file:
                rows = _Rows(file)
                at = rows.having(height)
                found = rows.read(at) if at < len(rows) else None
        except OSError as error:
            raise self._unusable(error) from error
        return found if found is not None and found.first <= height else None

    def _opened(self) -> IO[bytes]:
        if not self._path.exists():
            self._path.write_bytes(MAGIC)
        return self._path.open("r+b", buffering=0)

    def _check(self) -> None:
        with self._path.open("r+b", buffering=0) as file:
            size = file.seek(0, 2)
            end = _sound(file)
            if end < size:
                self.lost = size - end
                file.truncate(end)
            if not end:
                file.seek(0)
                file.write(MAGIC)

    def _unusable(self, error: OSError) -> LocalError:
        return LocalError(
            f"the list of batches in {self._path} can not be used ({error}); make room, or remove it: then it is not "
            "known any more which batch has which blocks"
        )


def _sound(file: IO[bytes]) -> int:
    """How many bytes from the beginning are what was written."""
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return 0
    end, last = len(MAGIC), -1
    while data := file.read(MANY * ROW_BYTES):
        for start in range(0, len(data) - ROW_BYTES + 1, ROW_BYTES):
            row = _row(data[start : start + ROW_BYTES])
            if row is None or not last < row.first <= row.last:
                return end
            end, last = end + ROW_BYTES, row.last
    return end


def _row(data: bytes) -> Batched | None:
    """What a row says, ``None`` if it is not what was written."""
    if len(data) < ROW_BYTES or _SUM.unpack_from(data, _ROW.size)[0] != crc32(data[: _ROW.size]):
        return None
    return Batched(*_ROW.unpack_from(data))


class _Rows(Sequence[int]):
    """The rows of an open file, each by the height of its last block."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __len__(self) -> int:
        return max(0, self._file.seek(0, 2) - len(MAGIC)) // ROW_BYTES

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        row = self.read(at)
        return row.last if row is not None else -1

    def read(self, at: int) -> Batched | None:
        self._file.seek(len(MAGIC) + at * ROW_BYTES)
        return _row(self._file.read(ROW_BYTES))

    def having(self, height: int) -> int:
        """The first row that reaches up to this height."""
        return bisect_left(self, height)

    def cut(self, count: int) -> None:
        """Keep so many of them."""
        if count < len(self):
            self._file.truncate(len(MAGIC) + count * ROW_BYTES)

    def add(self, batch: Batched) -> None:
        said = _ROW.pack(batch.first, batch.last, batch.layer)
        self._file.seek(0, 2)
        self._file.write(said + _SUM.pack(crc32(said)))
