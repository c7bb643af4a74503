"""What the stores have in common: what a change must be like, and dropping in portions."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final

import attrs
import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import BlockStore, Change, Standing, damaged

PORTION: Final = 1024
"""Most blocks that are dropped at once: some milliseconds."""
_BY_HEIGHT: Final = attrgetter("height")


@attrs.frozen
class Pruning:
    """Headers that are to go, the oldest first, of which ``left`` are left, and the base when all are gone.

    They go from the newest to the oldest: children before their parents, so that at no time a block is held whose
    parent is not. On that way ``line`` is the next ancestor of the base, which is history.
    """

    dropped: Sequence[Header]
    left: int
    line: bytes
    base: Point

    def portion(self, most: int) -> tuple[list[Header], "Pruning"]:
        """What goes next, and what is left then."""
        gone, line = [], self.line
        left = max(0, self.left - most)
        for header in reversed(self.dropped[left : self.left]):
            if header.id == line:
                line = header.parent
            else:
                gone.append(header)
        return gone, attrs.evolve(self, left=left, line=line)


class CheckedStore(BlockStore):
    """Checks every change. ``_write``, ``_holds``, ``_from`` and ``header`` are the store's own."""

    _standing: Standing
    _keep_history: bool
    _prunings: tuple[Pruning, ...] = ()
    """What is still to be dropped; the bases advance from one to the next."""

    @abstractmethod
    def __str__(self) -> str:
        """How messages name this store."""

    @abstractmethod
    def _write(self, change: Change, removed: Sequence[Header], standing: Standing) -> None:
        """Carry out a checked change, of whose ``dropped`` these are ``removed`` now, whole or not at all."""

    @abstractmethod
    def _holds(self, height: int, id: bytes) -> bool:
        """Whether the block is held."""

    @abstractmethod
    def _from(self, height: int) -> Iterator[Header]:
        """All held headers from this height up, the lower before the higher. One may come twice."""

    @property
    def standing(self) -> Standing:
        return self._standing

    def commit(self, change: Change) -> None:
        added = self._check_blocks(change.blocks)
        goal = self._prunings[-1].base if self._prunings else self._standing.base
        prunings = self._prunings
        if change.dropped or (change.base is not None and change.base != goal):
            prunings += (self._pruning(change, change.base or goal),)
        removed, rest, base = _advance(prunings, PORTION)
        held = [header for header in removed if self._holds(header.height, header.id)]
        if len(held) < len(removed) and not self._prunings:
            lost = next(header.point for header in removed if not self._holds(header.height, header.id))
            raise LocalError(f"can not drop block {lost}: it is not held; drop what the chain has dropped, once")
        standing = self._check_points(change, added, held, goal, base or self._standing.base)
        self._write(change, held, standing)
        self._standing, self._prunings = standing, rest

    def tidy(self) -> bool:
        if self._prunings:
            self.commit(Change())
        return bool(self._prunings)

    def headers_from_base(self) -> Iterator[Header]:
        base = self._standing.base
        named = ((base, "base"), (self._standing.final, "final block"), (self._standing.head, "head"))
        missing = {point.id for point, _ in named}
        height = base.height - 1
        here: set[bytes] = set()  # what descends from the base at this height, and was there already
        for header in self._from(base.height):
            id = header.id
            if header.height != height:
                below, here = here if header.height == height + 1 else set(), set()
                height = header.height
            if id not in here and (header.parent in below or (id == base.id and height == base.height)):
                here.add(id)
                missing.discard(id)
                yield header
        for point, name in named:
            if point.id in missing:
                raise damaged(self, f"its {name} {point} does not descend from its base, or is missing")

    def best_chain(self) -> Iterator[Point]:
        chain = []
        point = self._standing.head
        while (header := self.header(point)) is not None:
            chain.append(point)
            if not header.parent:
                break
            point = Point(header.height - 1, header.parent)
        if not chain or chain[-1].height > self._standing.base.height:
            raise damaged(self, f"block {point} of the best chain is missing")
        return reversed(chain)

    def mend(self, header: Header, body: bytes) -> bool:
        if header.point not in self.lost or self.header(header.point) != header or len(body) != header.size:
            return False
        self._rewrite([(header, body)])
        return True

    @abstractmethod
    def _rewrite(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Store the bodies of held blocks once more."""

    def _check_blocks(self, blocks: Sequence[tuple[Header, bytes]]) -> dict[bytes, int]:
        """The heights of the new blocks by id."""
        added: dict[bytes, int] = {}
        for header, body in blocks:
            if len(body) != header.size:
                detail = f"its body has {len(body)} bytes, its header says {header.size}"
                raise LocalError(f"can not store block {header.point}: {detail}; give each header its own body")
            if added.get(header.parent) != header.height - 1 and not self._may_follow(header):
                raise LocalError(f"can not store block {header.point}: its parent is not held; store that first")
            if header.id in added or self._holds(header.height, header.id):
                raise LocalError(f"can not store block {header.point}: it is held already; store each block once")
            added[header.id] = header.height
        return added

    def _may_follow(self, header: Header) -> bool:
        return header.height > 0 and self._holds(header.height - 1, header.parent)

    def _pruning(self, change: Change, base: Point) -> Pruning:
        """What this change drops, with a base that ``_check_points`` has not looked at yet."""
        root = self.header(base) if change.dropped else None
        dropped = sorted(change.dropped, key=_BY_HEIGHT)  # costs little, as the core gives them in this order
        fresh = (header.parent for header, _ in change.blocks if header.id == base.id)
        return Pruning(dropped, len(dropped), root.parent if root else next(fresh, b""), base)

    def _check_points(
        self, change: Change, added: dict[bytes, int], removed: Sequence[Header], goal: Point, base: Point
    ) -> Standing:
        """The standing after the change, when the base is ``base`` and to become what the change says, or ``goal``."""
        old = self._standing
        gone = {header.id for header in removed}
        head, final, next_base = change.head or old.head, change.final or old.final, change.base or goal
        for name, point, before in (
            ("head", head, old.head),
            ("final block", final, old.final),
            ("base", next_base, goal),
        ):
            held = point == before or added.get(point.id) == point.height or self._holds(point.height, point.id)
            if point.id in gone or not held:
                raise LocalError(f"{point} can not be the {name}: that block is not held then; store it, or keep it")
        if not (goal.height <= next_base.height <= final.height <= head.height and old.final.height <= final.height):
            raise LocalError(
                f"base {next_base}, final block {final} and head {head} do not follow base {goal} and final block "
                f"{old.final}: base and final block only advance, in the order base, final block, head"
            )
        banned = old.banned
        if change.ban or change.unban or (banned and gone):
            banned = tuple(sorted({*banned, *change.ban} - {*change.unban, *gone}))
        return msgspec.structs.replace(old, head=head, final=final, base=base, banned=banned)


def _advance(prunings: tuple[Pruning, ...], most: int) -> tuple[list[Header], tuple[Pruning, ...], Point | None]:
    """What goes now, what is left, and the base that is reached."""
    removed: list[Header] = []
    base = None
    while prunings and most > 0:
        most -= prunings[0].left
        gone, rest = prunings[0].portion(most + prunings[0].left)
        removed += gone
        if rest.left:
            return removed, (rest, *prunings[1:]), base
        base = rest.base
        prunings = prunings[1:]
    return removed, prunings, base
