"""A process that appends blocks and says so, until it is killed. Started by ``test_store_kill.py``: PATH SEED.

Before each commit it prints ``try``, the head that will result, the new blocks, and with a minus what is dropped;
after the commit ``ack`` and the head.
"""

import random
import sys
from collections.abc import Iterable

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.limits import Limits
from syncfsm_adapters.store.base import Change, load_chain
from syncfsm_adapters.store.file import FileStore

GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
CHAIN_ID = b"kill-test"


def grow(chain: Chain, chance: random.Random) -> tuple[Chain, Change]:
    """Some blocks, now and then beside the head; sometimes finality advances with them, and what lost is dropped."""
    back = chance.choice((0, 0, 0, 1, 3))
    parent = chain.ancestor(chain.head.id, max(chain.final.height, chain.head.height - back))
    rank = int.from_bytes(chain.head.score, "big")
    blocks = []
    for nth in range(1, chance.randint(1, 12) + 1):
        id, size = chance.randbytes(16), chance.choice((0, 1000, 60_000))
        parent = Header(parent.height + 1, id, parent.id, (rank + nth).to_bytes(8, "big"), size, b"")
        blocks.append((parent, (id * (size // 16 + 1))[:size]))
    chain = chain.extend([header for header, _ in blocks])[0]
    if chance.random() < 0.7:
        return chain, Change(blocks=blocks, head=chain.head.point)
    final = chain.ancestor(chain.head.id, max(chain.final.height, chain.head.height - 5)).point
    chain, dropped = chain.finalise(final).pruned()
    return chain, Change(blocks=blocks, dropped=dropped, head=chain.head.point, final=final, base=chain.base.point)


def say(word: str, head: Point, blocks: Iterable[Header] = (), dropped: Iterable[Header] = ()) -> None:
    come = [f"{point.height}:{point.id.hex()}" for point in (head, *(header.point for header in blocks))]
    gone = [f"-{header.height}:{header.id.hex()}" for header in dropped]
    print(word, *come, *gone, flush=True)


def main(path: str, seed: str) -> None:
    FileStore.segment_bytes = 512 * 1024  # so that kills hit full segments and their indexes too
    chance = random.Random(seed)
    print("opening", flush=True)
    store = FileStore.open(path, GENESIS, CHAIN_ID)
    chain = load_chain(store, Limits(retention=50))
    while True:
        chain, change = grow(chain, chance)
        say("try", chain.head.point, (header for header, _ in change.blocks), change.dropped)
        store.commit(change)
        say("ack", chain.head.point)


main(*sys.argv[1:])
