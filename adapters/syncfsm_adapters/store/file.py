"""The block store in a folder of its own: a log that every change is appended to once, with the bodies in it.

    00000007.blocks   a segment of the log (``records``); the one with the greatest number is written to
    00000006.index    of a full segment: where its blocks are, and their headers once more (``index``)
    mark              how far the log had come (``marks``)
    cut-00000123      what could not be used of the log when it was opened, behind the record of that number
    lock              held while the store is open

A change is one write to the end of the log, and one of 40 bytes to the mark. There is no checkpoint: when a segment is
full the next one begins, and a thread has the full one reach the disk and makes its index.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final, Self

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import Change, Standing, Tell, silent
from syncfsm_adapters.store.bodies import Bodies, Scrub, Scrubbed
from syncfsm_adapters.store.checked import CheckedStore
from syncfsm_adapters.store.files import Disk, Files
from syncfsm_adapters.store.folder import check_kind, create, translated
from syncfsm_adapters.store.index import Place
from syncfsm_adapters.store.log import Log
from syncfsm_adapters.store.reclaim import Reclaim
from syncfsm_adapters.store.records import Record, body_sum
from syncfsm_adapters.store.recover import Opened, Recovery, Report

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
        self._path, self._keep_history = path, keep_history
        self.report: Report = opened.report
        """What was noticed on opening."""
        self._standing = opened.standing
        self._segments = opened.segments
        self._top = max(opened.segments.top, opened.standing.genesis.height)
        """No block is above this height."""
        self._log = Log(
            files, self, opened, power=promise is Promise.POWER, tell=tell,
            most_bytes=self.segment_bytes, most_blocks=self.segment_blocks,
        )  # fmt: skip
        self._bodies = Bodies(files, opened.report.lost, tell)
        self._reclaim = Reclaim(self._log, self._bodies, lambda: self._standing, lambda: self._oldest)
        self._scrub = Scrub(files, opened.segments, self._bodies, tell)
        if lines := self.report.lines:
            counts = {"cut_bytes": self.report.cut_bytes, "behind": self.report.behind, "lost": len(self.report.lost)}
            tell("store-opened", store=str(path), noticed="; ".join(lines), owed=self.report.owed, **counts)

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
        What a kill or a power failure has left unfinished is cut off; ``report`` says what and how much. So is what
        stands behind damage to the log, and kept in a file ``cut-…`` beside it; but with ``POWER`` such a store is
        refused. Raises ``LocalError`` for that, and if the store is in use, of another format or of another chain, or
        if parts of it are gone; it is then as it was.
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
        genesis: Header | None = None,
        chain_id: bytes | None = None,
        *,
        promise: Promise = Promise.KILL,
        keep_history: bool = True,
        tell: Tell = silent,
        accept: bool = False,
    ) -> Self:
        """Open the store whose ``files`` these are, of any chain unless it is given; ``path`` is for messages.
        ``accept`` that promised changes are gone. Closes nothing if it raises."""
        opened = Recovery(files, f"the block store {path}", shorter=promise is Promise.KILL, accept=accept).run()
        standing = opened.standing
        if genesis is not None and (standing.chain_id, standing.genesis) != (chain_id, genesis):
            raise LocalError(
                f"the block store {path} belongs to chain {standing.chain_id!r} with genesis {standing.genesis.point}, "
                f"and chain {chain_id!r} with genesis {genesis.point} was asked for. Give the path of that chain's "
                "store, or a path where nothing is yet"
            )
        return cls(files, path, opened, promise=promise, keep_history=keep_history, tell=tell)

    def __str__(self) -> str:
        return f"the block store {self._path}"

    @property
    def lost(self) -> Collection[Point]:
        return self._bodies.lost.keys()

    @property
    def owed(self) -> int | None:
        return self._log.owed

    def commit(self, change: Change) -> None:
        with translated(self._path):
            super().commit(change)

    def tidy(self) -> bool:
        with translated(self._path):
            self._log.collect()
            return super().tidy() or self._reclaim.step()

    def compact(self) -> None:
        """Give back all space that is not needed, at once; ``tidy`` does so for what is worth it, in portions."""
        with translated(self._path):
            while super().tidy():
                pass
            self._log.roll(self._standing)
            self._log.settle()
            while self._reclaim.step(0.0):
                pass
            self._log.settle()

    def scrub(self, most: int) -> Scrubbed | None:
        """Look whether the bodies of full segments are what was stored, some ``most`` bytes of them. What a whole pass
        has looked at, when it ends. ``LocalError`` if the store's files are not there any more."""
        with translated(self._path):
            self._log.check()
            return self._scrub.step(most)

    def scrub_all(self) -> None:
        """Look at all bodies once; ``lost`` has those that are."""
        with translated(self._path):
            self._scrub.all()

    def close(self) -> None:
        with translated(self._path):
            self._log.close(self._standing)

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
            self._log.collect()
            oldest = self._oldest
            places = [self._find(point) if point.height >= oldest else None for point in points]
            return self._bodies.read(points, places)

    def _find(self, point: Point) -> Place | None:
        """Where a body is. If neither the segment nor its index can say, that costs this answer, as a rotten body
        does."""
        try:
            return self._segments.find(point.height, point.id)
        except LocalError as error:
            self._bodies.miss(point, str(error))
            return None

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
            self._log.collect()
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
        if record == _NOTHING:
            return
        places = [self._segments.find(header.height, header.id) for header in removed]
        self._log.append(record, [body for _, body in change.blocks], standing)
        self._top = max(self._top, self._segments.active.high, *(header.height for header in record.headers[-1:]))
        for place in places:
            self._reclaim.dropped(place)

    def _rewrite(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        with translated(self._path):
            self._log.rewrite(blocks, self._standing)
        for header, _ in blocks:
            self._bodies.mended(header.point)
