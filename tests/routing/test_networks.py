"""Networks of up to eight nodes, with cuts: each packet once to everybody who is to have it, when all is healed."""

from itertools import combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncfsm.routing.messages import Packet, Reach
from syncfsm.routing.types import Judgement
from syncfsm.testing import Faults
from tests.routing.networks import PacketNetwork

NAMES = "abcdefgh"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A connected network: its nodes, and the pairs that are linked."""
    names = NAMES[: draw(st.integers(2, 8))]
    tree = [draw(st.sampled_from(names[:at])) + names[at] for at in range(1, len(names))]
    more = draw(st.lists(st.sampled_from(["".join(pair) for pair in combinations(names, 2)]), max_size=6))
    return names, list(dict.fromkeys([*tree, *more]))


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 7), st.sampled_from(Reach)),
    st.tuples(st.just("make"), st.integers(0, 7), st.none()),
    st.tuples(st.just("end"), st.integers(0, 20), st.none()),
    st.tuples(st.just("run"), st.sampled_from([0.004, 0.02, 0.1, 1.0]), st.none()),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.lists(STEPS, max_size=30), st.integers(0, 1000), st.sampled_from([0.0, 0.02]))
def test_when_all_is_healed_each_packet_has_reached_everybody_once(graph, steps, seed, jitter) -> None:  # type: ignore[no-untyped-def]
    names, pairs = graph
    network = PacketNetwork(*names, seed=seed, faults=Faults(latency=0.005, jitter=jitter))
    network.join(*pairs)
    simulation = network.simulation()
    published: list[Packet] = []
    makers: set[str] = set()
    for what, which, reach in steps:
        if what == "run":
            simulation.run(which)
            continue
        name = names[which % len(names)]
        if what == "make":
            network.make(name)
            makers.add(name)
        elif what == "publish":
            to = sorted(makers)[which % len(makers)] if reach is Reach.ONE and makers else ""
            published.append(network.publish(name, reach if to or reach is not Reach.ONE else Reach.ALL, to))
        else:
            pair = pairs[which % len(pairs)]
            network.sim.end(pair[0], pair[1])
    simulation.heal()
    simulation.run(30.0)
    for made in published:
        got, origin = network.got(made), made.id.origin.decode()
        if made.reach is Reach.ALL:
            assert got == set(names) - {origin}, (made, got)
        elif made.reach is Reach.ONE:
            assert made.to.decode() in got | {origin}, (made, got)
    for name in names:  # the ways lead to the producer
        for road in network.router(name).roads:
            at, been = name, [name]
            while (here := next(r for r in network.router(at).roads if r.producer == road.producer)).peer is not None:
                at = here.peer
                assert at not in been, (road, been)
                been.append(at)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.data(), st.integers(0, 1000))
def test_routes_converge_as_soon_as_feeds_heal(graph: tuple[str, list[str]], data: st.DataObject, seed: int) -> None:
    """Connections break for good. When all have the next block, a packet to its producer goes straight to it from each
    node: over as many connections as the block came, and over no other."""
    names, pairs = graph
    network = PacketNetwork(*names, seed=seed, faults=Faults(latency=0.005))
    network.join(*pairs)
    simulation = network.simulation()
    simulation.run(1.0)
    for _ in range(3):
        network.make("a")
        simulation.run(0.3)
    broken = data.draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True))
    near = reached("a", [pair for pair in pairs if pair not in broken])
    for pair in broken:
        network.sim.end(pair[0], pair[1])
        network.sim.pairs.remove((pair[0], pair[1]))
    made = network.make("a")
    assert simulation.run(5.0, lambda: all(network.sim.head(name) == made for name in near))
    for name in sorted(near - {"a"}):
        passed = network.passed
        sent = network.publish(name, Reach.ONE, "a")
        simulation.run(0.1)
        way = way_to("a", name, network)
        assert network.got(sent) == {*way[1:]}, "who stands on the way gets it, and nobody else"
        assert network.passed - passed == len(way) - 1


def reached(start: str, pairs: list[str]) -> set[str]:
    """Those to whom a way leads."""
    found = {start}
    while more := {name for pair in pairs if found & {*pair} for name in pair} - found:
        found |= more
    return found


def way_to(producer: str, name: str, network: PacketNetwork) -> list[str]:
    """The nodes along the way of its blocks, from this one on."""
    way = [name]
    while peer := next(road.peer for road in network.router(way[-1]).roads if road.producer == producer.encode()):
        way.append(peer)
    assert way[-1] == producer
    return way


def test_on_a_settled_tree_a_packet_goes_once_to_each_node() -> None:
    network = PacketNetwork(*NAMES, faults=Faults(latency=0.005))
    network.join("ab", "bc", "cd", "de", "ef", "fg", "gh", "ha", "ae", "cg", "bf")
    simulation = network.simulation()
    simulation.run(1.0)
    for _ in range(12):
        network.make("a")
        simulation.run(0.3)
    for name in NAMES:
        passed = network.passed
        made = network.publish(name)
        simulation.run(0.3)
        assert network.got(made) == set(NAMES) - {name}
        assert network.passed - passed == len(NAMES) - 1


def test_packets_pass_round_a_node_that_does_not_judge() -> None:
    def verdict(name: str, packet: Packet) -> Judgement | None:
        return None if name == "b" else Judgement.VALID

    network = PacketNetwork(*"abcd", faults=Faults(latency=0.005), verdict=verdict)
    network.join("ab", "bc", "ad", "dc")
    simulation = network.simulation()
    simulation.run(1.0)
    for _ in range(3):
        network.make("a")
        simulation.run(0.3)
    made = network.publish("a")
    simulation.run(5.0)
    assert network.got(made) == {"c", "d"}
