"""Chain: the blocks a node holds, as a persistent value.

The blocks form a tree. Its root is ``base``, the oldest block held; ``final`` is the newest block that can not be
undone; ``head`` is the best block: of the blocks that descend from ``final`` and are not barred, the one with the
greatest rank. The best chain runs from ``base`` through ``final`` to ``head``. Every change returns a new chain and
shares what is the same with the old one. Equal content means equal chains, in whatever order it came.

Each block keeps, beside its parent, one jump to a far ancestor (E. Myers, "An applicative random-access stack", 1983).
How far it jumps depends on its height alone, so two blocks of one height jump to one height, and so ancestors and
common ancestors are found in O(log n) look-ups, while a new block costs O(1).
"""

import enum
from collections.abc import Iterator, Sequence
from typing import Self

import attrs
import msgspec
from immutables import Map, MapMutation
from msgspec.structs import force_setattr

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.limits import Limits


class Outcome(enum.Enum):
    """What became of a header given to ``Chain.extend``. Where several apply, the first in this order is told."""

    KNOWN = "known"
    """Its id is held already. Nothing changed."""
    INVALID = "invalid"
    """Its parent is held, but its height is not one more, or its score not greater. Not inserted."""
    BELOW_FINAL = "below-final"
    """It conflicts with the final point: it is not above it, or its parent does not descend from it. Not inserted."""
    UNLINKABLE = "unlinkable"
    """Its parent is not held. Not inserted."""
    FULL = "full"
    """As many unfinal blocks or branches are held as the limits allow. Not inserted."""
    BANNED = "banned"
    """Inserted, but it or an ancestor is banned, so it can not become the head."""
    NEW = "new"
    """Inserted."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A held block.

    ``low`` is the height its jump leads to, ``jump`` the id there, empty if that is below the base. ``barred`` tells
    that the block or an ancestor is banned.
    """

    header: Header
    jump: bytes
    low: int
    barred: bool


Entries = Map[bytes, Entry] | MapMutation[bytes, Entry]
"""Blocks to look up, while they are being changed or not."""


@attrs.frozen(cache_hash=True)
class Chain:
    """The block tree. Make one with ``start``; every method is pure.

    ``tips`` are the ids of the leaves, ``banned`` the ids banned by name, be they held or still to come. An id names
    one block for ever: of two headers with one id the first is believed.
    """

    head: Header
    final: Header
    base: Header
    blocks: Map[bytes, Entry]
    tips: Map[bytes, None]
    banned: Map[bytes, None]
    limits: Limits
    unfinal_bytes: int = 0
    """Bytes of the bodies of all blocks that are not on the chain from the base to the final block."""

    @classmethod
    def start(cls, root: Header, limits: Limits = Limits()) -> Self:  # noqa: B008  a frozen value
        """The chain that holds ``root`` alone, as base, final and head: a genesis or a trusted snapshot."""
        low = _low(root.height)
        entry = Entry(root, root.id if low == root.height else b"", low, False)
        return cls(root, root, root, Map({root.id: entry}), Map({root.id: None}), Map(), limits)

    # Growing ----------------------------------------------------------------------------------------------------

    def extend(self, run: Sequence[Header]) -> tuple[Self, tuple[Outcome, ...]]:
        """Insert headers one after the other, and tell for each what became of it. Never raises on a bad header.

        Cheap for a run of children, and for children of the head: O(1) each. A header that starts elsewhere costs
        O(log n) more.
        """
        blocks, tips, head = self.blocks.mutate(), self.tips.mutate(), self.head
        outcomes, size = [], self.unfinal_bytes
        entry = blocks[head.id]  # of a block known to descend from the final one, so its child need not be checked
        leaf = b""  # the last block that was inserted: a tip, and noted as one only if its child does not follow
        for header in run:
            follows = header.parent == leaf
            if not follows and leaf:
                tips[leaf] = None
                leaf = b""
            placed = self._place(header, blocks, tips, entry, follows, size)
            if isinstance(placed, Outcome):
                outcomes.append(placed)
                continue
            entry = blocks[header.id] = placed
            size += header.size
            if not follows:
                tips.pop(header.parent, None)
            leaf = header.id
            if entry.barred:
                outcomes.append(Outcome.BANNED)
                continue
            outcomes.append(Outcome.NEW)
            if header.parent == head.id or header.rank > head.rank:  # a child is better than its parent
                head = header
        if len(blocks) == len(self.blocks):
            return self, tuple(outcomes)
        if leaf:
            tips[leaf] = None
        chain = attrs.evolve(self, head=head, blocks=blocks.finish(), tips=tips.finish(), unfinal_bytes=size)
        return chain, tuple(outcomes)

    def _place(
        self, header: Header, blocks: Entries, tips: MapMutation[bytes, None], sound: Entry, follows: bool, size: int
    ) -> Entry | Outcome:
        """The entry to insert for ``header``, or why there is none. ``follows``: it is the child of the tip ``sound``,
        which is not in ``tips``. ``size``: bytes of all that is not final so far."""
        if header.id in blocks:
            return Outcome.KNOWN
        child = header.parent == sound.header.id
        parent = sound if child else blocks.get(header.parent)
        if parent and (header.height != parent.header.height + 1 or header.score <= parent.header.score):
            return Outcome.INVALID
        if header.height <= self.final.height:
            return Outcome.BELOW_FINAL
        if parent is None:
            return Outcome.UNLINKABLE
        if not child and not _descends(blocks, parent, self.final):
            return Outcome.BELOW_FINAL
        unfinal = len(blocks) - (self.final.height - self.base.height + 1)  # all that is not on the final chain
        crowded = not follows and len(tips) >= self.limits.tips and header.parent not in tips
        if unfinal >= self.limits.unfinal or size + header.size > self.limits.unfinal_bytes or crowded:
            return Outcome.FULL
        return _child(blocks, parent, header, parent.barred or header.id in self.banned)

    # Asking -----------------------------------------------------------------------------------------------------

    def __contains__(self, id: bytes) -> bool:
        """Whether the block is held."""
        return id in self.blocks

    def get(self, id: bytes) -> Header | None:
        """The header of a held block, else ``None``."""
        entry = self.blocks.get(id)
        return entry.header if entry else None

    def ancestor(self, id: bytes, height: int) -> Header:
        """The block of the chain that ends with ``id`` at ``height``, from the base up to its own height. O(log n)."""
        entry = self._entry(id)
        if not self.base.height <= height <= entry.header.height:
            span = f"from {self.base.height}, the base, to its own height {entry.header.height}"
            raise LocalError(f"block {entry.header.point} has no held ancestor at height {height}: ask {span}")
        return _at(self.blocks, entry, height).header

    def common(self, a: bytes, b: bytes) -> Header:
        """The nearest common ancestor of two held blocks, which may be one of them. O(log n)."""
        x, y, blocks = self._entry(a), self._entry(b), self.blocks
        height = min(x.header.height, y.header.height)
        x, y = _at(blocks, x, height), _at(blocks, y, height)
        while x.header.id != y.header.id:
            # At one height the jumps lead to one height. If they meet, the answer is there or above.
            if x.jump != y.jump:
                x, y = blocks[x.jump], blocks[y.jump]
            else:
                x, y = blocks[x.header.parent], blocks[y.header.parent]
        return x.header

    def is_ancestor(self, a: bytes, b: bytes) -> bool:
        """Whether held block ``b`` descends from held block ``a``, or is the same block. O(log n)."""
        ancestor, entry = self._entry(a), self._entry(b)
        return _descends(self.blocks, entry, ancestor.header)

    def best_at(self, height: int) -> Header | None:
        """The block of the best chain at ``height``, ``None`` if that is below the base or above the head. O(log n)."""
        if not self.base.height <= height <= self.head.height:
            return None
        return _at(self.blocks, self.blocks[self.head.id], height).header

    def on_best(self, point: Point) -> bool:
        """Whether the best chain holds this block at this height; any point may be asked for. O(log n)."""
        best = self.best_at(point.height)
        return best is not None and best.id == point.id

    def path(self, after: Header, count: int) -> tuple[Header, ...]:
        """The next ``count`` headers of the best chain above ``after``, fewer at its end. O(log n + count)."""
        blocks, height = self.blocks, after.height
        if count >= 0 and self.base.height <= height <= self.head.height:
            entry = _at(blocks, blocks[self.head.id], min(height + count, self.head.height))
            found = []
            while entry.header.height > height:
                found.append(entry.header)
                entry = blocks[entry.header.parent]
            if entry.header.id == after.id:
                return tuple(reversed(found))
        raise LocalError(
            f"no path of {count} blocks after {after.point}: ask for 0 or more, after a block of the best chain, "
            f"which runs from {self.base.point} to {self.head.point}"
        )

    def past(self, id: bytes) -> "Ancestry":
        """What a child of this held block stands on, for whoever checks that child."""
        return Ancestry(self, self._entry(id).header)

    # Finality ---------------------------------------------------------------------------------------------------

    def finalise(self, point: Point) -> Self:
        """Make a held block final. If it is not on the best chain, the head becomes the best block above it.

        Nothing is dropped yet: that is what ``pruned`` does, once the switch of heads has been dealt with. A point
        of the final chain at or below the final block changes nothing.
        """
        entry = self.blocks.get(point.id)
        if entry is None or entry.header.height != point.height:
            below = point.height < self.base.height
            advice = f"it is below the base {self.base.point}" if below else "feed the block first, with extend"
            raise LocalError(f"can not finalise {point}: no such block is held at that height; {advice}")
        header = entry.header
        if header.height <= self.final.height and _descends(self.blocks, self.blocks[self.final.id], header):
            return self
        if not _descends(self.blocks, entry, self.final):
            raise LocalError(f"can not finalise {point}: it contradicts {self.final.point}, which is final already")
        if entry.barred:
            raise LocalError(f"can not finalise {point}: it or an ancestor is banned; unban that first")
        became = sum(header.size for header in self._down(header, self.final))
        chain = attrs.evolve(self, final=header, unfinal_bytes=self.unfinal_bytes - became)
        if _descends(self.blocks, self.blocks[self.head.id], header):
            return chain
        return attrs.evolve(chain, head=chain._best())

    def pruned(self) -> tuple[Self, tuple[Header, ...]]:
        """Drop what conflicts with the final block, and of the final chain what is older than the retention.

        The dropped headers come oldest first. Bans of dropped blocks are forgotten with them.
        """
        oldest = self.final.height - self.limits.retention
        base = self.ancestor(self.final.id, oldest) if oldest > self.base.height else self.base
        conflicting = [tip for tip in self.tips if not _descends(self.blocks, self.blocks[tip], self.final)]
        if base == self.base and not conflicting:
            return self, ()
        blocks, tips, banned = self.blocks.mutate(), self.tips.mutate(), self.banned.mutate()
        dropped = []
        for tip in conflicting:
            del tips[tip]
            dropped += _drop(blocks, tip, self.common(tip, self.final.id).height + 1)
        size = self.unfinal_bytes - sum(header.size for header in dropped)
        remaining = tips.finish()
        if base != self.base:
            dropped += _drop(blocks, base.parent, self.base.height)
            _forget_jumps(blocks, remaining, base)
        for header in dropped:
            banned.pop(header.id, None)
        chain = attrs.evolve(
            self, base=base, blocks=blocks.finish(), tips=remaining, banned=banned.finish(), unfinal_bytes=size
        )
        return chain, tuple(sorted(dropped, key=lambda header: (header.height, header.id)))

    # Banning ----------------------------------------------------------------------------------------------------

    def ban(self, id: bytes) -> Self:
        """Bar a block and its descendants from being the head, now and when they arrive.

        As many bans may wait for a block that is not held as ``limits.bans`` allows. What is final can not be banned.
        """
        if id in self.banned:
            return self
        if id in self:
            if self.is_ancestor(id, self.final.id):
                raise LocalError(f"can not ban {id.hex()}: it is final, at or below {self.final.point}")
        elif sum(other not in self for other in self.banned) >= self.limits.bans:
            raise LocalError(f"can not ban {id.hex()}: {self.limits.bans} bans wait for their block; unban one first")
        return self._with_bans(self.banned.set(id, None), id)

    def unban(self, id: bytes) -> Self:
        """Undo ``ban``. Descendants stay barred only by another ban. An id that is not banned changes nothing."""
        return self._with_bans(self.banned.delete(id), id) if id in self.banned else self

    def _with_bans(self, banned: Map[bytes, None], changed: bytes) -> Self:
        """This chain with other bans, which differ in one id. Costs O(log n) a tip, and O(1) a descendant."""
        if changed not in self:
            return attrs.evolve(self, banned=banned)
        blocks = self.blocks.mutate()
        done = {self.blocks[changed].header.parent}  # branches share a trunk, which is walked once
        for tip in self.tips:
            if self.is_ancestor(changed, tip):
                branch, id = [], tip
                while id not in done:
                    done.add(id)
                    branch.append(id)
                    id = self.blocks[id].header.parent
                for id in reversed(branch):
                    entry = blocks[id]
                    barred = id in banned or blocks[entry.header.parent].barred
                    blocks[id] = msgspec.structs.replace(entry, barred=barred)
        chain = attrs.evolve(self, banned=banned, blocks=blocks.finish())
        return attrs.evolve(chain, head=chain._best())

    def _down(self, header: Header, to: Header) -> Iterator[Header]:
        """A held block and its ancestors, newest first, down to ``to``, which is left out."""
        while header != to:
            yield header
            header = self.blocks[header.parent].header

    def _best(self) -> Header:
        """The head, found anew from the tips. O(log n) for each of them."""
        tips = (self.blocks[tip] for tip in self.tips)
        above = (_clean(self.blocks, tip).header for tip in tips if _descends(self.blocks, tip, self.final))
        return max(above, key=lambda header: header.rank)

    def _entry(self, id: bytes) -> Entry:
        entry = self.blocks.get(id)
        if entry is None:
            raise LocalError(f"block {id.hex()} is not held: ask `id in chain` first, or feed it with extend")
        return entry


class Ancestry(msgspec.Struct, frozen=True):
    """A block and its ancestors, as far as they are held: a ``blocks.Past``."""

    chain: Chain
    parent: Header

    @property
    def oldest(self) -> int:
        """The height of the oldest ancestor that is held."""
        return self.chain.base.height

    def at(self, height: int) -> Header | None:
        """The ancestor at ``height``, up to the parent's own; ``None`` if it is not held. O(log n)."""
        if not self.oldest <= height <= self.parent.height:
            return None
        return self.chain.ancestor(self.parent.id, height)

    def back(self, count: int) -> tuple[Header, ...]:
        """The newest ``count`` of them, oldest first, the parent last; fewer if fewer are held. O(count)."""
        found: list[Header] = []
        header: Header | None = self.parent
        while header is not None and len(found) < count:
            found.append(header)
            header = self.chain.get(header.parent)
        return tuple(reversed(found))


def _at(blocks: Entries, entry: Entry, height: int) -> Entry:
    """The ancestor at ``height``, which must not be below the base, nor above the entry."""
    while entry.header.height > height:
        entry = blocks[entry.jump if entry.low >= height else entry.header.parent]
    return entry


def _descends(blocks: Entries, entry: Entry, header: Header) -> bool:
    return entry.header.height >= header.height and _at(blocks, entry, header.height).header.id == header.id


def _clean(blocks: Entries, entry: Entry) -> Entry:
    """The entry, or if it is barred its highest ancestor that is not."""
    while entry.barred:
        jump = blocks.get(entry.jump)
        entry = jump if jump and jump.barred else blocks[entry.header.parent]
    return entry


def _child(blocks: Entries, parent: Entry, header: Header, barred: bool) -> Entry:
    """The entry of a new child. It jumps over two spans if the parent's jump and the next are equally long."""
    _share(header, parent.header)
    jump = blocks.get(parent.jump)
    low = jump.low if jump else _low(parent.low)
    if parent.header.height - parent.low == parent.low - low:
        return Entry(header, jump.jump if jump else b"", low, barred)
    return Entry(header, parent.header.id, parent.header.height, barred)


def _share(header: Header, parent: Header) -> None:
    """Let a header that is to be kept have the very objects that its parent has, where they are equal: a fifth of what
    it takes. Nobody can tell the difference."""
    if header.parent is not parent.id:
        force_setattr(header, "parent", parent.id)
    if header.size == parent.size and header.size is not parent.size:
        force_setattr(header, "size", parent.size)


def _low(height: int) -> int:
    """Where a jump from ``height`` leads, from the height alone: it drops the smallest skew-binary digit."""
    rest = height
    while True:
        digit = (1 << (rest + 1).bit_length() - 1) - 1  # the greatest 2^k - 1 that fits
        if digit == rest:
            return height - digit
        rest -= digit


def _drop(blocks: MapMutation[bytes, Entry], id: bytes, bottom: int) -> list[Header]:
    """Take out a block and its ancestors down to height ``bottom``, as far as they are still held."""
    dropped = []
    while (entry := blocks.pop(id, None)) is not None:
        dropped.append(entry.header)
        if entry.header.height == bottom:
            break
        id = entry.header.parent
    return dropped


def _forget_jumps(blocks: MapMutation[bytes, Entry], tips: Map[bytes, None], base: Header) -> None:
    """Empty the jumps that lead below the base, so that equal content stays equal whenever it was pruned.

    Jumps nest: what lies between a block and its jump's end does not jump below that end, and can be skipped. So
    each tip costs O(log n).
    """
    blocks[base.id] = msgspec.structs.replace(blocks[base.id], jump=b"")
    for id in tips:
        while id != base.id:
            entry = blocks[id]
            if entry.low >= base.height:
                id = entry.jump
                continue
            if entry.jump:
                blocks[id] = msgspec.structs.replace(entry, jump=b"")
            id = entry.header.parent
