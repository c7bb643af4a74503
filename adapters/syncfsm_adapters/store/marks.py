"""The mark: how far the log had come, in a file of its own. If the log comes back shorter, that shows.

Two slots, by turns, in sectors of their own: one that is torn leaves the other.
"""

from struct import Struct
from typing import Final, Self
from zlib import crc32

import attrs

from syncfsm_adapters.store.files import Files

FILE: Final = "mark"
SECTOR: Final = 512
_SLOT: Final = Struct("<4sQQQ?")
_SUM: Final = Struct("<I")
_WORD: Final = b"mark"
_NOTHING: Final = 2**64 - 1


@attrs.frozen
class Mark:
    """The number of the last record and the height of the head then; whether the record was on the disk by then.

    ``owed`` is the height of a head that the store had once and came back without, until it has one as high."""

    number: int
    height: int
    power: bool
    owed: int | None = None

    def write(self, files: Files, *, both: bool = False) -> None:
        """Into the slot whose turn it is, or into both."""
        slot = _SLOT.pack(_WORD, self.number, self.height, _NOTHING if self.owed is None else self.owed, self.power)
        slot += _SUM.pack(crc32(slot))
        if both:
            files.write(FILE, 0, [slot.ljust(SECTOR, b"\0"), slot])
        else:
            files.write(FILE, self.number % 2 * SECTOR, [slot])

    @classmethod
    def read(cls, files: Files) -> Self | None:
        """The newer of the two; ``None`` if there is none."""
        if FILE not in files.names():
            return None
        data = files.read(FILE, 0, 2 * SECTOR)
        found = [mark for at in (0, SECTOR) if (mark := cls._decoded(data[at : at + _SLOT.size + _SUM.size]))]
        return max(found, key=lambda mark: mark.number, default=None)

    @classmethod
    def _decoded(cls, slot: bytes) -> Self | None:
        if len(slot) != _SLOT.size + _SUM.size or _SUM.unpack_from(slot, _SLOT.size)[0] != crc32(slot[: _SLOT.size]):
            return None
        _, number, height, owed, power = _SLOT.unpack_from(slot)
        return cls(number, height, power, None if owed == _NOTHING else owed)
