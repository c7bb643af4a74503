"""The promises hold in the networks of ``machines.py``, and nearly every row fires.

Stories that once broke a promise are kept as data, in ``traces/``, and are played again here.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis.stateful import run_state_machine_as_test

from model_tests.exhaustive import TABLE_OF, row
from model_tests.machines import MACHINES, LargerMachine, LocatorMachine, run
from syncfsm.blocks import Unchecked, flaw
from syncfsm.chain import Chain
from syncfsm.machine import IGNORE
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Message as Control
from syncfsm.sync.messages import Blocks
from syncfsm.sync.protocol import TABLE
from syncfsm.sync.types import Event as LinkEvent
from syncfsm.testing import GENESIS, PromiseError, RowCount, SimNetwork, run_safety_then_liveness
from syncfsm.testing import strategies as our
from syncfsm.testing.profiles import CI, NIGHTLY
from syncfsm.testing.scenario import play
from syncfsm.wire.codec import Codec

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parent / "docs"
TRACES: Final = sorted((HERE / "traces").glob("*.ndjson"))
PAGES: Final = (DOCS / "failure-modes.md", *sorted((DOCS / "decisions").glob("*.md")))
"""Where the story of each trace is told."""
NOT_HERE: Final = {
    "a caller's mistake, or never asked for": {
        "peer: (open) connect [always] -> stay / misuse",
        "sync: (start, init, syncing, idle) greet [always] -> stay / ignore",
        "sync: (start, idle) turn [always] -> stay / ignore",
        "notes: (open) opened [always] -> stay / ignore",
        "feed: (fed) joined [is_there] -> stay / ignore",
    },
    "all peers speak this version (test_relay)": {
        "sync: (start, init, syncing, idle) ask [older] -> stay / ignore",
        "sync: (start, init, syncing, idle) refuse [older] -> stay / ignore",
        "sync: (start, init, syncing, idle) shut [older] -> stay / ignore",
    },
    "what is over is forgotten by its node": {
        "peer: (closed) heard, ping, pong, bye, spent, room, tick, leave, lost, fault [always] -> stay / ignore",
        "notes: (closed) say, note, news, ended [always] -> stay / ignore",
    },
    "a peer that is not correct (test_byzantine)": {
        "peer: (open) fault [always] -> closed / violation",
        "sync: (start, init, syncing, idle) hello [flooding] -> closed / violation",
        "sync: (start, init, syncing, idle) blocks [invalid] -> closed / violation",
        "sync: (start, init, syncing, idle) blocks [out_of_step] -> closed / part_out_of_step",
        "sync: (start, init, syncing, idle) fault [always] -> closed / violation",
        "sync: (start, init) has [always] -> closed / violation",
        "sync: (start, init, syncing, idle) give [declined_enough] -> stay / ignore",
        "sync: (start, init, syncing, idle) refuse [refused_enough] -> stay / ignore",
    },
    "a limit that these trees do not reach": {
        "sync: (start, init, syncing, idle) blocks [no_room_in_tree] -> closed / part_full",
        "sync: (start, init, syncing, idle) blocks [too_much_aside] -> closed / part_full",
    },
}
"""Rows that can not fire in these runs, and why."""
SELDOM: Final = frozenset(
    {
        "feed: (fed) ahead, wanted, unwanted, given, refused [has_left] -> stay / ignore",
        "feed: (fed) ahead, given [feed_is_on_again] -> stay / ask_feed_again",
        "feed: (fed) gained [rival_is_due] -> stay / race",
        "feed: (fed) gained [race_is_lost] -> stay / end_race",
        "feed: (fed) gained [gives] -> stay / turn_round",
        "feed: (fed) late [always] -> stay / calm",
        "feed: (fed) late [patience_ends] -> stay / ask_all",
        "feed: (fed) refused [feed_is_off] -> stay / stand_still",
        "feed: (fed) made [gift_declined] -> stay / turn_to_child",
        "feed: (fed) given [said_by_feed] -> stay / ignore",
        "sync: (start) hello [worse_and_asked] -> init / narrow",
        "sync: (init) hello [better_and_can_narrow] -> start / narrow",
        "sync: (init) hello [better] -> start / remember",
        "sync: (syncing) hello [has_all] -> idle / learn_has",
        "sync: (start, init) found [not_held] -> closed / part_out_of_step",
        "sync: (start, init, syncing, idle) blocks [refused_is_final] -> closed / part_contradicting",
        "sync: (start, init) moved [nothing_shared] -> closed / part_pruned",
        "sync: (start, init) moved [head_learnt_and_lacking] -> syncing / conclude",
        "sync: (syncing, idle) moved [pruned_past_peer] -> closed / part_pruned",
        "sync: (start, init, syncing, idle) hello [finals_contradict] -> closed / part_contradicting",
        "sync: (start, init, syncing, idle) finalised [their_final_contradicts] -> closed / part_contradicting",
        "sync: (start, init, syncing, idle) final [claim_contradicts] -> closed / part_contradicting",
        "sync: (start, init, syncing, idle) final [claim_names_refused] -> closed / part_contradicting",
        "sync: (syncing) turn [off] -> stay / ignore",
        "sync: (start, init, syncing, idle) want [off] -> stay / refuse_off",
        "notes: (open) note [always] -> stay / ignore",
        "notes: (open) news [none_waits] -> stay / ignore",
        "sync: (start, init) tick [search_is_late] -> closed / part_late",
        "sync: (start, init) tick [owes_worse_hello] -> init / hello_again",
        "sync: (start, init) tick [owes_hello] -> start / hello_again",
    }
)
"""Rows that need one exact moment, or seconds without any message: few runs have them, or none. The exhaustive worlds
do."""
NO_PACKETS: Final = ("routing: ", "router: ")
"""Tables of which little fires, as nobody publishes a packet in these networks: those of routing do."""


def test_the_promises_hold_and_the_rows_fire() -> None:
    for machine in MACHINES.values():
        run(machine)
    fired = {row(rule) for machine in MACHINES.values() for rule in machine.rows.fired}
    here = {name for name in map(row, TABLE_OF) if not name.startswith(NO_PACKETS)}
    assert here - SELDOM - fired == set().union(*NOT_HERE.values())


def test_every_excuse_is_for_a_row() -> None:
    assert set(map(row, TABLE_OF)) >= SELDOM


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", MACHINES)
def test_the_promises_hold_in_runs_that_nobody_has_seen(strategy: str) -> None:
    run_state_machine_as_test(MACHINES[strategy], settings=NIGHTLY)


@pytest.mark.nightly
def test_the_promises_hold_in_larger_networks() -> None:
    run_state_machine_as_test(LargerMachine, settings=settings(NIGHTLY, max_examples=300))


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_pinned_traces(trace: Path) -> None:
    """Each broke a promise once. The name of a trace starts with the strategy of its nodes."""
    kind, *rest = trace.stem.split("-")
    assert rest
    machine = MACHINES[kind]()
    machine.at_rest(play(machine.build, trace.read_text().splitlines()))


def test_every_trace_has_its_story_and_every_story_its_trace() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(rf"`((?:{'|'.join(MACHINES)})-[a-z-]+)`", text)) == {trace.stem for trace in TRACES}


def test_a_changed_rule_is_found() -> None:
    """Here a link in step takes no notice when our head moves on."""
    broken = [rule for rule in TABLE.rules if rule.event == (LinkEvent.MOVED,) and rule.guard == "lacks_head"]
    assert len(broken) == 1
    changed = [attrs.evolve(rule, action=IGNORE, target=None) if rule in broken else rule for rule in TABLE.rules]
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
        assert Codec(STANDARD).decode(Codec(STANDARD).encode(message)) == message


@settings(CI, max_examples=20)
@given(our.setups, our.schedules())
def test_schedules_can_be_played(setup: dict[str, Any], schedule: list[dict[str, Any]]) -> None:
    machine = LocatorMachine()
    acts = [{"act": "setup", **setup}, *schedule]
    scenario = play(machine.build, [json.dumps(act) for act in acts])
    assert [json.loads(line)["act"] for line in scenario.trace] == [act["act"] for act in acts]
    assert play(machine.build, scenario.trace).trace == scenario.trace
