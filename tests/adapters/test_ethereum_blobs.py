"""Blobs of Ethereum: how bytes are packed, what a beacon node may say, and two nodes that have them as their truth."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from syncfsm.truth.answers import Blobs, Nothing, Posted, TooBig, Trouble, Unsure
from syncfsm_adapters.da import kzg
from syncfsm_adapters.da.beacon import Beacon
from syncfsm_adapters.da.blobs import CAPACITY, ELEMENT_BYTES, ELEMENTS, LENGTH_BYTES, MOST_BYTES, pack, unpack
from syncfsm_adapters.da.ethereum import Ethereum
from tests.adapters.anvil import KEY, Anvil
from tests.adapters.beacon_node import BeaconNode
from tests.adapters.guard_nodes import Place, process
from tests.adapters.test_ethereum import NEEDS_ANVIL, Sleep, layer, run
from tests.adapters.test_look import public_key

FIRST: Final = CAPACITY - LENGTH_BYTES
"""What fits in one blob."""


# How bytes are packed -------------------------------------------------------------------------------------------------


@given(st.integers(0, 3 * CAPACITY), st.integers(0, 255))
def test_what_is_packed_comes_back(length: int, byte: int) -> None:
    data = bytes([byte]) * length
    blobs = pack(data)
    assert unpack(blobs) == data
    assert len(blobs) == -(-(length + LENGTH_BYTES) // CAPACITY)
    assert all(len(blob) == ELEMENTS * ELEMENT_BYTES for blob in blobs)


def test_a_batch_goes_on_from_blob_to_blob() -> None:
    assert [len(pack(bytes(size))) for size in (0, FIRST, FIRST + 1, MOST_BYTES)] == [1, 1, 2, 6]


def test_what_a_stranger_packs_is_nothing() -> None:
    (whole,) = pack(b"a batch")
    assert unpack([b"\x01" + whole[1:]]) is None, "no field element of ours"
    assert unpack([whole[:-1]]) is None
    assert unpack([b"\0" + b"\xff" * 4 + whole[5:]]) is None, "longer than there are blobs"


# Against a chain ------------------------------------------------------------------------------------------------------


def blobs(anvil: Anvil, node: BeaconNode, sleep: Sleep, **more: Any) -> Ethereum:
    return layer(anvil, sleep, **{"beacon": Beacon(node.url), "patience": 30.0, "blob_bytes": None, **more})


@NEEDS_ANVIL
def test_a_long_batch_takes_several_blobs() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil() as anvil, BeaconNode(anvil.url) as node:
            made = blobs(anvil, node, sleep)
            batch = os.urandom(FIRST + 1)
            posted = await made.submit(batch)
            assert isinstance(posted, Posted), posted
            found = await made.blobs(posted.height)
            assert isinstance(found, Blobs), found
            assert found.blobs == (batch,)
            block = await anvil.call("eth_getBlockByNumber", hex(posted.height), True)
            assert block["transactions"][0]["type"] == "0x3"
            assert len(block["transactions"][0]["blobVersionedHashes"]) == 2
            assert isinstance(await made.submit(bytes(MOST_BYTES + 1)), TooBig)

    run(test)


@NEEDS_ANVIL
def test_with_a_beacon_node_both_kinds_are_read() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil() as anvil, BeaconNode(anvil.url) as node:
            made, plain = blobs(anvil, node, sleep), layer(anvil, sleep)
            heights = []
            for writer, batch in ((plain, b"calldata"), (made, b"blobs")):
                posted = await writer.submit(batch)
                assert isinstance(posted, Posted), posted
                heights.append(posted.height)
            both = [await made.blobs(height) for height in heights]
            assert [each.blobs for each in both if isinstance(each, Blobs)] == [(b"calldata",), (b"blobs",)]
            assert isinstance(await plain.blobs(heights[0]), Blobs)
            assert isinstance(await plain.blobs(heights[1]), Nothing)

    run(test)


@NEEDS_ANVIL
def test_what_a_beacon_node_gives_is_taken_only_if_it_is_what_was_named() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil() as anvil, BeaconNode(anvil.url) as node:
            made = blobs(anvil, node, sleep)
            posted = await made.submit(b"a batch")
            assert isinstance(posted, Posted), posted
            for instead, says in (
                (pack(b"another")[0].hex(), "not what its hash names"),
                ("ff" * ELEMENTS * ELEMENT_BYTES, "can not be committed to"),
                ("zz", "can not be read"),
            ):
                node.instead = "0x" + instead
                found = await made.blobs(posted.height)
                assert isinstance(found, Trouble)
                assert says in found.detail
            node.instead, node.oldest = "", posted.height + 1
            found = await made.blobs(posted.height)
            assert isinstance(found, Trouble), "it is too young to be pruned"
            assert "it lags, or does not keep them all" in found.detail

    run(test)


@NEEDS_ANVIL
def test_a_beacon_node_knows_blocks_by_their_slots() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil(pace=0) as anvil, BeaconNode(anvil.url) as node:
            made = blobs(anvil, node, sleep, inclusion=0.1)
            assert isinstance(await made.submit(b"a batch"), Unsure)
            await anvil.call("anvil_mine", 5, 12)
            times = [
                int((await anvil.call("eth_getBlockByNumber", hex(at), False))["timestamp"], 16) for at in range(1, 6)
            ]
            node.genesis = times[0] - 12 * 1000
            node.slots = {(time - node.genesis) // 12: at for at, time in enumerate(times, 1)}
            found = await blobs(anvil, node, sleep).blobs(1)
            assert isinstance(found, Blobs), found
            assert found.blobs == (b"a batch",)

    run(test)


@NEEDS_ANVIL
def test_blobs_that_wait_are_not_given_twice() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil(pace=0) as anvil, BeaconNode(anvil.url) as node:
            made = blobs(anvil, node, sleep, inclusion=0.1)
            assert isinstance(await made.submit(b"first"), Unsure)
            assert isinstance(await made.submit(b"second"), Unsure)
            await anvil.call("anvil_mine", 2)
            answers = [await made.blobs(height) for height in (1, 2)]
            assert [answer.blobs for answer in answers if isinstance(answer, Blobs)] == [(b"second",)]

    run(test)


@NEEDS_ANVIL
def test_two_nodes_have_blobs_as_their_truth(tmp_path: Path) -> None:
    """A sequencer posts, and a follower that has no peer gets its blocks."""
    place = Place(tmp_path)
    (tmp_path / "pays").write_text(KEY.hex())
    with Anvil(pace=0.2) as anvil, BeaconNode(anvil.url) as node:
        truth = ("--da", f"ethereum+{anvil.url}", "--da-beacon", node.url, "--batch-seconds", "1", "--da-finality", "2")
        paid = ("--da-key", str(tmp_path / "pays"))
        first = Ethereum(anvil.url, b"first", KEY, sleep=trio.sleep, beacon=Beacon(node.url), patience=60.0)
        assert isinstance(trio.run(first.submit, b"first"), Posted), "anvil prepares for blobs when it is given one"
        with process(*place.sequencer("--blocks", "8", *truth, *paid)) as sequencer:
            sequencer.until("payloads-end")
            sequencer.until("confirmed", height=8)
            with process(*place.follower(public_key(place), *truth)) as follower:
                follower.until("confirmed", height=8)


# The process that computes --------------------------------------------------------------------------------------------


def test_it_is_started_again_if_it_dies() -> None:
    async def test(sleep: Sleep) -> None:
        (blob,) = pack(b"a batch")
        first = await kzg.hashes([blob])
        with pytest.raises(kzg.KzgError, match="can not be committed to"):
            await kzg.hashes([b"\xff" * len(blob)])
        process = kzg._WORKER._process
        assert process is not None
        process.kill()
        process.wait()
        with pytest.raises(kzg.KzgError, match="has ended"):
            await kzg.hashes([blob])
        assert await kzg.hashes([blob]) == first

    run(test)


def test_it_ends_with_the_one_that_started_it() -> None:
    program = "from syncfsm_adapters.da import kzg; print(kzg._WORKER._started().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watched = os.pidfd_open(child)
        parent.send_signal(signal.SIGKILL)
    ready, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ready
