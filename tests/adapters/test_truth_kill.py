"""A sequencer that is killed at any instant while it posts: no block is lost, no batch contradicts, followers agree."""

from pathlib import Path
from random import Random
from typing import Final

import pytest

from syncfsm import signed
from syncfsm_adapters.command import keys
from syncfsm_adapters.store.file import FileStore
from tests.adapters.da_process import DaProcess, store
from tests.adapters.guard_nodes import CHAIN, Place, process

BLOCK_TIME: Final = "0.05"
TRUTH: Final = ("--batch-seconds", "0.1", "--da-finality", "3")


def chain_of(path: Path) -> list[bytes]:
    opened = FileStore.open(path, signed.genesis(CHAIN.encode()), CHAIN.encode())
    try:
        return [point.id for point in opened.best_chain()]
    finally:
        opened.close()


def run_kills(folder: Path, kills: int) -> None:
    chance = Random(kills)
    place = Place(folder)
    with DaProcess(*store(folder), "--block-time", BLOCK_TIME, "--finality", "3") as da:
        truth = ("--da", da.url, *TRUTH)
        flags = place.sequencer("--blocks", "0", *truth)
        public = keys.load(folder / "key").verify_key.encode().hex()
        with process(*place.follower(public, *truth)) as alone:
            made = 0
            for _ in range(kills):
                with process(*place.sequencer(*truth)) as sequencer:
                    made = int(sequencer.at(made + chance.randint(1, 12))["height"])
                    if chance.random() < 0.5:
                        sequencer.until("post")
                    if chance.random() < 0.5:
                        sequencer.until("batch")
            with process(*flags) as sequencer:
                sequencer.until("payloads-end")
                end = height_of(sequencer.told[-1]["head"])
                line = alone.until("confirmed", height=end)
                sequencer.until("confirmed", height=end)
            assert not [line for line in alone.told if line["event"] in ("contradicted", "equivocation", "da-refused")]
            skipped = {line["rule"] for line in alone.told if line["event"] == "skipped"}
            assert skipped <= {"repeated-batch"}, "one that was given before a kill may land after it"
            alone.terminate()
            alone.wait()
    theirs, ours = chain_of(folder / "f.store"), chain_of(place.store / "blocks")
    assert theirs == ours
    assert len(ours) == end + 1
    assert bytes.fromhex(line["id"]) == ours[-1]


def height_of(head: str) -> int:
    """The height in a journal's ``height:id``."""
    return int(head.partition(":")[0])


def test_killed_while_it_posts(tmp_path: Path) -> None:
    run_kills(tmp_path, 8)


@pytest.mark.nightly
def test_killed_two_hundred_times_while_it_posts(tmp_path: Path) -> None:
    run_kills(tmp_path, 200)
