"""The store without a file."""

from collections.abc import Collection, Iterator, Sequence

from syncfsm.blocks import Header, Point
from syncfsm_adapters.store.base import Change, Standing
from syncfsm_adapters.store.checked import CheckedStore


class MemoryStore(CheckedStore):
    """A store without a file. It survives the restart of a simulated node, as whoever simulates keeps the object."""

    def __init__(self, genesis: Header, chain_id: bytes, *, keep_history: bool = True) -> None:
        self._standing = Standing.start(genesis, chain_id)
        self._keep_history = keep_history
        self._blocks: dict[Point, tuple[Header, bytes | None]] = {genesis.point: (genesis, None)}

    def __str__(self) -> str:
        return "the block store in memory"

    @property
    def lost(self) -> Collection[Point]:
        return ()

    @property
    def owed(self) -> int | None:
        return None

    def header(self, point: Point) -> Header | None:
        found = self._blocks.get(point)
        return found[0] if found else None

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        found = (self._blocks.get(point) for point in points)
        return [block[1] if block else None for block in found]

    def close(self) -> None:
        pass

    def _holds(self, height: int, id: bytes) -> bool:
        return Point(height, id) in self._blocks

    def _write(self, change: Change, removed: Sequence[Header], standing: Standing) -> None:
        self._blocks.update((header.point, (header, body)) for header, body in change.blocks)
        for header in removed:
            del self._blocks[header.point]
        if not self._keep_history and standing.base != self._standing.base:
            history = [point for point in self._blocks if point.height < standing.base.height]
            for point in history:
                del self._blocks[point]

    def _rewrite(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        self._blocks.update((header.point, (header, body)) for header, body in blocks)

    def _from(self, height: int) -> Iterator[Header]:
        held = [header for header, _ in self._blocks.values() if header.height >= height]
        return iter(sorted(held, key=lambda header: header.height))
