"""A process that appends blocks and says so, until it is killed. Started by ``test_store_kill.py``: PATH SEED.

Before each commit it prints ``try``, the head that will result and the new blocks; after it ``ack`` and that head.
"""

import random
import sys

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.limits import Limits
from syncfsm_adapters import sqlite_store
from syncfsm_adapters.store import Change, load_chain

GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
CHAIN_ID = b"kill-test"


def say(*words: object) -> None:
    print(*words, flush=True)


def grow(chain: Chain, chance: random.Random) -> Change:
    """Some blocks, now and then beside the head; sometimes finality advances with them, and what lost is dropped."""
    back = chance.choice((0, 0, 0, 1, 3))
    parent = chain.ancestor(chain.head.id, max(chain.final.height, chain.head.height - back))
    blocks = []
    for _ in range(chance.randint(1, 12)):
        size = chance.choice((0, 1000, 60_000))
        id = chance.randbytes(16)
        score = (int.from_bytes(chain.head.score, "big") + len(blocks) + 1).to_bytes(8, "big")
        parent = Header(parent.height + 1, id, parent.id, score, size, b"")
        blocks.append((parent, (id * (size // 16 + 1))[:size]))
    after = chain.extend([header for header, _ in blocks])[0]
    if chance.random() < 0.7:
        return Change(blocks=blocks, head=after.head.point)
    final = after.ancestor(after.head.id, max(after.final.height, after.head.height - 5)).point
    after, dropped = after.finalise(final).pruned()
    kept = [block for block in blocks if block[0].id in after]
    dropped = tuple(header for header in dropped if header.id in chain)
    return Change(blocks=kept, dropped=dropped, head=after.head.point, final=final, base=after.base.point)


def apply(chain: Chain, change: Change) -> Chain:
    chain = chain.extend([header for header, _ in change.blocks])[0]
    return chain.finalise(change.final).pruned()[0] if change.final else chain


def main() -> None:
    path, seed = sys.argv[1:]
    sqlite_store.LOG_BYTES = 512 * 1024  # so that kills hit the copying of the log too
    chance = random.Random(seed)
    say("opening")
    store = sqlite_store.SqliteStore.open(path, GENESIS, CHAIN_ID)
    chain = load_chain(store, Limits(retention=50))
    while True:
        change = grow(chain, chance)
        assert change.head
        gone = [f"-{header.id.hex()}" for header in change.dropped]
        say("try", change.head.id.hex(), *(header.id.hex() for header, _ in change.blocks), *gone)
        store.commit(change)
        say("ack", change.head.id.hex())
        chain = apply(chain, change)


main()
