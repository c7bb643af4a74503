"""The segments of a store: one that is written to, and those that are full; where each block is.

A full segment has an index in a file, of which the parts that were asked for last are in memory; so what a store needs
of memory does not grow with the chain. What the segment that is written to holds is in memory.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import Final, TypeVar
from zlib import crc32

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import Standing
from syncfsm_adapters.store.index import CHUNK, Columns, DamagedError, Entry, Index, Place, Summary, build, digest
from syncfsm_adapters.store.records import Found, Link, Record

LOADED: Final = 16
"""Full segments whose columns are in memory at most."""
CHUNKS: Final = 4
"""Chunks of headers in memory at most."""
OVERHEAD: Final = 256
"""About what a block takes beside its body."""
_BY_HEIGHT: Final = attrgetter("height")
_ABOVE_ALL: Final = 2**63
Part = TypeVar("Part")


def name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:08d}.blocks"


class Growing:
    """A segment that is written to, or whose index is being made."""

    def __init__(self, number: int, before: Link) -> None:
        self.number, self.before = number, before
        self.end = before
        self.size = 0
        self.blocks: dict[bytes, Entry] = {}
        self.dropped: dict[Point, None] = {}
        self.high = -1

    def take(self, record: Record, bodies: int, end: int, link: Link) -> None:
        """A record has been written to it, its bodies from there on."""
        for header, sum in zip(record.headers, record.sums, strict=True):
            self.blocks[header.id] = Entry(header, bodies, sum)
            bodies += header.size
            if header.height > self.high:
                self.high = header.height
        self.dropped.update(dict.fromkeys(record.dropped))
        self.end, self.size = link, end

    def place(self, entry: Entry) -> Place:
        return Place(self.number, entry.offset, entry.header.size, entry.sum)

    def find(self, height: int, id: bytes) -> Entry | None:
        entry = self.blocks.get(id)
        return entry if entry is not None and entry.header.height == height else None

    def summary(self, standing: Standing, live: tuple[int, ...]) -> Summary:
        """What its index is to begin with."""
        before, after = (self.before.number, self.before.sum), (self.end.number, self.end.sum)
        dropped = list(self.dropped)
        return Summary(self.number, self.size, before, after, 0, 0, -1, dropped, standing, live, 0, [])

    def index(self, standing: Standing, live: tuple[int, ...], secret: bytes) -> list[bytes]:
        """The content of its index."""
        return build(self.summary(standing, live), list(self.blocks.values()), secret)


class Segments:
    """All segments of a store: the full ones by number, the growing ones from the oldest to the one written to."""

    def __init__(self, secret: bytes, mend: Callable[[int], Index]) -> None:
        self.secret = secret
        self.seed = crc32(secret)
        """What the check sums of records start from."""
        self._mend = mend
        """Makes the index of a full segment again."""
        self._hopeless: dict[int, str] = {}
        """Segments that were asked for this in vain, and what was the matter."""
        self.full: dict[int, Index] = {}
        self.growing: list[Growing] = []
        self.dead: dict[bytes, tuple[int, int]] = {}
        """Blocks that were dropped, and may still be in a segment: their heights, and the segment that says so. One
        that is in a later segment too has come again since."""
        self._order: list[int] = []
        self._highs: list[int] = []
        """The greatest height in a full segment or before it."""
        self._lows: list[int] = []
        """The smallest height in a full segment or after it."""
        self._columns: OrderedDict[int, Columns] = OrderedDict()
        self._guess = 0
        """The row after the one that was found last: the next block often is there."""
        self._chunks: OrderedDict[tuple[int, int], list[Header]] = OrderedDict()

    @property
    def active(self) -> Growing:
        """The one that is written to."""
        return self.growing[-1]

    @property
    def top(self) -> int:
        """The height of the highest block."""
        return max((*self._highs[-1:], *(segment.high for segment in self.growing)), default=-1)

    @property
    def live(self) -> tuple[int, ...]:
        """The numbers of all."""
        return (*self._order, *(segment.number for segment in self.growing))

    def take(self, segment: Growing, record: Record, bodies: int, end: int, link: Link) -> None:
        """A record is in this segment, which is the newest."""
        for header in record.headers if self.dead else ():
            if self.dead.pop(header.id, None) is not None:
                segment.dropped.pop(header.point, None)
        segment.take(record, bodies, end, link)
        self.kill(record.dropped, segment.number)

    def kill(self, points: Sequence[Point], number: int) -> None:
        """This segment says that these blocks are dropped."""
        self.dead.update((point.id, (point.height, number)) for point in points)

    def replay(self, segment: Growing, found: Found) -> None:
        """The same for a record that was found in the file."""
        self.take(segment, found.record, found.bodies, found.end, found.link)

    def filled(self, index: Index) -> None:
        """A growing segment has its index now, or a full one is there as the store is opened."""
        self.growing = [segment for segment in self.growing if segment.number != index.summary.number]
        self.full[index.summary.number] = index
        self.arrange()

    def forget(self, number: int) -> None:
        """A full segment is gone."""
        del self.full[number]
        self._columns.pop(number, None)
        for key in [key for key in self._chunks if key[0] == number]:
            del self._chunks[key]
        self.arrange()

    def bury(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Forget of these dropped blocks, heights and ids, those that are in no segment any more."""
        for height, id in blocks:
            if id in self.dead and self._place(height, id) is None:
                del self.dead[id]

    def rows(self, number: int) -> Iterator[tuple[Header, Place]]:
        """The blocks of a full segment, dropped ones too."""
        for chunk in range(len(self.full[number].summary.chunks)):
            yield from self.some_rows(number, chunk)

    def some_rows(self, number: int, chunk: int) -> list[tuple[Header, Place]]:
        """Those of one chunk."""
        columns = self._loaded(number)
        headers = self._read_chunk(number, chunk)
        return [(header, columns.place(chunk * CHUNK + row)) for row, header in enumerate(headers)]

    def needed_drops(self, number: int, points: Sequence[Point]) -> list[Point]:
        """Which of these, that a full segment says were dropped, still are in another one."""
        dropped = (point for point in points if self.dead.get(point.id, (0, 0))[1] == number)
        places = ((point, self._place(point.height, point.id)) for point in dropped)
        return [point for point, place in places if place is not None and place.segment != number]

    def waste(self) -> dict[int, int]:
        """About how many bytes of each full segment are those of dropped blocks."""
        found: dict[int, int] = {}
        for id, (height, _) in self.dead.items():
            place = self._place(height, id)
            if place is not None and self.find(height, id) is None:
                found[place.segment] = found.get(place.segment, 0) + place.size + OVERHEAD
        return found

    def arrange(self) -> None:
        self._order = sorted(self.full)
        summaries = [self.full[number].summary for number in self._order]
        self._highs = list(accumulate((summary.high for summary in summaries), max))
        lows = (summary.low if summary.blocks else _ABOVE_ALL for summary in reversed(summaries))
        self._lows = list(accumulate(lows, min))[::-1]

    # Looking up -------------------------------------------------------------------------------------------------

    def find(self, height: int, id: bytes) -> Place | None:
        """Where a block is; ``None`` if it is not held."""
        place = self._place(height, id)
        if place is not None and id in self.dead and place.segment <= self.dead[id][1]:
            return None
        return place

    def _place(self, height: int, id: bytes) -> Place | None:
        """Where a block is, be it dropped or not: in the newest segment that has it."""
        for segment in reversed(self.growing):
            if (entry := segment.find(height, id)) is not None:
                return segment.place(entry)
        found = self._row(height, id)
        return found[1].place(found[2]) if found is not None else None

    def header(self, point: Point) -> Header | None:
        """The header of a held block."""
        if point.id in self.dead and self.find(point.height, point.id) is None:
            return None
        for segment in reversed(self.growing):
            if (entry := segment.find(point.height, point.id)) is not None:
                return entry.header
        found = self._row(point.height, point.id)
        if found is None:
            return None
        header = self._chunk(found[0], found[2] // CHUNK)[found[2] % CHUNK]
        return header if header.id == point.id else None

    def from_height(self, height: int) -> Iterator[Header]:
        """All held headers at or above this height, in the order of their heights. A block whose body was stored again
        comes again. Few are in memory at a time; nothing may change meanwhile."""
        dead = self.dead
        for headers in self._sweep(height):
            if dead:
                headers = [h for h in headers if h.id not in dead or self.find(h.height, h.id) is not None]
            yield from headers

    def _sweep(self, height: int) -> Iterator[list[Header]]:
        """The same, dropped ones too, in pieces: what is below all that is still to be read can go."""
        waiting: list[Header] = []
        for low, read in sorted(self._chunks_from(height), key=itemgetter(0)):
            done = bisect_left(waiting, low, key=_BY_HEIGHT)
            yield waiting[:done]
            waiting = sorted((*waiting[done:], *read()), key=_BY_HEIGHT)
            waiting = waiting[bisect_left(waiting, height, key=_BY_HEIGHT) :]
        yield waiting

    def _chunks_from(self, height: int) -> Iterator[tuple[int, Callable[[], Iterable[Header]]]]:
        """Where headers at or above this height are: the lowest height there, and how they are read."""
        for number in self._between(height, None):
            columns = self._loaded(number)
            for chunk in range(columns.first(height) // CHUNK, len(self.full[number].summary.chunks)):
                yield columns.height(chunk * CHUNK), partial(self._read_chunk, number, chunk)
        for segment in self.growing:
            headers = [entry.header for entry in segment.blocks.values()]
            yield min(map(_BY_HEIGHT, headers), default=0), partial(iter, headers)

    def _or_mended(self, number: int, read: Callable[[Index], Part]) -> Part:
        """What is read from an index, which is made again if that fails. ``LocalError`` if that can not be done."""
        if number in self._hopeless:
            raise LocalError(self._hopeless[number])
        try:
            return read(self.full[number])
        except (DamagedError, OSError):
            try:
                self.full[number] = self._mend(number)
            except LocalError as error:
                self._hopeless[number] = str(error)
                raise
            return read(self.full[number])

    def _read_chunk(self, number: int, chunk: int) -> list[Header]:
        return self._or_mended(number, lambda index: index.chunk(chunk))

    def _row(self, height: int, id: bytes) -> tuple[Index, Columns, int] | None:
        """The newest full segment that has it, and which row it is there."""
        if not self._highs or height > self._highs[-1]:
            return None
        key = digest(id, self.secret)
        for number in reversed(self._between(height, height)):
            index = self.full[number]
            if index.summary.low <= height <= index.summary.high:
                columns = self._loaded(number)
                row = columns.find(height, key, self._guess)
                if row is not None:
                    self._guess = row + 1
                    return index, columns, row
        return None

    def _between(self, low: int, high: int | None) -> Sequence[int]:
        """The full segments that may have blocks from height ``low`` to ``high``, from the oldest to the newest."""
        first = bisect_left(self._highs, low)
        last = len(self._order) if high is None else bisect_left(self._lows, high + 1)
        return self._order[first:last]

    def _loaded(self, number: int) -> Columns:
        columns = self._columns.get(number)
        if columns is None:
            columns = self._columns[number] = self._or_mended(number, Index.columns)
            if len(self._columns) > LOADED:
                self._columns.popitem(last=False)
        else:
            self._columns.move_to_end(number)
        return columns

    def _chunk(self, index: Index, number: int) -> list[Header]:
        key = index.summary.number, number
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = self._read_chunk(*key)
            if len(self._chunks) > CHUNKS:
                self._chunks.popitem(last=False)
        return chunk
