"""What it costs the sequencer that others come back: one copy of what they missed, and few hellos."""

from collections.abc import Collection
from math import ceil
from typing import Final

import attrs

from syncfsm.limits import HELLO_SHARE
from syncfsm.testing.network import SimNetwork
from syncfsm.testing.outage.bounds import LIES, divisions
from syncfsm.testing.outage.ledger import Ledger
from syncfsm.testing.outage.story import HELLO, Outage

FOUND: Final = 128
"""Bytes of the answer that ends a search, at most."""


@attrs.frozen
class Standing:
    """Sums over the sequencer's links to those who can be reached."""

    blocks: int = 0
    """Bytes of blocks that arrived."""
    searches: int = 0
    """Bytes sent to find the common ancestor."""
    connections: int = 0
    got: int = 0
    """Blocks that the sequencer has."""


class Costs:
    """An account, opened when what can be reached changes, and closed when all must be at the live head."""

    def __init__(self, outage: Outage, network: SimNetwork, ledger: Ledger) -> None:
        self.outage, self.network, self.ledger = outage, network, ledger
        self.sequencer = outage.name(0)
        self.sent = self.one_copy = 0
        """Bytes of blocks, of all accounts that were closed: what was sent, and what might have been."""
        self._peers: list[str] = []
        self._before = Standing()
        self._lacking, self._since = 0, 0.0

    def open(self, near: Collection[str]) -> None:
        """``near``: the nodes that can be reached."""
        neighbours = {name for pair in self.outage.pairs if self.sequencer in pair for name in pair}
        self._peers = sorted(name for name in neighbours & {*near} if name != self.sequencer)
        self._lacking, self._since = sum(map(self._due, self._peers)), self.network.now
        for peer in self._peers:
            self.ledger.count((self.sequencer, peer))
        self._before = self._standing()

    def close(self) -> None:
        """``PromiseError`` if the sequencer sent more than it may have since the account was opened.

        On each link, what the neighbour lacked and what the sequencer got since, once; and again what the neighbour
        left for another branch, if a way leads back: a hello names the blocks of the best chain alone. On each
        connection, whatever its mode, a hello and the answer that ends the search, and one more
        for each branch switch and each division of a bracket. Where blocks are dropped while the other end waits, a
        hello that named one is said anew, as often as the rate of hellos allows.
        """
        before, now, outage = self._before, self._standing(), self.outage
        copies = self._lacking + self._left() + (now.got - before.got) * len(self._peers)
        blocks, one_copy = now.blocks - before.blocks, copies * outage.weight
        if blocks > one_copy:
            self.network.broken(f"OneCopy: the sequencer gave {blocks} bytes of blocks; one copy is {one_copy}")
        connections = now.connections - before.connections + len(self._peers)
        hellos = 1 + len(outage.turns) + divisions(outage) + (self._anew() if outage.final else 0)
        searches, most = now.searches - before.searches, connections * (hellos * HELLO + FOUND)
        if searches > most:
            self.network.broken(f"FewHellos: the sequencer sent {searches} bytes of hellos, and may send {most}")
        self.sent += blocks
        self.one_copy += one_copy

    def _due(self, peer: str) -> int:
        """How many blocks a neighbour lacks, as far as its connection, if it has one, can tell: by the hello that came,
        or one that is on its way."""
        ledger, line = self.ledger, (self.sequencer, peer)
        ours, due = ledger.chain(self.sequencer), ledger.chain(self.sequencer) - ledger.chain(peer)
        if self.network.linked(*line):
            for had in ledger.told(line):
                due |= ours - had - ledger.crossed[line]
        return len(due)

    def _left(self) -> int:
        """Blocks that neighbours have on branches they left, and that their hellos do not name. A ban leads back to
        them, for all; else it is only the branch that a neighbour leaves for its own."""
        outage, left = self.outage, LIES.get(self.outage.liar, 0) + sum(turn.depth for turn in self.outage.turns)
        if any(turn.kind == "ban" for turn in outage.turns):
            return left * len(self._peers)
        return sum(turn.depth for turn in outage.turns if outage.name(turn.by) in self._peers)

    def _anew(self) -> int:
        """How many hellos a block more each, or their rate, whichever is less, allow since the account was opened."""
        limits, seconds = self.outage.limits, self.network.now - self._since
        return ceil(min(seconds / self.outage.every, (limits.hello_burst + limits.hello_rate * seconds) / HELLO_SHARE))

    def _standing(self) -> Standing:
        ledger, lines = self.ledger, [(self.sequencer, peer) for peer in self._peers]
        return Standing(
            sum(ledger.block_bytes[line] for line in lines),
            sum(ledger.search_bytes[line] for line in lines),
            sum(ledger.connections[line] for line in lines),
            len(self.network.members[self.sequencer].held),
        )
