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
    left = np.bincount(source, minlength=states)
    order = np.argsort(target)
    sources = source[order]
    into = np.concatenate(([0], np.cumsum(np.bincount(target, minlength=states))))
    going = np.flatnonzero(left == 0)
    gone, rounds = len(going), 0
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
        gone += len(going)
        rounds += len(going) > 0
    if gone < states:
        return Settled(rounds, _cycle(left, source, target))
    return Settled(rounds)


def _cycle(left: NDArray[Any], source: NDArray[Any], target: NDArray[Any]) -> tuple[int, ...]:
    """Follow the edges among the states that never go, from the first of them, until a state comes again."""
    stays = left > 0
    inner = stays[source] & stays[target]
    source, target = source[inner], target[inner]
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    run, here = list[int](), int(np.flatnonzero(stays)[0])
    met: dict[int, int] = {}
    while here not in met:
        met[here] = len(run)
        run.append(here)
        here = int(target[np.searchsorted(source, here)])
    return tuple(run[met[here] :])
