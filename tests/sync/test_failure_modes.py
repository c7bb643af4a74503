"""Ways in which other systems went wrong, each as a scenario. ``docs/failure-modes.md`` lists them all by number."""

import random
from collections import Counter

import pytest

from syncfsm.blocks import Header
from syncfsm.events import Event, Finalised, Produced, Received, Room, Tick, Verdict
from syncfsm.limits import HELLO_SHARE, Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.outputs import HeadMoved, Misbehaviour, Output
from syncfsm.peer.messages import Parting
from syncfsm.peer.protocol import PEER
from syncfsm.sync.messages import Blocks, DoNotWant, Has, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State, Switch
from syncfsm.testing import GENESIS, Faults, Happened, Pair, SimNetwork, Simulation, branch, child
from syncfsm.testing.network import Watcher
from tests.building import connected, feed, hear, hello_of, hellos, joined, link_of, node, partings, sent_blocks, wanted

TRUNK = branch(GENESIS, 8, "trunk")
LEFT, RIGHT = branch(TRUNK[2], 6, "left"), branch(TRUNK[2], 9, "right")
WAYS = [(a, b) for a in Strategy for b in Strategy]


def blamed(outputs: list[Output]) -> list[Output]:
    return [said for said in outputs if isinstance(said, Misbehaviour)]


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
@pytest.mark.parametrize("after", range(5))
def test_f01_a_fork_switch_while_they_greet_sends_nothing_that_does_not_fit(
    ways: tuple[Strategy, Strategy], after: int
) -> None:
    pair = Pair(node(TRUNK, strategy=ways[0]), node(TRUNK[:3], LEFT, strategy=ways[1]))
    pair.connect()
    for _ in range(after):
        pair.round()
    pair.feed(0, Produced(tuple(RIGHT), 0.0))
    pair.settle()
    assert pair.up, "a block whose parent is not there would have ended the link"
    assert [made.chain.head for made in pair.nodes] == [RIGHT[-1]] * 2


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
@pytest.mark.parametrize("final", [None, 1, 6], ids=["no final", "final below us", "final above us"])
def test_f02_who_is_simply_behind_sends_no_block(ways: tuple[Strategy, Strategy], final: int | None) -> None:
    ahead = node(TRUNK, final=None if final is None else TRUNK[final], strategy=ways[1])
    pair = joined(node(TRUNK[:3], strategy=ways[0]), ahead)
    assert sent_blocks(pair.outputs[0]) == []
    assert sent_blocks(pair.outputs[1]) == TRUNK[3:]


@pytest.mark.parametrize("final", [0, 1, 2])
def test_f04_a_streaming_search_goes_no_further_down_than_the_final_block(final: int) -> None:
    pair = joined(
        node(TRUNK[:3], LEFT, final=TRUNK[final], strategy=Strategy.STREAMING),
        node(TRUNK[:3], RIGHT, final=TRUNK[2], strategy=Strategy.STREAMING),
    )
    head, committed = LEFT[-1].height, TRUNK[final].height
    assert len(hellos(pair.outputs[0])) <= head - committed + 2
    assert len(hellos(pair.outputs[1])) == 1


SIDE = branch(TRUNK[2], 90, "side")
AHEAD, ASTRAY = branch(SIDE[-1], 100, "ahead", gain=9), branch(TRUNK[2], 150, "astray", gain=2)
DISTURBED: list[Event] = [
    Verdict(SIDE[9].id, False, 0.0),
    Produced(tuple(branch(TRUNK[2], 3, "short but heavy", gain=9999)), 0.0),
    Finalised(TRUNK[3].point, 0.0),
    Finalised(SIDE[80].point, 0.0),
]


@pytest.mark.parametrize("better", Strategy)
@pytest.mark.parametrize("event", DISTURBED, ids=["ban", "fork switch", "finality", "pruning"])
def test_f04_a_search_whose_peer_falls_back_stays_short_and_is_no_flood(event: Event, better: Strategy) -> None:
    """All steps of a streaming search are under way when the other side's head gets lower, or its base higher."""
    low = node(TRUNK, SIDE, AHEAD, strategy=better, limits=Limits(retention=1))
    pair = Pair(low, node(TRUNK[:3], SIDE, ASTRAY, strategy=Strategy.STREAMING))
    pair.connect()
    pair.deliver(0)
    assert len(pair.queues[1]) > ASTRAY[-1].height, "the whole search is under way"
    pair.feed(0, event)
    pair.settle()
    assert [*blamed(pair.outputs[0]), *blamed(pair.outputs[1])] == []
    assert pair.up
    assert len(hellos(pair.outputs[0])) <= ASTRAY[-1].height + 2
    assert len(hellos(pair.outputs[1])) <= 2 * ASTRAY[-1].height


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
@pytest.mark.parametrize("retention", [0, 1])
def test_f08_a_link_backs_up_before_its_blocks_are_dropped(ways: tuple[Strategy, Strategy], retention: int) -> None:
    """Finality overrules the branch on which both stand; it is dropped in the same step, or the fork with it."""
    limits = Limits(retention=retention)
    pair = joined(*(node(TRUNK[:3], LEFT, limits=limits, strategy=way) for way in ways))
    pair.feed(0, Produced(tuple(RIGHT[:3]), 0.0))
    outputs = pair.feed(0, Finalised(RIGHT[0].point, 0.0))
    assert LEFT[0].id not in pair.nodes[0].chain
    if retention:
        assert sent_blocks(outputs) == RIGHT[:3]
        assert pair.up
    else:
        assert [said.reason for said in partings(outputs)] == [Parting.PRUNED]
    pair.settle()
    assert blamed(pair.outputs[1]) == []


def test_f25_a_late_hello_takes_nothing_back() -> None:
    """Once in step, what is known of the peer only grows: nothing is sent again, whatever it said long ago."""
    made, _ = connected(node(TRUNK), "p")
    made, outputs = hear(made, "p", hello_of(TRUNK[2]))
    assert sent_blocks(outputs) == TRUNK[3:]
    for late in (hello_of(TRUNK[2]), hello_of(LEFT[-1], TRUNK[0]), hello_of(GENESIS)):
        made, outputs = hear(made, "p", late)
        assert outputs == []
    assert made.all(SYNC)["p"].sent == TRUNK[-1]
    assert made.all(SYNC)["p"].state is State.IDLE


def mesh(names: str, watch: Watcher) -> Simulation:
    """Nodes that are all linked with each other, with a watcher; nobody makes blocks yet."""
    network = SimNetwork(1, Faults(latency=0.01, jitter=0.004))
    for name in names:
        network.add(name, node)
    network.join_all()
    network.watchers.append(watch)
    simulation = Simulation(network, rate=0.0, producers=())
    simulation.run(2.0)
    assert all(network.linked(*pair) for pair in network.pairs)
    return simulation


def grow(simulation: Simulation, by: str, count: int) -> list[Header]:
    """Blocks of this node's, one each 0.2 seconds."""
    network, made = simulation.network, []
    for _ in range(count):
        made.append(child(network.head(by), f"{network.now}"))
        network.feed(by, Produced((made[-1],), network.now))
        simulation.run(0.2)
    return made


def test_f17_a_live_block_comes_once_to_each_node_of_a_mesh() -> None:
    """Once the first blocks have shown where they come from; and when another node makes them, soon again."""
    copies = Counter[tuple[str, bytes]]()

    def count(happened: Happened) -> None:
        if isinstance(happened.event, Received) and isinstance(happened.event.message, Blocks):
            copies.update((happened.name, header.id) for header in happened.event.message.headers)

    simulation = mesh("abcdef", count)
    for maker in "af":
        made = grow(simulation, maker, 24)
        assert {simulation.network.head(name) for name in "abcdef"} == {made[-1]}
        late = {header.id for header in made[16:]}
        assert {copies[name, id] for name in "abcdef" for id in late if name != maker} == {1}
        assert not any(copies[maker, id] for id in late), "nobody sends it what it made"


def test_f18_when_the_feed_is_lost_the_next_block_comes_from_another_as_soon() -> None:
    heads: list[tuple[float, str]] = []

    def note(happened: Happened) -> None:
        heads.extend(
            (simulation.network.now, happened.name) for said in happened.outputs if isinstance(said, HeadMoved)
        )

    simulation = mesh("abcd", note)
    network = simulation.network
    grow(simulation, "a", 8)
    for name in "bcd":
        made = network.node(name)
        assert isinstance(made, Node)
        network.end(name, feed(made).peer)
        heads.clear()
        since = network.now
        (block,) = grow(simulation, "a", 1)
        assert {network.head(each) for each in "abcd"} == {block}
        late = max(now - since for now, _ in heads)
        assert late <= 4 * (network.faults.latency + network.faults.jitter), "no deadline had to come"


def test_f19_who_switches_forks_before_it_is_asked_gives_what_it_has_then() -> None:
    made, _ = connected(node(TRUNK[:3], LEFT[:2]), "feed", "p")
    made, _ = hear(made, "p", DoNotWant(), hello_of(LEFT[1]))
    made, _ = made.step(Produced(tuple(LEFT[2:4]), 0.0))
    made, _ = made.step(Produced(tuple(RIGHT), 0.0))
    made, outputs = hear(made, "p", Want())
    assert sent_blocks(outputs) == RIGHT
    assert "p" in made.links


@pytest.mark.parametrize("known", [0, 2, 5])
def test_f20_what_is_asked_for_begins_at_the_first_block_that_is_lacked(known: int) -> None:
    made, _ = connected(node(TRUNK), "p")
    made, _ = hear(made, "p", DoNotWant(), hello_of(TRUNK[0]), Has(TRUNK[known].point, TRUNK[known].score))
    made, outputs = hear(made, "p", Want())
    assert sent_blocks(outputs) == TRUNK[known + 1 :]


def test_f22_where_all_are_busy_somebody_sends_blocks_all_the_same() -> None:
    """And whoever is off remains so."""
    busy = Limits(gates=1)
    names = "abcdefgh"
    network = SimNetwork(2)
    for name in names:
        network.add(name, lambda: node(limits=busy))
    for name in names[1:]:
        network.join("a", name)  # a star: nobody else is there
    simulation = Simulation(network, rate=0.0, producers=())
    simulation.run(2.0)
    network.feed("a", Switch(True, network.now, ("b",)))
    made = grow(simulation, "a", 8)
    assert {name for name in names if network.head(name) == made[-1]} == {*names} - {"b"}
    assert network.head("b") == GENESIS


def test_f30_a_node_full_of_unfinal_blocks_goes_on_once_something_is_final() -> None:
    pair = joined(node(branch(GENESIS, 10)), node(limits=Limits(unfinal=6)))
    assert {said.reason for said in partings(pair.outputs[1])} == {Parting.FULL}
    assert blamed(pair.outputs[1]) == []
    limits = pair.nodes[1].config.limits
    run = branch(GENESIS, 10)
    pair.feed(1, Produced(tuple(run[: limits.unfinal]), 0.0))
    pair.feed(1, Finalised(run[5].point, 0.0))
    pair.connect()
    pair.settle()
    assert [made.chain.head for made in pair.nodes] == [run[-1]] * 2


@pytest.mark.parametrize("seed", range(20))
def test_f37_what_can_be_sent_is_sent(seed: int) -> None:
    """A link that has something to stream, and room for it, never waits: after no step is there such a link."""
    luck = random.Random(seed)
    limits = Limits(room=luck.choice((1, 600, 3000)), run=luck.choice((1, 3, 512)))
    ways = luck.choice(WAYS)
    pair = Pair(
        *(node(TRUNK[:3], run, limits=limits, strategy=way) for run, way in zip((LEFT, RIGHT), ways, strict=True))
    )
    pair.connect()
    for at in range(60):
        side = luck.randrange(2)
        if pair.queues[side]:
            pair.deliver(side)
        elif luck.random() < 0.2:
            block = child(luck.choice((*LEFT, pair.nodes[side].chain.head)), str(at), gain=luck.randrange(1, 9))
            if block.parent in pair.nodes[side].chain:
                pair.feed(side, Produced((block,), 0.0))
        for made in pair.nodes:
            for link in made.all(SYNC).values():
                assert link.state is not State.SYNCING or made.all(PEER)[link.peer].room <= 0


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
@pytest.mark.parametrize("limits", [Limits(tips=4096), Limits(tips=4096, hello_burst=8)], ids=["default", "too small"])
def test_f38_hellos_that_bunch_up_on_the_way_are_no_flood(ways: tuple[Strategy, Strategy], limits: Limits) -> None:
    """Both switch forks twenty times a second. One way stalls, for as long as a link may be silent, and then flows."""
    forks = branch(TRUNK[0], 1, "worse"), branch(TRUNK[0], 1, "better", gain=99)
    pair = Pair(*(node(TRUNK[:1], run, limits=limits, strategy=way) for run, way in zip(forks, ways, strict=True)))
    pair.connect()
    for at in range(int(20 * limits.silence)):
        pair.now = at / 20
        for side in (0, 1):
            pair.feed(side, Tick(pair.now))
            pair.feed(side, Produced((child(TRUNK[0], str(at), gain=(2, 999)[side] + at),), pair.now))
        while pair.queues[1]:
            pair.deliver(1)
    while pair.queues[0] and pair.up:
        pair.deliver(0)
    assert bool(blamed(pair.outputs[1])) == (limits.hello_burst < Limits().hello_burst)


def test_f41_who_fell_out_of_step_is_back_with_the_next_connection() -> None:
    pair = joined(node(TRUNK), node(TRUNK))
    stray = branch(TRUNK[-1], 3, "stray")
    pair.nodes[1], outputs = hear(pair.nodes[1], pair.name, Blocks((stray[2],)))
    assert [said.reason for said in partings(outputs)] == [Parting.OUT_OF_STEP]
    pair.cut()
    pair.feed(0, Produced(tuple(stray), 0.0))
    pair.connect()
    pair.settle()
    assert [made.chain.head for made in pair.nodes] == [stray[-1]] * 2


def test_f43_an_invalid_block_costs_its_sender_the_link_and_nobody_else_anything() -> None:
    made, _ = connected(node(TRUNK), "honest", "liar")
    for peer in ("honest", "liar"):
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    after, outputs = hear(made, "liar", Blocks((child(TRUNK[-1], "worthless", gain=0),)))
    assert [said.peer for said in blamed(outputs) if isinstance(said, Misbehaviour)] == ["liar"]
    assert after.chain == made.chain
    assert after.links == made.links.delete("liar")


def test_f46_a_node_says_no_more_hellos_than_its_limits_allow_on_average() -> None:
    """It switches forks fifty times a second for half a minute while it searches."""
    limits = Limits(hello_burst=16, hello_rate=4.0, search=100.0, silence=100.0, tips=2000)
    made, said = connected(node(TRUNK[:1], limits=limits), "p")
    made, more = hear(made, "p", hello_of(child(GENESIS, "far better", gain=10**6)))
    for at in range(1500):
        now = at / 50
        made, outputs = made.step(Produced((child(TRUNK[0], str(at), gain=at + 2),), now))
        made, late = made.step(Tick(now))
        made, room = made.step(Room("p", 10**6, now))
        more += [*outputs, *late, *room]
    count = len(hellos([*said, *more]))
    assert count <= (limits.hello_burst + limits.hello_rate * 30) / HELLO_SHARE + 1
    assert count >= limits.hello_rate * 30 / HELLO_SHARE - 1, "and the newest is not held back for ever"
    assert made.all(SYNC)["p"].said is not None


def test_f33_a_peer_in_step_gets_live_blocks_whatever_the_others_do() -> None:
    made, _ = connected(node(TRUNK[:3]), "synced", "behind")
    made, _ = hear(made, "synced", hello_of(TRUNK[2]))
    made, _ = hear(made, "behind", hello_of(GENESIS))
    assert {peer: link.state for peer, link in made.all(SYNC).items()} == {"synced": State.IDLE, "behind": State.IDLE}
    for block in TRUNK[3:]:
        made, outputs = made.step(Produced((block,), 0.0))
        assert sent_blocks(outputs) == [block, block]


def test_f29_a_feed_whose_block_is_refused_is_replaced_at_once() -> None:
    made, _ = connected(node(TRUNK), "liar", "honest")
    ahead = branch(TRUNK[-1], 3, "ahead")
    made, _ = hear(made, "liar", hello_of(child(TRUNK[-1], "lie", gain=99)))
    made, _ = hear(made, "honest", hello_of(ahead[-1]))
    assert wanted(made) == ["liar"]
    made, _ = hear(made, "liar", Blocks((child(TRUNK[-1], "worthless", gain=0),)))
    assert wanted(made) == ["honest"]
    made, _ = hear(made, "honest", Blocks(tuple(ahead)))
    assert made.chain.head == ahead[-1]


def test_f24_a_node_whose_only_source_is_gone_takes_the_next_that_comes() -> None:
    made, _ = connected(node(TRUNK[:3]), "first")
    made, _ = hear(made, "first", hello_of(TRUNK[-1]), Blocks((TRUNK[3],)))
    made, _ = hear(made, "first", Blocks((TRUNK[7],)))  # fits nowhere
    assert not made.links
    pair = joined(made, node(TRUNK))
    assert link_of(pair, 0).state is State.IDLE
    assert pair.nodes[0].chain.head == TRUNK[-1]
