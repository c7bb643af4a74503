"""The blocks of the embedded layer: one SQLite file, which a killed process leaves whole.

A block has the blobs that had waited long enough, in the order in which they came, as many as fit. Its id follows from
its parent and from all that it holds. No clock is in here: whoever owns a ledger says when the next block is due.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import attrs
from attrs import validators as must

from syncfsm.errors import LocalError
from syncfsm_adapters.da.shares import commitment

FORMAT: Final = 1
MIB: Final = 1024 * 1024
SCHEMA: Final = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE blocks (height INTEGER PRIMARY KEY, id BLOB NOT NULL, parent BLOB NOT NULL, made REAL NOT NULL);
CREATE TABLE blobs (height INTEGER NOT NULL, place INTEGER NOT NULL, space BLOB NOT NULL, proof BLOB NOT NULL,
                    data BLOB NOT NULL, PRIMARY KEY (height, place));
CREATE TABLE pending (number INTEGER PRIMARY KEY AUTOINCREMENT, space BLOB NOT NULL, proof BLOB NOT NULL,
                      data BLOB NOT NULL, ready INTEGER NOT NULL);
CREATE TABLE forks (number INTEGER NOT NULL);
INSERT INTO forks VALUES (0);
"""


@attrs.frozen(kw_only=True)
class Options:
    """How the embedded layer behaves."""

    block_time: float = attrs.field(default=6.0, validator=must.gt(0))
    """Seconds from block to block."""
    delay: int = attrs.field(default=0, validator=must.ge(0))
    """Blocks for which a blob waits before it may be included."""
    finality: int = attrs.field(default=0, validator=must.ge(0))
    """So many blocks at the end may still be taken back; none with 0."""
    retention: int = attrs.field(default=100_000, validator=must.ge(1))
    """Blocks that are kept; older ones are pruned."""
    blob_bytes: int = attrs.field(default=8 * MIB - 64 * 1024, validator=must.ge(1))
    """Longest blob."""
    block_bytes: int = attrs.field(default=32 * MIB, validator=must.ge(1))
    """Most bytes of blobs in a block; not less than one blob."""
    pending_bytes: int = attrs.field(default=64 * MIB, validator=must.ge(1))
    """Most bytes of blobs that wait."""

    def __attrs_post_init__(self) -> None:
        if self.block_bytes < self.blob_bytes:
            raise LocalError(
                f"a block of {self.block_bytes:,} bytes has no room for a blob of {self.blob_bytes:,}: "
                "let blocks be longer, or blobs shorter"
            )


@attrs.frozen
class Block:
    """A block without its blobs. ``made`` is Unix time, in seconds."""

    height: int
    id: bytes
    parent: bytes
    made: float


@attrs.frozen
class Blob:
    """A blob in a block, at this ``place`` in it. ``proof`` is its share commitment."""

    place: int
    space: bytes
    proof: bytes
    data: bytes


class Ledger:
    """The blocks, and the blobs that wait to be in one. Not safe for threads. ``LocalError`` if the file can not be
    used."""

    def __init__(self, database: sqlite3.Connection, path: str, options: Options) -> None:
        self.options = options
        self._database, self._path = database, path

    @classmethod
    def open(cls, path: Path | None, options: Options, now: float = 0.0) -> Self:
        """Open the file, or make it with a first block at height 1; in memory if ``path`` is ``None``."""
        name = str(path) if path is not None else ":memory:"
        with _translated(name):
            database = sqlite3.connect(name, timeout=0, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            ledger = cls(database, name, options)
            if version == 0:
                with ledger._change():
                    for statement in SCHEMA.strip().split(";\n"):
                        database.execute(statement)
                    ledger._add(Block(1, sha256(b"syncfsm da").digest(), b"", now))
            elif version != FORMAT:
                database.close()
                raise LocalError(f"{name} has format {version}, and this version reads {FORMAT}: name another file")
        return ledger

    def close(self) -> None:
        self._database.close()

    # Reading --------------------------------------------------------------------------------------------------------

    @property
    def head(self) -> Block:
        return self._block("ORDER BY height DESC LIMIT 1")

    @property
    def oldest(self) -> int:
        """The height of the oldest block that is kept."""
        return int(self._ask("SELECT min(height) FROM blocks")[0][0])

    @property
    def waiting(self) -> int:
        """Bytes of blobs that wait."""
        return int(self._ask("SELECT coalesce(sum(length(data)), 0) FROM pending")[0][0])

    def block(self, height: int) -> Block | None:
        """The block at this height; ``None`` if it is pruned, or not made yet."""
        found = self._ask("SELECT height, id, parent, made FROM blocks WHERE height = ?", height)
        return Block(*found[0]) if found else None

    def blobs(self, height: int, spaces: Sequence[bytes]) -> list[Blob]:
        """The blobs of these namespaces at this height, in their order."""
        marks = ", ".join("?" * len(spaces))
        where = f"height = ? AND space IN ({marks}) ORDER BY place"
        found = self._ask(f"SELECT place, space, proof, data FROM blobs WHERE {where}", height, *spaces)
        return [Blob(*row) for row in found]

    def included(self, number: int) -> bool:
        """Is the blob that ``take`` gave this number in a block, or gone with one?"""
        return not self._ask("SELECT 1 FROM pending WHERE number = ?", number)

    def holds(self, space: bytes, data: bytes) -> bool:
        """Does this very blob wait?"""
        return bool(self._ask("SELECT 1 FROM pending WHERE space = ? AND proof = ?", space, commitment(space, data)))

    def _block(self, which: str) -> Block:
        return Block(*self._ask(f"SELECT height, id, parent, made FROM blocks {which}")[0])

    # Writing --------------------------------------------------------------------------------------------------------

    def take(self, space: bytes, data: bytes) -> int | None:
        """Keep a blob until it is in a block; its number. ``None`` if too many wait."""
        if self.waiting + len(data) > self.options.pending_bytes:
            return None
        with self._change():
            ready = self.head.height + 1 + self.options.delay
            added = self._database.execute(
                "INSERT INTO pending (space, proof, data, ready) VALUES (?, ?, ?, ?)",
                (space, commitment(space, data), data, ready),
            )
        return added.lastrowid

    def make(self, now: float) -> tuple[Block, list[int]]:
        """Make the next block; the numbers of the blobs that are in it."""
        with self._change():
            parent = self.head
            height, rows, room = parent.height + 1, [], self.options.block_bytes
            for row in self._database.execute(
                "SELECT number, space, proof, data FROM pending WHERE ready <= ? ORDER BY number", (height,)
            ):
                room -= len(row[3])
                if room < 0:
                    break
                rows.append(row)
            fork = self._ask("SELECT number FROM forks")[0][0]
            content = b"".join(row[1] + row[2] for row in rows)
            seal = parent.id + height.to_bytes(8) + int(fork).to_bytes(8) + sha256(content).digest()
            block = Block(height, sha256(seal).digest(), parent.id, now)
            self._add(block)
            for place, (number, space, proof, data) in enumerate(rows):
                self._database.execute("INSERT INTO blobs VALUES (?, ?, ?, ?, ?)", (height, place, space, proof, data))
                self._database.execute("DELETE FROM pending WHERE number = ?", (number,))
            self._prune(height - self.options.retention + 1)
        return block, [row[0] for row in rows]

    def prune(self, oldest: int) -> None:
        """Keep nothing below this height; the head stays."""
        with self._change():
            self._prune(min(oldest, self.head.height))

    def take_back(self, height: int, keep: bool) -> int:
        """Take back the block at this height and all after it; how many that were. What follows has other ids. What was
        in them waits again, or is lost if it is not to be kept. ``LocalError`` if they are final, or not there."""
        head = self.head.height
        depth = head - height + 1
        if not 0 < depth <= min(self.options.finality, head - self.oldest):
            raise LocalError(
                f"block {height} can not be taken back: {self.options.finality} at the end are not final, and blocks "
                f"{self.oldest} to {head} are there"
            )
        with self._change():
            if keep:
                self._database.execute(
                    "INSERT INTO pending (space, proof, data, ready) "
                    "SELECT space, proof, data, 0 FROM blobs WHERE height >= ? ORDER BY height, place",
                    (height,),
                )
            for table in ("blobs", "blocks"):
                self._database.execute(f"DELETE FROM {table} WHERE height >= ?", (height,))
            self._database.execute("UPDATE forks SET number = number + 1")
        return depth

    def _add(self, block: Block) -> None:
        self._database.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", attrs.astuple(block))

    def _prune(self, oldest: int) -> None:
        for table in ("blobs", "blocks"):
            self._database.execute(f"DELETE FROM {table} WHERE height < ?", (oldest,))

    # SQLite ---------------------------------------------------------------------------------------------------------

    def _ask(self, question: str, *given: object) -> list[Any]:
        with _translated(self._path):
            return self._database.execute(question, given).fetchall()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of it is kept, or nothing."""
        with _translated(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LocalError(
            f"the file {path} of the DA layer can not be used ({error}). It is in use by another process, on a full "
            "disk, or no such file: stop the other, make room, or name another"
        ) from error
