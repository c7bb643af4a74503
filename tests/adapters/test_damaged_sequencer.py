"""A sequencer is started on stores that rotted, were cut, mixed up or come from a backup: it signs nothing twice."""

import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import trio.testing

from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.signed import SignedChain
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.command.resume import resume
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.store.base import load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from tests.adapters.guard_disk import Disk
from tests.adapters.test_resume import CHAIN_ID, GENESIS, KEY, PUBLIC, Nowhere, blocks, disk_of
from tests.adapters.test_store_damage import DAMAGE, Truth
from tests.adapters.test_store_power import SmallStore

SIGNED = blocks(60)
IDS = {header.height: header.id for header, _ in SIGNED}


def made(folder: Path) -> Truth:
    """The store of a sequencer that was killed after 60 blocks, and a backup from when it had 30."""
    path, backup = folder / "node.store", folder / "backup"
    store = SmallStore.open(path, GENESIS, CHAIN_ID, promise=Promise.POWER)
    for number, block in enumerate(SIGNED):
        if number == 30:
            store._log.settle()
            shutil.copytree(path, backup)
        store.append([block], block[0].point)
    store._log.settle()
    shutil.copytree(path, folder / "killed")
    store.close()
    return Truth(folder / "killed", backup, [], {})


def one_line(error: LocalError) -> None:
    assert "\n" not in str(error)


def started(path: Path, disk: Disk) -> str:
    """Start a sequencer that knows no peers and have it make a block; how that came out."""
    try:
        store = FileStore.open(path, GENESIS, CHAIN_ID, promise=Promise.POWER)
    except LocalError as error:
        one_line(error)
        return "the store is refused"
    try:
        return trio.run(_make, store, disk, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        store.close()


async def _make(store: FileStore, disk: Disk) -> str:
    try:
        chain = load_chain(store, Limits())
    except LocalError as error:
        one_line(error)
        return "the store is refused"
    host = Host(Node.start(Config(SignedChain(CHAIN_ID, PUBLIC)), chain), store, Nowhere())
    guard = Guard.open(Path("guard"), PUBLIC, CHAIN_ID, chain.head, new=False, files=disk)
    try:
        alone = Settings(name="s", store="blocks", key="key", peers=(), listen=None)
        await resume(host, guard, alone, lambda event, **fields: None)
        header = Producer(KEY, CHAIN_ID, guard).produce(host, b"the next one")
    except LocalError as error:
        one_line(error)
        return "it does not begin"
    finally:
        guard.close()
    assert header.height > max(IDS), "a second block at a height"
    return "it goes on"


def start_often(folder: Path, rounds: int) -> Counter[str]:
    chance, truth, came_out = Random(rounds), made(folder), Counter[str]()
    disk = disk_of(*SIGNED)
    kept = dict(disk.slots)
    for number in range(rounds):
        path = folder / f"damaged-{number}"
        shutil.copytree(truth.folder, path)
        for _ in range(chance.choice((1, 1, 3))):
            if files := [file for file in sorted(path.iterdir()) if file.name != "lock"]:
                chance.choice(DAMAGE)(chance.choice(files), truth, chance)
        if chance.random() < 0.1:  # all of it from the backup, or nothing
            shutil.rmtree(path)
            if chance.random() < 0.5:
                shutil.copytree(truth.backup, path)
        came_out[started(path, Disk(slots=dict(kept)))] += 1
        shutil.rmtree(path, ignore_errors=True)
    return came_out


def test_no_sequencer_signs_twice_whatever_its_store(tmp_path: Path) -> None:
    assert set(start_often(tmp_path, 150)) == {"the store is refused", "it does not begin", "it goes on"}


@pytest.mark.nightly
def test_none_of_a_thousand_does(tmp_path: Path) -> None:
    start_often(tmp_path, 1000)
