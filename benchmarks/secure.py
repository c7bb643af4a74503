"""What TLS costs: catching up with and without it, in the same run and by turns, and TLS alone, without a socket."""

import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.catch_up import PUBLIC, SIZES, make_file, measured, sender
from benchmarks.measure import Figures, by_turns, rounded
from syncfsm_adapters.secure import Channel, Identity

WAYS: Final = {"plain": (), "tls": ("tls",)}
"""What is said to the processes of ``catch_up``."""
WRITES: Final = {"4KiB": 4 * 1024, "16KiB": 16 * 1024, "64KiB": 64 * 1024}
SEALED: Final = 64 * 1024 * 1024
"""Bytes that TLS alone carries in a round."""


def run(quick: bool) -> Figures:
    """The figures of ``secure``: by size of the block, of the handshake, and by size of a write."""
    with tempfile.TemporaryDirectory(prefix="syncfsm-bench-") as folder:
        caught_up = {
            name: _race(Path(folder) / f"{name}.store", size, count // 20 if quick else count, 1 if quick else 3)
            for name, (size, count) in SIZES.items()
        }
    return {**caught_up, **_alone(SEALED // 16 if quick else SEALED, 2 if quick else 5)}


def _race(path: Path, size: int, count: int, rounds: int) -> Figures:
    """One store, which the one server has while the other does not."""
    make_file(path, size, count)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way, words in WAYS.items():
            client = path.with_name(f"{path.stem}-{way}-{number}.store")
            with sender("serve", path, PUBLIC, *words) as server:
                runs[way].append(measured("fetch", client, PUBLIC, server["port"], count, *words))
            shutil.rmtree(client)
    megabytes = count * size / 1e6
    seconds, used, connecting = (
        {way: median(found[what] for found in runs[way]) for way in WAYS}
        for what in ("seconds", "processor_seconds", "connecting")
    )
    return {
        "ratio_to_plain": rounded(seconds["plain"] / seconds["tls"]),
        "client_processor_ratio_to_plain": rounded(used["plain"] / used["tls"]),
        **{f"{way}_megabytes_per_second": rounded(megabytes / seconds[way]) for way in WAYS},
        **{f"{way}_client_processor_milliseconds_per_megabyte": rounded(1e3 * used[way] / megabytes) for way in WAYS},
        **{f"{way}_connecting_milliseconds": rounded(1e3 * connecting[way]) for way in WAYS},
        "seconds": {way: [rounded(found["seconds"]) for found in runs[way]] for way in WAYS},
    }


def _alone(size: int, rounds: int) -> Figures:
    """Processor time of both ends together."""
    ends = Identity(bytes(32)), Identity(bytes([1]) * 32)
    least = by_turns(rounds, {name: lambda write=write: _carry(ends, write, size) for name, write in WRITES.items()})  # type: ignore[misc]
    shaking = by_turns(10 * rounds, {"": lambda: _meet(ends)})[""]
    return {
        "handshake_processor_milliseconds": rounded(1e3 * shaking),
        "tls_processor_milliseconds_per_megabyte": {
            name: rounded(1e3 * (least[name] - shaking) / (size / 1e6)) for name in WRITES
        },
    }


def _meet(ends: tuple[Identity, Identity]) -> tuple[Channel, Channel]:
    """Two channels that have shaken hands."""
    near, far = Channel(ends[0], dialled=True), Channel(ends[1], dialled=False)
    while not (near.up and far.up):
        far.receive(near.take())
        near.receive(far.take())
    assert (near.peer, far.peer) == (ends[1].id, ends[0].id)
    return near, far


def _carry(ends: tuple[Identity, Identity], write: int, size: int) -> None:
    near, far = _meet(ends)
    words = bytes(write)
    for _ in range(size // write):
        near.seal(words)
        assert len(far.receive(near.take())) == write
