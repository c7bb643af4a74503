"""Arrays that grow, and an exact map from packed states to their numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]


class Column:
    """A one-dimensional array that grows at its end."""

    def __init__(self, dtype: Any) -> None:
        self._room = np.zeros(64, dtype)
        self.size = 0

    def append(self, value: Any) -> None:
        self._reserve(1)
        self._room[self.size] = value
        self.size += 1

    def extend(self, values: NDArray[Any]) -> None:
        self._reserve(len(values))
        self._room[self.size : self.size + len(values)] = values
        self.size += len(values)

    def _reserve(self, more: int) -> None:
        if self.size + more > len(self._room):
            bigger = np.zeros(max(self.size + more, 2 * len(self._room)), self._room.dtype)
            bigger[: self.size] = self._room[: self.size]
            self._room = bigger

    @property
    def all(self) -> NDArray[Any]:
        """What it holds; good until it grows."""
        return self._room[: self.size]

    def clear(self) -> None:
        self.size = 0

    @property
    def nbytes(self) -> int:
        return self._room.nbytes


class SortedIndex:
    """An exact map from keys to numbers: a few sorted runs, each much longer than the next.

    Looking up sorted keys walks every run once; adding merges runs of like length, so a key moves O(log n) times.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Ints, Numbers]] = []

    def find(self, wanted: Ints) -> Ints:
        """The numbers of these sorted keys, -1 for those that are not there."""
        found = np.full(len(wanted), -1, np.int64)
        for keys, numbers in self._runs:
            at = np.searchsorted(keys, wanted)
            at[at == len(keys)] = 0
            hit = keys[at] == wanted
            found[hit] = numbers[at[hit]]
        return found

    def add(self, keys: Ints, numbers: Numbers) -> None:
        """Add sorted keys, none of which is there yet."""
        if len(keys):
            self._runs.append((keys, numbers))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 4 * len(self._runs[-1][0]):
            second, first = self._runs.pop(), self._runs.pop()
            self._runs.append(_merged(first, second))

    @property
    def nbytes(self) -> int:
        return sum(keys.nbytes + numbers.nbytes for keys, numbers in self._runs)


def _merged(a: tuple[Ints, Numbers], b: tuple[Ints, Numbers]) -> tuple[Ints, Numbers]:
    size = len(a[0]) + len(b[0])
    at = np.searchsorted(a[0], b[0]) + np.arange(len(b[0]))
    rest = np.ones(size, bool)
    rest[at] = False
    keys, numbers = np.empty(size, np.int64), np.empty(size, np.int32)
    keys[at], keys[rest] = b[0], a[0]
    numbers[at], numbers[rest] = b[1], a[1]
    return keys, numbers
