"""Finding a common ancestor: how many round trips, hellos and bytes it takes, by the depth of the fork.

Two nodes share a trunk and end in branches of one length. What is counted ends when the better side says that it has
found the nearest common ancestor; that it is the right one is asserted.
"""

from collections.abc import Iterator
from typing import Final

from benchmarks.building import GENESIS, branch, extended, node
from benchmarks.measure import Figures
from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.limits import Limits, Strategy
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Message
from syncfsm.sync.messages import Found, Hello
from syncfsm.testing import Pair
from syncfsm.wire.codec import Codec
from syncfsm.wire.frames import MESSAGE, frame

WORSE, BETTER = 0, 1
CODEC: Final = Codec(STANDARD)
DEPTHS: Final = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
TRUNK: Final = 100_000
"""Blocks below the fork: as many as a node keeps below its final point unless it is told otherwise."""
LIMITS: Final = Limits(unfinal=2 * DEPTHS[-1])
NOTE: Final = (
    "psibase sends one hello for each block of the fork: as many as the depth. Cardano sends 18 points once and takes "
    "the best match, which is not the nearest common ancestor. `under_way` are the hellos that were sent but not read "
    "yet when the search ended; how many depends on Limits.room, here 2,048 hellos."
)


def run(quick: bool) -> Figures:
    """The figures of ``discovery``, by strategy and depth."""
    depths = DEPTHS[:4] if quick else DEPTHS
    trunk = extended(Chain.start(GENESIS, LIMITS), branch(GENESIS, TRUNK // 100 if quick else TRUNK))
    found: dict[str, Figures] = {strategy.value: {} for strategy in Strategy}
    for depth, worse, better in forks(trunk, depths):
        for strategy in Strategy:
            found[strategy.value][str(depth)] = search(worse, better, trunk.head, strategy)
    return {**found}


def forks(trunk: Chain, depths: tuple[int, ...]) -> Iterator[tuple[int, Chain, Chain]]:
    """Two chains that part at the head of ``trunk``, for one depth after the other, each grown from the one before."""
    worse = better = trunk
    for depth in depths:
        missing = depth - (worse.head.height - trunk.head.height)
        worse = extended(worse, branch(worse.head, missing, WORSE + 1))
        better = extended(better, branch(better.head, missing, BETTER + 1))
        yield depth, worse, better


class Count:
    """Counts hellos, both ways, until the better side has found the common ancestor."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.messages = self.bytes = self.rounds = self.under_way = 0
        self.found: Found | None = None
        pair.sent = self.sent

    def sent(self, side: int, message: Message) -> None:
        if self.found is not None:
            return
        if isinstance(message, Hello):
            self.messages += 1
            self.bytes += len(frame(MESSAGE, CODEC.encode(message)))
        elif isinstance(message, Found):
            assert side == BETTER
            self.found, self.rounds = message, self.pair.rounds
            self.under_way = sum(isinstance(waiting, Hello) for queue in self.pair.queues for waiting in queue)


def search(worse: Chain, better: Chain, fork: Header, strategy: Strategy) -> Figures:
    """What one search takes. Half a round trip is a round of ``Pair``."""
    pair = Pair(node(worse, strategy), node(better, strategy))
    count = Count(pair)
    pair.connect()
    while count.found is None:
        assert any(pair.queues), "the search ended without an answer"
        pair.round()
        for outputs in pair.outputs:
            outputs.clear()  # a million hellos need not be kept
    assert count.found.common == fork.point
    return {
        "round_trips": count.rounds / 2,
        "messages": count.messages,
        "bytes": count.bytes,
        "under_way": count.under_way,
    }
