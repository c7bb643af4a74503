"""A store that no node runs: what is wrong with it, and mending what can be mended."""

from pathlib import Path

import attrs

from syncfsm.blocks import Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store import index
from syncfsm_adapters.store.base import BlockStore, silent
from syncfsm_adapters.store.bodies import Bodies
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.store.files import Disk, Files
from syncfsm_adapters.store.folder import translated
from syncfsm_adapters.store.records import Link, walk
from syncfsm_adapters.store.recover import Opened, Recovery
from syncfsm_adapters.store.segments import Segments, name


@attrs.frozen
class Verified:
    """What was looked at, and what is wrong, in sentences; of ``lost`` blocks the bodies are."""

    segments: int
    blocks: int
    bytes: int
    lost: tuple[Point, ...]
    flaws: tuple[str, ...]


def verify(path: Path) -> Verified:
    """Look at every byte of a store. Nothing but indexes is written. ``LocalError`` if it is in use or no store."""
    with translated(path):
        files = Disk.locked(path)
        try:
            opened = Recovery(files, f"the block store {path}", accept=True).run()
            return _look(files, opened)
        finally:
            files.close()


def _look(files: Files, opened: Opened) -> Verified:
    segments = opened.segments
    bodies = Bodies(files, opened.report.lost, silent)
    flaws = list(opened.report.lines)
    blocks = size = 0
    for number in sorted(segments.full):
        flaws += _flaws(files, segments, number)
        try:
            for header, place in segments.rows(number):
                if segments.find(header.height, header.id) == place:
                    bodies.read((header.point,), (place,))
                    blocks += 1
                    size += place.size
        except LocalError as error:
            flaws.append(str(error))
    for segment in segments.growing:  # read in full when it was opened
        blocks += len(segment.blocks)
        size += segment.size
    if bodies.lost:
        flaws.append(
            f"{len(bodies.lost):,} bodies are damaged or missing, the first is that of {next(iter(bodies.lost))}"
        )
    return Verified(len(segments.live), blocks, size, tuple(bodies.lost), tuple(flaws))


def _flaws(files: Files, segments: Segments, number: int) -> list[str]:
    """What is wrong with a full segment beside single bodies."""
    found = []
    try:
        segments.full[number].check()
    except index.DamagedError:
        found.append(f"{index.name(number)} is damaged")
    summary = segments.full[number].summary
    try:
        data = files.read(name(number), 0, files.size(name(number)))
    except OSError as error:
        return [*found, f"{name(number)} can not be read: {error}"]
    end = max((record.end for record in walk(data, Link(*summary.before), segments.seed)), default=0)
    if end < summary.size:
        found.append(f"{name(number)} has a flaw at byte {end:,}; what comes after is known from its index only")
    return found


@attrs.frozen
class Repaired:
    """What was done, in sentences; how many bodies are still lost."""

    done: tuple[str, ...]
    lost: int


def repair(path: Path, source: BlockStore | None = None) -> Repaired:
    """Open a store whatever it lacks: what is behind a flaw in the log is set aside in a file ``cut-…``, indexes are
    made again where the segments allow it, and bodies that are lost are taken from ``source``, another store of the
    chain."""
    done = []
    with translated(path):
        files = Disk.locked(path)
        try:
            opened = Recovery(files, f"the block store {path}", accept=True).run()
            done += opened.report.lines
            store = FileStore(files, path, opened)
        except BaseException:
            files.close()
            raise
    try:
        store.scrub_all()
        lost = list(store.lost)
        mended = _mend(store, source) if source is not None else 0
        if lost:
            done.append(f"{mended:,} of {len(lost):,} bodies that were lost have been taken from the other store")
        return Repaired(tuple(done), len(store.lost))
    finally:
        store.close()


def _mend(store: FileStore, source: BlockStore) -> int:
    mended = 0
    for point in list(store.lost):
        header, body = store.header(point), source.body(point)
        if header is not None and body is not None and source.header(point) == header:
            mended += store.mend(header, body)
    return mended
