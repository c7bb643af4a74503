"""Catching up over TCP: two processes on this machine, every block verified and stored, beside a bare loop.

The server has a file of signed blocks, the client nothing. The bare loop sends the very same frames, and reads and
hashes them. If py-libp2p is there (extra ``bench``), it sends them too, over a stream of its own. All take turns, and
the medians are compared.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
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
    make_file(path, size, count)
    nodes: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    streams: list[dict[str, float]] = []
    # In this order: the bare sender has closed the file when it listens, and the node can open it.
    with _libp2p(path) as drain, sender("send", path) as bare_port, sender("serve", path, PUBLIC) as port:
        for number in range(rounds):
            client = path.with_name(f"{path.stem}-{number}.store")
            nodes.append(measured("fetch", client, PUBLIC, port["port"], count))
            shutil.rmtree(client)
            bare.append(measured("read", bare_port["port"]))
            streams += drain()
    assert all(found["blocks"] == count for found in bare)
    assert all(found["left"] == 0 for found in streams)
    return _figures(size, count, nodes, bare) | _libp2p_figures(size, count, streams)


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


def _libp2p_figures(size: int, count: int, streams: list[dict[str, float]]) -> Figures:
    if not streams:
        return {}
    seconds = median(found["seconds"] for found in streams)
    return {
        "libp2p_stream_blocks_per_second": round(count / seconds),
        "libp2p_stream_megabytes_per_second": rounded(count * size / 1e6 / seconds),
    }


def make_file(path: Path, size: int, count: int) -> None:
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


def _command(module: str, role: str, *given: object) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.{module}", role, *map(str, given)]


@contextmanager
def sender(role: str, *given: object, module: str = "peers") -> Iterator[dict[str, Any]]:
    """A process that sends to whoever connects; what it says of itself. It stops when its standard input is closed."""
    command = _command(module, role, *given)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(PATIENCE)


def measured(role: str, *given: object, module: str = "peers") -> Any:
    """What a process that takes all there is has measured."""
    command = _command(module, role, *given)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
    return json.loads(done.stdout)


@contextmanager
def _libp2p(path: Path) -> Iterator[Callable[[], list[Any]]]:
    """Have py-libp2p stream the file once; nothing comes of it where it is not installed."""
    if find_spec("libp2p") is None:
        yield list
        return
    with sender("stream", path, module="libp2p_peers") as said:
        yield lambda: [measured("drain", said["port"], said["bytes"], module="libp2p_peers")]
