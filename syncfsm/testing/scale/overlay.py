"""Who is where, and who is joined to whom: the published network, with random neighbours."""

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final

import attrs

from syncfsm.errors import LocalError
from syncfsm.testing.luck import Luck
from syncfsm.testing.scale.published import KINDS, LATENCY_MS, REGIONS

DEGREE: Final = 8
LOWEST: Final = 6
HIGHEST: Final = 12
"""How many neighbours a node has on average, at least, at most: the degrees of a mesh of gossipsub."""
BYTES: Final = 1e6 / 8
"""Bytes in a megabit."""
NAMES: Final = tuple(REGIONS)


@attrs.frozen
class Place:
    """Where a node is: the number of its region, and what its line carries each way, in bytes a second."""

    region: int
    up: float
    down: float


@attrs.frozen(slots=False)
class Overlay:
    """Nodes, by number, and the edges between them; of each the first dials the second."""

    places: tuple[Place, ...]
    edges: tuple[tuple[int, int], ...]

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """Of each node, those it is joined to, in rising order."""
        found: list[list[int]] = [[] for _ in self.places]
        for a, b in self.edges:
            found[a].append(b)
            found[b].append(a)
        return tuple(tuple(sorted(others)) for others in found)

    def latency(self, a: int, b: int) -> float:
        """Seconds on the way from one node to the other, whatever the size."""
        return LATENCY_MS[self.places[a].region][self.places[b].region] / 1000

    def within(self, region: str) -> list[int]:
        """The nodes of a region. ``LocalError`` if there is no such region."""
        if region not in NAMES:
            raise LocalError(f"there is no region {region!r}; there are {', '.join(NAMES)}")
        number = NAMES.index(region)
        return [at for at, place in enumerate(self.places) if place.region == number]

    def reachable(self, start: int, without: frozenset[int] = frozenset()) -> set[int]:
        """The nodes that a way leads to from ``start``, if those ``without`` are not there."""
        found, waiting = {start}, deque((start,))
        while waiting:
            for other in self.neighbours[waiting.popleft()]:
                if other not in found and other not in without:
                    found.add(other)
                    waiting.append(other)
        return found


def random_overlay(
    count: int, seed: int = 0, degree: float = DEGREE, lowest: int = LOWEST, highest: int = HIGHEST
) -> Overlay:
    """``count`` nodes of the published network, with ``degree`` neighbours each on average, none with fewer than
    ``lowest`` or more than ``highest``, and all connected. The same arguments give the same overlay.

    ``LocalError`` if there are too few nodes for that, or if the bounds leave no such overlay.
    """
    if not 1 <= lowest <= degree <= highest < count:
        raise LocalError(
            f"no overlay of {count} nodes has from {lowest} to {highest} neighbours each and {degree} on average; "
            "ask for lowest <= degree <= highest < count"
        )
    luck = Luck(seed)
    places = tuple(_place(luck) for _ in range(count))
    for _ in range(100):
        edges = _edges(luck, count, round(count * degree / 2), lowest, highest)
        if edges is not None:
            overlay = Overlay(places, edges)
            if len(overlay.reachable(0)) == count:
                return overlay
    raise LocalError(f"found no connected overlay of {count} nodes in 100 attempts; widen the bounds, or add nodes")


def _place(luck: Luck) -> Place:
    kind = KINDS[_weighted(luck, [kind.weight for kind in KINDS])]
    return Place(_weighted(luck, list(REGIONS.values())), kind.up * BYTES, kind.down * BYTES)


def _weighted(luck: Luck, weights: Sequence[int]) -> int:
    drawn = luck.below(sum(weights))
    return next(at for at, above in enumerate(accumulate(weights)) if drawn < above)


def _edges(luck: Luck, count: int, wanted: int, lowest: int, highest: int) -> tuple[tuple[int, int], ...] | None:
    """Every node dials until it has the least number of neighbours; then any node dials, until there are enough edges.
    ``None`` if that came to a dead end."""
    near: list[set[int]] = [set() for _ in range(count)]
    edges: list[tuple[int, int]] = []

    def dial(a: int) -> bool:
        for _ in range(1000):
            b = luck.below(count)
            if b != a and b not in near[a] and len(near[b]) < highest:
                near[a].add(b)
                near[b].add(a)
                edges.append((a, b))
                return True
        return False

    for a in range(count):
        while len(near[a]) < lowest:
            if not dial(a):
                return None
    while len(edges) < wanted:
        a = luck.below(count)
        if len(near[a]) < highest and not dial(a):
            return None
    return tuple(edges)
