"""Catching up over TCP: two processes on this machine, every block verified and stored, beside a bare loop.

The server has a file of signed blocks, the client nothing. The bare loop sends the very same frames, and reads and
hashes them. The two take turns, and the medians are compared.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from nacl.signing import SigningKey

from benchmarks.measure import Figures, rounded
from benchmarks.peers import CHAIN
from syncfsm import signed
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.store.file import FileStore

KEY: Final = SigningKey(bytes(32))
PUBLIC: Final = bytes(KEY.verify_key).hex()
SIZES: Final = {"1KiB": (1024, 50_000), "64KiB": (64 * 1024, 3_000)}
"""Bytes of a body, and how many blocks."""
BATCH: Final = 500
"""Blocks written to the file at once."""
PATIENCE: Final = 120
"""Seconds after which a process that should be done is given up."""


def run(quick: bool) -> Figures:
    """The figures of ``catch_up``, by size of the block."""
    with tempfile.TemporaryDirectory(prefix="syncfsm-bench-") as folder:
        return {
            name: _race(Path(folder) / f"{name}.store", size, count // 20 if quick else count, 1 if quick else 3)
            for name, (size, count) in SIZES.items()
        }


def _race(path: Path, size: int, count: int, rounds: int) -> Figures:
    _make(path, size, count)
    nodes: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    # In this order: the bare sender has closed the file when it listens, and the node can open it.
    with _sender("send", path) as bare_port, _sender("serve", path, PUBLIC) as port:
        for number in range(rounds):
            client = path.with_name(f"{path.stem}-{number}.store")
            nodes.append(_measured("fetch", client, PUBLIC, port, count))
            shutil.rmtree(client)
            bare.append(_measured("read", bare_port))
    assert all(found["blocks"] == count for found in bare)
    return _figures(size, count, nodes, bare)


def _figures(size: int, count: int, nodes: list[dict[str, float]], bare: list[dict[str, float]]) -> Figures:
    node_time, bare_time = (median(found["seconds"] for found in runs) for runs in (nodes, bare))
    return {
        "blocks": count,
        "blocks_per_second": round(count / node_time),
        "megabytes_per_second": rounded(count * size / 1e6 / node_time),
        "ratio_to_bare_loop": rounded(bare_time / node_time),
        "bare_loop_blocks_per_second": round(count / bare_time),
        "bare_loop_megabytes_per_second": rounded(count * size / 1e6 / bare_time),
        "client_processor_microseconds_per_block": rounded(
            1e6 * median(found["processor_seconds"] for found in nodes) / count
        ),
        "seconds": [rounded(found["seconds"]) for found in nodes],
        "bare_loop_seconds": [rounded(found["seconds"]) for found in bare],
    }


def _make(path: Path, size: int, count: int) -> None:
    """A file of ``count`` signed blocks, each with a body of its own."""
    producer, chance = Producer(KEY, CHAIN), Random(1)
    head = signed.genesis(CHAIN)
    store = FileStore.open(path, head, CHAIN)
    for start in range(0, count, BATCH):
        blocks = []
        for _ in range(min(BATCH, count - start)):
            body = chance.randbytes(size)
            head = producer.seal(head, body)
            blocks.append((head, body))
        store.append(blocks, head.point)
    store.close()


def _command(role: str, *given: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.peers", role, *map(str, given)]


@contextmanager
def _sender(role: str, *given: object) -> Iterator[int]:
    """A process that sends to whoever connects; the port it listens on. It stops when its standard input is closed."""
    with subprocess.Popen(_command(role, *given), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.stdin.close()
            process.wait(PATIENCE)


def _measured(role: str, *given: object) -> Any:
    """What a process that takes all there is has measured."""
    done = subprocess.run(_command(role, *given), stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    return json.loads(done.stdout)
