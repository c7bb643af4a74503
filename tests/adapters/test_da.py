"""Every DA layer through the one suite: the embedded one in this process, and Celestia's API to a real process, on trio
and on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio

from syncfsm_adapters.da.celestia import Celestia
from syncfsm_adapters.da.embedded import Embedded, EmbeddedLayer
from syncfsm_adapters.da.layer import Layer
from syncfsm_adapters.da.ledger import Ledger, Options
from syncfsm_adapters.da.shares import namespace
from tests.adapters.da_process import DaProcess, store
from tests.adapters.da_suite import FINALITY, LONGEST, SUITE, Bench

PACE: Final = 0.02
"""Seconds from block to block."""
TOO_LONG: Final = 60
OURS, OTHER = namespace(b"ours"), namespace(b"other")


@attrs.frozen
class InProcess:
    """The embedded layer."""

    layer: Layer
    other: Layer
    _embedded: Embedded

    async def reorganise(self, height: int, keep: bool) -> None:
        await self._embedded.reorganise(height, keep)

    async def prune(self, oldest: int) -> None:
        self._embedded.ledger.prune(oldest)

    async def out(self, out: bool) -> None:
        self._embedded.out = out


@attrs.frozen
class OverHttp:
    """Celestia's API."""

    layer: Layer
    other: Layer
    _process: DaProcess

    async def reorganise(self, height: int, keep: bool) -> None:
        await self._process.call("local.Reorganise", height, keep)

    async def prune(self, oldest: int) -> None:
        await self._process.call("local.Prune", oldest)

    async def out(self, out: bool) -> None:
        await self._process.call("local.Out", out)


@asynccontextmanager
async def in_process(folder: Path) -> AsyncIterator[Bench]:
    options = Options(block_time=PACE, finality=FINALITY, blob_bytes=LONGEST)
    ledger = Ledger.open(folder / "da.sqlite", options)
    embedded = Embedded(ledger, trio.current_time)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(embedded.run)
        yield InProcess(EmbeddedLayer(embedded, OURS), EmbeddedLayer(embedded, OTHER), embedded)
        nursery.cancel_scope.cancel()
    ledger.close()


@asynccontextmanager
async def over_http(folder: Path) -> AsyncIterator[Bench]:
    flags = ("--block-time", str(PACE), "--finality", str(FINALITY), "--blob-bytes", str(LONGEST))
    with DaProcess(*store(folder), *flags) as process:
        layer, other = Celestia(process.url, OURS), Celestia(process.url, OTHER)
        try:
            yield OverHttp(layer, other, process)
        finally:
            layer.close()
            other.close()


LAYERS: Final[dict[str, tuple[Callable[[Path], AbstractAsyncContextManager[Bench]], bool]]] = {
    "embedded": (in_process, True),
    "celestia-trio": (over_http, True),
    "celestia-asyncio": (over_http, False),
}
"""How each is made, and whether it runs on trio."""


@pytest.mark.parametrize("check", SUITE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", LAYERS)
def test_it_is_a_layer(kind: str, check: Callable[[Bench], Awaitable[None]], tmp_path: Path) -> None:
    make, on_trio = LAYERS[kind]

    async def run() -> None:
        async with make(tmp_path) as bench:
            await check(bench)

    async def bounded() -> None:
        with trio.fail_after(TOO_LONG):
            await run()

    if on_trio:
        trio.run(bounded)
    else:
        asyncio.run(asyncio.wait_for(run(), TOO_LONG))
