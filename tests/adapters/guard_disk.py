"""A disk for a guard that loses power: of a write that was not synced, any sectors may be there."""

from random import Random

import attrs

SECTOR = 512


class PowerLostError(Exception):
    """The process is no more."""


@attrs.define
class Disk:
    """What is kept over power failures, which come with the write number ``fails_at``, or at its sync, by ``chance``.

    ``locked`` holds within the one process that a test is. ``refuses`` is what writes fail with.
    """

    chance: Random = attrs.field(factory=lambda: Random(1))
    fails_at: int = -1
    slots: dict[int, bytes] = attrs.field(factory=dict)
    unsettled: set[int] = attrs.field(factory=set)
    """Files that were made, and whose folder was not synced."""
    writes: int = 0
    syncs: int = 0
    written: int = 0
    refuses: OSError | None = None
    locked: bool = False

    def lock(self) -> None:
        if self.locked:
            raise BlockingIOError
        self.locked = True

    def read(self, slot: int, most: int = -1) -> bytes | None:
        data = self.slots.get(slot)
        return data if data is None or most < 0 else data[:most]

    def write(self, slot: int, data: bytes) -> None:
        if self.refuses is not None:
            raise self.refuses
        old = self.slots.get(slot)
        if old is None:
            self.unsettled.add(slot)
        new = data + (old or b"")[len(data) :]
        self.writes += 1
        if self.writes == self.fails_at:
            self.slots[slot] = self.torn(old or b"", new)
            self.fail()
        self.slots[slot] = new
        self.written += len(data)
        self.sync()

    def sync(self) -> None:
        self.syncs += 1

    def settle(self) -> None:
        self.unsettled.clear()

    def close(self) -> None:
        self.locked = False

    def torn(self, old: bytes, new: bytes) -> bytes:
        """Each sector is the old or the new one, and one of them may be a bit of both."""
        chance = self.chance
        parts = []
        bad = chance.randrange(-(-len(new) // SECTOR)) if chance.random() < 0.5 else -1
        for at in range(0, len(new), SECTOR):
            cut = chance.choice((0, SECTOR)) if at // SECTOR != bad else chance.randrange(SECTOR)
            parts.append(new[at : at + cut] + old[at + cut : at + SECTOR].ljust(0))
        return b"".join(parts)

    def fail(self) -> None:
        """The power is gone: so may be files that were made, too."""
        for slot in sorted(self.unsettled):
            if self.chance.random() < 0.5:
                del self.slots[slot]
        self.unsettled.clear()
        self.locked = False
        raise PowerLostError
