"""The block store in a folder of its own: a log that every change is appended to once, with the bodies in it.

    00000007.blocks   a segment of the log (``records``); the one with the greatest number is written to
    00000006.index    of a full segment: where its blocks are, and their headers once more (``index``)
    mark              how far the log had come (``marks``)
    lock              held while the store is open

A change is one write to the end of the log, and one of 40 bytes to the mark. There is no checkpoint: when a segment is
full the next one begins, and a thread has the full one reach the disk and makes its index.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final, Self
from zlib import crc32

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store import index, marks
from syncfsm_adapters.store.base import Change, Standing, Tell, silent
from syncfsm_adapters.store.checked import CheckedStore
from syncfsm_adapters.store.files import Disk, Files, put
from syncfsm_adapters.store.folder import check_kind, create, translated
from syncfsm_adapters.store.index import Place
from syncfsm_adapters.store.marks import Mark
from syncfsm_adapters.store.records import Link, Record, Start, body_sum, encode, title
from syncfsm_adapters.store.recover import Opened, Recovery, Report
from syncfsm_adapters.store.segments import Growing, name

WAITING: Final = 4
"""Full segments that may wait for their index; then writing waits too."""
TOGETHER: Final = 16 * 1024
"""Bodies up to this size that stand near each other are read together."""
GAP: Final = 4 * 1024
"""How near: what else the log has between two blocks that came alone."""
SPAN: Final = 512 * 1024
"""Most bytes that are read at once for that."""
_NOTHING: Final = Record()


class Promise(StrEnum):
    """What has survived when a commit returns. Either way the store stays consistent, and a kill loses nothing."""

    KILL = "kill"
    """All, if the process is killed. A power failure may take the last commits."""
    POWER = "power"
    """All, also if the power fails: every commit waits for the disk."""


class FileStore(CheckedStore):
    """A block store in a folder. Make one with ``open``. It holds the folder locked until it is closed."""

    segment_bytes: ClassVar = 64 * 1024 * 1024
    """A segment is full when it has so many bytes: what may have to be read in full when a store is opened."""
    segment_blocks: ClassVar = 16 * 1024
    """… or so many blocks: their headers are in memory till then, and its index is made at once, in some 15 ms."""

    def __init__(
        self,
        files: Files,
        path: Path,
        opened: Opened,
        *,
        promise: Promise = Promise.KILL,
        keep_history: bool = True,
        tell: Tell = silent,
    ) -> None:
        self._files, self._path, self._tell = files, path, tell
        self._power, self._keep_history = promise is Promise.POWER, keep_history
        self.report: Report = opened.report
        """What was noticed on opening."""
        self.owed: int | None = opened.report.owed
        """The height of the head that the store had acknowledged and came back without, until it has one as high. Until
        then whoever makes blocks must not make any."""
        self._segments = opened.segments
        self._standing = opened.standing
        self._durable = opened.durable
        self._seed = crc32(opened.segments.secret)
        self._lost = dict.fromkeys(opened.report.lost)
        self._top = max(opened.segments.top, opened.standing.genesis.height)
        """No block is above this height."""
        self._jobs: list[tuple[Growing, Future[None]]] = []
        self._in_order = True
        """Have all full segments reached the disk, one after the other?"""
        self._unusable = ""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        genesis: Header,
        chain_id: bytes,
        *,
        promise: Promise = Promise.KILL,
        keep_history: bool = True,
        tell: Tell = silent,
    ) -> Self:
        """Open the store at ``path``, or make one if nothing is there.

        ``keep_history`` says whether blocks that leave the core for their age stay on disk. ``tell`` hears of what
        people should know (``store-opened`` if anything was cut off or missing, ``store-damaged``, ``store-mended``).
        What a kill or a power failure has left unfinished is cut off; ``report`` says what and how much. Raises
        ``LocalError`` if the store is in use, of another format or of another chain, or if what it lacks had been
        promised to survive; it is then as it was.
        """
        path = Path(path)
        check_kind(path)
        if not path.exists() or not any(path.iterdir()):
            create(path, genesis, chain_id)
        with translated(path):
            files = Disk.locked(path)
            try:
                return cls.on(
                    files, path, genesis, chain_id, promise=promise, keep_history=keep_history, tell=tell
                )  # fmt: skip
            except BaseException:
                files.close()
                raise

    @classmethod
    def on(
        cls,
        files: Files,
        path: Path,
        genesis: Header,
        chain_id: bytes,
        *,
        promise: Promise = Promise.KILL,
        keep_history: bool = True,
        tell: Tell = silent,
        accept: bool = False,
    ) -> Self:
        """Open the store whose ``files`` these are; ``path`` is for messages. ``accept`` that promised changes are
        gone. Closes nothing if it raises."""
        opened = Recovery(files, f"the block store {path}", accept=accept).run()
        standing = opened.standing
        if (standing.chain_id, standing.genesis) != (chain_id, genesis):
            raise LocalError(
                f"the block store {path} belongs to chain {standing.chain_id!r} with genesis {standing.genesis.point}, "
                f"and chain {chain_id!r} with genesis {genesis.point} was asked for. Give the path of that chain's "
                "store, or a path where nothing is yet"
            )
        store = cls(files, path, opened, promise=promise, keep_history=keep_history, tell=tell)
        store._begin(opened)
        return store

    def __str__(self) -> str:
        return f"the block store {self._path}"

    @property
    def lost(self) -> Collection[Point]:
        return self._lost.keys()

    def commit(self, change: Change) -> None:
        with translated(self._path):
            super().commit(change)

    def close(self) -> None:
        with translated(self._path):
            for _, job in self._jobs:
                with suppress(OSError):
                    job.result()
            if not self._unusable:
                self._files.sync(name(self._segments.active.number))
            self._unusable = "it is closed"
            self._jobs.clear()
            self._files.close()

    # Reading ----------------------------------------------------------------------------------------------------

    def header(self, point: Point) -> Header | None:
        if point.height < self._oldest:
            return None
        if self._is_genesis(point.height, point.id):
            return self._standing.genesis
        with translated(self._path):
            return self._segments.header(point)

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        with translated(self._path):
            self._collect()
            oldest = self._oldest
            places = [
                self._segments.find(point.height, point.id) if point.height >= oldest else None for point in points
            ]
            found: list[bytes | None] = []
            for start, end in _together(places):
                found += self._read(points[start:end], places[start:end])
            return found

    def _read(self, points: Sequence[Point], places: Sequence[Place | None]) -> Iterator[bytes | None]:
        """The bodies at these places, which are one, or near each other in one segment."""
        first, last = places[0], places[-1]
        if first is None or last is None:
            yield None
            return
        try:
            data = self._files.read(name(first.segment), first.offset, last.offset + last.size - first.offset)
        except OSError as error:
            data, why = b"", str(error)
        else:
            why = "it does not match its check sum"
        for point, place in zip(points, places, strict=True):
            assert place is not None
            start = place.offset - first.offset
            body = data if len(places) == 1 else data[start : start + place.size]
            if len(body) == place.size and body_sum(point.id, body) == place.sum:
                yield body
            else:
                self._miss(point, why)
                yield None

    def _miss(self, point: Point, why: str) -> None:
        if point not in self._lost:
            self._lost[point] = None
            self._tell("store-damaged", height=point.height, id=point.id, reason=why, lost=len(self._lost))

    @property
    def _oldest(self) -> int:
        """The height below which nothing is held."""
        return 0 if self._keep_history else self._standing.base.height

    def _holds(self, height: int, id: bytes) -> bool:
        if height > self._top or height < self._oldest:
            return False
        return self._segments.find(height, id) is not None or self._is_genesis(height, id)

    def _is_genesis(self, height: int, id: bytes) -> bool:
        genesis = self._standing.genesis
        return height == genesis.height and id == genesis.id

    def _from(self, height: int) -> Iterator[Header]:
        genesis = self._standing.genesis
        if height <= genesis.height:
            yield genesis
        with translated(self._path):
            self._collect()
            yield from self._segments.from_height(height)

    # Writing ----------------------------------------------------------------------------------------------------

    def _write(self, change: Change, removed: Sequence[Header], standing: Standing) -> None:
        old = self._standing
        banned, unbanned = set(standing.banned), set(old.banned)
        record = Record(
            headers=[header for header, _ in change.blocks],
            sums=[body_sum(header.id, body) for header, body in change.blocks],
            dropped=[header.point for header in removed],
            head=standing.head if standing.head != old.head else None,
            final=standing.final if standing.final != old.final else None,
            base=standing.base if standing.base != old.base else None,
            ban=sorted(banned - unbanned),
            unban=sorted(unbanned - banned),
        )
        if record != _NOTHING:
            self._append(record, [body for _, body in change.blocks], standing)

    def _rewrite(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        sums = [body_sum(header.id, body) for header, body in blocks]
        record = Record(headers=[header for header, _ in blocks], sums=sums, again=True)
        self._append(record, [body for _, body in blocks], self._standing)
        for header, _ in blocks:
            if header.point in self._lost:
                del self._lost[header.point]
                self._tell("store-mended", height=header.height, id=header.id, lost=len(self._lost))

    def _append(self, record: Record, bodies: Sequence[bytes], standing: Standing) -> None:
        """One record more, after which the store stands there."""
        self._check_usable()
        self._collect()
        segment = self._segments.active
        file = name(segment.number)
        if not self._files.intact(file, segment.size):
            self._unusable = f"{file} was removed, replaced or changed by somebody else while it was open"
            self._check_usable()
        prefix, link = encode(record, bodies, segment.end, self._durable, self._seed)
        try:
            self._files.write(file, segment.size, [prefix, *bodies])
            if self._power:
                self._files.sync(file)
        except BaseException as error:
            self._undo(segment, error)
            raise
        end = segment.size + len(prefix) + sum(map(len, bodies))
        self._segments.take(segment, record, segment.size + len(prefix), end, link)
        self._top = max(self._top, segment.high)
        if self._power:
            self._durable = link.number
        if self.owed is not None and standing.head.height >= self.owed:
            self.owed = None
        with suppress(OSError):  # it is there for the day after; the change itself is kept
            Mark(link.number, standing.head.height, self._power, self.owed).write(self._files)
        if segment.size >= self.segment_bytes or len(segment.blocks) >= self.segment_blocks:
            self._roll(standing)

    def _undo(self, segment: Growing, error: BaseException) -> None:
        """A record could not be written: have the file end where it did. If the disk did not take what it had been
        given before, nobody knows what it holds, and the store is not to be used until it is opened anew."""
        try:
            self._files.truncate(name(segment.number), segment.size)
            if self._power:
                self._files.sync(name(segment.number))
        except OSError:
            self._unusable = f"a write had failed ({error}), and could not be undone"

    def _check_usable(self) -> None:
        if self._unusable:
            raise LocalError(f"{self} can not be used: {self._unusable}. Open it anew, and see what it says")

    # Segments ---------------------------------------------------------------------------------------------------

    def _begin(self, opened: Opened) -> None:
        """Carry out what opening has found necessary."""
        files = self._files
        if marks.FILE not in files.names():
            files.create(marks.FILE)
        Mark(opened.end.number, opened.standing.head.height, False, self.owed).write(files, both=True)
        if self.owed is not None:  # before what shows it is cut off
            files.sync(marks.FILE)
        for file in opened.remove:
            files.remove(file)
        if opened.remove:
            files.sync_names()
        if opened.keep is not None:
            number, size = opened.keep
            files.truncate(name(number), size)
            files.sync(name(number))
        growing = self._segments.growing
        if not growing:
            number = max(self._segments.full) + 1
            self._segments.growing.append(self._new(number, opened.end, opened.standing))
        for segment in growing[:-1]:
            self._fill(segment, opened.standing)
        if lines := self.report.lines:
            self._tell("store-opened", store=str(self._path), noticed="; ".join(lines))

    def _new(self, number: int, after: Link, standing: Standing) -> Growing:
        """An empty segment."""
        segment = Growing(number, after)
        record = Record(start=Start(number, standing, (*self._segments.live, number)))
        prefix, link = encode(record, (), after, self._durable, self._seed)
        start = title(self._segments.secret) + prefix
        self._files.create(name(number))
        try:
            self._files.write(name(number), 0, [start])
            if self._power:
                self._files.sync(name(number))
                self._files.sync_names()
        except OSError:
            self._files.remove(name(number))
            raise
        segment.take(record, len(start), len(start), link)
        return segment

    def _roll(self, standing: Standing) -> None:
        """Go on in a new segment. If there is no space for one, the full one takes what comes, and the next commit
        tries again."""
        full = self._segments.active
        try:
            segment = self._new(full.number + 1, full.end, standing)
        except OSError as error:
            self._tell("store-trouble", store=str(self._path), reason=f"no new segment: {error}")
            return
        self._fill(full, standing)
        self._segments.growing.append(segment)

    def _fill(self, segment: Growing, standing: Standing) -> None:
        """Have a full segment reach the disk, and its index made."""
        live = tuple(number for number in self._segments.live if number <= segment.number)
        content = segment.index(standing, live, self._segments.secret)

        def job(files: Files) -> None:  # it only waits for the disk, as Python runs one thread at a time
            files.sync(name(segment.number))
            files.sync_names()
            put(files, index.name(segment.number), content)

        self._jobs.append((segment, self._files.later(job)))
        if len(self._jobs) > WAITING:
            with suppress(OSError):  # told when it is collected
                self._jobs[0][1].result()

    def _collect(self) -> None:
        """Take over the indexes that have been made."""
        while self._jobs and self._jobs[0][1].done():
            segment, job = self._jobs.pop(0)
            try:
                job.result()
                made = index.read(self._files, segment.number, self._segments.secret)
            except (OSError, index.DamagedError) as error:  # it stays in memory; opening the store tries again
                self._in_order = False
                self._tell("store-trouble", store=str(self._path), reason=f"no index of a segment: {error}")
                continue
            if self._in_order:
                self._durable = max(self._durable, segment.end.number)
            self._segments.filled(made)


def _together(places: Sequence[Place | None]) -> Iterator[tuple[int, int]]:
    """Cut places into pieces that are to be read at once."""
    start = 0
    for at in range(1, len(places) + 1):
        if at < len(places):
            first, before, place = places[start], places[at - 1], places[at]
            if (
                first is not None and before is not None and place is not None
                and place.segment == first.segment and place.size <= TOGETHER and first.size <= TOGETHER
                and 0 <= place.offset - before.offset - before.size <= GAP
                and place.offset + place.size - first.offset <= SPAN
            ):  # fmt: skip
                continue
        yield start, at
        start = at
