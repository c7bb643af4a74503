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
from syncfsm.errors import LocalError
from syncfsm.events import Finalised, Produced
from syncfsm.testing.faults import Faults
from syncfsm.testing.lines import Line
from syncfsm.testing.network import SimNetwork
from syncfsm.testing.trees import Maker, child

REDIAL: Final = (0.05, 0.5)
"""Seconds, at least and at most, until a link that ended is dialled again."""
DEEPEST_FORK: Final = 4
"""How many blocks below the head of its maker a new block may start a branch."""


class Simulation:
    """Lets time pass in a network: messages arrive, deadlines come, links are dialled, faults happen.

    ``rate`` blocks a second are made in the whole network, by ``producers``: mostly on the maker's head, sometimes
    below it. ``finals`` times a second all correct nodes learn that the newest block they share is final. ``redial``
    are the seconds, at least and at most and above 0, until a link that ended is dialled again.
    """

    def __init__(
        self,
        network: SimNetwork,
        rate: float,
        producers: Sequence[str],
        make: Maker = child,
        finals: float = 0.0,
        redial: tuple[float, float] = REDIAL,
    ) -> None:
        if not network.correct or not network.lines:
            raise LocalError(
                "a simulation needs a correct node and two that are joined; call add, and join or join_all"
            )
        self.network, self.luck = network, network.luck
        self._rate, self._finals, self._producers, self._make = rate, finals, tuple(producers), make
        self._redial = redial
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._dialling: set[tuple[str, str]] = set()
        self._made = 0
        self._plan(rate, self._produce)
        self._plan(finals, self._finalise)
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
        self._later = []
        self._dialling.clear()
        self.network.faults = Faults()
        for line in self.network.lines.values():
            line.mend()

    # What is due --------------------------------------------------------------------------------------------------

    def _due(self) -> list[tuple[float, Callable[[], object]]]:
        """All that waits for its time. The earliest goes first; of several, the first in this list."""
        network = self.network
        found: list[tuple[float, Callable[[], object]]] = []
        for line in network.busy():
            if line.under_way:
                found.append((line.under_way[0][0], partial(self._deliver, line)))
            if line.writing is not None:
                found.append((line.writing[0], partial(network.write, line.source, line.target)))
        for name in network.members:
            due = network.tick_due(name)
            if due is not None:
                found.append((due, partial(network.tick, name)))
        return found + [(due, partial(self._do, due, act)) for due, act in self._later]

    def _do(self, due: float, act: Callable[[], object]) -> None:
        self._later.remove((due, act))
        act()

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Have ``act`` called when so much time has passed, unless the network is healed before."""
        self._later.append((self.network.now + seconds, act))

    def _plan(self, rate: float, act: Callable[[], object]) -> None:
        if rate > 0:
            self.after(self.luck.pause(rate), act)

    def _deliver(self, line: Line) -> None:
        overtake = line.way is None and self.luck.chance(self.network.faults.overtaking)
        self.network.deliver(line.source, line.target, overtake)

    def _dial(self) -> None:
        for a, b in self.network.pairs:
            if self.network.over(a, b) and (a, b) not in self._dialling:
                self._dialling.add((a, b))
                self.after(self.luck.between(*self._redial), partial(self._connect, a, b))

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

    def _finalise(self) -> None:
        """What is final is not the peers' to say: a source of truth outside the network tells all of them at once."""
        network = self.network
        branches = [list(network.ancestors(network.head(name))) for name in network.correct]
        shared = set[Header](branches[0]).intersection(*branches)
        newest = max(shared, key=lambda header: header.height)
        for name in network.correct:
            network.attempt(name, Finalised(newest.point, network.now))
        self._plan(self._finals, self._finalise)

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
                    self.after(lasting, line.mend)
        elif a and kind == "ends":
            network.end(a, b)
        elif a:
            for source, target in ((a, b), (b, a))[: 1 if kind == "one_way_cuts" else 2]:
                network.cut(source, target)
                self.after(lasting, network.lines[source, target].mend)
        self._plan(network.faults.rate, self._fail)


def at_odds(network: SimNetwork, may_differ: bool = False, goal: Header | None = None) -> str:
    """What keeps the correct nodes from being at rest, in words; nothing if they are.

    At rest, they have one head, at least as good as ``goal``, all that may be linked are, and nothing is under way. If
    they ``may_differ``, only the last is asked for.
    """
    correct = network.correct
    heads = {name: network.head(name) for name in correct}
    apart = (
        [] if may_differ else [pair for pair in network.pairs if {*pair} <= {*correct} and not network.linked(*pair)]
    )
    busy = [line for line in network.busy() if {line.source, line.target} <= {*correct}]
    found = [_apart(network, a, b) for a, b in apart]
    found += [f"{line.load} messages from {line.source} to {line.target} are under way" for line in busy]
    if not may_differ and (len(set(heads.values())) > 1 or (goal and min(heads.values(), key=_rank).rank < goal.rank)):
        found += [f"{name} is at {head.point}" for name, head in heads.items()]
        found += [f"the goal is {goal.point}"] if goal else []
    return ", ".join(found)


def _apart(network: SimNetwork, a: str, b: str) -> str:
    for near, far in ((a, b), (b, a)):
        if network.lines[near, far].open and not network.lines[far, near].open:
            return f"{near} has not ended (Disconnect) its link to {far}, which is lost"
    return f"{a} and {b} are not linked"


def _rank(header: Header) -> tuple[bytes, bytes]:
    return header.rank


def run_safety_then_liveness(
    network: SimNetwork,
    *,
    seconds: float = 20.0,
    within: float = 15.0,
    rate: float = 3.0,
    finals: float = 0.2,
    producers: Sequence[str] | None = None,
    make: Maker = child,
) -> float:
    """Run with faults for ``seconds``, heal, and demand that the correct nodes reach the best head and rest.

    All times are virtual. ``producers`` make ``rate`` blocks a second (all correct nodes, unless told otherwise), and
    one block each at the moment of healing, so that there is always something to agree on. ``finals`` times a second
    the newest block that all have becomes final.
    Returns the seconds it took after healing; raises ``PromiseError`` if they are more than ``within``, or if a promise
    was broken before, with the seed, the faults and what happened last.
    """
    producers = network.correct if producers is None else producers
    simulation = Simulation(network, rate, producers, make, finals)
    simulation.run(seconds)
    simulation.heal()
    for name in producers:
        simulation.produce(name)
    goal, healed = max((network.head(name) for name in network.correct), key=_rank), network.now
    if not simulation.run(within, lambda: not at_odds(network, goal=goal)):
        network.broken(f"Settles: {within:g} s after healing: {at_odds(network, goal=goal)}")
    return network.now - healed
