"""The block store in one SQLite file, with its write-ahead log beside it while it is open.

Headers and bodies are two tables, so that loading a node reads no bodies. Their key is the height and, below it, the
number of the block among those of its height: appending goes to the end of both trees, a point is found by a range of
keys, and no index on ids is needed (one on a single table cost three quarters of the speed: 23,000 blocks of 1 KiB a
second in place of 82,000). Every row has a checksum. The standing is one row more, written in every transaction.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from zlib import crc32

import msgspec

from syncfsm import limits
from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import CheckedStore, Standing, damaged

APPLICATION_ID: Final = 0x73796E63  # "sync"
VERSION: Final = 1
ORDINAL_BITS: Final = 63 - limits.MAX_HEIGHT.bit_length()
"""The bits of a key below the height: so many blocks of one height can be told apart."""
PAGE_BYTES: Final = 16 * 1024
"""64 KiB blocks: 354 MB/s, against 270 with pages of 8 KiB. Pages of 32 KiB bring no more, but a single small block
writes 113 µs in place of 71."""
LOG_BYTES = 64 * 1024 * 1024
"""How far the log grows before it is copied into the file, which takes some 0.1 s. 64 KiB blocks: 354 MB/s, against 310
at 32 MiB and 280 at 16 MiB; 256 MiB would give 450, with pauses of 0.4 s and a slower start after a kill."""
ROWS: Final = 1024
"""Headers read at a time."""
SCHEMA: Final = (
    "CREATE TABLE standing (one INTEGER PRIMARY KEY CHECK (one = 1), sum INTEGER NOT NULL, value BLOB NOT NULL)",
    "CREATE TABLE headers (key INTEGER PRIMARY KEY, sum INTEGER NOT NULL, header BLOB NOT NULL)",
    "CREATE TABLE bodies (key INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL)",
)


class Promise(StrEnum):
    """What has survived when a commit returns. Either way the file stays consistent, and a kill loses nothing."""

    KILL = "NORMAL"
    """All, if the process is killed. A power failure may take the last commits."""
    POWER = "FULL"
    """All, also if the power fails: every commit waits for the disk."""


class SqliteStore(CheckedStore):
    """A block store in a file. Make one with ``open``. It holds the file locked until it is closed."""

    def __init__(self, connection: sqlite3.Connection, path: Path, keep_history: bool) -> None:
        self._connection = connection
        self._path = path
        self._keep_history = keep_history
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Header)
        self._check_format()
        self._standing = self._read_standing()
        self._top = self._read_top()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        genesis: Header,
        chain_id: bytes,
        *,
        promise: Promise = Promise.KILL,
        keep_history: bool = True,
    ) -> Self:
        """Open the store at ``path``, or make one if nothing is there.

        ``keep_history`` says whether blocks that leave the core for their age stay on disk. All headers from the base
        on are read and checked, some 4 s for a million, before anything may write to the file. Raises ``LocalError``
        if the file is in use, damaged, of another format or of another chain; it is then as it was.
        """
        path = Path(path)
        if not path.exists():
            _create(path, genesis, chain_id)
        with _translated(path):
            # To close a connection that may write would copy the log into a damaged file: one that may not looks first.
            with closing(_connect(path, "ro")) as reader:
                cls(reader, path, keep_history)._check_content(genesis, chain_id)
            connection = _connect(path, "rw")
            try:
                # An exclusive lock keeps a second node out, and the log's index in our own memory.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute(f"PRAGMA synchronous = {promise.value}")
                connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}")
                return cls(connection, path, keep_history)
            except BaseException:
                connection.close()
                raise

    def __str__(self) -> str:
        return f"the block store {self._path}"

    def close(self) -> None:
        with _translated(self._path):
            self._connection.close()

    def header(self, point: Point) -> Header | None:
        if point.height > self._top:
            return None
        return next((header for header in self._scan(point.height, point.height) if header.id == point.id), None)

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        found: list[bytes | None] = []
        start = 0
        for end in range(1, len(points) + 1):
            if end == len(points) or points[end].height != points[end - 1].height + 1:
                found += self._consecutive(points[start:end])
                start = end
        return found

    # Reading ----------------------------------------------------------------------------------------------------

    def _consecutive(self, points: Sequence[Point]) -> list[bytes | None]:
        """The bodies of points whose heights follow each other, in one query."""
        wanted: dict[Point, bytes | None] = dict.fromkeys(points)
        query = (
            "SELECT headers.key, headers.sum, header, bodies.sum, body FROM headers JOIN bodies USING (key) "
            "WHERE headers.key BETWEEN ? AND ?"
        )
        with _translated(self._path):
            for key, sum, header, body_sum, body in self._connection.execute(
                query, _keys(points[0].height, points[-1].height)
            ):
                point = self._header(key, sum, header).point
                if point in wanted:
                    if not _sound(body, body_sum, sum):
                        raise damaged(self, f"the body of block {point} does not match its checksum")
                    wanted[point] = body
        return [wanted[point] for point in points]

    def _scan(self, low: int, high: int, descending: bool = False) -> Iterator[Header]:
        return (header for _, header in self._rows(low, high, descending))

    def _rows(self, low: int, high: int, descending: bool = False) -> Iterator[tuple[int, Header]]:
        """Keys and headers of these heights. No query stays open meanwhile, as that would keep the log growing."""
        first, last = _keys(low, high)
        order = "DESC" if descending else "ASC"
        query = f"SELECT key, sum, header FROM headers WHERE key BETWEEN ? AND ? ORDER BY key {order} LIMIT {ROWS}"
        while True:
            with _translated(self._path):
                rows = self._connection.execute(query, (first, last)).fetchall()
            for row in rows:
                yield row[0], self._header(*row)
            if len(rows) < ROWS:
                return
            first, last = (first, rows[-1][0] - 1) if descending else (rows[-1][0] + 1, last)

    def _header(self, key: int, sum: int, value: bytes) -> Header:
        """Decode a row of the headers."""
        place = f"the header at height {key >> ORDINAL_BITS}"
        if not _sound(value, sum):
            raise damaged(self, f"{place} does not match its checksum")
        try:
            header = self._decoder.decode(value)
        except msgspec.DecodeError as error:
            raise damaged(self, f"{place} does not decode ({error})") from error
        if header.height != key >> ORDINAL_BITS:
            raise damaged(self, f"{place} is of height {header.height}")
        return header

    def _read_standing(self) -> Standing:
        row = self._connection.execute("SELECT sum, value FROM standing").fetchone()
        if row is None or not _sound(row[1], row[0]):
            raise damaged(self, "its record of head, final point and base is missing or does not match its checksum")
        try:
            return msgspec.msgpack.decode(row[1], type=Standing)
        except msgspec.DecodeError as error:
            raise damaged(self, f"its record of head, final point and base does not decode ({error})") from error

    def _read_top(self) -> int:
        """The greatest height of all blocks."""
        key: int | None = self._connection.execute("SELECT max(key) FROM headers").fetchone()[0]
        return -1 if key is None else key >> ORDINAL_BITS

    # Checking ---------------------------------------------------------------------------------------------------

    def _check_format(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise damaged(self, "it is not a block store, or its first page is lost")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise LocalError(
                f"{self} has format {version}, and this release reads format {VERSION}. Nothing was changed. Open it "
                "with the release that wrote it, or move it away and start again to sync anew"
            )

    def _check_content(self, genesis: Header, chain_id: bytes) -> None:
        """Refuse the store of another chain, and one whose headers do not hang together."""
        standing = self._standing
        if (standing.chain_id, standing.genesis) != (chain_id, genesis):
            raise LocalError(
                f"{self} belongs to chain {standing.chain_id!r} with genesis {standing.genesis.point}, and "
                f"chain {chain_id!r} with genesis {genesis.point} was asked for. Give the path of that chain's store, "
                "or a path where nothing is yet"
            )
        missing = {standing.head: "head", standing.final: "final block", standing.base: "base"}
        for header in self.headers_from_base():
            missing.pop(header.point, None)
        for point, name in missing.items():
            raise damaged(self, f"its {name} {point} is missing")

    # Writing ----------------------------------------------------------------------------------------------------

    def _write(self, blocks: Sequence[tuple[Header, bytes]], removed: Sequence[Header], standing: Standing) -> None:
        encode = self._encoder.encode
        values = [encode(header) for header, _ in blocks]
        sums = [crc32(value) for value in values]
        standing_value = encode(standing)
        with self._transaction() as connection:
            keys = self._new_keys([header for header, _ in blocks])
            connection.executemany("INSERT INTO headers VALUES (?, ?, ?)", zip(keys, sums, values, strict=True))
            # A body's checksum goes on from its header's, and so tells a body at the wrong place too.
            bodies = ((key, crc32(body, sum), body) for key, sum, (_, body) in zip(keys, sums, blocks, strict=True))
            connection.executemany("INSERT INTO bodies VALUES (?, ?, ?)", bodies)
            for header in removed:
                rows = self._rows(header.height, header.height)
                key = next(key for key, held in rows if held.id == header.id)
                connection.execute("DELETE FROM headers WHERE key = ?", (key,))
                connection.execute("DELETE FROM bodies WHERE key = ?", (key,))
            connection.execute("UPDATE standing SET sum = ?, value = ?", (crc32(standing_value), standing_value))
            top = self._read_top()
        self._top = top

    def _new_keys(self, headers: Sequence[Header]) -> list[int]:
        """A free key for each header: the one after the last of its height."""
        last: dict[int, int | None] = {}
        keys = []
        for header in headers:
            height = header.height
            if height not in last:
                last[height] = self._last_key(height) if height <= self._top else None
            before = last[height]
            key = height << ORDINAL_BITS if before is None else before + 1
            if key >> ORDINAL_BITS != height:
                raise LocalError(
                    f"can not store block {header.point}: {1 << ORDINAL_BITS} blocks of that height are held already; "
                    "finalise and prune, or lower the limit on branches"
                )
            last[height] = key
            keys.append(key)
        return keys

    def _last_key(self, height: int) -> int | None:
        query = "SELECT max(key) FROM headers WHERE key BETWEEN ? AND ?"
        key: int | None = self._connection.execute(query, _keys(height, height)).fetchone()[0]
        return key

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _sound(value: object, sum: int, start: int = 0) -> bool:
    """Whether a stored value is what its checksum was made of."""
    return isinstance(value, bytes) and crc32(value, start) == sum


def _keys(low: int, high: int) -> tuple[int, int]:
    """The first and the last key that blocks of these heights can have."""
    return low << ORDINAL_BITS, (high + 1 << ORDINAL_BITS) - 1


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that waits for no lock, and leaves transactions to us."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes  # we store no text; damage must not be decoded
    return connection


def _create(path: Path, genesis: Header, chain_id: bytes) -> None:
    """Make a store with the genesis alone. It appears at ``path`` complete or not at all."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        raise LocalError(
            f"can not make the block store {path}: {log} is the log of a store that was there before, and holds "
            "blocks of it. Put that store back, or move the log away too"
        )
    header = msgspec.msgpack.encode(genesis)
    standing = msgspec.msgpack.encode(Standing.start(genesis, chain_id))
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            with closing(_connect(draft, "rwc")) as connection:
                connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
                for statement in SCHEMA:
                    connection.execute(statement)
                row = (genesis.height << ORDINAL_BITS, crc32(header), header)
                connection.execute("INSERT INTO headers VALUES (?, ?, ?)", row)
                connection.execute("INSERT INTO standing VALUES (1, ?, ?)", (crc32(standing), standing))
                connection.execute("COMMIT")
            with suppress(FileExistsError):  # another process made one just now: that one is opened, or found in use
                os.link(draft, path)
    except (OSError, sqlite3.Error) as error:
        raise LocalError(
            f"can not make the block store {path}: {error}. Give a path in a folder that exists, can be written to "
            "and has space"
        ) from error


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Say what an error of SQLite means, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        store = f"the block store {path}"
        # The low byte is the kind of error. Errors of the sqlite3 module itself have no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        if code == sqlite3.SQLITE_MISUSE:
            raise LocalError(f"{store} can not be used: {error}. Open it anew") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LocalError(
                f"{store} is in use by another process. Stop that one, or give each node a path of its own"
            ) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise LocalError(
                f"{store} can not be read or written: {error}. Nothing was changed. Look at the free space of the "
                "disk, at its health, and at the permissions of the file and its folder"
            ) from error
        raise damaged(store, str(error)) from error
