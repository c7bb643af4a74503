"""Getting space back: segments that nothing is needed of any more go; what is left of one that is mostly dropped moves
to the end of the log, and then it goes too."""

from collections.abc import Callable, Iterator
from typing import Final

from syncfsm.blocks import Header, Point
from syncfsm_adapters.store.base import Standing
from syncfsm_adapters.store.bodies import Bodies
from syncfsm_adapters.store.index import CHUNK, Place
from syncfsm_adapters.store.log import Log
from syncfsm_adapters.store.segments import OVERHEAD

SHARE: Final = 0.5
"""A segment is worth moving when this share of it has been dropped."""
PORTION: Final = 1024 * 1024
"""Bytes that are moved at once."""


class Reclaim:
    """Does it in portions. ``standing`` says where the store stands, ``oldest`` below which height it holds nothing."""

    def __init__(self, log: Log, bodies: Bodies, standing: Callable[[], Standing], oldest: Callable[[], int]) -> None:
        self._log, self._bodies, self._standing, self._oldest = log, bodies, standing, oldest
        self._waste = log.segments.waste()
        self._moving: Iterator[None] = iter(())
        self._stuck: set[int] = set()
        """Segments that can not be moved, as a body in them is lost."""
        self._drops = 0
        self._in_vain: tuple[int, int, int, float] | None = None
        """What it was when nothing was found to be worth it: nothing is, until that changes."""

    def dropped(self, place: Place | None) -> None:
        """A block that was there is not held any more."""
        if place is not None:
            self._drops += 1
            self._waste[place.segment] = self._waste.get(place.segment, 0) + place.size + OVERHEAD

    def step(self, share: float = SHARE) -> bool:
        """Do a portion of what is worth it: segments of which more than this ``share`` was dropped. Whether there may
        be more."""
        for _ in self._moving:
            return True
        now = self._drops, self._oldest(), len(self._log.segments.full), share
        if now == self._in_vain:
            return False
        number = self._worth(share)
        if number is None:
            self._in_vain = now
            return False
        self._moving = self._move(number)
        return True

    def _worth(self, share: float) -> int | None:
        """A segment whose space is worth having back."""
        full = self._log.segments.full
        for number in sorted(full):
            summary = full[number].summary
            if summary.high < self._oldest():
                return number
            if self._waste.get(number, 0) > share * summary.size and number not in self._stuck:
                return number
        return None

    def _move(self, number: int) -> Iterator[None]:
        segments = self._log.segments
        summary = segments.full[number].summary
        gone: list[tuple[int, bytes]] = []
        for chunk in range(len(summary.chunks)):
            batch: list[tuple[Header, Place]] = []
            size = 0
            for header, place in segments.some_rows(number, chunk):
                if header.height < self._oldest() or segments.find(header.height, header.id) != place:
                    gone.append((header.height, header.id))
                    continue
                batch.append((header, place))
                size += place.size + OVERHEAD
                if size >= PORTION:
                    if not self._rewrite(batch):
                        self._stuck.add(number)
                        return
                    batch, size = [], 0
                    yield
            if not self._rewrite(batch):
                self._stuck.add(number)
                return
            yield
        dropped: list[Point] = []
        for start in range(0, len(summary.dropped), CHUNK):
            dropped += segments.needed_drops(number, summary.dropped[start : start + CHUNK])
            yield
        self._log.retire(number, dropped, self._standing())
        self._waste.pop(number, None)
        for start in range(0, len(gone), CHUNK):
            yield
            segments.bury(gone[start : start + CHUNK])

    def _rewrite(self, batch: list[tuple[Header, Place]]) -> bool:
        bodies = self._bodies.read([header.point for header, _ in batch], [place for _, place in batch])
        blocks = [(header, body) for (header, _), body in zip(batch, bodies, strict=True) if body is not None]
        if len(blocks) < len(batch):
            return False
        if blocks:
            self._log.rewrite(blocks, self._standing())
        return True
