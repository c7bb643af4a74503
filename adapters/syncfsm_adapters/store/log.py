"""The log of a store, as it is written: records go to its end, and when a segment is full, the next one begins."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store import index, marks
from syncfsm_adapters.store.base import Standing, Tell
from syncfsm_adapters.store.files import Files, put
from syncfsm_adapters.store.marks import Mark
from syncfsm_adapters.store.records import Link, Record, Start, body_sum, encode, title
from syncfsm_adapters.store.recover import Opened
from syncfsm_adapters.store.segments import Growing, name

WAITING: Final = 4
"""Full segments that may wait for their index; then writing waits too."""


class Log:
    """Writes the log of ``store``, which is how messages name it. With ``power`` every record waits for the disk. A
    segment is full when it has ``most_bytes`` or ``most_blocks``. Methods may raise ``OSError``."""

    def __init__(
        self, files: Files, store: object, opened: Opened, *, power: bool, tell: Tell, most_bytes: int, most_blocks: int
    ) -> None:
        self._files, self._store, self._power, self._tell = files, store, power, tell
        self._most_bytes, self._most_blocks = most_bytes, most_blocks
        self.segments = opened.segments
        self.owed = opened.report.owed
        """The height of the head that the store had acknowledged and came back without, until it has one as high."""
        self._durable = opened.durable
        self._jobs: list[tuple[Growing | None, Future[None]]] = []
        self._in_order = True
        """Have all full segments reached the disk, one after the other?"""
        self._unusable = ""
        self._begin(opened)

    def _begin(self, opened: Opened) -> None:
        """Carry out what opening has found necessary."""
        files = self._files
        if marks.FILE not in files.names():
            files.create(marks.FILE)
        Mark(opened.end.number, opened.standing.head.height, False, self.owed).write(files, both=True)
        if self.owed is not None:  # before what shows it is cut off
            files.sync(marks.FILE)
        for file in opened.drafts:
            files.remove(file)
        if opened.report.behind:
            self._set_aside(opened)
        for file in opened.remove:
            files.remove(file)
        if opened.remove:
            files.sync_names()
        if opened.keep is not None:
            number, size = opened.keep
            files.truncate(name(number), size)
            files.sync(name(number))
        growing = self.segments.growing
        if not growing:
            number = max(self.segments.full) + 1
            growing.append(self._new(number, opened.end, opened.standing))
        for segment in growing[:-1]:
            self._fill(segment, opened.standing)

    def _set_aside(self, opened: Opened) -> None:
        """Keep what is going to be cut off, as it had been acknowledged."""
        files, aside = self._files, f"cut-{opened.end.number:08d}"
        parts = [files.read(file, 0, files.size(file)) for file in opened.remove]
        if opened.keep is not None:
            number, size = opened.keep
            parts.insert(0, files.read(name(number), size, files.size(name(number)) - size))
        if any(parts):
            put(files, aside, parts)

    def close(self, standing: Standing) -> None:
        """All of it reaches the disk, and is promised from then on. Only a second ``close`` may follow."""
        self.settle()
        if not self._unusable:
            for segment in self.segments.growing:
                self._files.sync(name(segment.number))
            Mark(self.segments.active.end.number, standing.head.height, True, self.owed).write(self._files)
        self._unusable = "it is closed"
        self._files.close()

    def append(self, record: Record, bodies: Sequence[bytes], standing: Standing) -> None:
        """One record more, after which the store stands there. If it raises, all is as it was."""
        self.collect()
        self.check()
        segment = self.segments.active
        file = name(segment.number)
        prefix, link = encode(record, bodies, segment.end, self._durable, self.segments.seed)
        try:
            self._files.write(file, segment.size, [prefix, *bodies])
        except BaseException as error:
            self._undo(segment, error)
            raise
        if self._power:
            self._sync(segment)
        end = segment.size + len(prefix) + sum(map(len, bodies))
        self.segments.take(segment, record, segment.size + len(prefix), end, link)
        if self._power:
            self._durable = link.number
        if self.owed is not None and standing.head.height >= self.owed:
            self._tell("store-caught-up", height=standing.head.height, owed=self.owed)
            self.owed = None
        with suppress(OSError):  # it is there for the day after; the change itself is kept
            Mark(link.number, standing.head.height, self._power, self.owed).write(self._files)
        if segment.size >= self._most_bytes or len(segment.blocks) >= self._most_blocks:
            self.roll(standing)

    def rewrite(self, blocks: Sequence[tuple[Header, bytes]], standing: Standing) -> None:
        """The bodies of held blocks once more: from now on they are here."""
        sums = [body_sum(header.id, body) for header, body in blocks]
        record = Record(headers=[header for header, _ in blocks], sums=sums, again=True)
        self.append(record, [body for _, body in blocks], standing)

    def retire(self, number: int, dropped: Sequence[Point], standing: Standing) -> None:
        """A full segment is not needed any more, but that it says these blocks to be ``dropped``. Its files go when the
        disk knows that."""
        still = [point for point in dropped if point.id in self.segments.dead]
        record = Record(dropped=still, retired=[number])
        self.segments.forget(number)  # before: if the record fills its segment, the next one says what is live
        self.append(record, (), standing)
        files = (name(number), index.name(number))
        growing = [segment.number for segment in self.segments.growing]

        def job(disk: Files) -> None:
            for still in growing:
                disk.sync(name(still))
            disk.sync_names()
            for file in files:
                disk.remove(file)

        for file in files:
            self._files.forget(file)
        self._jobs.append((None, self._files.later(job)))

    def check(self) -> None:
        """``LocalError`` if the log can not be written to any more."""
        segment = self.segments.active
        if not self._unusable and not self._files.intact(name(segment.number), segment.size):
            self._unusable = (
                f"{name(segment.number)} was removed, replaced or changed by somebody else while it was open"
            )
        if self._unusable:
            raise LocalError(f"{self._store} can not be used: {self._unusable}. Open it anew, and see what it says")

    def _undo(self, segment: Growing, error: BaseException) -> None:
        """A record could not be written: have the file end where it did."""
        try:
            self._files.truncate(name(segment.number), segment.size)
        except OSError:
            self._unusable = f"a write had failed ({error}), and could not be undone"

    def _sync(self, segment: Growing) -> None:
        """If the disk does not take what it was given, nobody knows what it holds, and to ask it again is no answer:
        the store is not to be used until it is opened anew."""
        try:
            self._files.sync(name(segment.number))
        except OSError as error:
            self._unusable = f"the disk had not taken what was written ({error})"
            raise

    # Segments ---------------------------------------------------------------------------------------------------

    def _new(self, number: int, after: Link, standing: Standing) -> Growing:
        """An empty segment."""
        segment = Growing(number, after)
        record = Record(start=Start(number, standing, (*self.segments.live, number)))
        prefix, link = encode(record, (), after, self._durable, self.segments.seed)
        start = title(self.segments.secret) + prefix
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

    def roll(self, standing: Standing) -> None:
        """Go on in a new segment. If there is no space for one, the full one takes what comes, and the next record
        tries again."""
        full = self.segments.active
        try:
            segment = self._new(full.number + 1, full.end, standing)
        except OSError as error:
            self._tell("store-trouble", store=str(self._store), reason=f"no new segment: {error}")
            return
        self._fill(full, standing)
        self.segments.growing.append(segment)

    def _fill(self, segment: Growing, standing: Standing) -> None:
        """Have a full segment reach the disk, and its index made."""
        live = tuple(number for number in self.segments.live if number <= segment.number)
        content = segment.index(standing, live, self.segments.secret)

        def job(files: Files) -> None:  # it only waits for the disk, as Python runs one thread at a time
            files.sync(name(segment.number))
            files.sync_names()
            put(files, index.name(segment.number), content)

        self._jobs.append((segment, self._files.later(job)))
        if len(self._jobs) > WAITING:
            with suppress(OSError):  # told when it is collected
                self._jobs[0][1].result()

    def settle(self) -> None:
        """Wait until all that is done beside is done."""
        for _, job in self._jobs:
            with suppress(OSError):  # told when it is collected
                job.result()
        self.collect()

    def collect(self) -> None:
        """Take over the indexes that have been made."""
        while self._jobs and self._jobs[0][1].done():
            segment, job = self._jobs.pop(0)
            try:
                job.result()
                made = index.read(self._files, segment.number, self.segments.secret) if segment is not None else None
            except (OSError, index.DamagedError) as error:  # opening the store tries again
                self._in_order = False
                what = f"no index of segment {segment.number}" if segment else "a file could not be removed"
                self._tell("store-trouble", store=str(self._store), reason=f"{what}: {error}")
                continue
            if segment is not None and made is not None:
                if self._in_order:
                    self._durable = max(self._durable, segment.end.number)
                self.segments.filled(made)
