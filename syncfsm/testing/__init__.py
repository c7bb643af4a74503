"""The kit for test authors: put nodes into a simulated network, let it fail, and see what holds.

Nothing here is needed to run a node. What needs Hypothesis stands apart and is imported by name: ``strategies``,
``machine``, ``walk`` and ``profiles``; so does ``claims``. ``claims`` and ``walk`` need the checker.
"""

from syncfsm.testing.faults import Faults
from syncfsm.testing.luck import Luck
from syncfsm.testing.network import Happened, PromiseError, SimNetwork
from syncfsm.testing.pair import Pair
from syncfsm.testing.peers import (
    BYZANTINE,
    Byzantine,
    Equivocator,
    Expect,
    Flooder,
    HeightLiar,
    ScriptedPeer,
    SilentPeer,
    StalePeer,
    UnexpectedError,
)
from syncfsm.testing.protocol import SyncNode
from syncfsm.testing.rows import RowCount
from syncfsm.testing.simulation import Simulation, at_odds, run_safety_then_liveness
from syncfsm.testing.trees import GENESIS, branch, child, grow

__all__ = [
    "BYZANTINE",
    "GENESIS",
    "Byzantine",
    "Equivocator",
    "Expect",
    "Faults",
    "Flooder",
    "Happened",
    "HeightLiar",
    "Luck",
    "Pair",
    "PromiseError",
    "RowCount",
    "ScriptedPeer",
    "SilentPeer",
    "SimNetwork",
    "Simulation",
    "StalePeer",
    "SyncNode",
    "UnexpectedError",
    "at_odds",
    "branch",
    "child",
    "grow",
    "run_safety_then_liveness",
]
