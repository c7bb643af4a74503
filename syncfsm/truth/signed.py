"""The reference batches: signed with Ed25519 by the key that signs the chain's blocks. See ``syncfsm.signed``.

Signed is ``tag ‖ the batch's hash``, where the hash covers the batch with an empty proof. The tag keeps a signature
of a batch from being one of a block.
"""

from hashlib import blake2b
from typing import Final

import attrs
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.signed import HASH_BYTES, SignedChain, is_signed
from syncfsm.truth.messages import Batch, encode
from syncfsm.truth.passed import AGAIN, Passed
from syncfsm.truth.reader.types import Mark

_TAG: Final = b"syncfsm batch 1"


def unsigned(batch: Batch) -> bytes:
    """What to sign of a batch; what its proof is does not matter."""
    return _TAG + blake2b(encode(replace(batch, proof=b"")), digest_size=HASH_BYTES).digest()


@attrs.frozen
class _NoPast:
    """The reference chain's ids commit to parents, so that its check needs none of this."""

    parent: Header
    oldest: int = 0

    def at(self, height: int) -> Header | None:
        return None

    def back(self, count: int) -> tuple[Header, ...]:
        return ()


def signed_by(chain: SignedChain, header: Header) -> Fault | None:
    """Why this block, of which nothing else is known, is not signed by the chain's key; ``None`` if it is."""
    return chain.run((header,), _NoPast(header))


@attrs.frozen
class SignedBatches:
    """The ``BatchCheck`` of the reference chain."""

    chain: SignedChain

    def batch(self, batch: Batch) -> Fault | None:
        """The batch's signature first, as anybody may write a blob; then ids, the newest signature, and the bodies."""
        if not is_signed(unsigned(batch), batch.proof, self.chain.key):
            return Fault("not-signed", "it is not signed by this chain's key", batch.cover.id, Penalty.NONE)
        headers = tuple(entry.header for entry in batch.blocks)
        wrong = self.chain.run(headers, _NoPast(headers[0]))
        bodies = (self.chain.body(entry.header, entry.body) for entry in batch.blocks)
        return wrong or next((fault for fault in bodies if fault is not None), None)


def checked(passed: Passed, chain: SignedChain) -> Mark:
    """Where a reader of this chain begins. ``LocalError`` if the mark is of another chain or key, or is no place to
    begin at."""
    if passed.chain_id != chain.chain_id:
        raise LocalError(
            f"the mark is of chain {passed.chain_id.decode()!r}, and this node is of {chain.chain_id.decode()!r}: give "
            "it one of its own chain"
        )
    fault = signed_by(chain, passed.header)
    if fault is not None:
        raise LocalError(
            f"block {passed.header.point} of the mark is not signed with the key that this node follows, "
            f"{chain.key.hex()} ({fault.rule}): the mark is of another chain of that name, or the key is wrong"
        )
    if passed.place.height < 1 or not passed.place.id or passed.header.height < 1:
        raise LocalError(f"the mark names no place of a layer at which anything is confirmed; {AGAIN}")
    return passed.mark
