"""The block store: what a node keeps over a restart, bodies included.

A store holds blocks and one ``Standing``: head, final point, base and bans. All that changes in one step of the node
goes into one ``Change``, and a change is kept whole or not at all. The base is the oldest block the core loads. Blocks
of the best chain below it stay as history, unless the store is told otherwise; branches that lost to finality go.

``syncfsm_adapters.store.memory.MemoryStore`` is for the in-memory network, ``syncfsm_adapters.store.file.FileStore``
for a process.
"""

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from sys import maxsize
from typing import Annotated, Protocol

import attrs
import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Header, Id, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.errors import LocalError
from syncfsm.limits import Limits


class Standing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which chain this is, and where it stands. ``banned`` is sorted."""

    chain_id: Annotated[bytes, Meta(max_length=limits.CHAIN_ID_BYTES)]
    genesis: Header
    head: Point
    final: Point
    base: Point
    banned: tuple[Id, ...] = ()

    @classmethod
    def start(cls, genesis: Header, chain_id: bytes) -> "Standing":
        """The standing of a store that holds the genesis alone."""
        return cls(chain_id, genesis, genesis.point, genesis.point, genesis.point)


@attrs.frozen(kw_only=True)
class Change:
    """What changes together, in this order: blocks come, blocks go, then the points and the bans are set.

    ``blocks`` are headers with their bodies, every parent before its children. ``dropped`` are headers the core no
    longer holds, as its ``Dropped`` output tells them, with the ``base`` it tells: of them, the ancestors of the base
    are history, and stay if history is kept. A point that is ``None`` stays.
    """

    blocks: Sequence[tuple[Header, bytes]] = ()
    dropped: Sequence[Header] = ()
    head: Point | None = None
    final: Point | None = None
    base: Point | None = None
    ban: Sequence[bytes] = ()
    unban: Sequence[bytes] = ()


Tell = Callable[..., None]
"""(event, **fields): something happened to a store that people should know."""


class BlockStore(Protocol):
    """Where an adapter keeps blocks. Calls are synchronous, and one at a time; they may come from any thread."""

    @property
    def standing(self) -> Standing:
        """Where the chain stands, as last committed."""
        ...

    def commit(self, change: Change) -> None:
        """Make the whole change durable, or raise ``LocalError`` and leave all as it was.

        Refused are: a block that is held already, whose parent is not held, or whose body has not the size that the
        header says; a point at a block that is not held; a final point or base that moves back; a final point below
        the base or above the head; and dropping a block that is not held. Whoever drops a block drops what descends
        from it too.

        Of many dropped blocks a portion goes now, and ``tidy`` has the rest. ``standing.base`` advances when all are
        gone; so after a crash they are dropped again.
        """
        ...

    def tidy(self) -> bool:
        """Do a portion of what can wait; whether there may be more. Raises ``LocalError`` as ``commit`` does."""
        ...

    def header(self, point: Point) -> Header | None:
        """The header of a held block, else ``None``."""
        ...

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        """The bodies of these blocks, ``None`` for one that is not held, or whose body is lost: then the block is one
        of ``lost``. Fast where one height follows the other.

        All of them are in memory at once: the caller bounds how much it asks for. The genesis has no body here.
        """
        ...

    @property
    def lost(self) -> Collection[Point]:
        """Held blocks whose bodies were found to be damaged or gone, since the store was opened."""
        ...

    @property
    def owed(self) -> int | None:
        """The height of the head that the store had acknowledged and came back without, until it has one as high. Until
        then whoever makes blocks must not make any. ``None`` if it lacks nothing."""
        ...

    def mend(self, header: Header, body: bytes) -> bool:
        """Take the body of a block of ``lost`` again, which the caller has checked against the header. ``False``, and
        nothing changes, if it is not that block's. Raises ``LocalError`` as ``commit`` does."""
        ...

    def headers_from_base(self) -> Iterator[Header]:
        """The base and all that descends from it, parents before children: what the core has to load.

        Not all are in memory at once. Do not commit while it runs.
        """
        ...

    def best_chain(self) -> Iterator[Point]:
        """The chain that ends at the head, oldest first: from genesis, or from where kept history begins.

        For audits: it looks at every block, and has all points in memory. Do not commit while it runs.
        """
        ...

    def close(self) -> None:
        """Let go of the file, if there is one. Only a second ``close`` may follow."""
        ...

    # The common changes, by name --------------------------------------------------------------------------------

    def append(self, blocks: Sequence[tuple[Header, bytes]], head: Point) -> None:
        """Store blocks, and the head that results."""
        self.commit(Change(blocks=blocks, head=head))

    def set_head(self, head: Point) -> None:
        """The head moved to another held block: a rollback or a switch of branches."""
        self.commit(Change(head=head))

    def finalise(self, final: Point) -> None:
        """The final point advanced."""
        self.commit(Change(final=final))

    def prune(self, dropped: Sequence[Header], base: Point) -> None:
        """The core dropped these headers, and ``base`` is now its oldest block."""
        self.commit(Change(dropped=dropped, base=base))

    def ban(self, id: bytes) -> None:
        """Remember a ban. Nothing changes if it is remembered already."""
        self.commit(Change(ban=(id,)))

    def unban(self, id: bytes) -> None:
        """Forget a ban. Nothing changes if there is none."""
        self.commit(Change(unban=(id,)))

    def body(self, point: Point) -> bytes | None:
        """The body of one block, ``None`` if it is not held."""
        return self.bodies((point,))[0]


def load_chain(store: BlockStore, limits: Limits) -> Chain:
    """Build the chain of a stored node, and bring the store in line with it. Some 2.5 s for a million headers.

    The head is chosen anew from the blocks, and what a crash kept from being dropped is dropped now. What is held is
    loaded even where it exceeds ``limits``, which bound what comes later.
    """
    with _without_collector():
        return _load_chain(store, limits)


def _load_chain(store: BlockStore, limits: Limits) -> Chain:
    standing, headers = store.standing, store.headers_from_base()
    wide = attrs.evolve(limits, unfinal=maxsize, unfinal_bytes=maxsize, tips=maxsize, bans=maxsize)
    chain = Chain.start(next(headers), wide)
    for id in standing.banned:
        chain = chain.ban(id)
    chain, outcomes = chain.extend(headers)
    if not {Outcome.NEW, Outcome.BANNED}.issuperset(outcomes):
        for header, outcome in zip(islice(store.headers_from_base(), 1, None), outcomes, strict=True):
            if outcome not in (Outcome.NEW, Outcome.BANNED):
                raise damaged(store, f"block {header.point} does not fit its parent ({outcome.value})")
    chain, dropped = attrs.evolve(chain.finalise(standing.final), limits=limits).pruned()
    if dropped or chain.head.point != standing.head:
        store.commit(Change(dropped=dropped, head=chain.head.point, base=chain.base.point))
    return chain


@contextmanager
def _without_collector() -> Iterator[None]:
    """Many objects come and none go: looking for garbage among them again and again takes longer than making them."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def silent(event: str, **fields: object) -> None:
    """For a store whose news nobody wants."""


def damaged(store: object, what: str) -> LocalError:
    """The error for stored data that can not be right."""
    return LocalError(
        f"{store} is damaged: {what}. Nothing was repaired or overwritten. See what `syncfsm store verify` says and "
        "`syncfsm store repair` can save; or move it away and start again to sync anew, or restore a backup"
    )
