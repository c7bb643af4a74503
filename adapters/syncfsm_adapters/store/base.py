"""The block store: what a node keeps over a restart, bodies included.

A store holds blocks and one ``Standing``: head, final point, base and bans. All that changes in one step of the node
goes into one ``Change``, and a change is kept whole or not at all. The base is the oldest block the core loads. Blocks
of the best chain below it stay as history, unless the store is told otherwise; branches that lost to finality go.

``MemoryStore`` is for the in-memory network, ``syncfsm_adapters.store.sqlite.SqliteStore`` for a process.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
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
    longer holds, as its ``Dropped`` output tells them, with the ``base`` it tells. A point that is ``None`` stays.
    """

    blocks: Sequence[tuple[Header, bytes]] = ()
    dropped: Sequence[Header] = ()
    head: Point | None = None
    final: Point | None = None
    base: Point | None = None
    ban: Sequence[bytes] = ()
    unban: Sequence[bytes] = ()


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
        the base or above the head; and dropping a block while a child of it stays.
        """
        ...

    def header(self, point: Point) -> Header | None:
        """The header of a held block, else ``None``."""
        ...

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        """The bodies of these blocks, ``None`` for one that is not held. Fast where one height follows the other.

        All of them are in memory at once: the caller bounds how much it asks for. The genesis has no body here.
        """
        ...

    def headers_from_base(self) -> Iterator[Header]:
        """The base and all that descends from it, parents before children: what the core has to load."""
        ...

    def best_chain(self) -> Iterator[Point]:
        """The chain that ends at the head, oldest first: from genesis, or from where kept history begins.

        For audits: reads all held headers twice. Do not commit while it runs.
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


class CheckedStore(BlockStore):
    """What the stores have in common: a change is checked here; ``_write`` and ``_scan`` are theirs."""

    _standing: Standing
    _keep_history: bool

    @abstractmethod
    def __str__(self) -> str:
        """How messages name this store."""

    @abstractmethod
    def _write(self, blocks: Sequence[tuple[Header, bytes]], removed: Sequence[Header], standing: Standing) -> None:
        """Carry out a checked change, whole or not at all."""

    @abstractmethod
    def _scan(self, low: int, high: int, descending: bool = False) -> Iterator[Header]:
        """All headers from height ``low`` to ``high``; of one height, in the order they came."""

    @property
    def standing(self) -> Standing:
        return self._standing

    def commit(self, change: Change) -> None:
        added = self._check_blocks(change.blocks)
        removed = self._check_dropped(change)
        standing = self._check_points(change, added, removed)
        self._write(change.blocks, removed, standing)
        self._standing = standing

    def headers_from_base(self) -> Iterator[Header]:
        base = self._standing.base
        below: dict[bytes, bool] = {}
        level: dict[bytes, bool] = {}  # whether a block descends from the base, for the blocks of one height
        height = base.height
        for header in self._scan(base.height, limits.MAX_HEIGHT):
            if header.height > height:
                below, level = (level if header.height == height + 1 else {}), {}
                height = header.height
            descends = header.id == base.id if height == base.height else below.get(header.parent)
            if descends is None:
                raise damaged(self, f"block {header.point} is there, but not its parent")
            level[header.id] = descends
            if descends:
                yield header

    def best_chain(self) -> Iterator[Point]:
        head = next_down = self._standing.head
        aside: set[Point] = set()
        for header in self._scan(0, head.height, descending=True):
            if header.height < next_down.height:
                break
            if header.point == next_down:
                next_down = Point(header.height - 1, header.parent)
            else:
                aside.add(header.point)
        if next_down.height >= self._standing.base.height:
            raise damaged(self, f"block {next_down} of the best chain is missing")
        chain = (header.point for header in self._scan(next_down.height + 1, head.height))
        yield from (point for point in chain if point not in aside)

    def _check_blocks(self, blocks: Sequence[tuple[Header, bytes]]) -> dict[bytes, int]:
        """The heights of the new blocks by id."""
        added: dict[bytes, int] = {}
        for header, body in blocks:
            if len(body) != header.size:
                detail = f"its body has {len(body)} bytes, its header says {header.size}"
                raise LocalError(f"can not store block {header.point}: {detail}; give each header its own body")
            if added.get(header.parent) != header.height - 1 and not self._holds(header.height - 1, header.parent):
                raise LocalError(f"can not store block {header.point}: its parent is not held; store that first")
            if header.id in added or self.header(header.point):
                raise LocalError(f"can not store block {header.point}: it is held already; store each block once")
            added[header.id] = header.height
        return added

    def _check_dropped(self, change: Change) -> Sequence[Header]:
        """What of the dropped headers is to be removed: all, or all that is not history."""
        if not change.dropped:
            return ()
        base = change.base or self._standing.base
        gone = {header.point for header in change.dropped}
        if self._keep_history:
            gone -= self._ancestors(base, gone)
        for point in gone:
            if not self.header(point):
                raise LocalError(f"can not drop block {point}: it is not held; drop what the chain has dropped, once")
            for child in self._scan(point.height + 1, point.height + 1):
                if child.parent == point.id and child.point not in gone and child.point != base:
                    raise LocalError(f"can not drop block {point}: its child {child.point} stays; drop that with it")
        return [header for header in change.dropped if header.point in gone]

    def _ancestors(self, base: Point, among: set[Point]) -> set[Point]:
        """The unbroken line of ancestors of ``base`` that are in ``among``."""
        found = set()
        header = self.header(base)
        while header and (parent := Point(header.height - 1, header.parent)) in among:
            found.add(parent)
            header = self.header(parent)
        return found

    def _check_points(self, change: Change, added: dict[bytes, int], removed: Sequence[Header]) -> Standing:
        """The standing after the change."""
        old = self._standing
        gone = {header.point for header in removed}
        head, final, base = change.head or old.head, change.final or old.final, change.base or old.base
        for name, point, before in (
            ("head", head, old.head),
            ("final block", final, old.final),
            ("base", base, old.base),
        ):
            held = point is before or added.get(point.id) == point.height or self.header(point)
            if point in gone or not held:
                raise LocalError(f"{point} can not be the {name}: that block is not held then; store it, or keep it")
        if not (old.base.height <= base.height <= final.height <= head.height and old.final.height <= final.height):
            raise LocalError(
                f"base {base}, final block {final} and head {head} do not follow base {old.base} and final block "
                f"{old.final}: base and final block only advance, in the order base, final block, head"
            )
        banned = {*old.banned, *change.ban} - {*change.unban, *(header.id for header in change.dropped)}
        return msgspec.structs.replace(old, head=head, final=final, base=base, banned=tuple(sorted(banned)))

    def _holds(self, height: int, id: bytes) -> bool:
        return self.header(Point(height, id)) is not None


class MemoryStore(CheckedStore):
    """A store without a file. It survives the restart of a simulated node, as whoever simulates keeps the object."""

    def __init__(self, genesis: Header, chain_id: bytes, *, keep_history: bool = True) -> None:
        self._standing = Standing.start(genesis, chain_id)
        self._keep_history = keep_history
        self._levels: dict[int, dict[bytes, tuple[Header, bytes | None]]] = {}
        self._levels[genesis.height] = {genesis.id: (genesis, None)}

    def __str__(self) -> str:
        return "the block store in memory"

    def header(self, point: Point) -> Header | None:
        found = self._levels.get(point.height, {}).get(point.id)
        return found[0] if found else None

    def bodies(self, points: Sequence[Point]) -> list[bytes | None]:
        found = (self._levels.get(point.height, {}).get(point.id) for point in points)
        return [block[1] if block else None for block in found]

    def close(self) -> None:
        pass

    def _write(self, blocks: Sequence[tuple[Header, bytes]], removed: Sequence[Header], standing: Standing) -> None:
        for header, body in blocks:
            self._levels.setdefault(header.height, {})[header.id] = (header, body)
        for header in removed:
            del self._levels[header.height][header.id]
            if not self._levels[header.height]:
                del self._levels[header.height]

    def _scan(self, low: int, high: int, descending: bool = False) -> Iterator[Header]:
        span = [low] if low == high else sorted(height for height in self._levels if low <= height <= high)
        for height in reversed(span) if descending else span:
            level = [header for header, _ in self._levels.get(height, {}).values()]
            yield from reversed(level) if descending else level


def load_chain(store: BlockStore, limits: Limits) -> Chain:
    """Build the chain of a stored node, and bring the store in line with it.

    The head is chosen anew from the blocks, and what a crash kept from being dropped is dropped now. What is held is
    loaded even where it exceeds ``limits``, which bound what comes later.
    """
    standing = store.standing
    root, *headers = store.headers_from_base()
    wide = attrs.evolve(limits, unfinal=len(headers) + 1, tips=len(headers) + 1, bans=len(standing.banned) + 1)
    chain = Chain.start(root, wide)
    for id in standing.banned:
        chain = chain.ban(id)
    chain, outcomes = chain.extend(headers)
    for header, outcome in zip(headers, outcomes, strict=True):
        if outcome not in (Outcome.NEW, Outcome.BANNED):
            raise damaged(store, f"block {header.point} does not fit its parent ({outcome.value})")
    chain, dropped = attrs.evolve(chain.finalise(standing.final), limits=limits).pruned()
    if dropped or chain.head.point != standing.head:
        store.commit(Change(dropped=dropped, head=chain.head.point, base=chain.base.point))
    return chain


def damaged(store: object, what: str) -> LocalError:
    """The error for stored data that can not be right."""
    return LocalError(
        f"{store} is damaged: {what}. Nothing was repaired or overwritten. Move it away and start again to sync anew, "
        "or restore a backup"
    )
