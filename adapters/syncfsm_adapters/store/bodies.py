"""Reading bodies, and knowing which are lost; and the scrub, which reads all of them, slowly."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from syncfsm.blocks import Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import Tell
from syncfsm_adapters.store.files import Files
from syncfsm_adapters.store.index import Place
from syncfsm_adapters.store.records import body_sum
from syncfsm_adapters.store.segments import Segments, name

TOGETHER: Final = 16 * 1024
"""Bodies up to this size that stand near each other are read together."""
GAP: Final = 4 * 1024
"""How near: what else the log has between two blocks that came alone."""
SPAN: Final = 512 * 1024
"""Most bytes that are read at once for that."""


class Bodies:
    """Reads the bodies of a store, and tells once of each that is ``lost``."""

    def __init__(self, files: Files, lost: Sequence[Point], tell: Tell) -> None:
        self._files, self._tell = files, tell
        self.lost = dict.fromkeys(lost)

    def read(self, points: Sequence[Point], places: Sequence[Place | None]) -> list[bytes | None]:
        """The bodies at these places; ``None`` where there is none, or the body is lost."""
        found: list[bytes | None] = []
        for start, end in _together(places):
            found += self._read(points[start:end], places[start:end])
        return found

    def mended(self, point: Point) -> None:
        """A lost body has been stored once more."""
        if point in self.lost:
            del self.lost[point]
            self._tell("store-mended", height=point.height, id=point.id, lost=len(self.lost))

    def _read(self, points: Sequence[Point], places: Sequence[Place | None]) -> Iterator[bytes | None]:
        """The bodies at these places, which are one, or near each other in one segment."""
        first, last = places[0], places[-1]
        if first is None or last is None:
            yield None
            return
        try:
            data = self._files.read(name(first.segment), first.offset, last.offset + last.size - first.offset)
        except OSError as error:
            data, why = b"", str(error)
        else:
            why = "it does not match its check sum"
        for point, place in zip(points, places, strict=True):
            assert place is not None
            start = place.offset - first.offset
            body = data if len(places) == 1 else data[start : start + place.size]
            if len(body) == place.size and body_sum(point.id, body) == place.sum:
                yield body
            else:
                self.miss(point, why)
                yield None

    def miss(self, point: Point, why: str) -> None:
        """A body is lost."""
        if point not in self.lost:
            self.lost[point] = None
            self._tell("store-damaged", height=point.height, id=point.id, reason=why, lost=len(self.lost))


def _together(places: Sequence[Place | None]) -> Iterator[tuple[int, int]]:
    """Cut places into pieces that are to be read at once."""
    start = 0
    for at in range(1, len(places) + 1):
        if at < len(places):
            first, before, place = places[start], places[at - 1], places[at]
            if (
                first is not None and before is not None and place is not None
                and place.segment == first.segment and place.size <= TOGETHER and first.size <= TOGETHER
                and 0 <= place.offset - before.offset - before.size <= GAP
                and place.offset + place.size - first.offset <= SPAN
            ):  # fmt: skip
                continue
        yield start, at
        start = at


@attrs.frozen
class Scrubbed:
    """What one pass over a store has looked at, and how many bodies are lost."""

    blocks: int
    bytes: int
    lost: int


class Scrub:
    """Looks at all bodies of the full segments, one pass after the other, in portions."""

    def __init__(self, files: Files, segments: Segments, bodies: Bodies, tell: Tell) -> None:
        self._files, self._segments, self._bodies, self._tell = files, segments, bodies, tell
        self._pass: Iterator[int] = iter(())
        self._blocks = self._bytes = 0

    def step(self, most: int) -> Scrubbed | None:
        """Read some ``most`` bytes more. At the end of a pass, what it was; the next step begins another."""
        for size in self._pass:
            self._bytes += size
            self._blocks += 1
            most -= size
            if most <= 0:
                return None
        done = Scrubbed(self._blocks, self._bytes, len(self._bodies.lost))
        self._blocks = self._bytes = 0
        self._pass = self._all()
        return done if done.blocks else None

    def all(self) -> None:
        """A whole pass at once."""
        for _ in self._all():
            pass

    def _all(self) -> Iterator[int]:
        """Look at one body after the other; how large each was."""
        for number in sorted(self._segments.full):
            index = self._segments.full.get(number)
            if index is None:  # it has gone meanwhile
                continue
            if not self._files.intact(name(number), index.summary.size):
                self._files.forget(name(number))
                self._tell("store-trouble", reason=f"{name(number)} was removed, replaced or changed by somebody else")
            try:
                for header, place in self._segments.rows(number):
                    if self._segments.find(header.height, header.id) == place:
                        self._bodies.read((header.point,), (place,))
                        yield place.size + len(header.proof)
            except LocalError as error:  # neither the segment nor its index can say what is in it
                self._tell("store-trouble", reason=str(error))
