"""The guard of a sequencer: the last block that it signed, kept apart from the block store.

    guard = Guard.open(folder, key, chain_id, start)
    guard.keep(header, body)        # one sync; only then may the signature leave the process

So whatever becomes of the store (wiped, restored, damaged), no second block is signed at a height. The whole block is
kept: if the process is killed before the store has it, that very block is added at the next start, and no other.

A lock keeps a second process out. Where locks do not hold, as on some network file systems, each process writes its own
random number when it opens the guard, and looks before and after every write whether the slots are as it left them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm_adapters.guard.slots import OWNER_BYTES, PREFIX, SLOTS, Files, Folder, Slot, decode, translated

UNKNOWN: Final = "unknown"
"""What stands for the last signed block where there is no guard, or none that can be read."""


class Signed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last block that ``key`` signed on this chain. ``body`` is ``None`` where a guard begins: that block, and all
    before it, is in the store."""

    chain_id: Annotated[bytes, Meta(max_length=limits.CHAIN_ID_BYTES)]
    key: bytes
    header: Header
    body: bytes | None = None


class Guard:
    """One key's last signed block, in two slots. Make one with ``open``; it is locked until ``close``."""

    def __init__(self, path: Path, files: Files) -> None:
        self.noticed = ""
        """What was wrong with the files and could be got over; for people."""
        self._path, self._files = path, files
        self._owner = os.urandom(OWNER_BYTES)
        self._signed: Signed
        self._sequence = 0
        self._next = 0
        self._seen: list[bytes | None] = []
        self._first = True
        self._failed = False

    @classmethod
    def open(
        cls,
        path: Path,
        key: bytes,
        chain_id: bytes,
        start: Header,
        *,
        new: bool = False,
        anew: str | None = None,
        files: Files | None = None,
    ) -> Self:
        """Open the guard in the folder ``path``, for this public key and chain.

        ``new`` says that the key was made just now, so it has signed nothing. For such a key a guard is made, which
        begins at ``start``, the head of the store. ``anew`` has a guard forget what it holds, and begin at ``start``
        too: it must name exactly that (``512:0a1b2c3d``), or ``unknown`` if there is nothing that can be read.

        Raises ``LocalError`` if there is no guard, or one of another key or chain, if it is in use or damaged, and if
        ``anew`` names something else.
        """
        guard = cls(path, files or Folder(path))
        begin = Signed(chain_id, key, start)
        try:
            with translated(path):
                guard._files.lock()
                found = guard._read(begin, new, anew)
                if found is None:
                    for slot in SLOTS:
                        guard._put(begin, slot)
                    guard._files.settle()
                guard._claim(found or begin)
        except BaseException:
            guard.close()
            raise
        return guard

    def __str__(self) -> str:
        return f"the guard in {self._path}"

    @property
    def signed(self) -> Signed:
        """The last block that was signed, or where the guard began."""
        return self._signed

    def keep(self, header: Header, body: bytes) -> None:
        """Remember that this block is signed, before its signature leaves. The same block may be kept again.

        Raises ``LocalError``, and then the signature must not leave: if a block was signed at this height or above, if
        the parent is not what this process signed last, if another process has signed meanwhile, or if the block can
        not be kept for sure. After that the guard is to be opened anew.
        """
        last = self._signed
        if (header, body) == (last.header, last.body):
            return
        if header.height <= last.header.height:
            raise LocalError(
                f"block {header.point} is not signed: block {last.header.point} was signed already, says {self}, "
                "and there must be no second one at a height"
            )
        if not self._first and header.parent != last.header.id:
            raise LocalError(
                f"block {header.point} is not signed: its parent is not {last.header.point}, which this process signed "
                "last. Another process signs with this key: find it and stop it, then start again"
            )
        with translated(self._path):
            self._write(Signed(last.chain_id, last.key, header, body))
        self._first = False

    def close(self) -> None:
        """Let others in."""
        self._files.close()

    # Reading --------------------------------------------------------------------------------------------------------

    def _read(self, begin: Signed, new: bool, anew: str | None) -> Signed | None:
        """What the guard holds, or is to begin with after all; ``None`` if it is to be made."""
        data = [self._files.read(slot) for slot in SLOTS]
        slots = [decode(each) if each is not None else None for each in data]
        newest = max((slot for slot in slots if slot is not None), key=lambda slot: slot.sequence, default=None)
        held = self._content(newest) if newest is not None else None
        if new and (held is None or held.body is None):
            return None
        if held is not None and (held.key, held.chain_id) != (begin.key, begin.chain_id):
            raise LocalError(
                f"{self} is of another key or chain: it holds block {held.header.point} of chain "
                f"{held.chain_id.decode(errors='replace')!r}, signed by {held.key.hex()}. Give each key and chain a "
                "folder of its own with --guard"
            )
        wrong = self._wrong(data, slots)
        if wrong and anew != UNKNOWN:
            raise LocalError(
                f"{wrong}. Put the guard of this key there, or name its folder with --guard. If it is lost, and no "
                "other process signs with this key, start once with a peer that has all blocks, and with --sign-anew "
                f"{UNKNOWN}"
            )
        if newest is None or held is None:
            return None
        self._next = min(SLOTS, key=lambda at: -1 if (slot := slots[at]) is None else slot.sequence)
        self._sequence = newest.sequence + 1
        if wrong or anew is None:  # what can be read of a guard that is not whole still counts
            return held
        if anew != str(held.header.point):
            raise LocalError(
                f"--sign-anew names {anew}, but {self} says that {held.header.point} was signed last. Leave the flag "
                "out: it is for one start, and for who knows that nobody has that block"
            )
        return begin

    def _content(self, slot: Slot) -> Signed:
        try:
            return msgspec.msgpack.decode(slot.content, type=Signed)
        except msgspec.MsgspecError as error:
            raise LocalError(
                f"{self} holds what this version can not read ({error}); start the version that wrote it"
            ) from error

    def _wrong(self, data: Sequence[bytes | None], slots: Sequence[Slot | None]) -> str:
        """What is wrong with the files, so that what was signed last is not known; empty if it is. A write that was
        torn is not wrong: what it was to keep has not left."""
        held = [slot for slot in slots if slot is not None]
        if not any(data):
            return f"there is no guard in {self._path}, so what this key has signed is not known"
        if not held:
            return f"{self} is damaged: neither of its slots can be read"
        if len(held) == 1:
            bad = slots.index(None)
            if data[bad] is None and held[0].sequence > 0:
                return f"{self} is not whole: the file slot-{bad} is gone"
            self.noticed = f"slot-{bad} can not be read: torn while it was written, or damaged; the other one is good"
            return ""
        older, newer = sorted(held, key=lambda slot: slot.sequence)
        if newer.sequence != older.sequence + 1:
            numbers = f"{older.sequence} and {newer.sequence}"
            return f"{self} is not whole: one slot is an old copy (writes {numbers} do not follow one another)"
        taken_over = newer.content == older.content or self._content(newer).body is None
        if newer.owner != older.owner and not taken_over:
            return f"{self} was written to by two processes at once"
        return ""

    # Writing --------------------------------------------------------------------------------------------------------

    def _claim(self, signed: Signed) -> None:
        """Write what is held once more, with our number: whoever else has the guard open will notice."""
        self._seen = self._prefixes()
        self._write(signed)

    def _write(self, signed: Signed) -> None:
        """Keep it in the older slot, and make sure that nobody else has written."""
        if self._failed:
            raise LocalError(f"{self} has failed before; start the sequencer again")
        self._failed = True  # until all has gone well: what a failed write has left is found out by opening anew
        self._check_alone()
        self._put(signed, self._next)
        self._check_alone()
        self._signed, self._next, self._failed = signed, 1 - self._next, False

    def _put(self, signed: Signed, slot: int) -> None:
        data = Slot(self._sequence, self._owner, msgspec.msgpack.encode(signed)).encode()
        self._files.write(slot, data)
        self._sequence += 1
        if self._seen:
            self._seen[slot] = data[: PREFIX.size]

    def _check_alone(self) -> None:
        if self._prefixes() != self._seen:
            raise LocalError(
                f"{self} was changed by somebody else: another process signs with this key, or its "
                "files were replaced. Nothing was signed. Find out which, then start again"
            )

    def _prefixes(self) -> list[bytes | None]:
        return [self._files.read(slot, PREFIX.size) for slot in SLOTS]
