"""The block tree: what it costs to grow, and to find a common ancestor far below."""

from typing import Final

from benchmarks.building import GENESIS, branch, extended
from benchmarks.measure import Figures, least, rounded
from syncfsm.chain import Chain
from syncfsm.limits import Limits

DEPTH: Final = 100_000
RUN: Final = 512
REPEAT: Final = 100
"""How often a short work is done for one reading of the clock."""
LIMITS: Final = Limits(unfinal=4 * DEPTH)


def run(quick: bool) -> Figures:
    """The figures of ``chain``, in microseconds. ``extend`` is for a block, in a run of 512 and alone."""
    depth, rounds = (DEPTH // 100, 5) if quick else (DEPTH, 30)
    trunk = extended(Chain.start(GENESIS, LIMITS), branch(GENESIS, 1000))
    left, right = (branch(trunk.head, depth, name) for name in (1, 2))
    forked = extended(extended(trunk, left), right)
    after = branch(forked.head, RUN, 2)

    def single() -> None:
        for _ in range(REPEAT):
            forked.extend(after[:1])

    def common() -> None:
        for _ in range(REPEAT):
            assert forked.common(left[-1].id, right[-1].id) == trunk.head

    return {
        "extend_run_of_512_microseconds": rounded(1e6 * least(rounds, lambda: forked.extend(after)) / RUN),
        "extend_single_microseconds": rounded(1e6 * least(rounds, single) / REPEAT),
        "common_microseconds": rounded(1e6 * least(rounds, common) / REPEAT),
        "common_at_depth": depth,
    }
