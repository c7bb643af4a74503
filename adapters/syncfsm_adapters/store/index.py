"""The index of a segment that is full: a file beside it, made once, by which its blocks are found and its headers read
without looking at bodies.

    title    as the segment's own, with another first word summary  size, check sum, and a ``Summary`` as msgpack: all
    that opening a store needs of the segment columns  for each block, in the order of height and digest: heights,
    digests of the ids, where bodies start, and their
             sizes with their check sums; four columns of 64-bit numbers
    headers  in the same order, as msgpack, in chunks of ``CHUNK``

All parts have check sums. The file says nothing that the segment does not, so it can be made again.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from syncfsm.blocks import Header, Point
from syncfsm_adapters.store.base import Standing
from syncfsm_adapters.store.files import Files
from syncfsm_adapters.store.records import Link

MAGIC: Final = b"syncfsm index 2\n"
CHUNK: Final = 1024
"""Headers that are read at once."""
DIGEST_BYTES: Final = 8
_SIZES: Final = Struct("<III")
_COLUMNS: Final = 4
_HEADERS: Final = msgspec.msgpack.Decoder(list[Header])


class DamagedError(Exception):
    """A part of an index does not match its check sum."""


class Summary(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What opening a store needs of a segment: its ``size`` in bytes, the links of the log before and at its end, the
    heights of its blocks, what it says of blocks in other segments, and where the log stands at its end."""

    number: int
    size: int
    before: tuple[int, int]
    after: tuple[int, int]
    blocks: int
    low: int
    high: int
    dropped: list[Point]
    standing: Standing
    live: tuple[int, ...]
    columns_sum: int
    chunks: list[tuple[int, int]]
    """Where each chunk of headers ends, counted from the first, and its check sum."""

    @property
    def end(self) -> Link:
        return Link(*self.after)


_SUMMARY: Final = msgspec.msgpack.Decoder(Summary)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a body is."""

    segment: int
    offset: int
    size: int
    sum: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A block of a segment that has no index yet."""

    header: Header
    offset: int
    sum: int


class Columns:
    """The columns of one segment."""

    def __init__(self, segment: int, data: bytes) -> None:
        numbers = array("Q")
        numbers.frombytes(data)
        if sys.byteorder == "big":
            numbers.byteswap()
        count = len(numbers) // _COLUMNS
        self._segment = segment
        self._heights, self._digests, self._offsets, self._sizes = (
            numbers[start : start + count] for start in range(0, _COLUMNS * count, count or 1)
        ) if count else (numbers,) * _COLUMNS  # fmt: skip

    def find(self, height: int, digest: int, guess: int = 0) -> int | None:
        """Which row it is; soon found if ``guess`` is right."""
        if guess < len(self._digests) and self._digests[guess] == digest and self._heights[guess] == height:
            return guess
        low = bisect_left(self._heights, height)
        high = bisect_right(self._heights, height, low)
        row = bisect_left(self._digests, digest, low, high)
        return row if row < high and self._digests[row] == digest else None

    def place(self, row: int) -> Place:
        packed = self._sizes[row]
        return Place(self._segment, self._offsets[row], packed >> 32, packed & 0xFFFFFFFF)

    def height(self, row: int) -> int:
        return self._heights[row]

    def first(self, height: int) -> int:
        """The first row at or above this height."""
        return bisect_left(self._heights, height)


def digest(id: bytes, secret: bytes) -> int:
    """What stands for an id in an index. Who does not know the secret can not make two ids that have the same."""
    return int.from_bytes(blake2b(id, digest_size=DIGEST_BYTES, salt=secret).digest(), "little")


def name(number: int) -> str:
    """The name of a segment's index."""
    return f"{number:08d}.index"


def build(summary: Summary, entries: Sequence[Entry], secret: bytes) -> list[bytes]:
    """The content of the index of these blocks; ``summary`` lacks what follows from them. Some 0.8 µs a block."""
    digests = [digest(entry.header.id, secret) for entry in entries]
    keys = [entry.header.height << 64 | digest for entry, digest in zip(entries, digests, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ordered = [entries[row] for row in order]
    numbers = array("Q", [entry.header.height for entry in ordered])
    numbers.extend([digests[row] for row in order])
    numbers.extend([entry.offset for entry in ordered])
    numbers.extend([entry.header.size << 32 | entry.sum for entry in ordered])
    if sys.byteorder == "big":
        numbers.byteswap()
    columns = numbers.tobytes()
    headers = [entry.header for entry in ordered]
    chunks = [msgspec.msgpack.encode(headers[start : start + CHUNK]) for start in range(0, len(headers), CHUNK)]
    summary = msgspec.structs.replace(
        summary,
        blocks=len(headers),
        low=headers[0].height if headers else 0,
        high=headers[-1].height if headers else -1,
        columns_sum=crc32(columns),
        chunks=list(zip(accumulate(map(len, chunks)), map(crc32, chunks), strict=True)),
    )
    encoded = msgspec.msgpack.encode(summary)
    start = MAGIC + secret
    return [start, _SIZES.pack(crc32(start), len(encoded), crc32(encoded)), encoded, columns, *chunks]


def read(files: Files, number: int, secret: bytes) -> "Index":
    """Raises ``DamagedError`` if the beginning of the file is not what was written, and ``OSError`` if it is not
    there."""
    start_bytes = MAGIC + secret
    start = len(start_bytes) + _SIZES.size
    data = files.read(name(number), 0, 4096)
    if len(data) < start or data[: len(start_bytes)] != start_bytes:
        raise DamagedError
    start_sum, size, sum = _SIZES.unpack_from(data, len(start_bytes))
    if start_sum != crc32(start_bytes) or start + size > files.size(name(number)):
        raise DamagedError
    encoded = data[start : start + size] + files.read(name(number), len(data), max(0, start + size - len(data)))
    if crc32(encoded) != sum:
        raise DamagedError
    try:
        summary = _SUMMARY.decode(encoded)
    except msgspec.DecodeError as error:
        raise DamagedError from error
    if summary.number != number:
        raise DamagedError
    return Index(files, summary, start + size)


class Index:
    """The index of a segment that is full."""

    def __init__(self, files: Files, summary: Summary, columns_at: int) -> None:
        self._files = files
        self.summary = summary
        self._columns_at = columns_at

    def columns(self) -> Columns:
        size = _COLUMNS * 8 * self.summary.blocks
        data = self._files.read(name(self.summary.number), self._columns_at, size)
        if crc32(data) != self.summary.columns_sum:
            raise DamagedError
        return Columns(self.summary.number, data)

    def chunk(self, number: int) -> list[Header]:
        """The headers of the rows from ``number * CHUNK`` on."""
        start = self.summary.chunks[number - 1][0] if number else 0
        end, sum = self.summary.chunks[number]
        at = self._columns_at + _COLUMNS * 8 * self.summary.blocks
        data = self._files.read(name(self.summary.number), at + start, end - start)
        if crc32(data) != sum:
            raise DamagedError
        return _HEADERS.decode(data)

    def check(self) -> None:
        """Look at all of it. Raises ``DamagedError``."""
        self.columns()
        for number in range(len(self.summary.chunks)):
            self.chunk(number)
