"""Hundreds of real nodes: whatever happens to them, each that can be reached has every block once."""

from collections import Counter
from math import ceil, inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.node.node import Config, Node
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import IN_STEP
from syncfsm.testing import GENESIS
from syncfsm.testing.scale import (
    Dialling,
    LargeNetwork,
    Overlay,
    Source,
    dawdles,
    percentile,
    random_overlay,
    withholds,
)
from syncfsm.testing.scale.behaviours import LATE
from syncfsm.testing.scale.members import Behaviour
from syncfsm.testing.scale.network import next_look
from syncfsm.testing.scale.overlay import Place

LIMITS = Limits()
START = Node.start(Config(Unchecked(), limits=LIMITS), Chain.start(GENESIS, LIMITS))


def in_step(nodes: int, seed: int = 1, grain: int = 0) -> LargeNetwork:
    """A network of nodes that have greeted each other, and have nothing yet."""
    network = LargeNetwork(random_overlay(nodes, seed), START, seed=seed, grain=grain)
    network.join_all()
    network.run(2.0)
    return network


def line(*up: float) -> Overlay:
    """Nodes in a row, in Europe, with these ways out."""
    places = tuple(Place(1, rate, rate) for rate in up)
    return Overlay(places, tuple((at, at + 1) for at in range(len(up) - 1)))


def lacking(network: LargeNetwork, source: Source, nodes: set[int]) -> set[int]:
    """Who of these has not all the blocks."""
    return {node for node in nodes if network.ledger.heights[node] != source.head.height}


def test_each_of_300_nodes_has_every_block_once() -> None:
    network = in_step(300)
    source = Source(network, (7,), 10_000)
    source.make(10)
    network.run(network.now + 1.0)
    ledger = network.ledger
    assert ledger.heights == [10] * 300
    assert (ledger.gaps, ledger.doubles, network.accusations) == (0, 0, [])
    assert all(member.node.chain.head == source.head for member in network.members)
    for member in network.members:
        assert all(link.state in IN_STEP for link in member.node.all(SYNC).values())
        assert len(member.ends) == len(network.overlay.neighbours[member.index])
    delays = sorted(ledger.delays(range(1, 11), range(300)))
    assert 0 == delays[0] < percentile(delays, 0.5) < percentile(delays, 0.99) <= delays[-1] < inf
    assert all(1 <= copies / 299 < 8 for copies in ledger.copies.values())


def test_equal_networks_have_equal_runs_and_a_seed_makes_another() -> None:
    runs = []
    for seed in (1, 1, 2):
        network = LargeNetwork(random_overlay(60, 5), START, seed=seed)
        network.join_all()
        network.run(1.0)
        Source(network, (3, 4), 1000).make(5)
        network.run(network.now + 1.0)
        ledger = network.ledger
        runs.append((ledger.had_at, ledger.had_from, ledger.sent, ledger.smalls, network.steps))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_block_takes_its_bytes_and_the_latency_of_each_edge() -> None:
    network = LargeNetwork(line(1e6, 1e6, 1e6), START, work=0.0)
    network.join_all()
    network.run(1.0)
    Source(network, (0,), 100_000).make(1)
    network.run(3.0)
    had = network.ledger.had_at[1]
    bytes_ = network.ledger.sent
    weight = 100_000 + 200
    assert had[1] - had[0] == pytest.approx(weight / 1e6 + 0.002, rel=0.01)
    assert had[2] - had[1] == pytest.approx(weight / 1e6 + 0.002, rel=0.01)
    assert network.ledger.depths(1) == [0, 1, 2]
    assert network.ledger.children(1) == [1, 1, 0]
    assert bytes_[2] < 1000 < weight < bytes_[0] < weight + 1000


def test_room_that_is_told_of_late_changes_steps_and_nothing_else() -> None:
    found = []
    for grain in (0, LIMITS.room // 2):
        network = in_step(40, grain=grain)
        source = Source(network, (0,), 50_000)
        source.make(10)
        network.run(network.now + 2.0)
        found.append((network.ledger.had_at, network.ledger.had_from, network.ledger.sent, sum(network.steps.values())))
    assert found[0][:3] == found[1][:3]
    assert found[1][3] < found[0][3]


def test_who_has_more_than_there_is_room_for_is_paced_by_the_line() -> None:
    """A thousand blocks of 10 kB are ten times the room of a link: they come as fast as the line carries them."""
    network = LargeNetwork(line(1e6, 1e6), START)
    source = Source(network, (0,), 10_000)
    source.history(1000)
    network.join_all()
    network.run(5.0)
    [end] = network.members[0].ends.values()
    assert 0 < end.taken <= LIMITS.room + 10_000 + BLOCK_OVERHEAD
    network.run(10.5)
    assert network.ledger.heights == [1000, 1000]
    assert network.ledger.had_at[1000][1] > 10.0


def test_the_living_have_every_block_when_a_fifth_is_killed() -> None:
    network = in_step(100)
    dialling, source = Dialling(network), Source(network, (0,), 10_000)
    source.make(3)
    killed = frozenset(range(1, 100, 5))
    dialling.kill(killed)
    source.make(5)
    network.run(network.now + 1.0)
    assert not lacking(network, source, network.overlay.reachable(0, killed))
    assert all(network.ledger.heights[node] < 8 for node in killed)
    for member in network.members:
        gone = killed & set(network.overlay.neighbours[member.index])
        if member.alive:
            assert len(member.ends) == len(network.overlay.neighbours[member.index]) - len(gone)


@pytest.mark.parametrize("seconds", [2.0, 20.0])
def test_a_region_that_was_cut_off_catches_up_and_its_connections_are_back(seconds: float) -> None:
    """After 2 s TCP carries on; after 20 s both ends have parted, and dial again."""
    network = in_step(100)
    dialling, source = Dialling(network), Source(network, (network.overlay.within("europe")[0],), 1000)
    inside = set(network.overlay.within("na_east"))
    edges = [edge for edge in network.edges if len({m.index for m in edge.members} & inside) == 1]
    source.make(2)
    network.run(network.now + 1.0)
    dialling.cut(edges)
    source.make(round(seconds / source.interval))
    assert {network.ledger.heights[node] for node in inside} == {2}
    open_ends = sum(len(member.ends) for member in network.members)
    assert (open_ends < 2 * len(network.edges)) == (seconds > LIMITS.silence)
    dialling.heal(edges)
    source.make(30)
    network.run(network.now + 1.0)
    assert not lacking(network, source, set(range(100)))
    assert (network.ledger.gaps, network.ledger.doubles, network.accusations) == (0, 0, [])
    assert [len(member.ends) for member in network.members] == [len(near) for near in network.overlay.neighbours]


@pytest.mark.parametrize("lies", [withholds, dawdles])
def test_liars_tell_of_blocks_and_give_none_in_time(lies: Behaviour) -> None:
    network = in_step(60)
    liars = frozenset(range(5, 60, 12))
    for liar in liars:
        network.misbehave(liar, lies)
    source = Source(network, (0,), 10_000)
    source.make(20)
    network.run(network.now + 2.0)
    assert not lacking(network, source, set(range(60)) - liars)
    assert all(network.ledger.children(20)[liar] == 0 for liar in liars)
    assert network.accusations == []
    live = sorted(network.ledger.delays(range(11, 21), sorted(set(range(60)) - liars)))
    assert live[-1] < LATE, "who lies is asked last from then on"


def test_from_nothing_all_dial_and_catch_up() -> None:
    network = LargeNetwork(random_overlay(50, 2), START)
    dialling, source = Dialling(network), Source(network, (0,), 1000)
    source.history(100)
    dialling.dial_all(within=0.5)
    source.make(25)
    network.run(network.now + 1.0)
    assert network.ledger.heights == [125] * 50
    assert Counter(network.ledger.depths(125))[0] == 1


def test_four_producers_take_turns_without_a_fork() -> None:
    network = in_step(60)
    producers = (1, 2, 3, 4)
    source = Source(network, producers, 10_000)
    source.make(12)
    network.run(network.now + 2.0)
    assert network.ledger.heights == [12] * 60
    for height in range(1, 13):
        [maker] = [node for node, depth in enumerate(network.ledger.depths(height)) if depth == 0]
        assert maker == producers[(height - 1) % 4]


def test_a_turn_may_last_for_several_blocks() -> None:
    network = in_step(20)
    Source(network, (1, 2), 1000, turn=3).make(7)
    network.run(network.now + 2.0)
    makers = [network.ledger.depths(height).index(0) for height in range(1, 8)]
    assert makers == [1, 1, 1, 2, 2, 2, 1]


def test_networks_beside_each_other_share_clock_and_lines() -> None:
    """A block of 2 MB takes four seconds on this line; one of the other network waits for it, or is first."""
    slow = line(0.5e6, 50e6, 50e6)
    one = LargeNetwork(slow, START)
    other = LargeNetwork(slow, START, seed=1, beside=one)
    for network in (one, other):
        network.join_all()
    one.run(2.0)
    assert other.now == 2.0
    for network in (one, other):
        Source(network, (0,), 2_000_000).plan(1)
    one.run(15.0)
    had = sorted(network.ledger.had_at[1][2] - 2.0 for network in (one, other))
    assert 4 < had[0] < 5
    assert 8 < had[1] < 9
    assert [network.ledger.copies[1] for network in (one, other)] == [2, 2]
    assert not {member.id for member in one.members} & {member.id for member in other.members}


def test_mistakes_are_said() -> None:
    with pytest.raises(LocalError, match="has other nodes and lines"):
        LargeNetwork(random_overlay(20), START, beside=in_step(20, seed=2))
    with pytest.raises(LocalError, match="half of Limits"):
        LargeNetwork(random_overlay(20), START, grain=LIMITS.room)
    network = in_step(20)
    with pytest.raises(LocalError, match="name at least one producer"):
        Source(network, (), 1000)
    Source(network, (0,), 1000).make(1)
    with pytest.raises(LocalError, match="a second block is made at height 1"):
        network.produce(1, tuple(network.members[0].node.chain.path(GENESIS, 1)))
    with pytest.raises(LocalError, match="no percentile of nothing"):
        percentile([], 0.5)


@given(
    now=st.floats(0, 1e4), later=st.floats(0, 10), phase=st.floats(0, 0.02), every=st.sampled_from([0.02, 0.1, 1 / 3])
)  # fmt: skip
def test_what_is_not_due_yet_is_looked_at_later(now: float, later: float, phase: float, every: float) -> None:
    due = now + later
    looks = next_look(due, now, phase, every)
    assert looks > now or due <= now, "else time stands still"
    assert looks <= due + 1.001 * every
    assert looks >= due - 1e-6


def test_rounding_does_not_stop_the_clock() -> None:
    """A deadline that is due by less than what the grid of looks is rounded by."""
    stuck = [
        (due, now)
        for number in range(1, 20_000)
        for now in (0.013 + 0.02 * number,)
        for due in (nextafter(now, inf),)
        if 0.013 + 0.02 * ceil((due - 0.013) / 0.02) <= now
    ]
    assert stuck, "there are such"
    assert all(next_look(due, now, 0.013, 0.02) > now for due, now in stuck)
