"""Opening a store: what its files hold, what does not hang together, and what is to be done about it.

Full segments are taken at their index's word. What has none is read in full: it ends at the first flaw that it was not
promised to survive. A flaw below that leaves the store as it is: whoever repairs it decides.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import msgspec

from syncfsm.blocks import Point
from syncfsm_adapters.store import index
from syncfsm_adapters.store.base import Standing, damaged
from syncfsm_adapters.store.files import DRAFT, Files, put
from syncfsm_adapters.store.index import Index
from syncfsm_adapters.store.marks import Mark
from syncfsm_adapters.store.records import TITLE_BYTES, Found, Link, Record, secret_in, strays, walk
from syncfsm_adapters.store.segments import Growing, Segments, name

BLOCKS: Final = ".blocks"
INDEX: Final = ".index"


@attrs.frozen(kw_only=True)
class Report:
    """What was noticed on opening. Of a store that is whole and was closed or killed in order, all is nothing."""

    cut_bytes: int = 0
    """Bytes at the end of the log that are no whole record, or stand behind such."""
    cut_records: int = 0
    """Records that can still be made out among them."""
    behind: int = 0
    """Changes that the store had acknowledged, and that are gone."""
    owed: int | None = None
    """The height of the head that it had once; gone when it has one as high again."""
    lost: tuple[Point, ...] = ()
    """Blocks without their bodies, as far as opening has looked."""
    rebuilt: tuple[int, ...] = ()
    """Segments whose index was not there or damaged."""
    short: tuple[int, ...] = ()
    """Segments that are shorter than they were, or gone; their bodies are missing."""
    unmarked: bool = False
    """The mark is gone, so nobody knows whether the log is all that it was."""

    @property
    def lines(self) -> list[str]:
        """What there is to tell, each with how much."""
        told = []
        if self.cut_bytes:
            told.append(f"{self.cut_bytes:,} bytes were cut off at its end ({self.cut_records} whole changes in them)")
        if self.behind:
            told.append(f"{self.behind:,} changes that it had acknowledged are gone")
        if self.owed is not None:
            told.append(f"its head was at height {self.owed} once and is below that now")
        if self.lost:
            told.append(f"{len(self.lost):,} bodies are damaged, the first is that of block {self.lost[0]}")
        if self.rebuilt:
            told.append(f"{len(self.rebuilt)} indexes were made again")
        if self.short:
            told.append(f"segments {', '.join(map(str, self.short))} are cut short or gone: their bodies are missing")
        if self.unmarked:
            told.append("the file 'mark' was missing, so that it can not be told whether anything else is")
        return told


@attrs.define
class Opened:
    """What a store's files hold."""

    segments: Segments
    standing: Standing
    end: Link
    durable: int
    """The number of the last record that is known to be on the disk."""
    report: Report
    keep: tuple[int, int] | None = None
    """The number of the segment that is to be cut, and its size then."""
    remove: tuple[str, ...] = ()
    """Files that are to go, in this order."""
    drafts: tuple[str, ...] = ()
    """Files that were never finished."""


@attrs.define
class _Tail:
    """A segment without an index: its records, and how many bytes they and the file have."""

    number: int
    size: int
    found: list[Found] = attrs.field(factory=list)
    whole: bool = False
    strays: list[Found] = attrs.field(factory=list)

    @property
    def end(self) -> int:
        return self.found[-1].end if self.found else 0


def fold(standing: Standing, record: Record) -> Standing:
    """The standing after a record."""
    banned = standing.banned
    if record.ban or record.unban:
        banned = tuple(sorted({*banned, *record.ban} - set(record.unban)))
    return msgspec.structs.replace(
        standing,
        head=record.head or standing.head,
        final=record.final or standing.final,
        base=record.base or standing.base,
        banned=banned,
    )


def numbers(names: Sequence[str], ending: str) -> list[int]:
    """The numbers of the segments whose files end like this."""
    stems = (file.removesuffix(ending) for file in names if file.endswith(ending))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


class Recovery:
    """Looks at the files of ``store``, which is how messages name it. Nothing but indexes is written.

    ``LocalError`` if it can not be opened without the loss of what was promised. ``shorter`` takes a log that ends too
    early, ``accept`` takes all else too; what is lost is reported as it always is.
    """

    def __init__(self, files: Files, store: object, *, shorter: bool = False, accept: bool = False) -> None:
        self._files, self._store, self._accept = files, store, accept
        self._shorter = shorter or accept
        self._names = files.names()
        self._mark = Mark.read(files)
        self._rebuilt: list[int] = []
        self._short: list[int] = []
        self._segments = Segments(self._secret(), self.rebuild)
        self._standing: Standing | None = None
        self._live: tuple[int, ...] = ()
        self._end: Link | None = None
        self._last = 0
        """The number of the segment that was looked at last."""

    def run(self) -> Opened:
        present = numbers(self._names, BLOCKS)
        indexed = self._indexed()
        newest = max(indexed, default=0)
        for number in sorted({*present, *indexed}):
            if number in indexed:
                self._full(indexed[number])
            elif number < newest:
                self._without_index(number)
        tails = self._read_tails([number for number in present if number > newest])
        keep, cut = self._cut(tails)
        self._replay(tails, keep)
        return self._opened(tails, keep, cut)

    # Full segments ----------------------------------------------------------------------------------------------

    def _secret(self) -> bytes:
        for number in numbers(self._names, BLOCKS):
            secret = secret_in(self._files.read(name(number), 0, TITLE_BYTES))
            if secret is not None:
                return secret
        raise damaged(self._store, "it has no segment, or none that begins as one should")

    def _indexed(self) -> dict[int, Index]:
        found = {}
        for number in numbers(self._names, INDEX):
            try:
                found[number] = index.read(self._files, number, self._segments.secret)
            except (index.DamagedError, OSError):
                if number in numbers(self._names, BLOCKS):
                    self._rebuilt.append(number)
        return found

    def _full(self, found: Index) -> None:
        summary = found.summary
        self._follow(summary.number, Link(*summary.before))
        size = self._files.size(name(summary.number)) if name(summary.number) in self._names else 0
        if size < summary.size:
            self._short.append(summary.number)
        self._segments.kill(summary.dropped, summary.number)
        self._segments.full[summary.number] = found
        self._standing, self._live, self._end = summary.standing, summary.live, summary.end
        self._last = summary.number

    def _without_index(self, number: int) -> None:
        """A segment that must be whole, as later ones are there."""
        tail = self._read_tail(number, self._end if number == self._last + 1 else None)
        if not tail.whole:
            raise damaged(self._store, f"segment {number} has a flaw at byte {tail.end:,}, and its index is gone")
        segment = Growing(number, _before(tail.found[0]))
        for found in tail.found:
            self._take(segment, found)
        put(self._files, index.name(number), segment.index(self._known, self._live, self._segments.secret))
        self._segments.full[number] = index.read(self._files, number, self._segments.secret)
        self._last = number
        if number not in self._rebuilt:
            self._rebuilt.append(number)

    def rebuild(self, number: int) -> Index:
        """The index of a full segment, made again from the segment and the summary that is known of it."""
        known = self._segments.full[number].summary
        tail = self._read_tail(number, Link(*known.before))
        if tail.end < known.size:
            flaw = f"the index of segment {number} is damaged, and the segment has a flaw at byte {tail.end:,}"
            raise damaged(self._store, flaw)
        segment = Growing(number, Link(*known.before))
        for found in tail.found:
            segment.take(found.record, found.bodies, found.end, found.link)
        entries = list(segment.blocks.values())
        put(self._files, index.name(number), index.build(known, entries, self._segments.secret))
        return index.read(self._files, number, self._segments.secret)

    def _follow(self, number: int, before: Link) -> None:
        if self._end is not None and number == self._last + 1 and before != self._end and not self._accept:
            detail = f"segment {number} does not follow segment {self._last}: one of them is from another time"
            raise damaged(self._store, detail)

    # The end of the log -----------------------------------------------------------------------------------------

    def _read_tail(self, number: int, after: Link | None) -> _Tail:
        size = self._files.size(name(number))
        data = self._files.read(name(number), 0, size)
        tail = _Tail(number, size)
        if secret_in(data) == self._segments.secret:
            tail.found = list(walk(data, after, self._segments.seed))
        start = tail.found[0].record.start if tail.found else None
        if start is None or start.number != number:
            tail.found = []
        tail.whole = bool(tail.found) and tail.end == size
        if not tail.whole:
            tail.strays = list(strays(data, tail.end, self._segments.seed))
        return tail

    def _read_tails(self, found: Sequence[int]) -> list[_Tail]:
        tails = []
        end = self._end
        last = self._last
        flawed = False
        for number in found:
            tail = self._read_tail(number, end if end is not None and number == last + 1 else None)
            if flawed:  # what stands behind a flaw counts for nothing, but tells what was promised
                tail.found, tail.strays = [], [*tail.found, *tail.strays]
            flawed = flawed or not tail.whole
            tails.append(tail)
            end, last = tail.found[-1].link if tail.found else end, number
        return tails

    def _cut(self, tails: Sequence[_Tail]) -> tuple[int, bool]:
        """The number of the last record that stays, and whether any go."""
        all_found = [found for tail in tails for found in tail.found]
        all_strays = [found for tail in tails for found in tail.strays]
        promised = max((found.durable for found in (*all_found, *all_strays)), default=0)
        if self._mark is not None and self._mark.power:
            promised = max(promised, self._mark.number)
        last = self._end.number if self._end is not None else 0
        for found in all_found:
            if found.bad and found.link.number > promised:
                break
            last = found.link.number
        if last < promised and not self._shorter:
            flawed = next(tail for tail in tails if not tail.whole) if any(not t.whole for t in tails) else None
            place = f"segment {flawed.number} has a flaw at byte {flawed.end:,}" if flawed else "its log ends too early"
            gone = f"{promised - last:,} changes that were on the disk are gone from there on"
            raise damaged(self._store, f"{place}: {gone}")
        self._durable = min(promised, last)
        return last, any(not tail.whole for tail in tails) or bool(all_found and all_found[-1].link.number > last)

    def _replay(self, tails: Sequence[_Tail], keep: int) -> None:
        for tail in tails:
            found = [each for each in tail.found if each.link.number <= keep]
            if not found:
                break
            segment = Growing(tail.number, _before(found[0]))
            self._segments.growing.append(segment)
            for each in found:
                self._take(segment, each)

    def _take(self, segment: Growing, found: Found) -> None:
        record = found.record
        self._segments.replay(segment, found)
        if record.start is not None:
            self._live, self._standing = record.start.live, record.start.standing
        self._standing = fold(self._known, record)
        self._live = tuple(number for number in self._live if number not in record.retired)
        self._end = found.link

    @property
    def _known(self) -> Standing:
        if self._standing is None:
            raise damaged(self._store, "no segment begins with where the log stood")
        return self._standing

    # What comes of it -------------------------------------------------------------------------------------------

    def _opened(self, tails: Sequence[_Tail], keep: int, cut: bool) -> Opened:
        standing = self._known
        assert self._end is not None
        self._segments.arrange()
        gone = [number for number in self._live if number not in self._segments.live]
        if gone and not self._accept:
            raise damaged(self._store, f"segments {', '.join(map(str, gone))} and their indexes are gone")
        growing = {segment.number: segment for segment in self._segments.growing}
        useless = [tail.number for tail in reversed(tails) if tail.number not in growing]
        leftover = [number for number in self._segments.full if number not in self._live]
        for number in leftover:
            self._segments.forget(number)
        files = [name(number) for number in useless]
        files += [file for number in leftover for file in (name(number), index.name(number)) if file in self._names]
        drafts = tuple(file for file in self._names if file.endswith(DRAFT))
        last = self._segments.growing[-1] if growing else None
        sizes = {tail.number: tail.size for tail in tails}
        cut_bytes = sum(sizes[number] for number in useless) + (sizes[last.number] - last.size if last else 0)
        records = [found for tail in tails for found in (*tail.found, *tail.strays) if found.link.number > keep]
        lost = tuple(
            point for tail in tails for found in tail.found if found.link.number <= keep
            for point in self._lost(tail.number, found)
        )  # fmt: skip
        behind, owed = self._behind(standing, records)
        report = Report(
            cut_bytes=cut_bytes, cut_records=len(records), behind=behind, owed=owed,
            lost=lost, rebuilt=tuple(self._rebuilt), short=tuple(self._short), unmarked=self._mark is None,
        )  # fmt: skip
        size = (last.number, last.size) if last is not None and cut else None
        return Opened(self._segments, standing, self._end, self._durable, report, size, tuple(files), drafts)

    def _lost(self, segment: int, found: Found) -> Iterator[Point]:
        """Blocks whose bodies in this record are bad, and are not somewhere else too."""
        for row in found.bad:
            header = found.record.headers[row]
            offset = found.bodies + sum(before.size for before in found.record.headers[:row])
            place = self._segments.find(header.height, header.id)
            if place is not None and (place.segment, place.offset) == (segment, offset):
                yield header.point

    def _behind(self, standing: Standing, gone: Sequence[Found]) -> tuple[int, int | None]:
        """How many acknowledged changes are gone, and the height of the head then. What was written after a record
        shows that it had been acknowledged."""
        assert self._end is not None
        newest = max((found.link.number for found in gone), default=0)
        heights = [found.record.head.height for found in gone if found.record.head and found.link.number < newest]
        reached = newest - 1
        owed = 0
        if self._mark is not None:
            reached, owed = max(reached, self._mark.number), self._mark.owed or 0
            if self._mark.number > self._end.number:
                heights.append(self._mark.height)
        heights += (found.record.start.standing.head.height for found in gone if found.record.start)
        behind = max(0, reached - self._end.number)
        if behind:  # it may not be known how high the head was: a block or more
            heights.append(standing.head.height + 1)
        owed = max(owed, *heights, 0)
        return behind, owed if owed > standing.head.height else None


def _before(first: Found) -> Link:
    return Link(first.link.number - 1, first.previous)
