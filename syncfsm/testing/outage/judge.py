"""Is every node at the live head in time, and what does it cost the sequencer? Asked anew whenever other nodes can be
reached than before."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

import attrs

from syncfsm.blocks import Header
from syncfsm.outputs import HeadMoved
from syncfsm.sync.messages import Blocks
from syncfsm.testing.network import Happened, SimNetwork
from syncfsm.testing.outage.bounds import Allowed, allowed, flight, one_feed, reach
from syncfsm.testing.outage.costs import Costs
from syncfsm.testing.outage.ledger import Ledger
from syncfsm.testing.outage.story import Outage

ROUNDING: Final = 1e-6
"""Seconds: a bound worked out from many numbers may be met to the last of them."""


@attrs.frozen
class Return:
    """How a node came to the live head again. Times are seconds, counted from when it could be reached again."""

    name: str
    at: float
    """On the clock of the network."""
    missed: int
    """Blocks of the sequencer's chain that it lacked."""
    took: float
    allowed: Allowed


@attrs.define(eq=False)
class Watch:
    """A node that must be at the live head by ``due``, unless what can be reached changes before."""

    name: str
    since: float
    missed: int
    allowed: Allowed
    flight: float
    took: float | None = None

    @property
    def due(self) -> float:
        return self.since + self.allowed.seconds + ROUNDING


class Judge:
    """A watcher of a network. ``after(seconds, act)`` has something done later."""

    def __init__(
        self,
        outage: Outage,
        network: SimNetwork,
        ledger: Ledger,
        after: Callable[[float, Callable[[], object]], None],
    ) -> None:
        self.outage, self.network, self.ledger, self.after = outage, network, ledger, after
        self.sequencer = outage.name(0)
        self.heads: list[tuple[float, Header]] = [(0.0, network.root)]
        """The sequencer's heads, and since when."""
        self.watches: list[Watch] = []
        self.returns: list[Return] = []
        self.costs = Costs(outage, network, ledger)

    def __call__(self, happened: Happened) -> None:
        for output in happened.outputs:
            if isinstance(output, HeadMoved):
                if happened.name == self.sequencer:
                    self.heads.append((self.network.now, self.network.head(self.sequencer)))
                for watch in self.watches:
                    if watch.name == happened.name:
                        self._look(watch)

    def banned(self, bad: Header) -> None:
        """Nobody can be asked to have it as a head any more."""
        self.heads = [(since, head) for since, head in self.heads if bad not in self.network.ancestors(head)]
        for watch in self.watches:
            self._look(watch)

    def changed(self, away: Collection[str], back: str) -> None:
        """From now on other nodes are out of reach than before; ``back`` is in reach again, unless it is empty."""
        self.watches.clear()
        self.ledger.anew()
        if self.sequencer in away:
            return
        outage, near = self.outage, sorted(reach(self.outage, self.sequencer, away))
        lacking = {name: self._lacking(name) for name in near}
        behind = sum(number > 0 for number in lacking.values())
        for name in near:
            due = allowed(outage, name, max(lacking.values()), away, behind)
            watch = Watch(name, self.network.now, lacking[name], due, flight(outage, name, away))
            self.watches.append(watch)
            self.after(due.seconds + ROUNDING, partial(self._judge, watch))
            self._look(watch)
        self.costs.open(near)
        if back in near and back != self.sequencer:
            self._expect_once(back, lacking, away)

    # In time --------------------------------------------------------------------------------------------------------

    def _live(self, name: str, flight: float) -> bool:
        """Has the node all that is older than ``flight``?"""
        goal = next(head for since, head in reversed(self.heads) if since <= max(0.0, self.network.now - flight))
        return self.network.head(name).rank >= goal.rank

    def _look(self, watch: Watch) -> None:
        if watch.took is None and self._live(watch.name, watch.flight):
            watch.took = self.network.now - watch.since

    def _judge(self, watch: Watch) -> None:
        if not any(watch is other for other in self.watches):
            return
        if not self._live(watch.name, watch.flight):
            head, goal = self.network.head(watch.name).point, self.network.head(self.sequencer).point
            self.network.broken(
                f"InTime: {watch.name} could be reached {watch.allowed.seconds:g} s ago, and is at {head}; the live "
                f"head is {goal}, and {watch.missed} blocks were missed ({watch.allowed})"
            )
        self.watches.remove(watch)
        if watch.missed:
            self._look(watch)
            assert watch.took is not None
            self.returns.append(Return(watch.name, watch.since, watch.missed, watch.took, watch.allowed))
        if not self.watches:
            self.costs.close()

    def _lacking(self, name: str) -> int:
        """How many blocks of the sequencer's best chain are not on this node's, or the other way round: the more."""
        ours, theirs = self.ledger.chain(self.sequencer), self.ledger.chain(name)
        return max(len(ours - theirs), len(theirs - ours))

    def _still(self, ahead: Collection[str]) -> bool:
        """Can those who are not ahead get blocks from nobody but who comes back?"""
        lines = [line for line in self.network.lines.values() if line.target not in ahead]
        return not self.outage.turns and not any(isinstance(said, Blocks) for line in lines for said in line.carries())

    # Once -----------------------------------------------------------------------------------------------------------

    def _expect_once(self, back: str, lacking: dict[str, int], away: Collection[str]) -> None:
        """What a node missed comes once, if it comes back alone, on new connections, to peers that are honest and have
        it all. Who comes back with a better branch of its own missed nothing. Two that are behind may
        each wait for the other, lose patience and greet all; and what was said before a silence on connections that
        outlive it was said by every peer."""
        links = [pair for pair in self.outage.pairs if back in pair and not {*pair} & {*away}]
        ahead = reach(self.outage, self.sequencer, {*away, back})
        peers = [name for pair in links for name in pair if name in ahead]
        alone = all(lacking[name] == 0 for name in ahead) and (len(peers) == len(links) or self._still(ahead))
        due = next(watch.allowed for watch in self.watches if watch.name == back)
        alone = alone and self.network.head(back).rank < self.network.head(self.sequencer).rank
        if peers and alone and all(self.network.over(*pair) for pair in links) and one_feed(self.outage, due):
            have = set[bytes].intersection(*map(self.ledger.chain, peers))
            self.ledger.comes_back(back, have - self.network.members[back].held)
