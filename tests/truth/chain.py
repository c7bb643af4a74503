"""A signed chain and its batches, for the tests of this folder."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header, Point
from syncfsm.signed import SignedChain
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Batch, Entry, batch_of
from syncfsm.truth.signed import SignedBatches, unsigned
from syncfsm.truth.types import View

CHAIN_ID: Final = b"test"
KEY: Final = SigningKey(b"sequencer".ljust(32))
GENESIS: Final = signed.genesis(CHAIN_ID)
START: Final = GENESIS.point
CHECK: Final = SignedBatches(SignedChain(CHAIN_ID, bytes(KEY.verify_key)))


def grow(parent: Header, bodies: Sequence[bytes]) -> list[Entry]:
    """Blocks of these bodies."""
    entries = list[Entry]()
    for body in bodies:
        message = signed.unsigned(CHAIN_ID, parent, body)
        parent = signed.seal(parent, body, message, KEY.sign(message).signature)
        entries.append(Entry(parent, body))
    return entries


BLOCKS: Final = grow(GENESIS, [b"block %d" % height for height in range(1, 13)])


def sealed(entries: Sequence[Entry], key: SigningKey = KEY) -> Batch:
    """A signed batch of these blocks."""
    batch = batch_of(CHAIN_ID, tuple(entries))
    return replace(batch, proof=key.sign(unsigned(batch)).signature)


def point(height: int) -> Point:
    return BLOCKS[height - 1].header.point if height else START


def view(now: float = 0.0, **limits: float | int) -> View:
    return View(now, TruthLimits(**limits), CHAIN_ID, CHECK)  # type: ignore[arg-type]
