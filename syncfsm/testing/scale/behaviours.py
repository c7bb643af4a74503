"""Nodes that lie: what a real node says goes through one of these before it is carried (``LargeNetwork.misbehave``)."""

from math import inf
from typing import Final

from syncfsm.outputs import Output, SendBlocks

LATE: Final = 1.0
"""Seconds: longer than a feed is waited for (``Limits.graft_most``)."""


def withholds(output: Output) -> float:
    """Tells of blocks, and gives none."""
    return inf if isinstance(output, SendBlocks) else 0.0


def dawdles(output: Output) -> float:
    """Gives its blocks late, on purpose, and tells of them in time."""
    return LATE if isinstance(output, SendBlocks) else 0.0
