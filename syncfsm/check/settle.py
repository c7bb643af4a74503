"""Does every run of the protocol come to an end, and how long can it be?"""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray


@attrs.frozen
class Settled:
    """``bound`` is the number of actions of the longest run; ``cycle`` numbers the states of a run without end."""

    bound: int
    cycle: tuple[int, ...] = ()


def settle(states: int, source: NDArray[Any], target: NDArray[Any]) -> Settled:
    """Peel the graph from its ends: in each round go the states from which all edges lead to states gone before.

    So a state goes in round n exactly if the longest run from it has n actions. What never goes leads to a cycle.
    """
    left, rounds = _peel(states, source, target)
    return Settled(rounds, _cycle(left > 0, source, target) if left.any() else ())


def _peel(states: int, source: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """How many edges of each state lead to states that never go, and the number of rounds."""
    left = np.bincount(source, minlength=states)
    order = np.argsort(target)
    sources = source[order]
    into = np.concatenate(([0], np.cumsum(np.bincount(target, minlength=states))))
    going, rounds = np.flatnonzero(left == 0), 0
    while len(going):
        counts = into[going + 1] - into[going]
        ahead = np.cumsum(counts) - counts
        edges = np.repeat(into[going] - ahead, counts) + np.arange(int(counts.sum()))
        before = sources[edges]
        if len(before) * 8 > states:
            left -= np.bincount(before, minlength=states)
            touched = np.flatnonzero(np.bincount(before, minlength=states))
        else:
            touched, times = np.unique(before, return_counts=True)
            left[touched] -= times
        going = touched[left[touched] == 0]
        rounds += len(going) > 0
    return left, rounds


def _cycle(stays: NDArray[np.bool_], source: NDArray[Any], target: NDArray[Any]) -> tuple[int, ...]:
    """The first state that can come again, and a shortest way around; what ``stays`` leads to such a state."""
    inner = stays[source] & stays[target]
    entered, _ = _peel(len(stays), target[inner], source[inner])  # what is left lies on a cycle, or between two
    inner[inner] = (entered[source[inner]] > 0) & (entered[target[inner]] > 0)
    source, target = source[inner], target[inner]
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    return next(filter(None, (_around(here, source, target) for here in np.unique(source).tolist())))


def _around(here: int, source: NDArray[Any], target: NDArray[Any]) -> tuple[int, ...]:
    """A shortest way from a state to itself along these sorted edges; empty if there is none."""
    found, before = [here], {here: here}
    for state in found:  # it grows meanwhile
        low, high = np.searchsorted(source, (state, state + 1))
        for there in target[low:high].tolist():
            if there == here:
                way = [state]
                while way[-1] != here:
                    way.append(before[way[-1]])
                return tuple(way[::-1])
            if there not in before:
                before[there] = state
                found.append(there)
    return ()
