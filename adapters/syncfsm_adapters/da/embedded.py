"""The embedded DA layer: blocks at a steady pace over a ledger, and the four questions of a ``Layer`` in one process.

It can do what a real layer does on a bad day: include late, take blocks back, prune, refuse what is too long, be out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import attrs
import trio

from syncfsm.errors import LocalError
from syncfsm.truth.answers import (
    Answer,
    Blobs,
    Future,
    Head,
    Nothing,
    Outcome,
    Place,
    Posted,
    Pruned,
    TooBig,
    Trouble,
    Unsure,
)  # fmt: skip
from syncfsm_adapters.da.ledger import Block, Ledger

WAITERS = 256
"""Most who wait for a block at once."""
OUT = "the layer is out"


class Full(StrEnum):
    """Why a blob was not taken."""

    PENDING = "too many blobs wait; give it again later"
    WAITERS = "too many wait for their blob to be included; give it again later"


class Embedded:
    """Makes blocks while ``run`` runs. ``clock`` gives Unix time."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self.ledger = ledger
        self.out = False
        """Is the layer out? Then it makes no blocks, and answers nothing."""
        self._clock = clock
        self._made = trio.Condition()
        self._waiting = 0
        self._landed: dict[int, int] = {}
        """In which block the blobs of those who wait were included."""

    async def run(self, every: int = 0, depth: int = 1, keep: bool = True) -> None:
        """Make blocks at the pace that the options ask for, until cancelled. After each ``every`` of them, take
        ``depth`` back; never if that is 0."""
        made = 0
        while True:
            await trio.sleep(self.ledger.options.block_time)
            if self.out:
                continue
            await self.make()
            made += 1
            head = self.ledger.head.height
            if every and made % every == 0 and head - self.ledger.oldest >= depth:
                await self.reorganise(head - depth + 1, keep)

    async def make(self) -> Block:
        """Make the next block now."""
        block, numbers = self.ledger.make(self._clock())
        self._landed.update((number, block.height) for number in numbers if number in self._landed)
        async with self._made:
            self._made.notify_all()
        return block

    async def reorganise(self, height: int, keep: bool) -> None:
        """Take back all blocks from this height on (see ``Ledger.take_back``), and make one more in their place."""
        for _ in range(self.ledger.take_back(height, keep) + 1):
            await self.make()

    @contextmanager
    def _place(self) -> Iterator[bool]:
        """A place among those who wait, if there is one."""
        free = self._waiting < WAITERS
        self._waiting += free
        try:
            yield free
        finally:
            self._waiting -= free

    async def include(self, space: bytes, data: bytes) -> int | Full:
        """Take a blob, and wait until it is in a block; that one's height. Blobs that wait survive the process."""
        with self._place() as free:
            if not free:
                return Full.WAITERS
            number = self.ledger.take(space, data)
            if number is None:
                return Full.PENDING
            self._landed[number] = 0
            try:
                async with self._made:
                    while not self._landed[number]:
                        await self._made.wait()
                return self._landed[number]
            finally:
                del self._landed[number]

    async def reach(self, height: int) -> Block | None:
        """Wait until this block is there; the head then. ``None`` if too many wait."""
        with self._place() as free:
            if not free:
                return None
            async with self._made:
                while self.ledger.head.height < height:
                    await self._made.wait()
            return self.ledger.head


@attrs.frozen
class EmbeddedLayer:
    """One namespace of the embedded layer, as a ``Layer``."""

    layer: Embedded
    space: bytes

    async def submit(self, blob: bytes) -> Outcome:
        if not blob:
            raise LocalError("an empty blob can not be submitted: give it at least one byte")
        most = self.layer.ledger.options.blob_bytes
        if len(blob) > most:
            return TooBig(most, f"a blob has at most {most:,} bytes, not {len(blob):,}")
        if self.layer.out:
            return Trouble(OUT)
        if self.layer.ledger.holds(self.space, blob):
            return Unsure("this blob waits already")
        found = await self.layer.include(self.space, blob)
        return Trouble(found.value) if isinstance(found, Full) else Posted(found)

    async def blobs(self, height: int) -> Answer:
        await trio.lowlevel.checkpoint()
        if height < 1:
            raise LocalError(f"the first block of a DA layer has height 1; there is none at {height}")
        ledger = self.layer.ledger
        if self.layer.out:
            return Trouble(OUT)
        block = ledger.block(height)
        if block is None:
            head = ledger.head.height
            return Future(head) if height > head else Pruned(ledger.oldest)
        place = Place(block.height, block.id, block.parent)
        found = tuple(blob.data for blob in ledger.blobs(height, (self.space,)))
        return Blobs(place, found) if found else Nothing(place)

    async def head(self) -> Head | Trouble:
        await trio.lowlevel.checkpoint()
        return Trouble(OUT) if self.layer.out else Head(self.layer.ledger.head.height)

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        if self.layer.out:
            return Trouble(OUT)
        found = None
        with trio.move_on_after(seconds) as scope:
            found = await self.layer.reach(height)
        if scope.cancelled_caught:
            return await self.head()
        return Trouble(Full.WAITERS.value) if found is None else Head(found.height)

    def close(self) -> None:
        """Nothing is held."""
