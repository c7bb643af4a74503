"""A process that stores blocks is killed at any instant: what it has acknowledged is there, and hangs together."""

import random
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.limits import Limits
from syncfsm_adapters.store.base import load_chain
from syncfsm_adapters.store.file import FileStore

CHILD = Path(__file__).with_name("store_kill_child.py")
GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
ROUNDS_PER_FILE = 4


@attrs.define
class Told:
    """What the processes said of one file."""

    acknowledged: set[Point] = attrs.field(factory=set)
    dropped: set[Point] = attrs.field(factory=set)
    heads: list[Point] = attrs.field(factory=lambda: [GENESIS.point])
    """The last acknowledged head, and the one tried after it."""
    commits: int = 0

    def hear(self, lines: list[str]) -> None:
        tried: set[Point] = set()
        for line in lines:
            word, *rest = line.split()
            if word == "opening":
                continue
            head, *blocks = [parse(word) for word in rest if not word.startswith("-")]
            if word == "try":
                self.heads = [self.heads[0], head]
                self.dropped |= {parse(word[1:]) for word in rest if word.startswith("-")}
                tried = set(blocks)
            else:
                assert word == "ack"
                self.heads = [head]
                self.acknowledged |= tried
                self.commits += 1


def parse(text: str) -> Point:
    height, id = text.split(":")
    return Point(int(height), bytes.fromhex(id))


def run_and_kill(path: Path, seed: int, lines: int) -> list[str]:
    """Let the child run until it has said so many lines, kill it while it goes on, and return all it said."""
    command = [sys.executable, str(CHILD), str(path), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stderr
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        # Not communicate(): it would pass over the lines that readline has buffered.
        said += child.stdout.readlines()
        errors = child.stderr.read()
    assert errors == ""
    return [line for line in said if line.endswith("\n")]


def check(path: Path, told: Told) -> None:
    """Everything acknowledged is there, and the head is the last one acknowledged, or the one that was on its way."""
    store = FileStore.open(path, GENESIS, b"kill-test")
    head = store.standing.head
    assert head in told.heads
    best = list(store.best_chain())
    assert best[0] == GENESIS.point
    assert best[-1] == head
    assert [point.height for point in best] == list(range(head.height + 1))
    assert told.acknowledged <= told.dropped | {header.point for header in store.headers_from_base()}
    present = [*(told.acknowledged - told.dropped), *best[1:]]
    for point, body in zip(present, store.bodies(present), strict=True):
        header = store.header(point)
        assert header
        assert body == (point.id * (header.size // 16 + 1))[: header.size]
    assert load_chain(store, Limits(retention=50)).head.point == head
    store.close()
    told.heads = [head]


def kill_often(folder: Path, rounds: int) -> None:
    chance = random.Random(2024)
    commits = 0
    for start in range(0, rounds, ROUNDS_PER_FILE):
        told = Told()
        path = folder / f"{start}.db"
        for nth in range(start, start + ROUNDS_PER_FILE):
            told.hear(
                run_and_kill(path, seed=nth, lines=chance.choice((1, chance.randint(2, 20), chance.randint(2, 200))))
            )
            check(path, told)
        commits += told.commits
    assert commits > 10 * rounds


def test_a_few_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 20)


@pytest.mark.nightly
def test_many_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 200)
