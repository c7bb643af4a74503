"""Drives a ``SimNetwork``: first everything may go wrong, then all is healed and the nodes must come together.

    network = SimNetwork(seed, Faults.sample(Luck(seed)))
    ...                                                     # add nodes, join them
    seconds = run_safety_then_liveness(network)

In the first phase promises of safety are checked after each step; what they cannot show is that anything good ever
happens. So in the second phase faults stop, nothing new is made, and the correct nodes must reach one head in time.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from syncfsm.blocks import Header
from syncfsm.events import Produced
from syncfsm.testing.faults import Faults
from syncfsm.testing.lines import Line
from syncfsm.testing.network import SimNetwork
from syncfsm.testing.trees import child

REDIAL: Final = (0.05, 0.5)
"""Seconds, at least and at most, until a link that ended is dialled again."""
DEEPEST_FORK: Final = 4
"""How many blocks below the head of its maker a new block may start a branch."""

Maker = Callable[[Header, str, int], Header]
"""(parent, name, gain) -> a child of the parent; equal arguments, equal children."""


class Simulation:
    """Lets time pass in a network: messages arrive, deadlines come, links are dialled, faults happen.

    ``rate`` blocks a second are made in the whole network, by ``producers``: mostly on the maker's head, sometimes
    below it.
    """

    def __init__(self, network: SimNetwork, rate: float, producers: Sequence[str], make: Maker = child) -> None:
        self.network, self.luck = network, network.luck
        self._rate, self._producers, self._make = rate, tuple(producers), make
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._dialling: set[tuple[str, str]] = set()
        self._made = 0
        self._plan(rate, self._produce)
        self._plan(network.faults.rate, self._fail)

    def run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let everything happen that is due within ``seconds``, or until ``done()``. Says whether it came to that."""
        network, end = self.network, self.network.now + seconds
        while not done():
            self._dial()
            due, act = min(self._due(), key=lambda pair: pair[0], default=(end, None))
            if act is None or due >= end:
                network.now = end
                return done()
            network.now = max(network.now, due)
            act()
        return True

    def heal(self) -> None:
        """No faults from now on, no cuts, no slow readers, nothing new. What is under way arrives."""
        self._rate, self._later = 0.0, []
        self._dialling.clear()
        self.network.faults = Faults()
        for line in self.network.lines.values():
            line.mend()

    # What is due --------------------------------------------------------------------------------------------------

    def _due(self) -> list[tuple[float, Callable[[], object]]]:
        """All that waits for its time. The earliest goes first; of several, the first in this list."""
        network = self.network
        found: list[tuple[float, Callable[[], object]]] = [
            (line.under_way[0][0], partial(self._deliver, line)) for line in network.busy()
        ]
        for name in network.members:
            due = network.tick_due(name)
            if due is not None:
                found.append((due, partial(network.tick, name)))
        return found + [(due, partial(self._do, due, act)) for due, act in self._later]

    def _do(self, due: float, act: Callable[[], object]) -> None:
        self._later.remove((due, act))
        act()

    def _at(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((self.network.now + seconds, act))

    def _plan(self, rate: float, act: Callable[[], object]) -> None:
        if rate > 0:
            self._at(self.luck.pause(rate), act)

    def _deliver(self, line: Line) -> None:
        self.network.deliver(line.source, line.target, self.luck.chance(self.network.faults.overtaking))

    def _dial(self) -> None:
        for a, b in self.network.pairs:
            if self.network.over(a, b) and (a, b) not in self._dialling:
                self._dialling.add((a, b))
                self._at(self.luck.between(*REDIAL), partial(self._connect, a, b))

    def _connect(self, a: str, b: str) -> None:
        self._dialling.discard((a, b))
        ways = self.network.lines[a, b], self.network.lines[b, a]
        if (a, b) in self.network.pairs and not any(line.cut for line in ways):
            self.network.connect(a, b)

    # What is made, and what fails ---------------------------------------------------------------------------------

    def _produce(self) -> None:
        self.produce(self.luck.choice(self._producers))
        self._plan(self._rate, self._produce)

    def produce(self, name: str) -> None:
        """This node makes a block: mostly on its head, sometimes on a block below it."""
        network, luck = self.network, self.luck
        parent = network.head(name)
        if luck.chance(0.2):
            deep = luck.below(DEEPEST_FORK)
            parent = next((header for at, header in enumerate(network.ancestors(parent)) if at == deep), parent)
        self._made += 1
        block = self._make(parent, f"{name}{self._made}", 1 + luck.below(3))
        network.attempt(name, Produced((block,), network.now))

    def _fail(self) -> None:
        network, luck = self.network, self.luck
        kind, lasting = network.faults.pick(luck), luck.pause(1 / network.faults.lasting)
        a, b = luck.choice(network.pairs)[:: luck.choice((1, -1))] if network.pairs else ("", "")
        name = luck.choice(network.correct)
        if kind == "restarts":
            network.restart(name)
        elif kind == "slow_readers":
            for line in network.lines.values():
                if line.target == name:
                    line.pause = network.faults.lasting / 10
                    self._at(lasting, line.mend)
        elif a and kind == "ends":
            network.end(a, b)
        elif a:
            for source, target in ((a, b), (b, a))[: 1 if kind == "one_way_cuts" else 2]:
                network.cut(source, target)
                self._at(lasting, network.lines[source, target].mend)
        self._plan(network.faults.rate, self._fail)


def agreed(network: SimNetwork, goal: Header | None = None) -> bool:
    """Do all correct nodes have one head, at least as good as ``goal``, and is every pair of them linked?"""
    heads = {network.head(name) for name in network.correct}
    linked = all(network.linked(a, b) for a, b in network.pairs if {a, b} <= set(network.correct))
    return len(heads) == 1 and linked and (goal is None or min(heads, key=_rank).rank >= goal.rank)


def _rank(header: Header) -> tuple[bytes, bytes]:
    return header.rank


def run_safety_then_liveness(
    network: SimNetwork,
    *,
    seconds: float = 20.0,
    within: float = 15.0,
    rate: float = 3.0,
    producers: Sequence[str] | None = None,
    make: Maker = child,
) -> float:
    """Run with faults for ``seconds``, heal, and demand that the correct nodes reach the best head of them all.

    All times are virtual. ``producers`` make ``rate`` blocks a second (all correct nodes, unless told otherwise), and
    one block each at the moment of healing, so that there is always something to agree on.
    Returns the seconds it took after healing; raises ``PromiseError`` if they are more than ``within``, or if a promise
    was broken before, with the seed, the faults and what happened last.
    """
    producers = network.correct if producers is None else producers
    simulation = Simulation(network, rate, producers, make)
    faults = network.faults
    simulation.run(seconds)
    simulation.heal()
    for name in producers:
        simulation.produce(name)
    goal, healed = max((network.head(name) for name in network.correct), key=_rank), network.now
    if not simulation.run(within, partial(agreed, network, goal)):
        heads = ", ".join(f"{name} at {network.head(name).point}" for name in network.correct)
        network.faults = faults  # for the text
        network.broken(f"Settles: {within:g} s after healing: {heads}; the goal is {goal.point}")
    return network.now - healed
