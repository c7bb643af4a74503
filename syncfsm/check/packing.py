"""States as numbers: the numbers of the local states side by side, in one 63-bit word, or in two if they must."""

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np

from syncfsm.check.arrays import Ints, SortedIndex
from syncfsm.errors import LocalError

WORD: Final = 63
"""Bits of a word: what a signed 64-bit integer orders as it should."""
HALF: Final = 31
"""Bits of the number of one of two words."""


@attrs.frozen
class Layout:
    """Where each component's number stands: its width, its word, and its shift in that word.

    Two words have a bit for each of 126 components at most, so a component's place fits a signed byte.
    """

    widths: tuple[int, ...]
    words: tuple[int, ...]
    shifts: tuple[int, ...]

    @classmethod
    def of(cls, widths: Sequence[int]) -> "Layout":
        """One word if they fit, else two, the first components in the first. ``LocalError`` if two do not do."""
        words, shifts, word, used = list[int](), list[int](), 0, 0
        total = sum(widths)
        for width in widths:
            full = used + width > WORD
            balanced = total > WORD and word == 0 and used + width > (total + 1) // 2 and used > 0
            if full or balanced:
                word, used = word + 1, 0
            words.append(word)
            shifts.append(used)
            used += width
        if word > 1:
            raise LocalError(f"the local states of this world need {total} bits; make it smaller, 2 x {WORD} are there")
        return cls(tuple(widths), tuple(words), tuple(shifts))

    @property
    def count(self) -> int:
        """How many words."""
        return self.words[-1] + 1

    def field(self, words: Sequence[Ints], place: int) -> Ints:
        """The numbers of one component."""
        mask = (1 << self.widths[place]) - 1
        return (words[self.words[place]] >> self.shifts[place]) & mask

    def pack(self, fields: Sequence[Ints]) -> list[Ints]:
        """The words of these numbers."""
        words = [np.zeros(len(fields[0]), np.int64) for _ in range(self.count)]
        for place, field in enumerate(fields):
            words[self.words[place]] |= field.astype(np.int64) << self.shifts[place]
        return words

    def unpack(self, words: Sequence[Ints]) -> list[Ints]:
        """The numbers of all components."""
        return [self.field(words, place) for place in range(len(self.widths))]


class Keys:
    """One 63-bit key for each state, exact: the word itself, or the numbers of the two words seen so far."""

    def __init__(self, layout: Layout) -> None:
        self._halves = [SortedIndex() for _ in range(layout.count)] if layout.count > 1 else []
        self._counts = [0] * layout.count

    def of(self, words: Sequence[Ints]) -> Ints:
        """The keys of states."""
        if not self._halves:
            return words[0]
        first, second = (self._numbers(at, word) for at, word in enumerate(words))
        return (first << HALF) | second

    def _numbers(self, at: int, word: Ints) -> Ints:
        values, where = np.unique(word, return_inverse=True)
        numbers = self._halves[at].find(values)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = self._counts[at] + np.arange(len(new))
        self._counts[at] += len(new)
        self._halves[at].add(values[new], numbers[new].astype(np.int32))
        return numbers[where]

    @property
    def nbytes(self) -> int:
        return sum(half.nbytes for half in self._halves)
