"""One node: what a new live block costs, from its arrival to the outputs that relay it."""

from functools import partial
from typing import Final

from benchmarks.building import GENESIS, branch, extended, node
from benchmarks.measure import Figures, rounded, seconds
from syncfsm.chain import Chain
from syncfsm.events import Connected, Received, Room
from syncfsm.node.node import Node
from syncfsm.outputs import Send, SendBlocks
from syncfsm.sync.messages import Blocks, Has, Hello

RELAYED: Final = (1, 8, 64)
"""How many links are told of the block: as many as a node has gates get it in full, the others its id."""
BODY: Final = 1024
HISTORY: Final = 10_000


def run(quick: bool) -> Figures:
    """The figures of ``node``."""
    chain = extended(Chain.start(GENESIS), branch(GENESIS, HISTORY))
    blocks = 20 if quick else 300
    return {"live_block_microseconds": {str(links): rounded(1e6 * _live(chain, links, blocks)) for links in RELAYED}}


def _live(chain: Chain, links: int, blocks: int) -> float:
    """The least seconds of the step that takes a block from one link and tells ``links`` others of it."""
    found = node(chain)
    source, *others = (f"peer-{number}#{number}" for number in range(links + 1))
    for peer in (source, *others):
        found = _joined(found, peer)
    times = []
    for header in branch(chain.head, blocks, size=BODY):
        event = Received(source, Blocks((header,)), 0.0)
        times.append(seconds(partial(found.step, event)))
        found, outputs = found.step(event)
        given = [output.peer for output in outputs if isinstance(output, SendBlocks)]
        told = [output.peer for output in outputs if isinstance(output, Send) and isinstance(output.message, Has)]
        assert given
        assert sorted((*given, *told)) == sorted(others)
        for peer in given:
            found, _ = found.step(Room(peer, header.cost, 0.0))
    return min(times)


def _joined(found: Node, peer: str) -> Node:
    """The node with a link to a peer that has the same head, and wants blocks from us."""
    found, outputs = found.step(Connected(peer, 0.0))
    said = [output.message for output in outputs if isinstance(output, Send)]
    hello = next(message for message in said if isinstance(message, Hello))
    found, _ = found.step(Received(peer, hello, 0.0))
    return found
