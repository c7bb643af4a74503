"""From format 1, one SQLite file, to a folder. The old file stays beside it; the new store is complete or not there."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from zlib import crc32

import attrs
import msgspec

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import Standing, silent
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.store.files import Disk
from syncfsm_adapters.store.folder import OLD, lay_out, translated
from syncfsm_adapters.store.log import Log
from syncfsm_adapters.store.records import Record, body_sum
from syncfsm_adapters.store.recover import Recovery

_APPLICATION: Final = 0x73796E63
_HEIGHT_SHIFT: Final = 63 - limits.MAX_HEIGHT.bit_length()
_BATCH: Final = 500
"""Blocks that are read and written at once."""
_DRAFT, _READY = ".migrating", ".migrated"
_LOGS: Final = ("-wal", "-shm")


@attrs.frozen
class Migrated:
    """What was taken over; of ``lost`` blocks the body was damaged or missing, and is missing now. The old file."""

    blocks: int
    lost: int
    old: Path


def migrate(path: Path) -> Migrated:
    """Make the store of format 1 at ``path`` a store of format 2. It needs as much free space as the store has.

    May be run again if it was cut short. ``LocalError`` if there is no such store, or it is in use, damaged beyond
    single bodies, or there is no space; the old file is then as it was.
    """
    ready, old = path.with_name(path.name + _READY), path.with_name(path.name + OLD)
    with translated(path):
        if ready.exists() and not path.exists():  # it was cut short at the last step
            return _swap(path, ready, old, _count(ready), 0)
        for rest in (ready, path.with_name(path.name + _DRAFT)):
            shutil.rmtree(rest, ignore_errors=True)
        if not path.is_file():
            raise LocalError(f"there is no store of format 1 at {path}: it is one file. Give the path of such a file")
        if old.exists():
            raise LocalError(f"{old}, of an earlier migration, is in the way. Move it away, and run this again")
        draft = path.with_name(path.name + _DRAFT)
        draft.mkdir()
        try:
            blocks, lost = _copy(path, draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        os.rename(draft, ready)
        return _swap(path, ready, old, blocks, lost)


def _swap(path: Path, ready: Path, old: Path, blocks: int, lost: int) -> Migrated:
    folder = Disk(path.parent)
    folder.sync_names()
    for ending in ("", *_LOGS):
        if path.with_name(path.name + ending).is_file():
            os.rename(path.with_name(path.name + ending), old.with_name(old.name + ending))
    os.rename(ready, path)
    folder.sync_names()
    return Migrated(blocks, lost, old)


def _count(folder: Path) -> int:
    files = Disk(folder)
    segments = Recovery(files, folder).run().segments
    files.close()
    growing = sum(len(segment.blocks) for segment in segments.growing)
    return growing + sum(index.summary.blocks for index in segments.full.values())


def _copy(path: Path, draft: Path) -> tuple[int, int]:
    """Write a new store with all that the old one holds; how many blocks, and how many bodies are lost."""
    files = Disk(draft)
    blocks = lost = 0
    with _reading(path) as connection:
        standing = _standing(connection, path)
        lay_out(files, standing)
        opened = Recovery(files, draft).run()
        log = Log(
            files, draft, opened, power=False, tell=silent,
            most_bytes=FileStore.segment_bytes, most_blocks=FileStore.segment_blocks,
        )  # fmt: skip
        for batch in _batches(connection, path, standing.genesis):
            sums = [body_sum(header.id, body) ^ (0 if sound else 1) for header, body, sound in batch]
            log.append(Record(headers=[row[0] for row in batch], sums=sums), [row[1] for row in batch], standing)
            blocks += len(batch)
            lost += sum(not sound for _, _, sound in batch)
        log.close(standing)
    return blocks, lost


Row = tuple[Header, bytes, bool]
"""A block, and whether its body is what was stored."""


def _batches(connection: sqlite3.Connection, path: Path, genesis: Header) -> Iterator[list[Row]]:
    query = (
        "SELECT headers.key, headers.sum, header, bodies.sum, body FROM headers LEFT JOIN bodies USING (key) "
        "ORDER BY headers.key"
    )
    decoder = msgspec.msgpack.Decoder(Header)
    batch: list[Row] = []
    for key, sum, encoded, expected, body in connection.execute(query):
        if not isinstance(encoded, bytes) or crc32(encoded) != sum:
            raise _damaged(path, f"the header at height {key >> _HEIGHT_SHIFT} does not match its check sum")
        try:
            header = decoder.decode(encoded)
        except msgspec.DecodeError as error:
            raise _damaged(path, f"the header at height {key >> _HEIGHT_SHIFT} does not decode ({error})") from error
        if header == genesis:
            continue
        sound = isinstance(body, bytes) and len(body) == header.size and crc32(body, sum) == expected
        batch.append((header, body if sound else bytes(header.size), sound))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _standing(connection: sqlite3.Connection, path: Path) -> Standing:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise _damaged(path, "it is not a block store, or its first page is lost")
    if connection.execute("PRAGMA user_version").fetchone()[0] != 1:
        raise LocalError(f"the block store {path} is not of format 1. Open it with the release that wrote it")
    row = connection.execute("SELECT sum, value FROM standing").fetchone()
    if row is None or not isinstance(row[1], bytes) or crc32(row[1]) != row[0]:
        raise _damaged(path, "its record of head, final point and base is missing or does not match its check sum")
    try:
        return msgspec.msgpack.decode(row[1], type=Standing)
    except msgspec.DecodeError as error:
        raise _damaged(path, f"its record of head, final point and base does not decode ({error})") from error


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can not write; what SQLite finds wrong is translated."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
            connection.text_factory = bytes
            yield connection
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise LocalError(f"the block store {path} is in use by another process. Stop that one") from error
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, what: str) -> LocalError:
    return LocalError(
        f"the block store {path} is damaged: {what}. Nothing was changed. Move it away and start again to sync anew, "
        "or restore a backup"
    )
