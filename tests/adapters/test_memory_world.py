"""Worlds for the network in memory: topologies, and one hundred nodes that live for a minute."""

from syncfsm.node.node import Config
from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path
from syncfsm_adapters.memory.world import Meter, PlainBlocks, Producer, line, mesh, regular, star
from syncfsm_adapters.store.memory import MemoryStore


def test_topologies() -> None:
    names = [f"n{number}" for number in range(40)]
    assert len(mesh(names)) == 40 * 39 // 2
    assert star(names)[-1] == ("n0", "n39")
    assert line(names)[-1] == ("n38", "n39")
    pairs = regular(names, 6, seed=3)
    degrees = [sum(name in pair for pair in pairs) for name in names]
    assert max(degrees) == 6
    assert sum(degrees) >= 40 * 6 - 4
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert regular(names, 6, seed=3) == pairs != regular(names, 6, seed=4)
    assert regular(names[:4], 6, seed=3) == mesh(names[:4])


def test_a_hundred_nodes_for_a_minute() -> None:
    blocks = PlainBlocks()
    net = MemoryNetwork(1)
    meter = Meter(net)
    names = [f"node-{number}" for number in range(100)]
    for name in names:
        net.add(name, Config(blocks.check), MemoryStore(blocks.genesis, b"test"))
    net.join(regular(names, 8, seed=1), Path(latency=0.02, jitter=0.01))
    producer = Producer(net, names[0], 0.2, blocks)
    net.run(60.1)
    producer.stop()
    net.run(61.0)
    assert producer.made == 300
    assert net.agreed()
    assert net.host(names[99]).head.height == 300
    assert len(meter.seconds) == 300 * 99, "every block reached everyone"
    assert meter.quantile(0.99) < 0.2
