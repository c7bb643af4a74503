"""A sequencer and a node that carry reader and poster to ``syncfsm da``, a process: killed, reorganised, out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import trio

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.truth.answers import Place
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Entry, encode
from syncfsm.truth.poster.types import Begin, Load, Submit
from syncfsm.truth.reader.types import Confirmed, Keep, Kept, Mark, TakenBack
from syncfsm.truth.types import View
from syncfsm_adapters.da import marks
from syncfsm_adapters.da.carrier import Carrier
from syncfsm_adapters.da.celestia import Celestia
from syncfsm_adapters.da.shares import namespace
from tests.adapters.da_process import DaProcess, store
from tests.truth.chain import CHAIN_ID, CHECK, GENESIS, START, grow, sealed

LIMITS: Final = TruthLimits(finality=20, poll=0.05, back_off=0.05, period=0.1, patience=0.3)
VIEW: Final = View(0.0, LIMITS, CHAIN_ID, CHECK)
FIRST: Final = Kept(Mark(Place(0, b"", b""), START))
SPACE: Final = namespace(b"ours")
FLAGS: Final = ("--block-time", "0.03", "--finality", "20")
BLOCKS: Final = grow(GENESIS, [b"block %d" % height for height in range(1, 61)])
TOO_LONG: Final = 60.0
Sleep = Callable[[float], Awaitable[None]]


class Follower:
    """What a node without peers makes of what its reader tells."""

    def __init__(self) -> None:
        self.blocks = list[Entry]()

    def __call__(self, output: Any, now: float) -> None:
        if isinstance(output, Confirmed):
            self.blocks += output.blocks
        if isinstance(output, TakenBack):
            del self.blocks[output.tip.height :]


class Sequencer:
    """Makes blocks of a list, and posts them. Blocks and what its reader keeps survive it."""

    def __init__(self, layer: Celestia, path: Path, sleep: Sleep, made: int) -> None:
        self._path, self._blocks = path, made
        kept = marks.load(path, FIRST)
        self.carrier = Carrier(layer, VIEW, kept, clock=time.monotonic, sleep=sleep, tell=self._told)
        self.carrier.start(self._make)

    def make(self) -> None:
        self.carrier.made(BLOCKS[self._blocks].header)
        self._blocks += 1

    def _headers(self, after: int, until: int) -> list[Header]:
        return [entry.header for entry in BLOCKS[after:until]]

    def _point(self, height: int) -> Point:
        return BLOCKS[height - 1].header.point if height else START

    def _make(self, submit: Submit) -> bytes:
        return encode(sealed(BLOCKS[submit.first.height - 1 : submit.last.height]))

    def _told(self, output: Any, now: float) -> None:
        if isinstance(output, Load):
            final = self.carrier.reader.final.tip
            above = tuple(self._headers(final.height, self._blocks))
            self.carrier.begin(Begin(final, self._point(min(final.height, self._blocks)), above))
        if isinstance(output, Keep):
            marks.keep(self._path, output.kept)


def on_trio(test: Callable[[Sleep], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(TOO_LONG):
            await test(trio.sleep)

    trio.run(bounded)


def on_asyncio(test: Callable[[Sleep], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(asyncio.sleep), TOO_LONG))


RUNNERS: Final = {"trio": on_trio, "asyncio": on_asyncio}


async def together(runs: list[Callable[[], Awaitable[None]]], until: Callable[[], Awaitable[None]]) -> None:
    """Run these until the last is done, on whatever this runs on; then cancel them at whatever they do."""
    if trio.lowlevel.in_trio_task():
        async with trio.open_nursery() as nursery:
            for run in runs:
                nursery.start_soon(run)
            await until()
            nursery.cancel_scope.cancel()
        return
    tasks = [asyncio.ensure_future(run()) for run in runs]
    try:
        await until()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_block_is_lost_whatever_happens(runner: str, seed: int, tmp_path: Path) -> None:
    """The sequencer is killed five times, at some instant; the layer takes batches back, keeps or drops them, is out.
    Two readers, one of which begins when all is over, have all blocks, and no other."""
    chance = Random(seed)

    async def test(sleep: Sleep) -> None:
        follower, late, made = Follower(), Follower(), 0
        with DaProcess(*store(tmp_path), *FLAGS) as process:
            reads = Carrier(
                Celestia(process.url, SPACE), VIEW, FIRST, clock=time.monotonic, sleep=sleep, tell=follower
            )  # fmt: skip

            async def troubles() -> None:
                head = await Celestia(process.url, SPACE).head()
                match chance.randrange(3):
                    case 0:
                        await process.call("local.Out", True)
                        await sleep(chance.uniform(0, 0.2))
                        await process.call("local.Out", False)
                    case what:
                        await process.call("local.Reorganise", max(2, head.height - 3), what == 1)  # type: ignore[union-attr]

            async def all_lives() -> None:
                nonlocal made
                for life in range(6):
                    sequencer = Sequencer(Celestia(process.url, SPACE), tmp_path / "mark", sleep, made)

                    async def live(sequencer: Sequencer = sequencer, last: bool = life == 5) -> None:
                        nonlocal made
                        for _ in range(10):
                            sequencer.make()
                            made += 1
                            await sleep(chance.uniform(0, 0.03))
                        await troubles()
                        while last and not sequencer.carrier.poster.tip.height == len(follower.blocks) == made:
                            await sleep(0.02)

                    await together([sequencer.carrier.read, sequencer.carrier.write], live)

            await together([reads.read], all_lives)
            again = Carrier(Celestia(process.url, SPACE), VIEW, FIRST, clock=time.monotonic, sleep=sleep, tell=late)

            async def read_all() -> None:
                while len(late.blocks) < made:
                    await sleep(0.02)

            await together([again.read], read_all)
        assert follower.blocks == late.blocks == BLOCKS

    RUNNERS[runner](test)


def test_a_mark_is_kept_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    place = Mark(Place(7, b"id", b"parent"), BLOCKS[2].header.point)
    path, mark = tmp_path / "mark", Kept(place, (place, place))
    assert marks.load(path, FIRST) == FIRST
    marks.keep(path, mark)
    assert marks.load(path, FIRST) == mark
    path.write_bytes(b"damaged")
    with pytest.raises(LocalError, match="remove it"):
        marks.load(path, FIRST)
    with pytest.raises(LocalError, match="can not be kept"):
        marks.keep(tmp_path / "nowhere" / "mark", mark)
