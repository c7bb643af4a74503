"""A Hypothesis state machine to subclass: your node, in networks of two to five, under everything that can happen.

    class MyMachine(SyncMachine):
        def make_node(self, name: str) -> SyncNode:
            return MyNode(...)

    TestMyNode = MyMachine.TestCase

Four coarse rules, as the split into rules is what decides where the search goes: connect, make, deliver, fault.
Messages travel as real bytes. At the end of every run the network is healed and must come to rest.
Needs ``syncfsm[testing]``.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Final

from hypothesis import currently_in_test_context, note
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.registry import Registry
from syncfsm.testing import strategies as our
from syncfsm.testing.network import SimNetwork
from syncfsm.testing.protocol import SyncNode
from syncfsm.testing.rows import RowCount
from syncfsm.testing.scenario import Scenario, play
from syncfsm.testing.trees import GENESIS, child

MESSAGES: Final = 5_000
"""How many may arrive in a run: several times what trees of some twenty blocks and five nodes need."""


class SyncMachine(RuleBasedStateMachine):
    """Override ``make_node`` for your node, ``root`` and ``make_block`` for your chain, ``watch`` and ``at_rest`` for
    your promises.

    A failure prints the acts as lines of JSON. Saved to a file, they are played again by ``replay``.
    """

    root: ClassVar[Header] = GENESIS
    """The block with which all nodes begin."""
    rows: ClassVar[RowCount] = RowCount()
    """Moves the values of nodes of ours, and counts the rows that fire: every subclass has its own."""
    registry: ClassVar[Registry] = STANDARD
    """The protocols whose messages travel between the nodes; with protocols of your own, give ``rows`` the same."""
    scenario: Scenario
    failed = False
    _started = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "rows" not in cls.__dict__:
            cls.rows = cls.rows.anew()

    def make_node(self, name: str) -> SyncNode:
        """A fresh node that holds ``root`` alone."""
        limits = Limits(room=600, points=3)
        return Node.start(Config(Unchecked(), Strategy.LOCATOR, limits), Chain.start(self.root, limits))

    def make_block(self, parent: Header, name: str, gain: int) -> Header:
        """A child of ``parent``, the same each time. ``name`` tells siblings apart, ``gain`` (1 or more) says how much
        better it is."""
        return child(parent, name, gain)

    def watch(self, network: SimNetwork) -> None:
        """Called with each new network: append to ``network.watchers`` what is to be checked after every step."""

    def at_rest(self, scenario: Scenario) -> None:
        """Called when its network has come to rest; raise ``AssertionError`` if it rests in the wrong place."""

    # The rules ----------------------------------------------------------------------------------------------------

    @initialize(setup=our.setups)
    def setup(self, setup: dict[str, Any]) -> None:
        """A network on a random tree, none linked."""
        self._act(lambda: self._set_up(setup))

    @rule(act=our.connects)
    def connect(self, act: dict[str, Any]) -> None:
        """Two nodes are linked."""
        self._act(lambda: self.scenario.connect(**act))

    @rule(act=our.makes)
    def make(self, act: dict[str, Any]) -> None:
        """A node makes blocks on its head, or switches forks."""
        self._act(lambda: self.scenario.make(**act))

    @rule(act=our.deliveries)
    def deliver(self, act: dict[str, Any]) -> None:
        """One to four messages of a line arrive."""
        self._act(lambda: self.scenario.deliver(**act))

    @rule(act=our.faults)
    def fault(self, act: dict[str, Any]) -> None:
        """Something from outside happens, or time passes."""
        self._act(lambda: self.scenario.fault(**act))

    def teardown(self) -> None:
        """The environment stops."""
        if self._started and not self.failed:
            self._act(self._come_to_rest)

    # A run that was kept ------------------------------------------------------------------------------------------

    def replay(self, lines: Iterable[str]) -> None:
        """Do once more what a failure printed, and look at the same promises. ``LocalError`` if it is no trace."""
        self.at_rest(play(self.build, lines, self.make_block))

    # What they need -----------------------------------------------------------------------------------------------

    def build(self, nodes: int) -> SimNetwork:
        """The network of a scenario, every node joined to every other."""
        network = SimNetwork(rules=self.rows, root=self.root, messages=MESSAGES, registry=self.registry)
        for name in "abcdefgh"[:nodes]:
            network.add(name, partial(self.make_node, name))
        network.join_all()
        self.watch(network)
        return network

    def _set_up(self, setup: dict[str, Any]) -> None:
        self.scenario = Scenario(self.build, **setup, make=self.make_block)
        self._started = True

    def _come_to_rest(self) -> None:
        self.scenario.settle()
        self.at_rest(self.scenario)

    def _act(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException:  # Hypothesis ends runs with some that are no Exception
            self.failed = True
            if self._started and currently_in_test_context():
                note("the acts, to be played again:\n" + "\n".join(self.scenario.trace))
            raise
