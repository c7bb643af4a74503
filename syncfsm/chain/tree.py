"""Tree: the headers of many blocks, and who descends from whom, as a persistent value.

Heights are divided into spans. What a branch has in a span is a run; where branches part within a span, there are
several. Each run keeps, beside its parent, one jump to a far ancestor (E. Myers, "An applicative random-access stack",
1983). How far it jumps depends on the span alone, so two runs of one span jump to one height, and so ancestors and
common ancestors are found in O(log n) look-ups.

How the blocks are divided into runs depends on the order in which they came, and can not be seen: trees are equal if
they hold the same headers. Nor can the hashes be seen by which packed blocks are found: a run of which an id has the
key of another block stays loose.
"""

from collections.abc import Container, Iterable, Iterator
from operator import attrgetter
from typing import Final, Self

import msgspec
from immutables import Map, MapMutation

from syncfsm.blocks import Header, Point
from syncfsm.chain.runs import NEVER, Loose, Packed, Run

SPAN: Final = 128
"""Heights of a span. A block at the head costs more with longer ones, and one that is old takes less."""

GROUP: Final = 2
"""Heights that share one number in the index: the more, the less memory it takes, and the longer it takes."""
KEY: Final = 2**60 - 1
"""What is used of an id's hash."""
Spot = tuple[Run, int]
"""Where a held block is: its run, and its height."""


class _Lookups:
    """What can be asked of a tree, while it is being changed or not."""

    __slots__ = ()
    span: int
    low: int
    spans: Map[int, tuple[Run, ...]] | MapMutation[int, tuple[Run, ...]]
    recent: Map[bytes, Header] | MapMutation[bytes, Header]
    index: Map[int, int] | MapMutation[int, int]

    def __len__(self) -> int:
        return len(self.recent) + len(self.index)

    def __contains__(self, id: bytes) -> bool:
        return id in self.recent or (hash(id) & KEY in self.index and self._packed(id) is not None)

    def get(self, id: bytes) -> Header | None:
        """The header of a held block, else ``None``."""
        header = self.recent.get(id)
        if header is None and hash(id) & KEY in self.index and (found := self._packed(id)) is not None:
            run, height = found
            return run.at(height)
        return header

    def find(self, id: bytes) -> Spot | None:
        """Where a block is, ``None`` if it is not held."""
        header = self.recent.get(id)
        if header is None:
            return self._packed(id)
        return self.run(id, header.height), header.height

    def spot(self, header: Header) -> Spot:
        """Where a block is whose header is held."""
        return self.run(header.id, header.height), header.height

    def held(self, id: bytes) -> Spot:
        """Where a held block is."""
        found = self.find(id)
        if found is None:
            raise KeyError(id)
        return found

    def _packed(self, id: bytes) -> Spot | None:
        """Where a block is, if it is in a packed run."""
        group = self.index.get(hash(id) & KEY)
        if group is None:
            return None
        for height in range(group * GROUP, (group + 1) * GROUP):
            for run in self.spans.get(height // self.span, ()):
                if run.low <= height <= run.top and run.id_at(height) == id:
                    return run, height
        return None

    def run(self, id: bytes, height: int) -> Run:
        """The run of a held block."""
        runs = self.spans[height // self.span]
        if len(runs) > 1:
            for run in runs:
                if run.low <= height <= run.top and run.id_at(height) == id:
                    return run
        return runs[0]

    def _runs(self, a: bytes, b: bytes, height: int) -> tuple[Run, Run]:
        """The runs of two held blocks at one height."""
        runs = self.spans[height // self.span]
        x = y = runs[0]
        for run in runs if len(runs) > 1 else ():
            if run.low <= height <= run.top:
                id = run.id_at(height)
                x, y = run if id == a else x, run if id == b else y
        return x, y

    def at(self, run: Run, height: int) -> Run:
        """The run of the ancestor at a height, which must be held, and not above this run."""
        while run.low > height:
            run = self.run(run.jump, run.far) if run.far >= height else self.run(run.parent, run.low - 1)
        return run

    def descends(self, spot: Spot, id: bytes, height: int) -> bool:
        """Whether a block descends from the one with this id at this height, which is held, or is that block."""
        return spot[1] >= height and self.at(spot[0], height).id_at(height) == id

    def common(self, a: Spot, b: Spot) -> Spot:
        """The nearest common ancestor of two blocks, which may be one of them."""
        height = min(a[1], b[1])
        x, y = self.at(a[0], height), self.at(b[0], height)
        while x is not y:
            if x.jump != y.jump and x.far >= self.low:  # as they are in one span, both jump that far
                height = x.far
                x, y = self._runs(x.jump, y.jump, height)
            elif x.low == y.low:  # if their jumps meet, the answer is there or above: one step
                height = x.low - 1
                x, y = self._runs(x.parent, y.parent, height)
            else:
                height = max(x.low, y.low) - 1
                x, y = self.at(x, height), self.at(y, height)
        return x, height

    def clean(self, spot: Spot) -> Spot:
        """The block, or if it is barred its highest ancestor that is not; there must be one."""
        run, height = spot
        while run.barred <= run.low:
            far = self.run(run.jump, run.far) if run.far >= self.low else None
            if far is not None and far.barred <= run.far:
                run, height = far, run.far
            else:
                height = run.low - 1
                run = self.run(run.parent, height)
        return run, min(height, run.barred - 1)

    def down(self, spot: Spot, bottom: int) -> Iterator[tuple[Run, int, int]]:
        """The block and its ancestors down to a height that is held: run by run, newest first, each from a height to
        another, both included."""
        run, high = spot
        while run.low > bottom:
            yield run, run.low, high
            high = run.low - 1
            run = self.run(run.parent, high)
        if high >= bottom:
            yield run, bottom, high

    def line(self, spot: Spot, bottom: int) -> list[Header]:
        """The block and its ancestors down to a height that is held, oldest first."""
        parts = [run.between(low, high) for run, low, high in self.down(spot, bottom)]
        return [header for part in reversed(parts) for header in part]


class Tree(_Lookups, msgspec.Struct, frozen=True, eq=False, gc=False):
    """Headers by their ids, each but one the child of another. ``low`` is the height of that one.

    ``recent`` has the headers of loose runs by their ids, ``index`` for those in packed runs about where they are: the
    height divided by ``GROUP``, by a hash of the id. Numbers are kept, as they are small and many blocks share one.
    """

    span: int
    low: int
    spans: Map[int, tuple[Run, ...]]
    recent: Map[bytes, Header]
    index: Map[int, int]

    @classmethod
    def start(cls, root: Header, span: int = SPAN) -> Self:
        """The tree of one block."""
        low, number = root.height, root.height // span
        run = Loose(low, low, root.parent, _far(number, span), b"", NEVER, (root,))
        return cls(span, low, Map({number: (run,)}), Map({root.id: root}), Map())

    def mutate(self) -> "TreeMutation":
        return TreeMutation(self)

    def those_held(self, points: Iterable[Point]) -> list[Header]:
        """The headers of those of these blocks that are held, as far as their ids tell."""
        recent, index = self.recent, self.index
        likely = [id for point in points if (id := point.id) in recent or hash(id) & KEY in index]
        return [header for header in map(self.get, likely) if header is not None] if likely else []

    def headers(self) -> Iterator[Header]:
        """All headers, in no order."""
        for runs in self.spans.values():
            for run in runs:
                yield from run.between(run.low, run.top)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        if self is other or self.spans == other.spans:
            return True
        return len(self) == len(other) and all(other.get(header.id) == header for header in self.headers())

    def __hash__(self) -> int:
        return hash((self.low, len(self)))


class TreeMutation(_Lookups):
    """A tree while it is being changed.

    The run that grows is kept open, apart from the others: it is closed before anything but a block's id is asked for.
    """

    __slots__ = ("_barred", "_new", "_open", "_tip", "index", "low", "recent", "span", "spans")
    spans: MapMutation[int, tuple[Run, ...]]
    recent: MapMutation[bytes, Header]
    index: MapMutation[int, int]

    def __init__(self, tree: Tree) -> None:
        self.span, self.low = tree.span, tree.low
        self.spans, self.recent, self.index = tree.spans.mutate(), tree.recent.mutate(), tree.index.mutate()
        self._open: Loose | None = None
        """What the open run began as."""
        self._new: dict[bytes, Header] = {}
        """The blocks that it has beyond that."""
        self._tip: bytes | None = None
        """The last of them."""
        self._barred = NEVER

    def finish(self) -> Tree:
        self._close()
        return Tree(self.span, self.low, self.spans.finish(), self.recent.finish(), self.index.finish())

    def __contains__(self, id: bytes) -> bool:
        if id in self._new or id in self.recent:
            return True
        return hash(id) & KEY in self.index and self._packed(id) is not None

    def get(self, id: bytes) -> Header | None:
        self._close()
        return super().get(id)

    def find(self, id: bytes) -> Spot | None:
        self._close()
        return super().find(id)

    def barred(self, id: bytes) -> bool:
        """Whether a held block or an ancestor of it is banned."""
        run, height = self.held(id)
        return height >= run.barred

    # Blocks come ------------------------------------------------------------------------------------------------

    def add(self, header: Header, barred: bool) -> None:
        """A block that is not held, and whose parent is. ``barred``: it or an ancestor is banned."""
        if header.parent != self._tip or header.height % self.span == 0:
            self._begin(header)
        if barred and self._barred == NEVER:
            self._barred = header.height
        self._new[header.id] = header
        self._tip = header.id

    def _begin(self, header: Header) -> None:
        """Open the run to which a block is to be added."""
        if self._open is not None:
            self._close()
        low, below = header.height, header.height - 1
        run = self.run(header.parent, below)
        if low % self.span == 0:
            far = _far(low // self.span, self.span)
            jump = self.at(run, far).id_at(far) if far >= self.low else b""
        elif isinstance(run, Loose) and run.top == below:
            self._open, self._barred = run, run.barred
            return
        else:
            far, jump = run.far, run.jump
        self._open = Loose(low, below, header.parent, far, jump, NEVER, ())
        self._barred = NEVER

    def _close(self) -> None:
        """Put the open run where it belongs. If it has reached the top of its span, pack what the branch has there."""
        if self._open is None:
            return
        old, new = self._open, self._new
        self._open, self._new, self._tip = None, {}, None
        headers = old.headers + tuple(new.values())
        top = old.low + len(headers) - 1
        run = Loose(old.low, top, old.parent, old.far, old.jump, self._barred, headers)
        if (top + 1) % self.span or not self._pack(old, run, old.headers):
            self._replace(old, run)
            for id, header in new.items():
                self.recent[id] = header
            return
        below: Run = run
        while below.low % self.span and below.low > self.low:
            below = self.run(below.parent, below.low - 1)
            if isinstance(below, Loose):
                self._pack(below, below, below.headers)

    def _pack(self, old: Loose, run: Loose, listed: Iterable[Header]) -> bool:
        """Put this run, packed, in the place of an old one, and whether that was done. Of its headers, ``listed`` are
        in ``recent``."""
        index = self.index
        keys = [hash(header.id) & KEY for header in run.headers]
        if len(set(keys)) < len(keys) or any(map(index.__contains__, keys)):
            return False  # two ids have one key, which hardly ever happens: the run stays as it is
        for header in listed:
            del self.recent[header.id]
        groups = [group for group in range(run.low // GROUP, run.top // GROUP + 1) for _ in range(GROUP)]
        for key, group in zip(keys, groups[run.low % GROUP :], strict=False):
            index[key] = group
        self._replace(old, run.packed())
        return True

    # Blocks go --------------------------------------------------------------------------------------------------

    def drop(self, tip: bytes, bottom: int) -> list[Header]:
        """Take out a block, its ancestors down to height ``bottom`` and what descends from these in their runs, as far
        as they are still held."""
        dropped: list[Header] = []
        found = self.find(tip)
        while found is not None:
            run, _ = found
            low = max(run.low, bottom)
            dropped += run.between(low, run.top)
            self._cut(run, run.low, low - 1)
            found = self.find(run.parent) if low > bottom else None
        return dropped

    def raise_low(self, low: int) -> list[Header]:
        """Take out all that is below this height. Only one branch may be there."""
        dropped: list[Header] = []
        for number in range(self.low // self.span, low // self.span + 1):
            for run in self.spans[number]:
                if run.low < low:
                    dropped += run.between(run.low, min(run.top, low - 1))
                    self._cut(run, low, run.top)
        self.low = low
        return dropped

    def _cut(self, run: Run, low: int, high: int) -> None:
        """Keep of a run what is between these heights, both included."""
        low, high = max(low, run.low), min(high, run.top)
        self._forget(run, run.low, min(low - 1, run.top))
        self._forget(run, max(high + 1, low), run.top)
        self._replace(run, run.part(low, high) if low <= high else None)

    def _forget(self, run: Run, low: int, high: int) -> None:
        """What is between these heights is no more to be found by its id."""
        ids = run.ids(low, high) if low <= high else []
        for id in ids:
            if isinstance(run, Packed):
                del self.index[hash(id) & KEY]
            else:
                del self.recent[id]

    def _replace(self, old: Run, new: Run | None) -> None:
        number = old.low // self.span
        left: tuple[Run, ...] = self.spans.get(number, ())
        if len(left) == 1 and left[0] is old:
            left = ()
        elif left:
            left = tuple([run for run in left if run is not old])
        if new is not None:
            self.spans[number] = (*left, new)
        elif left:
            self.spans[number] = left
        else:
            del self.spans[number]

    # Bans -------------------------------------------------------------------------------------------------------

    def bar(self, changed: bytes, tips: Iterable[bytes], banned: Container[bytes]) -> None:
        """Bring what descends from a held block in line with these bans, which may name it or no longer do. All leaves
        of the tree are to be given."""
        _, height = self.held(changed)
        runs: dict[bytes, Run] = {}  # by their first block; branches share a trunk, which is walked once
        for tip in tips:
            spot = self.held(tip)
            if not self.descends(spot, changed, height):
                continue
            for run, _, _ in self.down(spot, height):
                if (first := run.id_at(run.low)) in runs:
                    break
                runs[first] = run
        for run in sorted(runs.values(), key=attrgetter("low")):
            below = self.run(run.parent, run.low - 1) if run.low > self.low else None
            if below is not None and below.barred < run.low:
                barred = run.low
            else:
                barred = next((at for at, id in enumerate(run.ids(run.low, run.top), run.low) if id in banned), NEVER)
            self._replace(run, msgspec.structs.replace(run, barred=barred))


def _far(number: int, span: int) -> int:
    """Where the jumps of a span lead: to the top of a span below, or to no block, -1. Of the count of spans up to this
    one, they drop the smallest skew-binary digit."""
    rest = number + 1
    while (digit := (1 << (rest + 1).bit_length() - 1) - 1) < rest:  # the greatest 2^k - 1 that fits
        rest -= digit
    return (number + 1 - digit) * span - 1
