"""Exploration: distinct states a second of the explorer and of TLC, in one run, on one world of two nodes.

Both count all states and judge nothing. Neither is charged for its start: TLC's clock runs from its first state to its
last, and so does the explorer's, which begins with empty tables.
"""

import os
import time

import attrs

from benchmarks.measure import Figures, rounded
from model_tests.tlc import run_tlc
from syncfsm.check import Exploration
from syncfsm_spec.settings import LOCATOR, STREAMING
from syncfsm_spec.sync.worlds import ahead, forks


def run(quick: bool) -> Figures:
    """The figures of ``exploration``. TLC gets all processors, the explorer one."""
    world = attrs.evolve(ahead(LOCATOR) if quick else forks(STREAMING), properties=())
    start = time.perf_counter()
    exploration = Exploration(world)
    exploration.run()
    ours = exploration.states / (time.perf_counter() - start)
    workers = os.cpu_count() or 1
    tlc = run_tlc(world, workers=workers)
    assert tlc.states == exploration.states, "explorer and TLC must find the same states"
    return {
        "world": world.name,
        "states": exploration.states,
        "explorer_states_per_second": rounded(ours),
        "tlc_states_per_second": rounded(tlc.states_per_second),
        "tlc_workers": workers,
        "ratio": rounded(ours / tlc.states_per_second),
    }
