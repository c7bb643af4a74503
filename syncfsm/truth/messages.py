"""What a sequencer writes to the layer: batches. And what makes one valid, which is the same for every reader.

Anybody may write to a namespace, so a blob is nothing until it has proved to be a batch. Valid is a batch of this chain
that is signed, whole, and goes on exactly where the last valid one ended. So of several for one height the first wins;
one that comes again, after a crash of the sequencer for instance, is skipped; and one that is missing shows, as the
next does not fit. This depends on the layer alone, so all who read it agree.
"""

from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Header, Height, Point, broken
from syncfsm.errors import Fault, Penalty
from syncfsm.truth.limits import BATCH_BLOCKS, SIGNATURE_BYTES

VERSION: Final = 1


class Cover(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which blocks a batch has: heights of the first and the last, ids of the first one's parent and of the last."""

    first: Height
    last: Height
    parent: Annotated[bytes, Meta(max_length=limits.ID_BYTES)]
    id: Annotated[bytes, Meta(min_length=1, max_length=limits.ID_BYTES)]

    @property
    def end(self) -> Point:
        return Point(self.last, self.id)


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A block, whole."""

    header: Header
    body: bytes


class Batch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Blocks that follow one another, oldest first. ``proof`` is whatever the ``BatchCheck`` needs: a signature of all
    the rest."""

    version: int
    chain_id: Annotated[bytes, Meta(max_length=limits.CHAIN_ID_BYTES)]
    cover: Cover
    blocks: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=BATCH_BLOCKS)]
    proof: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES)]


class BatchCheck(Protocol):
    """The integrator's rules for what a batch shows by itself. Pure, and never raises on bad input."""

    def batch(self, batch: Batch) -> Fault | None:
        """Judge whether the sequencer of this chain has signed all of this batch, and whether its headers and bodies
        are what they must be. That they follow one another is checked already."""
        ...


class Unsigned:
    """A ``BatchCheck`` that accepts everything: for tests and exploration."""

    def batch(self, batch: Batch) -> Fault | None:
        return None


_BATCHES: Final = msgspec.msgpack.Decoder(Batch)


def batch_of(chain_id: bytes, blocks: tuple[Entry, ...], proof: bytes = b"") -> Batch:
    """A batch of these blocks, which must be one at least and follow one another."""
    first, last = blocks[0].header, blocks[-1].header
    return Batch(VERSION, chain_id, Cover(first.height, last.height, first.parent, last.id), blocks, proof)


def encode(batch: Batch) -> bytes:
    """The blob of a batch."""
    return msgspec.msgpack.encode(batch)


def decode(blob: bytes) -> Batch | None:
    """The batch in a blob; ``None`` if it is no batch."""
    try:
        return _BATCHES.decode(blob)
    except (msgspec.MsgspecError, OverflowError):
        return None


def flaw(blob: bytes, chain_id: bytes, tip: Point, check: BatchCheck) -> Fault | Batch:
    """The batch in this blob, if it is the valid one that goes on at ``tip``; or else what is wrong with it. What
    anybody could have written has ``Penalty.NONE``; what only the sequencer can have signed is evidence."""
    batch = decode(blob)
    if batch is None or batch.version != VERSION or batch.chain_id != chain_id:
        return _none("no-batch", "this is no batch of this chain, in a version that is known here", blob)
    wrong = _broken(batch) or check.batch(batch)
    return wrong or _misfit(batch, tip) or batch


def _broken(batch: Batch) -> Fault | None:
    """Why these blocks are not what the batch says of them; whether the sequencer has signed it is not known yet."""
    headers = tuple(entry.header for entry in batch.blocks)
    if batch.cover != batch_of(batch.chain_id, batch.blocks).cover:
        return _none("wrong-cover", "it says of other blocks than it has", batch.cover.id)
    if any(entry.header.size != len(entry.body) for entry in batch.blocks):
        return _none("wrong-size", "a body is not as long as its header says", batch.cover.id)
    fault = broken(headers)
    return _none(fault.rule, fault.detail, fault.evidence) if fault is not None else None


def _misfit(batch: Batch, tip: Point) -> Fault | None:
    """Why this batch, which the sequencer has signed, is not the next one."""
    cover = batch.cover
    if cover.first > tip.height + 1:
        gap = f"blocks {tip.height + 1} to {cover.first - 1} are in no valid batch before it"
        return Fault("missing-batch", gap, cover.id, Penalty.MILD)
    held = cover.parent if cover.first == tip.height + 1 else None
    if cover.first <= tip.height <= cover.last:
        held = batch.blocks[tip.height - cover.first].header.id
    if held is not None and held != tip.id:
        return Fault("contradicting-batch", f"it has another block at {tip.height} than {tip}", cover.id)
    if cover.first <= tip.height:
        return _none("repeated-batch", f"block {cover.first} is in a batch before it", cover.id)
    return None


def _none(rule: str, detail: str, evidence: bytes) -> Fault:
    return Fault(rule, detail, evidence[: limits.EVIDENCE_BYTES], Penalty.NONE)
