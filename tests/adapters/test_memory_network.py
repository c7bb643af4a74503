"""The network in memory: the same seed gives the same run, and real nodes agree over it whatever happens to links."""

import hashlib
import os
import subprocess
import sys
from random import Random

import attrs
import pytest

from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Tick
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Config
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Say
from syncfsm.outputs import Disconnect, HeadMoved, Misbehaviour
from syncfsm.peer.messages import Parting
from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path
from syncfsm_adapters.memory.world import Blocks, Meter, PlainBlocks, Producer, SignedBlocks, line, mesh, regular, star
from syncfsm_adapters.store.memory import MemoryStore

QUICK = Limits(keepalive=0.5, silence=2.0)


def network(
    names: str,
    blocks: Blocks,
    seed: int = 1,
    *,
    codec: bool = False,
    limits: Limits = QUICK,
    strategy: Strategy = Strategy.LOCATOR,
    final_after: int | None = None,
) -> MemoryNetwork:
    """A node for each letter, not linked yet."""
    made = MemoryNetwork(seed, codec=codec, final_after=final_after)
    for name in names:
        made.add(name, Config(blocks.check, strategy, limits), MemoryStore(blocks.genesis, b"test"))
    return made


class Log:
    """What happened in a network, with times."""

    def __init__(self, net: MemoryNetwork) -> None:
        self.events: list[tuple[str, Event]] = []
        self.outputs: list[tuple[float, str, object]] = []
        net.probe(lambda name, event: self.events.append((name, event)))
        net.watch(lambda name, output: self.outputs.append((net.now, name, output)))

    def of(self, kind: type) -> list[tuple[float, str, object]]:
        return [entry for entry in self.outputs if isinstance(entry[2], kind)]

    def partings(self) -> list[tuple[str, str, str]]:
        return [(name, out.peer, out.reason) for _, name, out in self.outputs if isinstance(out, Disconnect)]


def pair() -> tuple[MemoryNetwork, Log, Producer]:
    """Two linked nodes; "a" makes ten blocks a second."""
    blocks = PlainBlocks()
    net = network("ab", blocks)
    log = Log(net)
    net.join(line(net.names), Path(latency=0.01))
    return net, log, Producer(net, "a", 0.1, blocks)


def eventful(seed: int, codec: bool = False) -> tuple[MemoryNetwork, Log]:
    """A run in which much happens."""
    blocks = SignedBlocks(7)
    net = network("abcdef", blocks, seed, codec=codec, final_after=20)
    log = Log(net)
    net.join(regular(net.names, 3, 1), Path(latency=0.02, jitter=0.05, bandwidth=100_000.0))
    producer = Producer(net, "a", 0.1, blocks)
    net.run(2.0)
    net.partition({"b", "c"})
    net.run(3.0)
    net.crash("d")
    net.run(6.0)
    net.heal()
    net.restart("d")
    net.run(8.0)
    producer.stop()
    net.run(10.0)
    return net, log


def digest(log: Log) -> str:
    return hashlib.sha256(repr((log.events, log.outputs)).encode()).hexdigest()


# Determinism ----------------------------------------------------------------------------------------------------


def test_one_seed_is_one_run_and_another_is_another() -> None:
    first, again, other = eventful(1), eventful(1), eventful(2)
    assert digest(first[1]) == digest(again[1])
    assert digest(first[1]) != digest(other[1])
    assert first[0].agreed()
    assert other[0].agreed()
    assert first[0].host("d").head.height == 80


def test_a_run_does_not_depend_on_the_process() -> None:
    script = "import test_memory_network as t; print(t.digest(t.eventful(1)[1]))"
    found = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.path.dirname(__file__)}
        done = subprocess.run(
            (sys.executable, "-c", script), env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert found == {digest(eventful(1)[1])}


def test_bytes_and_values_are_one_network() -> None:
    """Without bounds on bandwidth the portions are the same, so every event must be, and every byte counted."""

    def play(codec: bool) -> tuple[str, list[int]]:
        blocks = SignedBlocks(3)
        net = network("abcd", blocks, codec=codec, final_after=5)
        log = Log(net)
        net.join(line(net.names), Path(latency=0.03))
        Producer(net, "b", 0.1, blocks)
        net.run(1.0)
        net.partition({"d"})
        net.run(5.0)
        net.heal()
        net.run(6.0)
        return digest(log), [net.traffic(name).bytes for name in net.names]

    assert play(codec=True) == play(codec=False)


def test_real_bytes_survive_mishaps() -> None:
    net, log = eventful(5, codec=True)
    assert net.agreed()
    assert log.of(Misbehaviour) == []


# Relaying -------------------------------------------------------------------------------------------------------


def test_a_line_relays() -> None:
    blocks = PlainBlocks()
    net = network("abc", blocks)
    log, meter = Log(net), Meter(net)
    net.join(line(net.names), Path(latency=0.1))
    producer = Producer(net, "a", 0.5, blocks)
    net.run(10.1)
    producer.stop()
    net.run(11.0)
    assert net.agreed()
    assert net.host("c").head.height == 20
    assert net.tally("c").received == 20
    assert net.tally("b").repeated == net.tally("c").repeated == 0, "no block goes back to where it came from"
    assert sorted(meter.seconds) == pytest.approx([0.1] * 20 + [0.2] * 20)
    assert [name for _, name, _ in log.of(HeadMoved)][:3] == ["a", "b", "c"]


def test_links_with_little_bandwidth_catch_up_without_overrunning_their_room() -> None:
    blocks = PlainBlocks(body_bytes=10_000)
    limits = Limits(room=30_000)
    net = network("ab", blocks, limits=limits)
    producer = Producer(net, "a", 0.01, blocks)
    net.run(1.005)
    producer.stop()
    net.join(line(net.names), Path(latency=0.1, bandwidth=100_000.0))
    assert net.run_until(net.agreed, within=60.0)
    assert net.now == pytest.approx(1.0 + 100 * 10_100 / 100_000, abs=0.5)


# Mishaps --------------------------------------------------------------------------------------------------------


def test_a_short_cut_is_survived_by_the_connection() -> None:
    net, log, producer = pair()
    net.run(1.05)
    net.partition({"b"})
    net.run(2.05)
    assert net.host("b").head.height == 10
    net.heal()
    net.run(2.07)
    assert net.host("b").head.height == 20
    producer.stop()
    net.run(3.0)
    assert log.partings() == []
    assert net.tally("b").repeated == 0


def test_a_long_cut_is_noticed_at_both_ends_and_mended() -> None:
    net, log, _ = pair()
    net.run(1.05)
    net.partition({"b"})
    net.run(20.05)
    assert log.partings() == [("a", "b#1", Parting.SILENT), ("b", "a#1", Parting.SILENT)]
    assert all(time < 1.05 + QUICK.silence for time, _, _ in log.of(Disconnect))
    assert net.neighbours("b") == []
    net.heal()
    net.run(20.095)
    assert net.host("b").head == net.host("a").head
    assert net.tally("b").repeated == 0
    assert [event.peer for _, event in log.events if isinstance(event, Connected)] == ["b#1", "a#1", "b#2", "a#2"]


def test_one_way_loss_is_noticed_by_keep_alive() -> None:
    net, log, _ = pair()
    net.run(1.05)
    net.cut("a", "b")
    net.run(20.0)
    assert log.partings() == [("b", "a#1", Parting.SILENT), ("a", "b#1", Parting.PEER_LEFT)]
    assert net.host("b").head.height == 10
    net.mend("a", "b")
    net.run(20.095)
    assert net.host("b").head == net.host("a").head


def test_a_restart_from_the_store_loses_nothing() -> None:
    blocks = SignedBlocks(1)
    net = network("abc", blocks, final_after=10)
    log = Log(net)
    net.join(mesh(net.names), Path(latency=0.01))
    Producer(net, "a", 0.1, blocks)
    net.run(3.05)
    before = net.host("b").node.chain
    net.crash("b")
    with pytest.raises(LocalError, match="down"):
        net.host("b")
    net.run(3.07)
    assert sorted(log.partings()) == [("a", "b#1", Parting.LOST), ("c", "b#1", Parting.LOST)]
    net.run(6.05)
    net.restart("b")
    assert net.host("b").node.chain == before
    with pytest.raises(LocalError, match="up"):
        net.restart("b")
    net.run(6.09)
    assert net.agreed()
    assert net.tally("b").received - net.tally("b").repeated == 60
    assert net.host("b").node.chain.final.height == 50


def test_a_link_that_ends_is_dialled_again_under_a_new_name() -> None:
    net, log, _ = pair()
    for round in range(5):
        net.run(5.0 * (round + 1))
        net.disconnect("a", "b")
    net.run(30.0)
    peers = [event.peer for name, event in log.events if isinstance(event, Connected) and name == "a"]
    assert peers == [f"b#{number}" for number in range(1, 7)]
    net.run(30.05)
    assert net.host("b").head == net.host("a").head
    assert net.tally("b").repeated == 0


def test_a_peer_that_does_not_read_is_left() -> None:
    blocks = PlainBlocks()
    net = network("ab", blocks, limits=Limits(control=10_000))
    log = Log(net)
    net.join(line(net.names))
    net.run(1.0)
    net.cut("a", "b")
    for _ in range(11):
        net.feed("a", Say(Note(bytes(1000)), net.now))
    net.run(1.1)
    assert ("a", "b#1", Parting.SLOW) in log.partings()


def test_a_fork_heals_and_nobody_is_accused() -> None:
    ours, theirs = PlainBlocks(b"ours"), PlainBlocks(b"theirs")
    net = network("abcd", ours)
    log = Log(net)
    net.join(mesh(net.names), Path(latency=0.01, jitter=0.01))
    first = Producer(net, "a", 0.1, ours)
    net.run(1.05)
    net.partition({"c", "d"})
    second = Producer(net, "d", 0.15, theirs)
    net.run(31.08)
    heads = {name: net.host(name).head for name in net.names}
    assert heads["a"] == heads["b"]
    assert heads["c"] == heads["d"]
    assert heads["a"] != heads["c"]
    first.stop()
    second.stop()
    net.heal()
    net.run(33.0)
    assert net.agreed()
    assert net.host("c").head == heads["a"], "the longer branch wins"
    assert log.of(Misbehaviour) == []


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_all_agree_in_the_end(seed: int) -> None:
    """Crashes, cuts, one-way losses, lost connections and two producers, at random; then calm."""
    random = Random(seed)
    kinds = PlainBlocks(b"x", 100), PlainBlocks(b"y", 3000)
    limits = attrs.evolve(QUICK, room=random.choice((5_000, 1_000_000)))
    net = network("abcdef", kinds[0], seed, codec=seed % 4 == 0, limits=limits, strategy=random.choice(list(Strategy)))
    log = Log(net)
    bandwidth = random.choice((20_000.0, 1e6, float("inf")))
    pairs = regular(net.names, random.randint(2, 4), seed)
    net.join(pairs, Path(latency=0.02, jitter=0.05, bandwidth=bandwidth))
    producers = [Producer(net, name, 0.3, kind) for name, kind in zip("af", kinds, strict=True)]
    for _ in range(40):
        net.run(net.now + random.expovariate(2.0))
        name = random.choice(net.names)
        edge = random.choice(pairs)
        match random.randrange(6):
            case 0 if net.up(name):
                net.crash(name)
            case 1 if not net.up(name):
                net.restart(name)
            case 2:
                net.cut(*random.sample(edge, 2))
            case 3:
                net.disconnect(*edge)
            case 4:
                net.partition(random.sample(net.names, 2))
            case _:
                net.heal()
    for name in net.names:
        if not net.up(name):
            net.restart(name)
    net.heal()
    for producer in producers:
        producer.stop()
    assert net.run_until(net.agreed, within=60.0)
    assert net.host("c").head.height > 0
    assert log.of(Misbehaviour) == []


# The rest -------------------------------------------------------------------------------------------------------


def test_finality_advances_in_batches_everywhere() -> None:
    blocks = PlainBlocks()
    net = network("abc", blocks, final_after=10)
    net.join(star(net.names))
    producer = Producer(net, "a", 0.1, blocks)
    net.run(3.55)
    producer.stop()
    net.run(4.0)
    assert {net.store(name).standing.final.height for name in net.names} == {20}
    assert net.agreed()


def test_payloads_are_delivered_where_their_block_is() -> None:
    blocks = PlainBlocks(body_bytes=50_000)
    net = network("ab", blocks)
    log = Log(net)
    net.join(line(net.names), Path(bandwidth=100_000.0))
    producer = Producer(net, "a", 1.0, blocks)
    net.run(1.0)
    producer.stop()
    net.feed("a", Say(Note(b"vote", net.host("a").head), net.now))
    net.run(3.0)
    (taken,) = [time for time, name, _ in log.of(HeadMoved) if name == "b"]
    ((delivered, name, _),) = log.of(Deliver)
    assert name == "b"
    assert taken <= delivered < taken + 0.01


def test_idle_nodes_cost_few_events() -> None:
    net = network("ab", PlainBlocks())
    log = Log(net)
    net.join(line(net.names))
    net.run(100.0)
    ticks = [event for _, event in log.events if isinstance(event, Tick)]
    assert 200 <= len(ticks) <= 4 * 100 / QUICK.keepalive
    assert log.partings() == []


def test_mistakes_of_the_caller_are_told() -> None:
    blocks = PlainBlocks()
    net = network("abc", blocks)
    net.join((("a", "b"),))
    with pytest.raises(LocalError, match="already"):
        net.add("a", Config(blocks.check), MemoryStore(blocks.genesis, b"test"))
    with pytest.raises(LocalError, match="no link between 'a' and 'c'"):
        net.cut("a", "c")
    with pytest.raises(LocalError, match="join them once"):
        net.join((("b", "a"),))
    with pytest.raises(LocalError, match="no node 'x'"):
        net.join((("b", "x"),))
