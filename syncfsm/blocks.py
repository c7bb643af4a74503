"""Points, headers and blocks: what a chain is made of.

The library never makes an id, a score or a proof and never looks inside one. An id names a block, a score orders
chains, a proof is whatever the integrator's ``HeaderCheck`` needs; so a chain whose hashes were made elsewhere can be
synchronised. Bodies do not enter the core's state: the core moves headers, the adapter moves bytes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Protocol, runtime_checkable

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.errors import Fault

Id = Annotated[bytes, Meta(min_length=1, max_length=limits.ID_BYTES)]
Height = Annotated[int, Meta(ge=0, le=limits.MAX_HEIGHT)]
Score = Annotated[bytes, Meta(max_length=limits.SCORE_BYTES)]
Size = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Point(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, cache_hash=True):
    """A place on a chain: the block's height (blocks since genesis, which is 0) and its id."""

    height: Height
    id: Id

    def __str__(self) -> str:
        return f"{self.height}:{self.id[:4].hex()}"


class Header(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, cache_hash=True):
    """What a node must know of a block to place it on a chain.

    ``parent`` is the parent's id, empty only for genesis. ``score`` orders chains: of two heads the one with the
    greater ``rank`` is better. A child's score must be greater than its parent's, so the best block is always the end
    of a chain. ``size`` is the body's length in bytes.
    """

    height: Height
    id: Id
    parent: Annotated[bytes, Meta(max_length=limits.ID_BYTES)]
    score: Score
    size: Size
    proof: Annotated[bytes, Meta(max_length=limits.PROOF_BYTES)]

    @property
    def point(self) -> Point:
        return Point(self.height, self.id)

    @property
    def rank(self) -> tuple[bytes, bytes]:
        """What fork choice compares: the score, then the id, so that no two blocks are ever equal."""
        return (self.score, self.id)

    @property
    def cost(self) -> int:
        """Bytes this block counts against a link's room."""
        return self.size + limits.BLOCK_OVERHEAD


_HEADERS: Final = msgspec.msgpack.Decoder(Header)


def flaw(header: Header) -> str | None:
    """Why no peer would take this header as a message: a field out of its bounds. ``None`` if all are within."""
    try:
        _HEADERS.decode(msgspec.msgpack.encode(header))
    except (msgspec.ValidationError, OverflowError, TypeError) as error:
        return str(error)
    return None


def broken(headers: Sequence[Header]) -> Fault | None:
    """Why these headers are no run, in which each is the child of the one before, one higher, with a greater score.
    ``None`` if they are one."""
    if not headers:
        return Fault("empty-run", "a run has at least one block")
    for before, header in pairwise(headers):
        follows = header.parent == before.id and header.height == before.height + 1 and header.score > before.score
        if not follows:
            evidence = header.id[: limits.EVIDENCE_BYTES]
            return Fault("broken-run", f"block {header.point} does not follow {before.point}", evidence)
    return None


class Past(Protocol):
    """The chain on which new headers stand: their first one's parent, and its ancestors as far as they are held."""

    @property
    def parent(self) -> Header:
        """The parent of the first header."""
        ...

    @property
    def oldest(self) -> int:
        """The height of the oldest ancestor that is held; below it ``at`` has nothing."""
        ...

    def at(self, height: int) -> Header | None:
        """The ancestor at ``height``, up to the parent's own; ``None`` if it is not held. O(log n)."""
        ...

    def back(self, count: int) -> Sequence[Header]:
        """The newest ``count`` of these headers, oldest first, the parent last; fewer if fewer are held. O(count)."""
        ...


class HeaderCheck(Protocol):
    """The integrator's rules for what a header and a body show by themselves. Pure, and never raises on bad input."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        """Judge headers that follow one another, oldest first; ``past`` is what they stand on, for a live block too.

        The library has checked heights, parents and rising scores. If ids commit to parents, one signature, at the
        newest, is enough for all; what depends on ancestors (total work, a difficulty that is adjusted, median times,
        sets of validators) is to be checked for each of them. Nothing of the run is adopted, stored or relayed unless
        the answer is ``None``.
        """
        ...

    def body(self, header: Header, body: bytes) -> Fault | None:
        """Judge whether ``body`` is the body that ``header`` promises."""
        ...


@runtime_checkable
class Keyed(Protocol):
    """A ``HeaderCheck`` of a chain all of whose blocks are signed with one key."""

    @property
    def public_key(self) -> bytes:
        """Of at most ``limits.CHAIN_KEY_BYTES``. Nodes tell each other of it when they meet, and do not link
        if theirs differ: else an honest peer would be blamed for its first block."""
        ...


class Unchecked:
    """A ``HeaderCheck`` that accepts everything: for tests, exploration, and chains checked elsewhere."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        return None

    def body(self, header: Header, body: bytes) -> Fault | None:
        return None
