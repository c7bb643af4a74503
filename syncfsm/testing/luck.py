"""Choices that follow from a seed, the same ones on every machine and every version of Python.

The package imports no generator of random numbers, and the kit keeps to that. This is SplitMix64 (G. Steele, D. Lea,
C. Flood, "Fast splittable pseudorandom number generators", 2014).
"""

from collections.abc import Iterable, Sequence
from math import log
from typing import Final, TypeVar

T = TypeVar("T")
_MASK: Final = 2**64 - 1


class Luck:
    """A stream of choices."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        """A number below 2**64."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)

    def share(self) -> float:
        """A number from 0 up to, but not, 1."""
        return (self.bits() >> 11) / 2**53

    def below(self, bound: int) -> int:
        """A number from 0 up to, but not, ``bound``."""
        return self.bits() % bound

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.share() < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``, of which there must be one."""
        return options[self.below(len(options))]

    def shuffled(self, all: Iterable[T]) -> list[T]:
        """All of these, in any order."""
        found = list(all)
        for at in range(len(found) - 1, 0, -1):
            other = self.below(at + 1)
            found[at], found[other] = found[other], found[at]
        return found

    def between(self, low: float, high: float) -> float:
        """A number between two positive ones, each order of magnitude as likely as another."""
        return float(low * (high / low) ** self.share())

    def pause(self, rate: float) -> float:
        """Seconds until the next of things that happen ``rate`` times a second, which must be above 0."""
        return -log(1.0 - self.share()) / rate
