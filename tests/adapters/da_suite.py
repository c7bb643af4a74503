"""What every DA layer must do, whatever it runs on: one suite. ``test_da.py`` runs each layer through it.

A further layer needs a ``Bench``: the layer, and a way to make it have a bad day. The checks await nothing but the two,
so they run on trio and on asyncio.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import pytest

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Blobs, Future, Head, Nothing, Place, Posted, Pruned, TooBig, Trouble
from syncfsm_adapters.da.layer import Layer

LONGEST: Final = 50_000
"""Bytes of the longest blob that the layer of a bench takes."""
FINALITY: Final = 1000
"""How many blocks may be taken back."""


class Bench(Protocol):
    """A layer that makes blocks quickly, by itself."""

    @property
    def layer(self) -> Layer: ...

    @property
    def other(self) -> Layer:
        """Another namespace of the same layer."""
        ...

    async def reorganise(self, height: int, keep: bool) -> None:
        """Take back the blocks from this height on; what was in them is included anew, or lost."""
        ...

    async def prune(self, oldest: int) -> None: ...

    async def out(self, out: bool) -> None: ...


async def head(layer: Layer) -> int:
    found = await layer.head()
    assert isinstance(found, Head)
    return found.height


async def posted(layer: Layer, blob: bytes) -> int:
    found = await layer.submit(blob)
    assert isinstance(found, Posted), found
    return found.height


async def place(layer: Layer, height: int) -> Place:
    found = await layer.blobs(height)
    assert isinstance(found, Blobs | Nothing), found
    assert found.place.height == height
    return found.place


async def what_is_submitted_is_there_once(bench: Bench) -> None:
    start = await head(bench.layer)
    blobs = [b"one", b"two" * 10_000, bytes(range(256))]
    heights = [await posted(bench.layer, blob) for blob in blobs]
    assert start < heights[0] < heights[1] < heights[2]
    found = [await bench.layer.blobs(height) for height in range(start + 1, heights[2] + 1)]
    assert [blob for each in found if isinstance(each, Blobs) for blob in each.blobs] == blobs
    assert {each.place.height for each in found if isinstance(each, Blobs)} == set(heights)
    assert all(isinstance(each, Blobs | Nothing) for each in found)


async def namespaces_are_apart(bench: Bench) -> None:
    height = await posted(bench.layer, b"ours")
    assert isinstance(await bench.other.blobs(height), Nothing)
    assert await place(bench.other, height) == await place(bench.layer, height)


async def the_same_blob_may_come_again(bench: Bench) -> None:
    first, second = await posted(bench.layer, b"same"), await posted(bench.layer, b"same")
    assert first < second


async def the_future_is_said_at_once(bench: Bench) -> None:
    now = await head(bench.layer)
    found = await bench.layer.blobs(now + 10_000)
    assert isinstance(found, Future)
    assert now <= found.head < now + 10_000


async def the_head_can_be_waited_for(bench: Bench) -> None:
    now = await head(bench.layer)
    found = await bench.layer.wait(now + 2, 30)
    assert isinstance(found, Head)
    assert found.height >= now + 2
    assert (await place(bench.layer, now + 2)).height == now + 2
    assert isinstance(await bench.layer.wait(1, 30), Head)


async def places_are_linked(bench: Bench) -> None:
    last = await posted(bench.layer, b"x")
    await bench.layer.wait(last + 1, 30)
    before, after = await place(bench.layer, last), await place(bench.layer, last + 1)
    assert after.parent == before.id != after.id


async def what_is_pruned_is_neither_none_nor_future(bench: Bench) -> None:
    height = await posted(bench.layer, b"old")
    await bench.layer.wait(height + 1, 30)
    await bench.prune(height + 1)
    found = await bench.layer.blobs(height)
    assert isinstance(found, Pruned)
    assert found.oldest in (0, height + 1)
    assert (await place(bench.layer, height + 1)).height == height + 1


async def trouble_is_said_and_passes(bench: Bench) -> None:
    height = await posted(bench.layer, b"before")
    await bench.out(True)
    answers = [await bench.layer.blobs(height), await bench.layer.head(), await bench.layer.wait(1, 30)]
    assert all(isinstance(answer, Trouble) and answer.detail for answer in answers), answers
    assert isinstance(await bench.layer.submit(b"meanwhile"), Trouble)
    await bench.out(False)
    after = await posted(bench.layer, b"after")
    found = [await bench.layer.blobs(each) for each in range(height, after + 1)]
    assert [each.blobs for each in found if isinstance(each, Blobs)] == [(b"before",), (b"after",)]


async def what_is_too_big_is_refused(bench: Bench) -> None:
    start = await head(bench.layer)
    found = await bench.layer.submit(bytes(LONGEST + 1))
    assert isinstance(found, TooBig)
    assert found.most in (0, LONGEST)
    end = await posted(bench.layer, bytes(LONGEST))
    sizes = [await bench.layer.blobs(height) for height in range(start + 1, end + 1)]
    assert [len(blob) for each in sizes if isinstance(each, Blobs) for blob in each.blobs] == [LONGEST]


async def a_reorganisation_shows_in_the_places(bench: Bench) -> None:
    height = await posted(bench.layer, b"again")
    old = await place(bench.layer, height)
    parent = await place(bench.layer, height - 1)
    await bench.reorganise(height, keep=True)
    new = await place(bench.layer, height)
    assert new.id != old.id
    assert new.parent == parent.id
    found = [await bench.layer.blobs(each) for each in range(height, await head(bench.layer) + 1)]
    assert [blob for each in found if isinstance(each, Blobs) for blob in each.blobs] == [b"again"]


async def what_a_reorganisation_drops_is_gone(bench: Bench) -> None:
    height = await posted(bench.layer, b"gone")
    await bench.reorganise(height, keep=False)
    end = await head(bench.layer)
    found = [await bench.layer.blobs(each) for each in range(height, end + 1)]
    assert all(isinstance(each, Nothing) for each in found)
    assert await posted(bench.layer, b"gone") > height


async def mistakes_of_the_caller_are_raised(bench: Bench) -> None:
    with pytest.raises(LocalError, match="empty"):
        await bench.layer.submit(b"")
    with pytest.raises(LocalError, match="height 1"):
        await bench.layer.blobs(0)


SUITE: Final[tuple[Callable[[Bench], Awaitable[None]], ...]] = (
    what_is_submitted_is_there_once, namespaces_are_apart, the_same_blob_may_come_again, the_future_is_said_at_once,
    the_head_can_be_waited_for, places_are_linked, what_is_pruned_is_neither_none_nor_future,
    trouble_is_said_and_passes, what_is_too_big_is_refused, a_reorganisation_shows_in_the_places,
    what_a_reorganisation_drops_is_gone, mistakes_of_the_caller_are_raised,
)  # fmt: skip
