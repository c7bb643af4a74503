"""Runs: blocks of one branch that follow one another, all in one span of heights.

A run is loose, with its headers as they came, until it has reached the top of its span; then it is packed: one byte
string for the ids of all, one for the scores, one for the proofs. That is a third of what the headers take, and a
header is made from it when it is asked for.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Self

import msgspec

from syncfsm.blocks import Header
from syncfsm.limits import MAX_HEIGHT

NEVER: Final = MAX_HEIGHT + 1
"""Higher than any block."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a run is in the tree: from height ``low`` to ``top``, on this ``parent``.

    Its jump leads to its ancestor ``jump`` at height ``far``, the top of a span below. ``barred`` is the height of the
    lowest block that is banned or has a banned ancestor, ``NEVER`` if there is none.
    """

    low: int
    top: int
    parent: bytes
    far: int
    jump: bytes
    barred: int


class Loose(Place, frozen=True, gc=False):
    """A run that may still grow."""

    headers: tuple[Header, ...]

    def at(self, height: int) -> Header:
        return self.headers[height - self.low]

    def id_at(self, height: int) -> bytes:
        return self.headers[height - self.low].id

    def between(self, low: int, high: int) -> Sequence[Header]:
        """The headers from one height to another, both included."""
        return self.headers[low - self.low : high - self.low + 1]

    def ids(self, low: int, high: int) -> list[bytes]:
        return [header.id for header in self.between(low, high)]

    def size(self, low: int, high: int) -> int:
        """What the bodies from one height to another have together."""
        return sum([header.size for header in self.between(low, high)])

    def part(self, low: int, high: int) -> "Loose":
        """What is left of it if it is cut to these heights."""
        parent = self.at(low).parent
        return msgspec.structs.replace(self, low=low, top=high, parent=parent, headers=tuple(self.between(low, high)))

    def packed(self) -> "Packed":
        return Packed(
            low=self.low, top=self.top, parent=self.parent, far=self.far, jump=self.jump, barred=self.barred,
            start=self.low,
            _ids=Column.of([header.id for header in self.headers]),
            _scores=Column.of([header.score for header in self.headers]),
            _proofs=Column.of([header.proof for header in self.headers]),
            _sizes=array("I", [header.size for header in self.headers]),
        )  # fmt: skip


class Packed(Place, frozen=True, gc=False):
    """A run that is complete. ``start`` is the height at which the columns begin: what was cut off below is still
    there."""

    start: int
    _ids: "Column"
    _scores: "Column"
    _proofs: "Column"
    _sizes: "array[int]"

    def at(self, height: int) -> Header:
        at = height - self.start
        parent = self._ids[at - 1] if at else self.parent
        return Header(height, self._ids[at], parent, self._scores[at], self._sizes[at], self._proofs[at])

    def id_at(self, height: int) -> bytes:
        ids = self._ids
        if ids.ends is None:
            start = (height - self.start) * ids.width
            return ids.data[start : start + ids.width]
        return ids[height - self.start]

    def between(self, low: int, high: int) -> Sequence[Header]:
        """The headers from one height to another, both included."""
        start, end = low - self.start, high - self.start + 1
        ids, scores, proofs = (column.values(start, end) for column in (self._ids, self._scores, self._proofs))
        parents = [self._ids[start - 1] if start else self.parent, *ids[:-1]]
        return list(map(Header, range(low, high + 1), ids, parents, scores, self._sizes[start:end], proofs))

    def ids(self, low: int, high: int) -> list[bytes]:
        return self._ids.values(low - self.start, high - self.start + 1)

    def size(self, low: int, high: int) -> int:
        """What the bodies from one height to another have together."""
        return sum(self._sizes[low - self.start : high - self.start + 1])

    def part(self, low: int, high: int) -> "Packed":
        """What is left of it if it is cut to these heights."""
        parent = self.at(low).parent
        if high == self.top:
            return msgspec.structs.replace(self, low=low, parent=parent)
        headers = tuple(self.between(low, high))
        return Loose(
            low=low, top=high, parent=parent, far=self.far, jump=self.jump, barred=self.barred, headers=headers
        ).packed()


Run = Loose | Packed


class Column(msgspec.Struct, frozen=True, gc=False):
    """Byte strings in one; ``width`` is the length of each, or if they differ, ``ends`` tells where they end."""

    data: bytes
    width: int
    ends: "array[int] | None"

    @classmethod
    def of(cls, values: Sequence[bytes]) -> Self:
        widths = list(map(len, values))
        same = len(set(widths)) == 1
        return cls(b"".join(values), widths[0], None if same else array("I", accumulate(widths)))

    def __getitem__(self, at: int) -> bytes:
        if self.ends is None:
            start = at * self.width
            return self.data[start : start + self.width]
        return self.data[self.ends[at - 1] if at else 0 : self.ends[at]]

    def values(self, start: int, end: int) -> list[bytes]:
        if self.ends is None and self.width:
            data, width = self.data, self.width
            return [data[at : at + width] for at in range(start * width, end * width, width)]
        return [self[at] for at in range(start, end)]
