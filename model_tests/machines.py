"""Networks of two to eight nodes under everything that can happen, with every promise of the specification."""

from itertools import combinations
from typing import Any, ClassVar, Final

from hypothesis import settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Event, Produced, Received
from syncfsm.limits import Limits, Strategy
from syncfsm.machine import Table
from syncfsm.node.node import Config, Node
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks
from syncfsm.testing import GENESIS, RowCount, SimNetwork, Simulation
from syncfsm.testing import strategies as our
from syncfsm.testing.claims import Claims
from syncfsm.testing.machine import SyncMachine
from syncfsm.testing.profiles import CI
from syncfsm.testing.scenario import CALM, Scenario
from syncfsm.testing.simulation import at_odds
from syncfsm.testing.trees import child
from syncfsm_spec.kit.moments import Tree
from syncfsm_spec.promises import promises
from syncfsm_spec.sync.feed import ENOUGH, Fed

PARTINGS: Final = (
    Parting.CONTRADICTION,
    Parting.OUT_OF_STEP,
    Parting.PRUNED,
    Parting.SEARCH_TIMEOUT,
    Parting.SHUTDOWN,
    Parting.SILENT,
)
"""For all else no link between correct nodes may end."""


class Machine(SyncMachine):
    """Every promise, after every step."""

    strategy: ClassVar[Strategy]

    def make_node(self, name: str) -> Node:
        """Little room and few points, so that streams and searches take several steps; small limits, to meet them."""
        size = ord(name) % 3
        room, points = (600, 1500, 10**6)[size], (2, 3, 32)[size]
        limits = Limits(
            room=room, points=points, retention=1, notes=1, hello_burst=8, search=2.0, join=1, gates=1 + ord(name) % 2
        )
        return Node.start(Config(Unchecked(), self.strategy, limits), Chain.start(GENESIS, limits))

    def watch(self, network: SimNetwork) -> None:
        names, tree = network.correct, Tree(())
        tree.blocks = network.blocks  # which grows
        claims = promises(
            names, list(combinations(names, 2)), tree, PARTINGS, heads_may_worsen=True, timed=True, counted=True
        )
        self.claims = Claims(network, claims)

    def at_rest(self, scenario: Scenario) -> None:
        self.claims.at_rest()
        if scenario.calm and not at_odds(scenario.network):  # what a peer said before its head got worse is not unsaid
            self._in_peace(scenario.network)

    def _in_peace(self, network: SimNetwork) -> None:
        """One node makes blocks, each when the one before is everywhere: what feeds then are is promised."""
        names, source = tuple(network.correct), network.correct[0]
        driver, came = Simulation(network, 0.0, names), list[str]()
        network.watchers.append(lambda happened: came.extend([happened.name] * brings_blocks(happened.event)))
        for _ in range(ENOUGH + 1):
            came.clear()
            network.feed(source, Produced((child(network.head(source)),), network.now))
            driver.run(CALM)
        nodes: list[Any] = [network.node(name) for name in names]
        fed = Fed(names, source)
        assert fed.one_feed(*nodes), "OneFeed"
        assert fed.tree_spans(*nodes, ENOUGH), "TreeSpans"
        assert fed.never_dark(*nodes), "NeverDark"
        assert sorted(came) == sorted(set(names) - {source}), "OncePerNode"


def brings_blocks(event: Event) -> bool:
    return isinstance(event, Received) and isinstance(event.message, Blocks)


class LocatorMachine(Machine):
    strategy = Strategy.LOCATOR
    rows = RowCount()


class StreamingMachine(Machine):
    strategy = Strategy.STREAMING
    rows = RowCount()


class LargerMachine(Machine):
    """Of six to eight nodes."""

    strategy = Strategy.LOCATOR
    rows = RowCount()

    @initialize(setup=our.setups_of(6, 8))
    def setup(self, setup: dict[str, Any]) -> None:
        """A network on a random tree, none linked."""
        self._act(lambda: self._set_up(setup))


MACHINES: Final[dict[str, type[Machine]]] = {"locator": LocatorMachine, "streaming": StreamingMachine}


def moved_by(machine: type[Machine], table: Table[Any]) -> type[Machine]:
    """The same networks, moved by this table instead of the one of its name."""
    return type(machine.__name__, (machine,), {"rows": RowCount(table)})


def run(machine: type[Machine]) -> None:
    """The same runs each time, so that it is the change that broke what breaks."""
    run_state_machine_as_test(machine, settings=settings(CI, max_examples=200))
