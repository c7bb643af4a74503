"""What a sequencer's guard costs for each block, beside a bare write of as many bytes that waits for the disk."""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from nacl.signing import SigningKey

from benchmarks.measure import Figures, rounded
from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.guard.slots import Folder

CHAIN: Final = b"bench"
BODY: Final = 1024
OUT: Final = Path("out")
"""Beside the figures: the folder for temporary files may be in memory, where no sync costs anything."""


class Counting(Folder):
    """Counts what is passed to write calls."""

    written = 0

    def write(self, slot: int, data: bytes) -> None:
        self.written += len(data)
        super().write(slot, data)


def run(quick: bool) -> Figures:
    """The figures of ``guard``: seconds on the wall, as it waits for a disk; the two by turns."""
    key = SigningKey(b"guard".ljust(32))
    blocks = _blocks(Producer(key, CHAIN), 20 if quick else 1000)
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="guard-", dir=OUT) as folder:
        files = Counting(Path(folder) / "guard")
        guard = Guard.open(files.path, bytes(key.verify_key), CHAIN, signed.genesis(CHAIN), new=True, files=files)
        files.written = 0
        bare = os.open(Path(folder) / "bare", os.O_RDWR | os.O_CREAT)
        kept, written = [], []
        for header, body in blocks:
            before = files.written
            kept.append(_wall(partial(guard.keep, header, body)))
            written.append(_wall(partial(_write, bare, files.written - before)))
        os.close(bare)
        guard.close()
        return {
            "microseconds_per_block": rounded(1e6 * median(kept)),
            "bare_write_microseconds": rounded(1e6 * median(written)),
            "ratio_to_bare_write": rounded(median(kept) / median(written)),
            "bytes_written_per_block": rounded(files.written / len(blocks)),
        }


def _write(file: int, size: int) -> None:
    os.pwrite(file, bytes(size), 0)
    os.fdatasync(file)


def _wall(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _blocks(producer: Producer, count: int) -> list[tuple[Header, bytes]]:
    made, parent = [], signed.genesis(CHAIN)
    for number in range(count):
        body = number.to_bytes(4) * (BODY // 4)
        parent = producer.seal(parent, body)
        made.append((parent, body))
    return made
