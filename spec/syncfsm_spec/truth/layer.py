"""A DA layer as a component of a world: what it has, what it answers, and what may become of it.

What a reader should make of its blobs is said here once more, in other words than the code's: a batch counts if its
first block's parent is the last block that counts. Ids commit to all before them, so that is enough.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
from msgspec.structs import replace

from syncfsm.blocks import Header, Point
from syncfsm.check import Choice, Step
from syncfsm.truth.answers import (
    Answer,
    Blobs,
    Broken,
    Future,
    Head,
    Nothing,
    Place,
    Posted,
    Pruned,
    Refused,
    TooBig,
    Trouble,
    Unsure,
)
from syncfsm.truth.messages import Entry, batch_of, encode
from syncfsm.truth.reader.types import At, Kept, Mark
from syncfsm_spec.kit.trees import a1, a2, a3, c2, g

CHAIN_ID: Final = b"spec"
START: Final = Kept(Mark(Place(0, b"", b""), g.point))
"""Where readers begin: before the layer's first block, whose parent has an empty id."""
TICK: Final = "tick"


def batch(*headers: Header) -> bytes:
    """The blob with a batch of these blocks."""
    return encode(batch_of(CHAIN_ID, tuple(Entry(header, b"") for header in headers)))


NAMED: Final[Mapping[str, bytes]] = {
    "a1": batch(a1), "a2-a3": batch(a2, a3), "a1-a2": batch(a1, a2), "a2": batch(a2), "a3": batch(a3),
    "c2": batch(c2), "junk": b"junk",
}  # fmt: skip
"""Blobs that may be on the layer. Of the batches each can only follow on one tip; c2 contradicts a2."""
RUN: Final = (a1, a2, a3)
"""The blocks that the sequencer makes."""
_COVERS: Final = {
    batch(*run): (run[0].parent, run[-1].point)
    for run in ((a1,), (a2, a3), (a1, a2), (a2,), (a3,), (c2,), (a1, a2, a3))
}  # fmt: skip


def confirmed(blobs: Sequence[bytes]) -> Point:
    """The last block that these blobs confirm."""
    tip = g.point
    for blob in blobs:
        parent, end = _COVERS.get(blob, (b"", tip))
        if parent == tip.id:
            tip = end
    return tip


class Made(msgspec.Struct, frozen=True):
    """A block of the layer."""

    id: bytes
    parent: bytes
    blobs: tuple[bytes, ...]


class Ledger(msgspec.Struct, frozen=True):
    """The layer's state."""

    blocks: tuple[Made, ...] = ()
    """From height 1 on; those below ``oldest`` are remembered by the world alone."""
    count: int = 0
    """How many were ever made."""
    oldest: int = 1
    out: bool = False
    broken: bool = False
    """Does it say that it took back what was final?"""
    asked: tuple[int, ...] = ()
    """The heights that the reader waits for, lowest first."""
    due: bool = False
    """Has anything changed since the reader was last woken?"""
    given: bytes = b""
    """A blob that is being given, and is not taken yet."""
    waiting: bytes = b""
    """A blob whose giver waits for its block."""
    landed: int = 0
    """In which block that blob is, if its giver was not told so yet."""
    pending: tuple[bytes, ...] = ()
    """Blobs that will be in a block."""

    @property
    def tip(self) -> Point:
        """What all of it confirms."""
        return self.up_to(len(self.blocks))

    def up_to(self, height: int) -> Point:
        """What it confirms up to this height."""
        return confirmed([blob for made in self.blocks[:height] for blob in made.blobs])

    def answer(self, height: int) -> Answer:
        """What is at this height."""
        if self.out:
            return Trouble("out")
        if self.broken:
            return Broken("broken")
        if height > len(self.blocks):
            return Future(len(self.blocks))
        if height < self.oldest:
            return Pruned(self.oldest)
        place, blobs = self.place(height), self.blocks[height - 1].blobs
        return Blobs(place, blobs) if blobs else Nothing(place)

    def place(self, height: int) -> Place:
        made = self.blocks[height - 1]
        return Place(height, made.id, made.parent)

    def grown(self, *blobs: bytes) -> "Ledger":
        """With one block more."""
        parent = self.blocks[-1].id if self.blocks else b""
        made = Made(bytes([self.count + 1]), parent, blobs)
        return replace(self, blocks=(*self.blocks, made), count=self.count + 1, due=True)


EMPTY: Final = Ledger()

# What may happen to it ------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True):
    """The reader asks for a height."""

    height: int


class Take(msgspec.Struct, frozen=True):
    """The poster gives a blob."""

    blob: bytes


class Grow(msgspec.Struct, frozen=True):
    """It makes a block with these blobs."""

    blobs: tuple[bytes, ...] = ()


class GoBack(msgspec.Struct, frozen=True):
    """It takes ``depth`` blocks back and makes one more, of which the first has ``blobs``. What was in them waits again
    if it is to be kept."""

    depth: int
    blobs: tuple[bytes, ...] = ()
    keep: bool = False


class Prune(msgspec.Struct, frozen=True):
    """It keeps its last block only."""


class Out(msgspec.Struct, frozen=True):
    """It is out, or back."""

    out: bool


class Confess(msgspec.Struct, frozen=True):
    """It says from now on that it took back what was final."""


class GiveMark(msgspec.Struct, frozen=True):
    """Somebody gives the reader a mark, at the oldest block that is kept."""


class Crashed(msgspec.Struct, frozen=True):
    """Whoever gave a blob is gone. Was it taken?"""

    taken: bool


class Say(msgspec.Struct, frozen=True):
    """The blob that is being given gets this answer; ``taken`` says whether it will land all the same."""

    outcome: Any
    taken: bool = False


class Told(msgspec.Struct, frozen=True):
    """What the poster is told of the blob that it gave."""

    outcome: Any


class Include(msgspec.Struct, frozen=True):
    """The blob of this number, of those that wait, gets into a block."""

    index: int


class Answers(msgspec.Struct, frozen=True):
    """It answers its reader for this height."""

    height: int


class Move(msgspec.Struct, frozen=True):
    """It ``wakes`` its reader, ``takes`` a blob, ``tells`` where its end is, or that a blob landed."""

    what: str


@attrs.frozen
class Layer:
    """The layer. ``user`` is the component that reads and posts. A reader's question is answered ``at_once``, or in an
    action of its own, so that things may happen between the two."""

    user: str
    at_once: bool = False
    name: str = "DA"
    start: Ledger = EMPTY

    def step(self, ledger: Ledger, given: Any) -> Step | None:
        match given:
            case Ask(height) if self.at_once:
                return self._answer(ledger, height)
            case Ask(height):
                return Step(replace(ledger, asked=tuple(sorted((*ledger.asked, height)))))
            case Answers(height):
                return self._answer(ledger, height)
            case Move("wakes"):
                return Step(replace(ledger, due=False), ((self.user, TICK),))
            case Move("tells"):
                return Step(ledger, ((self.user, Head(len(ledger.blocks))),))
            case Move("takes"):
                blob = ledger.given
                return Step(replace(ledger, given=b"", waiting=blob, pending=(*ledger.pending, blob)))
            case Take(blob) if ledger.out:
                return None  # it is given when the layer is back; that it is not taken is another move
            case Take(blob):
                return Step(replace(ledger, given=blob))
            case Move("tells that it landed"):
                return Step(replace(ledger, landed=0), ((self.user, Told(Posted(ledger.landed))),))
            case Include(index):
                return self._include(ledger, index)
            case _:
                return self._happen(ledger, given)

    def _answer(self, ledger: Ledger, height: int) -> Step:
        asked = tuple(each for each in ledger.asked if each != height)
        return Step(replace(ledger, asked=asked), ((self.user, At(height, ledger.answer(height))),))

    def _include(self, ledger: Ledger, index: int) -> Step:
        blob = ledger.pending[index]
        pending = ledger.pending[:index] + ledger.pending[index + 1 :]
        ledger = replace(ledger.grown(blob), pending=pending)
        if blob == ledger.waiting:
            ledger = replace(ledger, waiting=b"", landed=len(ledger.blocks))
        return Step(ledger)

    def _happen(self, ledger: Ledger, given: Any) -> Step | None:
        match given:
            case Grow(blobs):
                return Step(ledger.grown(*blobs))
            case GoBack(depth, blobs, keep) if len(ledger.blocks) >= depth:
                gone = [blob for made in ledger.blocks[-depth:] for blob in made.blobs] if keep else []
                ledger = replace(ledger, blocks=ledger.blocks[:-depth], pending=(*ledger.pending, *gone))
                ledger = ledger.grown(*blobs)
                for _ in range(depth):
                    ledger = ledger.grown()
                return Step(ledger)
            case Prune() if len(ledger.blocks) > ledger.oldest:
                return Step(replace(ledger, oldest=len(ledger.blocks), due=True))
            case Out(out) if ledger.out is not out:
                return Step(replace(ledger, out=out, due=True))
            case Confess():
                return Step(replace(ledger, broken=True, due=True))
            case GiveMark() if ledger.oldest > 1:
                height = ledger.oldest
                return Step(ledger, ((self.user, Kept(Mark(ledger.place(height), ledger.up_to(height)))),))
            case Crashed(taken):
                pending = (*ledger.pending, ledger.given) if taken and ledger.given else ledger.pending
                return Step(replace(ledger, given=b"", waiting=b"", landed=0, pending=pending, asked=()))
            case Say(outcome, taken) if ledger.given:
                pending = (*ledger.pending, ledger.given) if taken else ledger.pending
                return Step(replace(ledger, given=b"", pending=pending), ((self.user, Told(outcome)),))
        return None

    def choices(self, ledger: Ledger) -> Sequence[Choice]:
        found = []
        found += [Choice(f"answers for {height}", Answers(height)) for height in ledger.asked]
        if ledger.due and not ledger.asked:
            found.append(Choice("wakes", Move("wakes")))
        if ledger.given:
            found.append(Choice("takes the blob", Move("takes")))
        if ledger.landed:
            found.append(Choice("tells that it landed", Move("tells that it landed")))
        if not ledger.out:
            found += [Choice(f"includes blob {at}", Include(at)) for at in range(len(ledger.pending))]
        return found

    def show(self, ledger: Ledger) -> str:
        names = {blob: name for name, blob in NAMED.items()}
        return " ".join("+".join(names.get(blob, "?") for blob in made.blobs) or "·" for made in ledger.blocks)


UNSURE, REFUSED, TROUBLE, TOO_BIG = Unsure("lost"), Refused("no"), Trouble("no"), TooBig(0, "no")
