"""A node with a rotten body serves everybody else, says so, and is whole when the body comes again."""

from pathlib import Path
from typing import Any

import pytest
import trio

from syncfsm.blocks import Point
from syncfsm.events import Produced
from syncfsm.peer.messages import Parting
from syncfsm_adapters.store.file import FileStore, Promise
from tests.adapters.tcp_nodes import CHAIN_ID, GENESIS, Block, Carriers, Running, grow, in_trio, start

BODIES = [b"the body of block %d" % number for number in range(1, 9)]
ROTTEN = 4


def spoil(folder: Path, body: bytes) -> None:
    """Flip a bit of a body, wherever it is kept."""
    for file in folder.glob("*.blocks"):
        content = bytearray(file.read_bytes())
        at = content.find(body)
        if at >= 0:
            content[at] ^= 1
            file.write_bytes(content)


Spoilt = tuple[FileStore, list[Block], list[tuple[str, dict[str, Any]]]]


def spoilt_in(folder: Path) -> Spoilt:
    """A store in which the body of one block has rotted after it had reached the disk; what it tells is listed."""
    path = folder / "node.store"
    told: list[tuple[str, dict[str, Any]]] = []
    blocks = grow(BODIES)
    store = FileStore.open(path, GENESIS, CHAIN_ID, promise=Promise.POWER)
    for block in blocks:
        store.append([block], block[0].point)
    store.close()
    spoil(path, BODIES[ROTTEN])
    store = FileStore.open(path, GENESIS, CHAIN_ID, tell=lambda event, **fields: told.append((event, fields)))
    return store, blocks, told


@pytest.fixture
def spoilt(tmp_path: Path) -> Spoilt:
    return spoilt_in(tmp_path)


def test_one_body_is_lost_and_nothing_else(spoilt: Spoilt) -> None:
    store, blocks, told = spoilt
    rotten = blocks[ROTTEN][0].point
    assert store.report.lost == (rotten,)
    assert told[0][0] == "store-opened"
    assert f"1 bodies are damaged, the first is that of block {rotten}" in told[0][1]["noticed"]
    assert store.standing.head == blocks[-1][0].point
    expected: list[bytes | None] = [body for _, body in blocks]
    expected[ROTTEN] = None
    assert store.bodies([header.point for header, _ in blocks]) == expected
    assert list(store.lost) == [rotten]
    store.close()


@in_trio
async def test_who_needs_the_block_is_told_and_everybody_else_is_served(carriers: Carriers, tmp_path: Path) -> None:
    store, blocks, _ = spoilt_in(tmp_path)
    full = Running(carriers, b"full", store=store)
    new, ahead = Running(carriers, b"new"), Running(carriers, b"ahead", blocks=blocks[: ROTTEN + 2])
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, ahead, full)
        await ahead.at(blocks[-1][0].point)
        await start(nursery, new, full)
        await new.until(lambda: new.partings)
        assert new.host.head.height <= ROTTEN
        assert any(str(Parting.PRUNED) in " ".join(parting) for parting in new.partings)
        full.grow(b"a live block")
        await ahead.at(full.host.head)
        full.host.feed(Produced((blocks[ROTTEN][0],), full.now(), (blocks[ROTTEN][1],)))
        assert not store.lost
        await new.at(full.host.head)
        nursery.cancel_scope.cancel()


def test_a_body_that_comes_again_is_taken_if_it_is_the_right_one(spoilt: Spoilt) -> None:
    store, blocks, told = spoilt
    (header, body), (other, other_body) = blocks[ROTTEN], blocks[ROTTEN + 1]
    assert not store.mend(other, other_body)
    assert not store.mend(header, body[:-1])
    assert store.mend(header, body)
    assert not store.mend(header, body)
    assert told[-1] == ("store-mended", {"height": header.height, "id": header.id, "lost": 0})
    store.close()
    again = FileStore.open(Path(str(store).removeprefix("the block store ")), GENESIS, CHAIN_ID)
    assert again.bodies([Point(header.height, header.id)]) == [body]
    assert not again.lost
    assert list(again.best_chain())[1:] == [header.point for header, _ in blocks]
    again.close()
