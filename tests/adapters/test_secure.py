"""Nodes that prove who they are, over TLS on real TCP, and those who try without."""

import trio

from syncfsm_adapters.secure import Identity
from tests.adapters.tcp_nodes import Carriers, Running, grow, in_trio, start

IDS = [Identity(bytes([number]) * 32) for number in range(1, 5)]
BODIES = [b"%d" % number * 5000 for number in range(40)]


@in_trio
async def test_a_node_catches_up_and_both_prove_who_they_are(carriers: Carriers) -> None:
    blocks = grow(BODIES)
    full, new = Running(carriers, b"", blocks=blocks, who=IDS[0]), Running(carriers, b"", who=IDS[1])
    async with trio.open_nursery() as nursery:
        await start(nursery, full)
        await start(nursery, new, f"{IDS[0].id.hex()}@{full.address}")
        await new.at(blocks[-1][0].point)
        new.grow(b"back")
        await full.at(new.host.head)
        for node, other in ((full, IDS[1]), (new, IDS[0])):
            (peer,) = node.host.node.status().peers
            assert (peer.id, peer.proved) == (other.id, True)
        new.tcp.stop()
        await full.until(lambda: full.partings)
        full.tcp.stop()
    assert full.partings == [("peer-left", "shutdown")]
    assert not full.wrote("broken")
    assert not new.wrote("broken")
