"""Networks of two to five nodes under everything that can happen, with the promises of ``spec/``, and row coverage.

Stories that once broke a promise are kept as data, in ``traces/``, and are played again here.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis.stateful import run_state_machine_as_test

from spec.invariants import Tree, promises
from syncfsm.blocks import Unchecked, flaw
from syncfsm.chain import Chain
from syncfsm.limits import Limits
from syncfsm.link import TABLE, State, Strategy
from syncfsm.link import Event as LinkEvent
from syncfsm.machine import IGNORE
from syncfsm.messages import Blocks, Control, Parting
from syncfsm.node import Config, Node
from syncfsm.testing import GENESIS, PromiseError, RowCount, SimNetwork, run_safety_then_liveness
from syncfsm.testing import strategies as our
from syncfsm.testing.claims import Claims
from syncfsm.testing.machine import SyncMachine
from syncfsm.testing.profiles import CI, NIGHTLY
from syncfsm.testing.scenario import Scenario, play
from syncfsm.wire.codec import decode_control, encode_control

TRACES: Final = sorted((Path(__file__).parent / "traces").glob("*.ndjson"))
PARTINGS: Final = (
    Parting.CONTRADICTION,
    Parting.OUT_OF_STEP,
    Parting.PRUNED,
    Parting.SEARCH_TIMEOUT,
    Parting.SHUTDOWN,
    Parting.SILENT,
)
"""For all else no link between correct nodes may end."""

NOT_HERE: Final = {
    "a caller's mistake, or never asked for": {"connect always", "greet always"},
    "a peer that is not correct (test_byzantine)": {
        "hello flooding", "found ungreeted", "blocks ungreeted", "blocks invalid", "fault always"
    },
    "a limit that these trees do not reach": {"blocks no_room_in_tree"},
    "needs one exact moment, or seconds without any message; the exhaustive worlds have it": {
        "hello better_and_can_narrow", "hello better", "hello has_all", "hello worse_and_asked", "blocks out_of_step",
        "moved nothing_shared", "finalised their_final_contradicts", "final claim_contradicts",
        "note always", "tick search_is_late", "tick owes_worse_hello", "tick owes_hello",
    },
}  # fmt: skip
"""Rows of a living link that need not fire in these runs, and why. A link that is over is forgotten by its node."""


class Machine(SyncMachine):
    """Every promise, after every step."""

    strategy: ClassVar[Strategy]

    def make_node(self, name: str) -> Node:
        """Little room and few points, so that streams and searches take several steps; small limits, to meet them."""
        size = ord(name) % 3
        room, points = (600, 1500, 10**6)[size], (2, 3, 32)[size]
        limits = Limits(room=room, points=points, retention=1, notes=1, hello_burst=8, search=2.0)
        return Node.start(Config(Unchecked(), self.strategy, limits), Chain.start(GENESIS, limits))

    def watch(self, network: SimNetwork) -> None:
        names, tree = network.correct, Tree(())
        tree.blocks = network.blocks  # which grows
        claims = promises(names, list(combinations(names, 2)), tree, PARTINGS, heads_may_worsen=True)
        self.claims = Claims(network, claims)

    def at_rest(self, scenario: Scenario) -> None:
        self.claims.at_rest()


class LocatorMachine(Machine):
    strategy = Strategy.LOCATOR
    rows = RowCount()


class StreamingMachine(Machine):
    strategy = Strategy.STREAMING
    rows = RowCount()


MACHINES: Final = {"locator": LocatorMachine, "streaming": StreamingMachine}


def test_the_promises_hold_and_the_rows_fire() -> None:
    """The same runs each time, so that it is the change that broke what breaks."""
    for machine in MACHINES.values():
        run_state_machine_as_test(machine, settings=settings(CI, max_examples=200))
    fired = {rule for machine in MACHINES.values() for rule in machine.rows.fired}
    excused = {row for rows in NOT_HERE.values() for row in rows}
    alive = [rule for rule in TABLE.rules if rule.source != (State.CLOSED,)]
    never = [rule for rule in alive if rule not in fired]
    missing = [str(rule) for rule in never if f"{rule.event[0]} {rule.guard}" not in excused]
    assert missing == []


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", MACHINES)
def test_the_promises_hold_in_runs_that_nobody_has_seen(strategy: str) -> None:
    run_state_machine_as_test(MACHINES[strategy], settings=NIGHTLY)


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_pinned_traces(trace: Path) -> None:
    """Each broke a promise once. The name of a trace starts with the strategy of its nodes."""
    kind, *rest = trace.stem.split("-")
    assert rest
    machine = MACHINES[kind]()
    machine.at_rest(play(machine.build, trace.read_text().splitlines()))


def test_a_changed_rule_is_found() -> None:
    """Here a link in step takes no notice when our head moves on."""
    broken = [row for row in TABLE.rules if row.event == (LinkEvent.MOVED,) and row.guard == "lacks_head"]
    assert len(broken) == 1
    changed = [attrs.evolve(row, action=IGNORE, target=None) if row in broken else row for row in TABLE.rules]
    network = SimNetwork(rules=RowCount(attrs.evolve(TABLE, rules=tuple(changed))))
    for name in ("a", "b"):
        network.add(name, lambda: Node.start(Config(Unchecked()), Chain.start(GENESIS)))
    network.join_all()
    with pytest.raises(PromiseError, match="Settles"):
        run_safety_then_liveness(network, seconds=3.0)


@settings(CI, max_examples=300)
@given(our.block_trees().flatmap(our.messages))
def test_what_the_strategies_make_can_be_sent(message: Control | Blocks) -> None:
    if isinstance(message, Blocks):
        assert all(flaw(header) is None for header in message.headers)
    else:
        assert decode_control(encode_control(message)) == message


@settings(CI, max_examples=20)
@given(our.setups, our.schedules())
def test_schedules_can_be_played(setup: dict[str, Any], schedule: list[dict[str, Any]]) -> None:
    machine = LocatorMachine()
    acts = [{"act": "setup", **setup}, *schedule]
    scenario = play(machine.build, [json.dumps(act) for act in acts])
    assert [json.loads(line)["act"] for line in scenario.trace] == [act["act"] for act in acts]
    assert play(machine.build, scenario.trace).trace == scenario.trace
