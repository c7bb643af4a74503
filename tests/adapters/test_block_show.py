"""Which batch has a block, and what a node says of one: in virtual time, and as a command before a node that runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.truth.messages import decode
from syncfsm.truth.stands import Batched
from syncfsm_adapters.look.blocks import NO_LAYER, NOT_KNOWN, show
from syncfsm_adapters.store import MemoryStore
from tests.adapters.da_process import DaProcess, store
from tests.adapters.guard_nodes import Place, process
from tests.adapters.test_look import command
from tests.adapters.truth_nodes import SPACE, Network, One, in_virtual_time, network


def batches(one: One) -> dict[int, Batched | None]:
    """What it knows of every confirmed block."""
    return {height: one.truth.batch(height) for height in range(1, one.heights[1] + 1)}


def on_the_layer(net: Network) -> dict[int, Batched]:
    """The same, by the blobs themselves."""
    found, tip, ledger = dict[int, Batched](), 0, net.layer.ledger
    for height in range(ledger.oldest, ledger.head.height + 1):
        for blob in ledger.blobs(height, (SPACE,)):
            batch = decode(blob.data)
            assert batch is not None
            if batch.cover.first == tip + 1:
                tip = batch.cover.last
                for at in range(batch.cover.first, tip + 1):
                    found[at] = Batched(batch.cover.first, tip, height)
    return found


async def rest() -> None:
    """Until the reader has read what there is, and before the layer's next block."""
    await trio.testing.wait_all_tasks_blocked()


def test_each_confirmed_block_is_found_in_its_batch_also_when_the_layer_takes_it_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 100, follower)
            await rest()
            before = batches(follower)
            assert len(before) > 60
            assert before == on_the_layer(net) == batches(sequencer)
            await net.layer.reorganise(net.layer.ledger.head.height - 4, False)
            await trio.sleep(0.3)
            assert follower.said("taken-back")
            taken = [height for height in before if height > follower.heights[1]]
            assert taken
            assert not any(follower.truth.batch(height) for height in taken)
            await net.blocks(sequencer, 60, follower)
            await rest()
            after = batches(follower)
            assert after == on_the_layer(net)
            assert all(after[height] != before[height] for height in taken), "in another batch"
            assert follower.truth.batch(follower.heights[1] + 1) is None

    in_virtual_time(test)


def test_a_restart_knows_what_was_read_before_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as before:
                sequencer, follower = before.sequencer(), before.node("f")
                await net.blocks(sequencer, 60, follower)
            kept = batches(follower)
            net.layer.out = True  # it reads none of it again
            held = follower.host.store
            assert isinstance(held, MemoryStore)
            again = net.node("f", held)
            await trio.sleep(1)
            assert batches(again) == kept
            assert all(kept.values())

    in_virtual_time(test)


def test_what_a_node_says_of_a_block(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 60, follower)
            chain, (soft, confirmed, final) = follower.host.node.chain, follower.heights
            for height, stand in ((final, "final"), (confirmed, "confirmed"), (soft, "soft")):
                header = chain.best_at(height)
                assert header is not None
                found = show(chain, str(height), follower.truth.batch)
                assert found == show(chain, header.id.hex(), follower.truth.batch)
                known = {name: found[name] for name in ("height", "id", "parent", "bytes", "stand")}
                assert known == {
                    "height": height, "id": header.id.hex(), "parent": header.parent.hex(), "bytes": header.size,
                    "stand": stand,
                }  # fmt: skip
                assert (found["batch"] is None) is (stand == "soft")
            assert show(chain, "0", follower.truth.batch)["batch"] is None
            assert NOT_KNOWN not in show(chain, "0", follower.truth.batch)["sentence"]
            (tmp_path / "f.da.batches").unlink()
            assert show(chain, str(final), follower.truth.batch)["sentence"].endswith(NOT_KNOWN)
            assert show(chain, str(final), None)["sentence"].endswith(NO_LAYER)
            with pytest.raises(LocalError, match=f"there is no block at {soft + 1} yet: the head is {soft}:"):
                show(chain, str(soft + 1), None)
            with pytest.raises(LocalError, match="is not held"):
                show(chain, "ab" * 32, None)
            with pytest.raises(LocalError, match="is no id of a block"):
                show(chain, "block", None)

    in_virtual_time(test)


def test_a_node_that_began_somewhere_in_the_layer_says_what_it_has_not_read(tmp_path: Path) -> None:
    """Its mark was copied, as was its store, and the list was not."""

    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as before:
                sequencer = before.sequencer()
                await net.blocks(sequencer, 60)
            (tmp_path / "s.da.batches").unlink()
            held, confirmed = sequencer.host.store, sequencer.heights[1]
            assert isinstance(held, MemoryStore)
            again = net.sequencer(store=held)
            await net.blocks(again, 60)
            await rest()
            found, there = batches(again), on_the_layer(net)
            assert [height for height, batch in found.items() if batch is None] == list(range(1, confirmed + 1))
            assert all(found[height] == there[height] for height in range(confirmed + 1, again.heights[1] + 1))

    in_virtual_time(test)


def test_the_command(tmp_path: Path) -> None:
    place = Place(tmp_path)
    where = ("--store", str(place.store / "blocks"))

    def ask(block: str) -> dict[str, Any]:
        code, said, _ = command("block", "show", block, *where, "--json")
        assert code == 0
        found: dict[str, Any] = json.loads(said)
        return found

    with DaProcess(*store(tmp_path), "--block-time", "0.1") as da:
        flags = place.sequencer("--da", da.url, "--batch-seconds", "0.3", "--blocks", "9", "--retention", "1")
        with process(*flags) as sequencer:
            sequencer.until("final", height=9)
            found = ask("8")
            assert (found["stand"], found["height"]) == ("final", 8)
            assert found["batch"]["first"] <= 8 <= found["batch"]["last"]
            assert ask(found["id"]) == found
            assert ask("9")["parent"] == found["id"]
            code, said, _ = command("block", "show", "8", *where)
            batch = found["batch"]
            assert code == 0
            assert f"batch   {batch['first']} to {batch['last']}, at height {batch['layer']} of the layer" in said
            assert f"parent  {found['parent']}" in said
            old = ask("3")
            assert (old["stand"], old["id"]) == ("final", None)
            assert "older than --retention" in old["sentence"]
            assert old["batch"]["first"] <= 3 <= old["batch"]["last"]
            code, _, error = command("block", "show", "10", *where)
            assert (code, "there is no block at 10 yet" in error) == (2, True)
