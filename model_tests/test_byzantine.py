"""Three correct nodes and one that lies: they stay correct, agree in time, and accuse nobody without evidence."""

from collections.abc import Callable

import pytest

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Produced, Received
from syncfsm.limits import Strategy
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Disconnect
from syncfsm.peer.messages import Parting, Pong
from syncfsm.sync.messages import Blocks, Found, Hello
from syncfsm.testing import (
    BYZANTINE,
    Equivocator,
    Expect,
    Faults,
    Flooder,
    HeightLiar,
    Luck,
    PromiseError,
    ScriptedPeer,
    SilentPeer,
    SimNetwork,
    StalePeer,
    SyncNode,
    run_safety_then_liveness,
)
from syncfsm.testing.network import Happened
from syncfsm.testing.trees import GENESIS, branch, child

CORRECT = ("a", "b", "c")
SEEDS = range(6)


def started(strategy: Strategy) -> Callable[[], Node]:
    return lambda: Node.start(Config(Unchecked(), strategy), Chain.start(GENESIS))


def beside(evil: Callable[[], SyncNode], seed: int, faults: Faults, strategy: Strategy) -> SimNetwork:
    """Three correct nodes, all linked to each other and to the fourth."""
    network = SimNetwork(seed, faults)
    for name in CORRECT:
        network.add(name, started(strategy))
    network.add("evil", evil, correct=False)
    network.join_all()
    return network


def partings(network: SimNetwork) -> set[str]:
    """Collects, from now on, why links to the fourth are ended by the others."""
    found: set[str] = set()

    def note(happened: Happened) -> None:
        for output in happened.outputs:
            if happened.name in CORRECT and isinstance(output, Disconnect) and output.peer == "evil":
                found.add(output.reason)

    network.watchers.append(note)
    return found


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize(
    "evil",
    [HeightLiar, Equivocator, SilentPeer, lambda: StalePeer(branch=tuple(branch(GENESIS, 12, "old", 2)))],
    ids=["height-liar", "equivocator", "silent", "stale"],
)
def test_who_cannot_be_proved_wrong_is_not_accused_and_stops_nobody(
    evil: Callable[[], SyncNode], strategy: Strategy
) -> None:
    for seed in SEEDS:
        network = beside(evil, seed, Faults.sample(Luck(seed)), strategy)
        run_safety_then_liveness(network, seconds=10.0, within=10.0)
        assert network.accusations == []
        assert network.head("a").height > 5


@pytest.mark.parametrize("strategy", Strategy)
def test_who_floods_is_accused_with_evidence_and_stops_nobody(strategy: Strategy) -> None:
    for seed in SEEDS:
        network = beside(Flooder, seed, Faults.sample(Luck(seed)), strategy)
        run_safety_then_liveness(network, seconds=10.0, within=10.0)
        assert network.accusations
        for accuser, accused, fault in network.accusations:
            assert accuser in CORRECT
            assert accused == "evil"
            assert fault.rule == "hello-flood"
            assert fault.evidence


@pytest.mark.parametrize(
    ("evil", "says"),
    [
        (HeightLiar, {Hello, Found}),
        (StalePeer, {Hello, Found, Blocks}),
        (Equivocator, {Hello, Blocks}),
        (SilentPeer, set()),
        (Flooder, {Hello}),
    ],
)
def test_the_lies_of_every_kind_arrive(evil: Callable[[], SyncNode], says: set[type]) -> None:
    heard: set[type] = set()

    def note(happened: Happened) -> None:
        if isinstance(happened.event, Received) and happened.event.peer == "evil":
            heard.add(type(happened.event.message))

    network = beside(evil, 1, Faults(), Strategy.LOCATOR)
    network.watchers.append(note)
    run_safety_then_liveness(network, seconds=5.0)
    assert evil in BYZANTINE
    assert heard - {Pong} == says


def test_a_branch_that_all_left_is_taken_in_and_left_again() -> None:
    stale, better = StalePeer().branch, branch(GENESIS, 12, "better", 2)
    network = beside(StalePeer, 1, Faults(), Strategy.LOCATOR)
    network.feed("a", Produced(tuple(better), 0.0))
    network.connect("b", "evil")
    while lines := network.busy():
        network.deliver(lines[0].source, lines[0].target)
    assert network.head("b") == stale[-1], "the best that it has seen"
    run_safety_then_liveness(network, seconds=5.0)
    assert better[-1] in network.ancestors(network.head("b"))


def test_the_silent_are_left() -> None:
    network = beside(SilentPeer, 1, Faults(), Strategy.LOCATOR)
    reasons = partings(network)
    run_safety_then_liveness(network, seconds=10.0)
    assert reasons == {Parting.SILENT}


def test_an_equivocator_gives_different_blocks_to_different_peers_and_they_agree() -> None:
    network = beside(Equivocator, 1, Faults(), Strategy.LOCATOR)
    run_safety_then_liveness(network, seconds=5.0)
    told = network.blocks.values()
    pairs = [(child(block, "equivocation 0"), child(block, "equivocation 1")) for block in told]
    both = [pair for pair in pairs if all(lie.id in network.blocks for lie in pair)]
    assert both, "the lies about one parent met in correct nodes"


def test_a_block_that_does_not_follow_is_evidence() -> None:
    """Its height is not one more than its parent's."""
    forged = child(child(GENESIS))
    forged = type(forged)(3, forged.id, GENESIS.id, forged.score, 0, b"")
    hello = Hello(GENESIS.point, GENESIS.score, GENESIS.point, GENESIS.point, (GENESIS.point,), 1)
    network = SimNetwork()
    network.add("a", started(Strategy.LOCATOR))
    network.add("evil", lambda: ScriptedPeer((hello, Expect(Hello), Expect(Found), Blocks((forged,)))), correct=False)
    network.join("a", "evil")
    network.connect("a", "evil")
    for _ in range(4):
        network.deliver("a", "evil")
        network.deliver("evil", "a")
    ((accuser, accused, fault),) = network.accusations
    assert (accuser, accused, fault.rule, fault.evidence) == ("a", "evil", "invalid-block", forged.id)
    assert network.pairs == []


def test_what_is_garbled_stays_garbled() -> None:
    """A peer that goes on after bytes that nobody can read: only the first are looked at, and the link ends."""
    nonsense = Blocks((Header(1, b"", GENESIS.id, b"", 0, b""),))
    network = beside(lambda: ScriptedPeer((nonsense, nonsense)), 0, Faults(), Strategy.LOCATOR)
    network.connect("a", "evil")
    for _ in range(2):
        network.deliver("evil", "a")
    ((accuser, _, fault),) = network.accusations
    assert (accuser, fault.rule) == ("a", "malformed-header")


def test_a_script_notices_what_it_does_not_expect() -> None:
    network = SimNetwork()
    network.add("a", started(Strategy.LOCATOR))
    network.add("peer", lambda: ScriptedPeer((Expect(Found),)), correct=False)
    network.join("a", "peer")
    network.connect("a", "peer")
    with pytest.raises(PromiseError, match="expects found; what came is hello"):
        network.deliver("a", "peer")


def test_a_correct_node_must_not_be_accused() -> None:
    """The same lie from a node of which correctness is demanded breaks a promise."""
    network = SimNetwork()
    network.add("a", started(Strategy.LOCATOR))
    network.add("b", Flooder)
    network.join("a", "b")
    with pytest.raises(PromiseError, match="NoPunishHonest"):
        run_safety_then_liveness(network, producers=("a",))
