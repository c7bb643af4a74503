"""Chain: the blocks a node holds, as a persistent value.

The blocks form a ``tree``. Its root is ``base``, the oldest block held; ``final`` is the newest block that can not be
undone; ``confirmed`` is the newest that a source of truth has, and may still take back: ``final`` itself if there is
none. ``head`` is the best block: of the blocks that descend from ``confirmed`` and are not barred, the one with the
greatest rank. The best chain runs from ``base`` through ``final`` and ``confirmed`` to ``head``. Every change returns a
new chain and shares what is the same with the old one. Equal content means equal chains, in whatever order it came.
"""

import enum
from collections.abc import Iterable
from typing import Self

import attrs
import msgspec
from immutables import Map, MapMutation

from syncfsm.blocks import Header, Point
from syncfsm.chain.runs import Run
from syncfsm.chain.tree import Spot, Tree, TreeMutation
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


@attrs.frozen(cache_hash=True)
class Chain:
    """The block tree. Make one with ``start``; every method is pure.

    ``tips`` are the ids of the leaves, ``banned`` the ids banned by name, be they held or still to come. An id names
    one block for ever: of two headers with one id the first is believed.
    """

    head: Header
    confirmed: Header
    final: Header
    base: Header
    blocks: Tree
    tips: Map[bytes, None]
    banned: Map[bytes, None]
    limits: Limits
    unfinal_bytes: int = 0
    """Bytes of the bodies of all blocks that are not on the chain from the base to the final block."""

    @classmethod
    def start(cls, root: Header, limits: Limits = Limits()) -> Self:  # noqa: B008  a frozen value
        """The chain that holds ``root`` alone, as base, final, confirmed and head: a genesis or a trusted
        snapshot."""
        return cls(root, root, root, root, Tree.start(root), Map({root.id: None}), Map(), limits)

    # Growing ----------------------------------------------------------------------------------------------------

    def extend(self, run: Iterable[Header], bounded: bool = True) -> tuple[Self, tuple[Outcome, ...]]:
        """Insert headers one after the other, and tell for each what became of it. Never raises on a bad header.
        Unless it is to be ``bounded``, the limits do not hold: whoever gave these can not be told to come again.

        Cheap for a run of children, and for children of the head: O(1) each. A header that starts elsewhere costs
        O(log n) more.
        """
        blocks, tips, head = self.blocks.mutate(), self.tips.mutate(), self.head
        outcomes, size, pinned = [], self.unfinal_bytes, self.confirmed.id != self.final.id
        unfinal = before = len(self.blocks) - (self.final.height - self.base.height + 1)
        sound, barred = head, False  # a block known to descend from the final one, so its child need not be checked
        leaf = None  # the last block that was inserted: a tip, and noted as one only if its child does not follow
        for header in run:
            follows = header.parent == leaf
            if not follows and leaf is not None:
                tips[leaf] = None
                leaf = None
            refused = self._refused(header, blocks, tips, sound, follows, unfinal, size)
            if refused is not None and (bounded or refused is not Outcome.FULL):
                outcomes.append(refused)
                continue
            if not follows:
                tips.pop(header.parent, None)
                if header.parent != sound.id:
                    barred = blocks.barred(header.parent)
            barred = barred or header.id in self.banned
            blocks.add(header, barred)
            sound = header
            leaf = header.id
            unfinal += 1
            size += header.size
            if barred:
                outcomes.append(Outcome.BANNED)
                continue
            outcomes.append(Outcome.NEW)
            if header.parent == head.id or (header.rank > head.rank and not (pinned and self._strays(header, blocks))):
                head = header  # a child is better than its parent
        if unfinal == before:
            return self, tuple(outcomes)
        if leaf is not None:
            tips[leaf] = None
        chain = type(self)(  # ``attrs.evolve`` takes twice as long
            head, self.confirmed, self.final, self.base, blocks.finish(), tips.finish(), self.banned, self.limits, size
        )
        return chain, tuple(outcomes)

    def _refused(
        self, header: Header, blocks: TreeMutation, tips: MapMutation[bytes, None], sound: Header, follows: bool,
        unfinal: int, size: int,
    ) -> Outcome | None:  # fmt: skip
        """Why ``header`` is not to be inserted, ``None`` if it is. ``follows``: it is the child of the tip ``sound``,
        which is not in ``tips``. ``unfinal`` and ``size``: how many blocks are not on the final chain so far, and their
        bytes."""
        if header.id in blocks:
            return Outcome.KNOWN
        child = follows or header.parent == sound.id
        parent = sound if child else blocks.get(header.parent)
        if parent and (header.height != parent.height + 1 or header.score <= parent.score):
            return Outcome.INVALID
        if not child:
            final = self.final
            if header.height <= final.height:
                return Outcome.BELOW_FINAL
            if parent is None:
                return Outcome.UNLINKABLE
            if not blocks.descends(blocks.held(parent.id), final.id, final.height):
                return Outcome.BELOW_FINAL
        limits = self.limits
        crowded = not follows and len(tips) >= limits.tips and header.parent not in tips
        full = unfinal >= limits.unfinal or size + header.size > limits.unfinal_bytes or crowded
        return Outcome.FULL if full else None

    def _strays(self, header: Header, blocks: TreeMutation) -> bool:
        """Is this block, which is held by now, on a branch without the confirmed block?"""
        confirmed = self.confirmed
        return not blocks.descends(blocks.held(header.id), confirmed.id, confirmed.height)

    # Asking -----------------------------------------------------------------------------------------------------

    def __contains__(self, id: bytes) -> bool:
        """Whether the block is held."""
        return id in self.blocks

    def get(self, id: bytes) -> Header | None:
        """The header of a held block, else ``None``."""
        return self.blocks.get(id)

    def those_held(self, points: Iterable[Point]) -> list[Header]:
        """The headers of those of these blocks that are held, in this order. The ids count, not the heights."""
        return self.blocks.those_held(points)

    def ancestor(self, id: bytes, height: int) -> Header:
        """The block of the chain that ends with ``id`` at ``height``, from the base up to its own height. O(log n)."""
        run, top = self._spot(id)
        if not self.base.height <= height <= top:
            span = f"from {self.base.height}, the base, to its own height {top}"
            raise LocalError(f"block {Point(top, id)} has no held ancestor at height {height}: ask {span}")
        return self.blocks.at(run, height).at(height)

    def common(self, a: bytes, b: bytes) -> Header:
        """The nearest common ancestor of two held blocks, which may be one of them. O(log n)."""
        if a == b:
            return self._held(a)
        run, height = self.blocks.common(self._spot(a), self._spot(b))
        return run.at(height)

    def is_ancestor(self, a: bytes, b: bytes) -> bool:
        """Whether held block ``b`` descends from held block ``a``, or is the same block. O(log n)."""
        above = self.blocks.recent.get(a)
        height = above.height if above is not None else self._spot(a)[1]
        return self.blocks.descends(self._spot(b), a, height)

    def descends(self, block: Header, ancestor: Header | Point) -> bool:
        """The same for those whose headers are at hand: quicker, as their heights are known."""
        return self.blocks.descends(self.blocks.spot(block), ancestor.id, ancestor.height)

    def barred(self, id: bytes) -> bool:
        """Whether a held block or an ancestor of it is banned."""
        run, height = self._spot(id)
        return height >= run.barred

    def best_at(self, height: int) -> Header | None:
        """The block of the best chain at ``height``, ``None`` if that is below the base or above the head. O(log n)."""
        if not self.base.height < height <= self.head.height:
            return self.base if height == self.base.height else None
        return self._best_run(height).at(height)

    def on_best(self, point: Point) -> bool:
        """Whether the best chain holds this block at this height; any point may be asked for. O(log n)."""
        held = self.base.height <= point.height <= self.head.height
        return held and self._best_run(point.height).id_at(point.height) == point.id

    def path(self, after: Header, count: int) -> tuple[Header, ...]:
        """The next ``count`` headers of the best chain above ``after``, fewer at its end. O(log n + count)."""
        height = after.height
        if count >= 0 and self.base.height <= height <= self.head.height:
            top = min(height + count, self.head.height)
            run = self._best_run(top)
            found = run.between(height, top) if run.low <= height else self.blocks.line((run, top), height)
            if found[0].id == after.id:
                return tuple(found[1:])
        raise LocalError(
            f"no path of {count} blocks after {after.point}: ask for 0 or more, after a block of the best chain, "
            f"which runs from {self.base.point} to {self.head.point}"
        )

    def past(self, id: bytes) -> "Ancestry":
        """What a child of this held block stands on, for whoever checks that child."""
        return Ancestry(self, self._held(id))

    # Truth ------------------------------------------------------------------------------------------------------

    def confirm(self, point: Point) -> Self:
        """Pin the best chain to a held block. If that is not on it, the head becomes the best block above that.

        Confirmed may move back, and to another branch, as long as final stays. A point of the final chain at or below
        the final block confirms no more than that. ``LocalError`` if the block is not held, banned, or contradicts what
        is final.
        """
        if point.height <= self.final.height:
            if point.height >= self.base.height and not self.on_best(point):
                raise self._contradicts("confirm", point)
            point = self.final.point
        run, height = self._clean(point, "confirm")
        if point.id == self.confirmed.id:
            return self
        forward = self.is_ancestor(self.confirmed.id, point.id)
        chain = attrs.evolve(self, confirmed=run.at(height))
        return chain if forward and self.descends(self.head, point) else attrs.evolve(chain, head=chain._best())

    def finalise(self, point: Point) -> Self:
        """Make a held block final, and so confirmed. If it is not on the best chain, the head becomes the best block
        above it.

        Nothing is dropped yet: that is what ``pruned`` does, once the switch of heads has been dealt with. A point
        of the final chain at or below the final block changes nothing. ``LocalError`` as with ``confirm``.
        """
        blocks, spot, final = self.blocks, self.blocks.find(point.id), self.final
        if spot is not None and spot[1] == point.height and self.descends(final, point):
            return self
        run, height = self._clean(point, "finalise")
        became = sum(run.size(low, high) for run, low, high in blocks.down((run, height), final.height + 1))
        header = run.at(height)
        confirmed = self.confirmed if self.descends(self.confirmed, point) else header
        chain = attrs.evolve(self, final=header, confirmed=confirmed, unfinal_bytes=self.unfinal_bytes - became)
        return chain if self.descends(self.head, confirmed) else attrs.evolve(chain, head=chain._best())

    def _clean(self, point: Point, what: str) -> Spot:
        """Where a block stands that may be confirmed, or finalised; ``LocalError`` if it may not."""
        blocks, spot, final = self.blocks, self.blocks.find(point.id), self.final
        if spot is None or spot[1] != point.height:
            below = point.height < self.base.height
            advice = f"it is below the base {self.base.point}" if below else "feed the block first, with extend"
            raise LocalError(f"can not {what} {point}: no such block is held at that height; {advice}")
        if not blocks.descends(spot, final.id, final.height):
            raise self._contradicts(what, point)
        if spot[1] >= spot[0].barred:
            raise LocalError(f"can not {what} {point}: it or an ancestor is banned; unban that first")
        return spot

    def _contradicts(self, what: str, point: Point) -> LocalError:
        return LocalError(f"can not {what} {point}: it contradicts {self.final.point}, which is final already")

    def pruned(self) -> tuple[Self, tuple[Header, ...]]:
        """Drop what conflicts with the final block, and of the final chain what is older than the retention.

        The dropped headers come oldest first. Bans of dropped blocks are forgotten with them.
        """
        final, oldest = self.final, self.final.height - self.limits.retention
        conflicting = self._conflicting()
        if oldest <= self.base.height and not conflicting:
            return self, ()
        blocks, tips, banned = self.blocks.mutate(), self.tips.mutate(), self.banned.mutate()
        dropped: list[Header] = []
        for tip in conflicting:
            del tips[tip]
            dropped += blocks.drop(tip, self.common(tip, final.id).height + 1)
        size, base = self.unfinal_bytes - sum(header.size for header in dropped), self.base
        if oldest > base.height:
            base = self.blocks.at(self.blocks.run(final.id, final.height), oldest).at(oldest)
            dropped += blocks.raise_low(oldest)
        for header in dropped:
            banned.pop(header.id, None)
        chain = attrs.evolve(
            self, base=base, blocks=blocks.finish(), tips=tips.finish(), banned=banned.finish(), unfinal_bytes=size
        )
        return chain, tuple(sorted(dropped, key=lambda header: (header.height, header.id)))

    def _conflicting(self) -> list[bytes]:
        """The tips that do not descend from the final block; the head does."""
        head, final = self.head.id, self.final
        others = [tip for tip in self.tips if tip != head]
        return [tip for tip in others if not self.blocks.descends(self._spot(tip), final.id, final.height)]

    # Banning ----------------------------------------------------------------------------------------------------

    def ban(self, id: bytes) -> Self:
        """Bar a block and its descendants from being the head, now and when they arrive.

        As many bans may wait for a block that is not held as ``limits.bans`` allows. What is confirmed can not be
        banned.
        """
        if id in self.banned:
            return self
        if id in self:
            if self.is_ancestor(id, self.confirmed.id):
                word, newest = (
                    ("final", self.final) if self.is_ancestor(id, self.final.id) else ("confirmed", self.confirmed)
                )
                raise LocalError(f"can not ban {id.hex()}: it is {word}, at or below {newest.point}")
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
        blocks.bar(changed, self.tips, banned)
        chain = attrs.evolve(self, banned=banned, blocks=blocks.finish())
        return attrs.evolve(chain, head=chain._best())

    def _best(self) -> Header:
        """The head, found anew from the tips. O(log n) for each of them."""
        blocks, pin = self.blocks, self.confirmed
        above = [spot for spot in map(self._spot, self.tips) if blocks.descends(spot, pin.id, pin.height)]
        return max((run.at(height) for run, height in map(blocks.clean, above)), key=lambda header: header.rank)

    def _best_run(self, height: int) -> Run:
        """The run of the best chain at a height from the base to the head."""
        blocks, head = self.blocks, self.head
        return blocks.at(blocks.run(head.id, head.height), height)

    def _held(self, id: bytes) -> Header:
        header = self.blocks.get(id)
        if header is None:
            raise _unheld(id)
        return header

    def _spot(self, id: bytes) -> Spot:
        spot = self.blocks.find(id)
        if spot is None:
            raise _unheld(id)
        return spot


def _unheld(id: bytes) -> LocalError:
    return LocalError(f"block {id.hex()} is not held: ask `id in chain` first, or feed it with extend")


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
        blocks, parent = self.chain.blocks, self.parent
        bottom = max(self.oldest, parent.height - count + 1)
        return tuple(blocks.line(blocks.held(parent.id), bottom))
