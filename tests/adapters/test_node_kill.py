"""A full node killed at any instant, as a process, with a real file and real TCP: nothing acknowledged is ever lost.

A head line in a node's journal is its acknowledgement: it is written after the store has committed.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from syncfsm import signed
from syncfsm.blocks import Point
from syncfsm_adapters.command import keys
from syncfsm_adapters.store.file import FileStore

CHAIN = "kills"
INTERVAL = "0.02"


@contextmanager
def node(*flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node process, killed at the end if it still runs."""
    command = [sys.executable, "-m", "syncfsm_adapters", "node", "--chain", CHAIN, "--log", "json", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, str]]:
    assert process.stdout is not None
    for text in process.stdout:
        if text.endswith(b"\n"):  # the last words of a killed process may be half a line
            yield json.loads(text)


def drained(process: subprocess.Popen[bytes]) -> Iterator[dict[str, str]]:
    """The same lines, read ahead in a thread: a pipe that nobody reads would hold the node up."""
    queue: SimpleQueue[dict[str, str] | None] = SimpleQueue()

    def read() -> None:
        for line in lines(process):
            queue.put(line)
        queue.put(None)

    Thread(target=read, daemon=True).start()
    return iter(queue.get, None)


def first(told: Iterator[dict[str, str]], event: str) -> dict[str, str]:
    return next(line for line in told if line["event"] == event)


def open_store(path: Path) -> FileStore:
    return FileStore.open(path, signed.genesis(CHAIN.encode()), CHAIN.encode())


def acknowledged(process: subprocess.Popen[bytes], heads: int) -> Iterator[Point]:
    """The heads a node acknowledged up to its death, which comes after ``heads`` of them, while more are under way."""
    for line in lines(process):
        if line["event"] == "head":
            yield Point(int(line["height"]), bytes.fromhex(line["id"]))
            heads -= 1
        if heads == 0:
            process.kill()


def run_kills(folder: Path, kills: int) -> None:
    chance = random.Random(kills)
    key, store = str(folder / "key"), folder / "follower.store"
    keys.generate(folder / "key", CHAIN)
    sequencer_flags = ("--name", "s", "--store", str(folder / "s.store"), "--listen", "127.0.0.1:0", "--key", key)
    with node(*sequencer_flags, "--interval", INTERVAL) as sequencer:
        told = drained(sequencer)
        public = first(told, "started")["public_key"]
        address = first(told, "listening")["address"]
        follower_flags = ("--name", "f", "--store", str(store), "--public-key", public, "--peer", address)
        known: set[Point] = set()
        for _ in range(kills):
            with node(*follower_flags) as follower:
                known |= set(acknowledged(follower, chance.randint(1, 8)))
            opened = open_store(store)
            chain = set(opened.best_chain())
            opened.close()
            assert known <= chain, f"lost: {known - chain}"
        assert len(known) >= kills
        with node(*follower_flags) as follower:
            heard = drained(follower)
            seen = {first(heard, "head")["id"]}
            sequencer.terminate()
            last = [line for line in told if line["event"] in ("head", "stopped")]
            assert last[-1]["event"] == "stopped"
            end = last[-2]["id"]
            while end not in seen:
                seen.add(first(heard, "head")["id"])
            follower.terminate()
            follower.wait()
    chains = []
    for name in ("s.store", "follower.store"):
        opened = open_store(folder / name)
        chains.append(list(opened.best_chain()))
        opened.close()
    assert chains[0] == chains[1]
    assert [point.height for point in chains[0]] == list(range(len(chains[0])))


def test_a_follower_killed_while_blocks_stream_loses_nothing(tmp_path: Path) -> None:
    run_kills(tmp_path, 6)


@pytest.mark.nightly
def test_two_hundred_kills(tmp_path: Path) -> None:
    run_kills(tmp_path, 200)
