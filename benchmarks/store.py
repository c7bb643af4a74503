"""What keeping blocks costs: live and in catch-up, beside SQLite and LMDB in the same run; opening, and memory.

The others are what a store could be made of, no stores: they keep headers and bodies, in one transaction a change, and
check nothing. SQLite as stores of format 1 had it; LMDB, if it is installed, without waiting for the disk.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final, Protocol
from unittest.mock import patch
from zlib import crc32

import msgspec

from benchmarks.building import GENESIS, branch
from benchmarks.measure import Figures, rounded
from syncfsm.blocks import Header
from syncfsm.limits import Limits
from syncfsm_adapters.store import FileStore, Promise, load_chain

CHAIN: Final = b"benchmark"
Block = tuple[Header, bytes]
LIVE: Final = 20_000
"""Live blocks: enough for an index to be made too."""
SIZES: Final = {"1KiB": (1024, 50_000, 400), "64KiB": (64 * 1024, 3000, 8)}
"""Bytes of a body, how many blocks, and how many in a change: what a node gets with one read."""


class Kept(Protocol):
    """What can keep blocks."""

    def append(self, blocks: Sequence[Block]) -> None: ...
    def read(self, headers: Sequence[Header]) -> int: ...
    def close(self) -> None: ...


class OurStore:
    def __init__(self, path: Path, promise: Promise = Promise.KILL) -> None:
        self.store = FileStore.open(path, GENESIS, CHAIN, promise=promise)

    def append(self, blocks: Sequence[Block]) -> None:
        self.store.append(blocks, blocks[-1][0].point)

    def read(self, headers: Sequence[Header]) -> int:
        return sum(len(body or b"") for body in self.store.bodies([header.point for header in headers]))

    def close(self) -> None:
        self.store.close()


class Sqlite:
    """As format 1 was: 16 KiB pages, a write-ahead log of 64 MiB."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for line in ("page_size = 16384", "journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 4096"):
            self.connection.execute(f"PRAGMA {line}")
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        for table in ("standing", "headers", "bodies"):
            self.connection.execute(f"CREATE TABLE {table} (key INTEGER PRIMARY KEY, sum INTEGER, value BLOB)")
        self.connection.execute("INSERT INTO standing VALUES (1, 0, x'00')")

    def append(self, blocks: Sequence[Block]) -> None:
        run = self.connection
        headers = [msgspec.msgpack.encode(header) for header, _ in blocks]
        run.execute("BEGIN IMMEDIATE")
        keys = [header.height << 15 for header, _ in blocks]
        run.executemany("INSERT INTO headers VALUES (?, ?, ?)", zip(keys, map(crc32, headers), headers, strict=True))
        bodies = ((key, crc32(body), body) for key, (_, body) in zip(keys, blocks, strict=True))
        run.executemany("INSERT INTO bodies VALUES (?, ?, ?)", bodies)
        run.execute("UPDATE standing SET value = ?", (headers[-1],))
        run.execute("COMMIT")

    def read(self, headers: Sequence[Header]) -> int:
        query = (
            "SELECT headers.value, bodies.sum, bodies.value FROM headers JOIN bodies USING (key) "
            "WHERE key BETWEEN ? AND ?"
        )
        found = self.connection.execute(query, (headers[0].height << 15, headers[-1].height << 15))
        return sum(len(body) for _, sum_, body in found if crc32(body) == sum_)

    def close(self) -> None:
        self.connection.close()


class Lmdb:
    def __init__(self, path: Path) -> None:
        import lmdb  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self.environment = lmdb.open(str(path), map_size=4 * 2**30, max_dbs=2, sync=False)
        self.headers = self.environment.open_db(b"headers", integerkey=True)
        self.bodies = self.environment.open_db(b"bodies", integerkey=True)

    def append(self, blocks: Sequence[Block]) -> None:
        with self.environment.begin(write=True) as transaction:
            for header, body in blocks:
                key = header.height.to_bytes(8, sys.byteorder)
                transaction.put(key, msgspec.msgpack.encode(header), db=self.headers, append=True)
                transaction.put(key, crc32(body).to_bytes(4) + body, db=self.bodies, append=True)

    def read(self, headers: Sequence[Header]) -> int:
        size = 0
        with self.environment.begin() as transaction:
            for header in headers:
                value = transaction.get(header.height.to_bytes(8, sys.byteorder), b"", db=self.bodies)
                body = value[4:]
                size += len(body) if crc32(body) == int.from_bytes(value[:4]) else 0
        return size

    def close(self) -> None:
        self.environment.close()


KINDS: Final[dict[str, Callable[[Path], Kept]]] = {"ours": OurStore, "sqlite": Sqlite}
if find_spec("lmdb"):
    KINDS["lmdb"] = Lmdb


def run(quick: bool) -> Figures:
    """The figures of ``store``."""
    with tempfile.TemporaryDirectory(prefix="syncfsm-bench-") as name:
        folder = Path(name)
        live, beside = _live(folder, LIVE // 20 if quick else LIVE)
        figures: Figures = {"live_bytes_written_per_block": live["ours"]["bytes_written"], "live": live | beside}
        for size, (body, count, together) in SIZES.items():
            figures[size] = _stream(folder, body, count // 20 if quick else count, together, 1 if quick else 3)
        return figures | _opening(folder, quick)


def _blocks(count: int, size: int) -> list[Block]:
    chance = Random(1)
    return [
        (msgspec.structs.replace(header, proof=bytes(96)), chance.randbytes(size))
        for header in branch(GENESIS, count, size=size)
    ]


def _written() -> int:
    """Bytes that this process has passed to write calls."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split("wchar: ")[1].split()[0])


def _live(folder: Path, count: int) -> tuple[dict[str, Figures], dict[str, Figures]]:
    """One block a change: what is passed to write calls on the average, and how long it takes; how often the disk is
    waited for."""
    blocks = _blocks(count, 1024)
    figures: dict[str, Figures] = {}
    for kind, make in KINDS.items():
        kept = make(folder / f"live-{kind}")
        before, start = _written(), time.perf_counter()
        for block in blocks:
            kept.append([block])
        seconds = time.perf_counter() - start
        kept.close()
        figures[kind] = {
            "bytes_written": round((_written() - before) / count),
            "microseconds": rounded(1e6 * seconds / count),
        }
    syncs: dict[str, Figures] = {}
    for promise in Promise:
        ours = OurStore(folder / f"syncs-{promise}", promise)
        with patch("os.fdatasync", side_effect=os.fdatasync) as data, patch("os.fsync", side_effect=os.fsync) as names:
            for block in blocks[:1000]:
                ours.append([block])
            counted = data.call_count + names.call_count
        ours.close()
        syncs[f"ours_{promise}"] = {"syncs_per_block": rounded(counted / min(count, 1000))}
    return figures, syncs


def _stream(folder: Path, size: int, count: int, together: int, rounds: int) -> Figures:
    """Many blocks, as in catch-up, written and read back; the kinds take turns, and medians are compared."""
    blocks = _blocks(count, size)
    headers = [header for header, _ in blocks]
    parts = [slice(start, end) for start, end in pairwise([*range(0, count, together), count])]
    write: dict[str, list[float]] = {kind: [] for kind in KINDS}
    read: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind, make in KINDS.items():
            kept = make(folder / f"{size}-{kind}-{number}")
            start = time.perf_counter()
            for part in parts:
                kept.append(blocks[part])
            written = time.perf_counter()
            got = sum(kept.read(headers[part]) for part in parts)
            read[kind].append(time.perf_counter() - written)
            write[kind].append(written - start)
            kept.close()
            assert got == count * size
    figures: Figures = {}
    for kind in KINDS:
        figures[kind] = {
            "write_blocks_per_second": round(count / median(write[kind])),
            "read_blocks_per_second": round(count / median(read[kind])),
            "write_megabytes_per_second": rounded(count * size / 1e6 / median(write[kind])),
        }
    for kind in KINDS:
        if kind != "ours":
            figures[f"write_ratio_to_{kind}"] = rounded(median(write[kind]) / median(write["ours"]))
            figures[f"read_ratio_to_{kind}"] = rounded(median(read[kind]) / median(read["ours"]))
    return figures


def _opening(folder: Path, quick: bool) -> Figures:
    """A process that opens a store of so many headers and loads the chain: seconds, the best of three, and what its
    memory grows by."""
    found = {}
    for count in (100_000, 1_000_000):
        path = folder / f"opening-{count}"
        _fill(path, count // 100 if quick else count)
        command = [sys.executable, "-m", "benchmarks.store", str(path)]
        runs = [subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for _ in range(1 if quick else 3)]
        found[count] = min(map(json.loads, runs), key=lambda figures: figures["seconds"])
    return {
        "open_seconds_1e6": found[1_000_000]["seconds"],
        "open_seconds_1e5": found[100_000]["seconds"],
        "rss_per_header": found[1_000_000]["rss_per_header"],
        "rss_per_header_1e5": found[100_000]["rss_per_header"],
        "peak_rss_per_header": found[1_000_000]["peak_rss_per_header"],
        "opening": {str(count): figures for count, figures in found.items()},
    }


def _fill(path: Path, count: int) -> None:
    ours = OurStore(path)
    parent = GENESIS
    for start in range(0, count, 500):
        run = [
            (msgspec.structs.replace(header, proof=bytes(96)), b"")
            for header in branch(parent, min(500, count - start))
        ]
        ours.append(run)
        parent = run[-1][0]
    ours.close()


def _open(path: Path) -> dict[str, Any]:
    pages = resource.getpagesize()

    def memory() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * pages

    def peak() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])

    before, start = memory(), time.perf_counter()
    store = FileStore.open(path, GENESIS, CHAIN)
    opened = time.perf_counter()
    chain = load_chain(store, Limits(unfinal=2**31))
    seconds = time.perf_counter() - start
    count = len(chain.blocks)
    return {
        "seconds": rounded(seconds),
        "store_alone_seconds": rounded(opened - start),
        "rss_per_header": round((memory() - before) / count),
        "peak_rss_per_header": round((peak() - before) / count),
    }


if __name__ == "__main__":
    print(json.dumps(_open(Path(sys.argv[1]))))
