"""Who makes blocks: one producer, or several in turn, a block each ``interval``."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.testing.scale.network import LargeNetwork
from syncfsm.testing.trees import child

INTERVAL: Final = 0.2
"""Seconds from block to block."""
PROOF: Final = bytes(96)
"""As long as a hash and a signature; nobody looks inside."""
AGAIN: Final = 0.002
"""Seconds after which a producer that lacks its parent looks again."""


class Source:
    """Makes blocks of ``size`` bytes on one chain. ``LocalError`` if there is no producer.

    Producers take turns, of ``turn`` blocks each.

    A producer whose turn it is and that has not got the block before waits for it, so there are no forks.
    """

    def __init__(
        self, network: LargeNetwork, producers: Sequence[int], size: int, interval: float = INTERVAL, turn: int = 1
    ) -> None:
        if not producers:
            raise LocalError("nobody makes blocks; name at least one producer")
        self.network, self.producers, self.size, self.interval = network, producers, size, interval
        self.head: Header = network.members[producers[0]].node.chain.head
        self._turn, self._made = turn, 0

    def plan(self, count: int) -> range:
        """Have ``count`` blocks made, the first one now; their heights. Ask again when they have been made."""
        first = self.head.height + 1
        for at in range(count):
            self.network.agenda.at(self.network.now + at * self.interval, self._make)
        return range(first, first + count)

    def make(self, count: int) -> None:
        """Have ``count`` blocks made, and let as much time pass; they need not have arrived everywhere then."""
        self.plan(count)
        self.network.run(self.network.now + count * self.interval)

    def history(self, count: int) -> None:
        """The first producer makes ``count`` blocks at once."""
        headers = tuple(self._next() for _ in range(count))
        self.network.produce(self.producers[0], headers)

    def _next(self) -> Header:
        self.head = replace(child(self.head, size=self.size), proof=PROOF)
        return self.head

    def _make(self) -> None:
        network, producer = self.network, self.producers[self._made // self._turn % len(self.producers)]
        if network.ledger.heights[producer] < self.head.height:
            network.agenda.at(network.now + AGAIN, self._make)
            return
        self._made += 1
        network.produce(producer, (self._next(),))
