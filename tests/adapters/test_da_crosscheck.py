"""Celestia's API, asked by a client that others wrote: pyCelestia, which computes commitments in Rust and talks over a
WebSocket. What the one writes the other reads, through ``syncfsm da``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import pytest

from syncfsm.truth.answers import Blobs, Nothing, Posted
from syncfsm_adapters.da.celestia import Celestia
from syncfsm_adapters.da.shares import FIRST_BYTES, LATER_BYTES, commitment, namespace
from tests.adapters.da_process import DaProcess

node_api = pytest.importorskip("celestia.node_api", reason="pyCelestia is not installed: it is on Linux, in 'dev'")
types = pytest.importorskip("celestia.types.blob", reason="pyCelestia is not installed: it is on Linux, in 'dev'")

OURS: Final = namespace(b"ours")
SIZES: Final = (1, FIRST_BYTES, FIRST_BYTES + 1, FIRST_BYTES + LATER_BYTES, 10_000, 65_000, 200_000)


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[Any, Celestia]]:
    """Their client and ours, of one layer."""
    with DaProcess("--block-time", "0.02") as process:
        layer = Celestia(process.url, OURS)
        async with node_api.Client(process.url.replace("http", "ws")).connect() as theirs:
            yield theirs, layer
        layer.close()


def run(test: Callable[[Any, Celestia], Awaitable[None]]) -> None:
    async def both() -> None:
        async with asked() as (theirs, layer):
            await test(theirs, layer)

    asyncio.run(asyncio.wait_for(both(), 60))


@pytest.mark.parametrize("size", SIZES)
def test_a_commitment_is_the_one_that_they_compute(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    assert bytes(types.Blob(OURS, data).commitment) == commitment(OURS, data)


def test_what_they_submit_we_read() -> None:
    async def test(theirs: Any, layer: Celestia) -> None:
        for data in (b"theirs", b"\0" * 20_000, bytes(range(256)) * 400):
            given = await theirs.blob.submit(types.Blob(OURS, data))
            found = await layer.blobs(given.height)
            assert isinstance(found, Blobs)
            assert found.blobs == (data,)

    run(test)


def test_what_we_submit_they_read() -> None:
    async def test(theirs: Any, layer: Celestia) -> None:
        posted = await layer.submit(b"ours" * 1000)
        assert isinstance(posted, Posted)
        (blob,) = await theirs.blob.get_all(posted.height, OURS)
        assert bytes(blob.data) == b"ours" * 1000
        assert await theirs.blob.get(posted.height, OURS, blob.commitment) == blob
        assert await theirs.blob.get(posted.height, OURS, commitment(OURS, b"another")) is None
        await layer.wait(posted.height + 1, 30)
        assert await theirs.blob.get_all(posted.height + 1, OURS) == []

    run(test)


def test_headers_are_whole_and_linked_for_them_as_for_us() -> None:
    async def test(theirs: Any, layer: Celestia) -> None:
        before, after = await theirs.header.wait_for_height(3), await theirs.header.wait_for_height(4)
        first, second = await theirs.header.get_by_height(3), await theirs.header.get_by_height(4)
        ours = await layer.blobs(4)
        assert isinstance(ours, Nothing)
        assert first.commit.block_id.hash == second.header.last_block_id.hash == ours.place.parent.hex().upper()
        assert second.commit.block_id.hash == ours.place.id.hex().upper()
        assert int(before.header.height) >= 3
        assert int(after.header.height) >= 4
        assert int((await theirs.header.local_head()).header.height) >= 4
        with pytest.raises(ValueError, match="from the future"):
            await theirs.header.get_by_height(10**9)

    run(test)


def test_they_hear_of_what_we_submit() -> None:
    async def test(theirs: Any, layer: Celestia) -> None:
        async with aclosing(theirs.blob.subscribe(OURS)) as news:
            hears = asyncio.ensure_future(anext(news))
            while not theirs.blob._rpc._subscriptions:
                await asyncio.sleep(0.01)
            posted = await layer.submit(b"news")
            heard = await hears
        assert isinstance(posted, Posted)
        assert heard.height == posted.height
        assert [bytes(blob.data) for blob in heard.blobs] == [b"news"]

    run(test)
