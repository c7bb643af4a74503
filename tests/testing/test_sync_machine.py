"""The state machine to subclass: nodes and chains of one's own, and runs that are kept."""

import json

import attrs
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.node.node import Config, Node
from syncfsm.signed import SignedChain
from syncfsm.sync.protocol import SYNC
from syncfsm.testing import (
    Byzantine,
    Equivocator,
    HeightLiar,
    PromiseError,
    RowCount,
    StalePeer,
    SyncNode,
    run_safety_then_liveness,
)
from syncfsm.testing.machine import SyncMachine
from syncfsm.testing.profiles import CI
from syncfsm.testing.scenario import Scenario
from tests.testing.naive import NeverAnswers

KEY, SECRET = crypto_sign_seed_keypair(b"kit".ljust(32))
CHAIN = SignedChain(b"kit", KEY)


class SignedMachine(SyncMachine):
    """Nodes that take only what is signed, on a genesis that is not the kit's."""

    root = signed.genesis(CHAIN.chain_id)

    def make_node(self, name: str) -> Node:
        return Node.start(Config(CHAIN), Chain.start(self.root))

    def make_block(self, parent: Header, name: str, gain: int) -> Header:
        """The score is the height, so there is no gain."""
        body = name.encode()
        message = signed.unsigned(CHAIN.chain_id, parent, body)
        return signed.seal(parent, body, message, crypto_sign(message, SECRET)[: signed.SIGNATURE_BYTES])


def test_a_chain_of_ones_own() -> None:
    run_state_machine_as_test(SignedMachine, settings=settings(CI, max_examples=10))
    assert SignedMachine.rows.fired


def signed_branch(length: int) -> tuple[Header, ...]:
    found = [SignedMachine.root]
    for _ in range(length):
        found.append(SignedMachine().make_block(found[-1], "stale", 1))
    return tuple(found[1:])


@pytest.mark.parametrize(
    "evil",
    [
        HeightLiar(root=SignedMachine.root),
        StalePeer(root=SignedMachine.root, branch=signed_branch(3)),
        Equivocator(root=SignedMachine.root, make=lambda parent, name: SignedMachine().make_block(parent, name, 1)),
    ],
    ids=lambda evil: type(evil).__name__,
)
def test_liars_lie_about_the_chain_they_are_told(evil: Byzantine) -> None:
    """Of another chain, their lies would end the link at once."""
    network = SignedMachine().build(3)
    network.add("evil", lambda: evil, correct=False)
    network.join_all()
    run_safety_then_liveness(network, seconds=3.0, make=SignedMachine().make_block)
    assert network.accusations == []
    assert all(network.linked(name, "evil") for name in network.correct)


class Mute(SyncMachine):
    def make_node(self, name: str) -> SyncNode:
        return NeverAnswers()


def test_a_failure_is_short_and_can_be_kept() -> None:
    with pytest.raises(PromiseError, match="Settles: not at rest after 15 s: a is at ") as error:
        run_state_machine_as_test(Mute, settings=settings(CI, stateful_step_count=8))
    story = [line for line in "\n".join(error.value.__notes__).splitlines() if line.startswith('{"act"')]
    assert len(story) == 1, "two nodes that start on different blocks are enough"
    with pytest.raises(PromiseError) as again:
        Mute().replay(story)
    assert str(again.value) == str(error.value)


def test_a_kept_run_has_the_blocks_of_its_machine() -> None:
    """Blocks that nobody signed would be rejected."""
    acts = [
        {"act": "setup", "nodes": 2, "shape": [[0, 1], [0, 1], [1, 1]], "heads": [2, 3]},
        {"act": "connect", "at": 0},
        {"act": "make", "at": 1, "count": 3},
        {"act": "deliver", "at": 0, "count": 2},
    ]
    heads: list[Header] = []

    class Kept(SignedMachine):
        def at_rest(self, scenario: Scenario) -> None:
            heads.extend(scenario.network.head(name) for name in ("a", "b"))

    Kept().replay(map(json.dumps, acts))
    assert [head.height for head in heads] == [5, 5]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["no json"],
        ["[]"],
        ['{"at": 0}'],
        ['{"act": "connect"}'],
        ['{"act": "setup", "nodes": 2}', '{"act": "settle"}'],
    ],
)
def test_what_is_no_trace_is_refused(lines: list[str]) -> None:
    with pytest.raises(LocalError, match="this is no trace"):
        SyncMachine().replay(lines)


def test_each_machine_counts_its_own_rows() -> None:
    class First(SyncMachine):
        rows = RowCount(attrs.evolve(SYNC.table))

    class Second(First):
        pass

    assert len({id(machine.rows) for machine in (SyncMachine, First, Second)}) == 3
    assert Second.rows.tables == First.rows.tables
    assert Second.rows.tables["sync"] is not SYNC.table
