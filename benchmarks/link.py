"""One connection: what a step of its sync link costs through either form of the table, and what it weighs if idle."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any, Final
from unittest.mock import patch

from transitions import Machine

from benchmarks.building import GENESIS, branch, extended, node
from benchmarks.measure import Figures, Work, by_turns, least, rounded
from syncfsm.chain import Chain
from syncfsm.events import Connected, Finalised, Produced, Received, Room, Tick
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.machine import Step, Table, twin
from syncfsm.node.node import Node
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say
from syncfsm.outputs import Send
from syncfsm.protocol import View
from syncfsm.sync.protocol import SYNC, TABLE
from syncfsm.sync.types import Event, Link, State
from syncfsm.testing import Pair
from syncfsm.wire.codec import Bad, Codec

A, B = 0, 1
BODY: Final = 1024
LIVE: Final = 300
"""Blocks of the story that are followed live, one every 0.2 s."""
CODEC: Final = Codec(STANDARD)
LinkStep = tuple[Link, Event, object, View]


def run(quick: bool) -> Figures:
    """The figures of ``link``."""
    steps = recorded(LIVE // 10 if quick else LIVE)
    rounds = 3 if quick else 15

    forms: dict[str, Callable[..., Step[Link]]] = {"dispatch": TABLE.step, "transitions": partial(twin.step, TABLE)}
    found = by_turns(rounds, {name: _replay(step, steps) for name, step in forms.items()})
    links = 500 if quick else 10_000
    return {
        "steps": len(steps),
        "steps_by_event": dict(Counter(str(event) for _, event, _, _ in steps).most_common()),
        "steps_per_second": {form: round(len(steps) / time) for form, time in found.items()},
        "microseconds_per_step": {form: rounded(1e6 * time / len(steps)) for form, time in found.items()},
        "microseconds_by_event": _by_event(steps, rounds),
        "bytes_idle": round(_growth(links, _with_idle_links(links))),
        "bytes_transitions_machine_per_peer": round(_growth(links // 10, _with_models(links // 10))),
        "bytes_own_transitions_machine_per_peer": round(_growth(10, _with_machines(10))),
    }


# The steps ------------------------------------------------------------------------------------------------------


def _replay(step: Callable[..., Step[Link]], steps: list[LinkStep]) -> Work:
    """All of these steps; none depends on the outcome of another, as each has its own values."""

    def work() -> None:
        for link, event, message, view in steps:
            step(link, event, message, view)

    return work


class Recorder:
    """Stands in for the sync table, and keeps what it was asked."""

    def __init__(self) -> None:
        self.steps: list[LinkStep] = []

    def step(self, link: Link, event: Event, message: object, view: View) -> Step[Link]:
        self.steps.append((link, event, message, view))
        return TABLE.step(link, event, message, view)


def recorded(live: int) -> list[LinkStep]:
    """Every step of both links while two nodes live through it all: a fork of 10 blocks is found and 100 are caught
    up, then ``live`` blocks are followed, then there is an outage of 100 blocks and a few more."""
    common = extended(Chain.start(GENESIS), branch(GENESIS, 100))
    chains = [extended(common, branch(common.head, length, name)) for name, length in ((1, 10), (2, 110))]
    recorder = Recorder()
    with patch.object(Node, "step", partialmethod(Node.step, rules={TABLE.name: recorder})):
        pair = Pair(node(chains[A]), node(chains[B]))
        pair.connect()
        pair.settle()
        _live(pair, live)
        pair.cut()
        _produce(pair, B, 100)
        pair.connect()
        pair.settle()
        _live(pair, live // 10)
    heads = {found.chain.head.id for found in pair.nodes}
    assert len(heads) == 1, "the two must agree, or the steps are those of no real run"
    assert recorder.steps, "the node must ask the rules it is given"
    return recorder.steps


def _live(pair: Pair, blocks: int) -> None:
    """Blocks one by one, with what goes with them: a look at the clock a second, payloads, final points, two forks."""
    for number in range(1, blocks + 1):
        pair.now += 0.2
        _produce(pair, B, 1)
        if number % 10 == 0:
            pair.feed(B, Say(Note(b"a vote", pair.nodes[B].chain.head.point), pair.now))
        if number % (blocks // 2) == 0:
            _produce(pair, A, 1)  # at the same height: one of the two switches
        pair.settle()
        if number % 5 == 0:
            for side in (A, B):
                pair.feed(side, Tick(pair.now))
            pair.settle()
        if number % 30 == 0:
            final = pair.nodes[B].chain.head.point
            for side in (A, B):
                pair.feed(side, Finalised(final, pair.now))
            pair.settle()


def _produce(pair: Pair, side: int, count: int) -> None:
    pair.feed(side, Produced(tuple(branch(pair.nodes[side].chain.head, count, side, BODY)), pair.now))


def _by_event(steps: list[LinkStep], rounds: int) -> dict[str, float]:
    """Microseconds of a step, by what happened; dispatch only."""
    found = {}
    for event, count in Counter(step[1] for step in steps).most_common():
        chosen = [step for step in steps if step[1] is event]
        found[str(event)] = rounded(1e6 * least(rounds, _replay(TABLE.step, chosen)) / count)
    return found


# The memory -----------------------------------------------------------------------------------------------------


def _growth(count: int, make: Callable[[], object]) -> float:
    """Bytes for each of the ``count`` things that ``make`` makes and returns, whatever they are made of."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = make()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept is not None
    return size / count


def _with_idle_links(count: int) -> Callable[[], Node]:
    """A node with idle connections: the values of all protocols, and the map of them; the chain is made before, and
    shared by all."""
    limits = Limits(links=count + 1)
    empty = node(extended(Chain.start(GENESIS, limits), branch(GENESIS, 100)))
    peer, outputs = empty.step(Connected("node", 0.0))
    ours = [CODEC.encode(output.message) for output in outputs if isinstance(output, Send)]
    _, outputs = peer.step(Received("node", _decoded(ours[0]), 0.0))
    said = [*ours, *(CODEC.encode(output.message) for output in outputs if isinstance(output, Send))]

    def make() -> Node:
        made = empty
        for number in range(count):
            name, now = f"node-{number:05}#{number}", number / 1000
            made, _ = made.step(Connected(name, now))
            for message in said:
                made, _ = made.step(Received(name, _decoded(message), now))
            made, _ = made.step(Room(name, BLOCK_OVERHEAD, now))
        assert all(link.state is State.IDLE for link in made.all(SYNC).values())
        assert len(made.all(SYNC)) == count
        return made

    return make


def _decoded(payload: bytes) -> Any:
    message = CODEC.decode(payload)
    assert not isinstance(message, Bad)
    return message


class _Peer:
    """A model of ``transitions``: it gets a method for every event."""


def _with_models(count: int) -> Callable[[], object]:
    """The same rows as one ``transitions.Machine`` for each protocol, with a model for each peer: the usual way to use
    that package."""

    def make() -> object:
        made = []
        for protocol in STANDARD.protocols:
            machine, peers = _machine(protocol.table), [_Peer() for _ in range(count)]
            machine.add_model(peers)
            made.append((machine, peers))
        return made

    return make


def _with_machines(count: int) -> Callable[[], object]:
    """The same rows as machines of its own for each peer."""
    return lambda: [[_machine(protocol.table) for protocol in STANDARD.protocols] for _ in range(count)]


def _machine(table: Table[Any]) -> Machine:
    rows = [[str(event), str(state), str(rule.target or state)] for rule, state, event in table.cases()]
    states = [str(state) for state in table.states]
    return Machine(model=None, states=states, initial=str(table.initial), transitions=rows, auto_transitions=False)
