"""What an exploration tells of itself, and the batches it works on."""

from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import NDArray

from syncfsm.check.arrays import Ints

NEVER_RAISES: Final = ("NeverRaises", "Nothing that can happen makes the code raise.")
"""The property that every world has: its name and its sentence."""
UNREACHED: Final = "never reached"
"""The detail of a violation that is the lack of something: it has no story."""


@attrs.frozen
class Progress:
    """How far an exploration is."""

    depth: int
    states: int
    frontier: int
    transitions: int
    nbytes: int


@attrs.frozen
class Violation:
    """A property that does not hold, and the shortest way there: (component, label) of each action.

    ``loop`` is the number of actions before a run begins to repeat itself, ``None`` if it does not.
    """

    name: str
    sentence: str
    detail: str
    actions: tuple[tuple[str, str], ...]
    loop: int | None = None


@attrs.define
class Batch:
    """Actions under way, one a row: where each comes from, and the words of where it is now."""

    words: list[Ints]
    source: NDArray[Any]
    choice: NDArray[Any]
    place: int
    free: NDArray[np.bool_]

    def only(self, which: NDArray[Any]) -> "Batch":
        words = [word[which] for word in self.words]
        return Batch(words, self.source[which], self.choice[which], self.place, self.free[which])
