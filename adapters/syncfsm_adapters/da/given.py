"""A mark that one operator gives to another: from a store, and into the files of a node.

``STORE.da`` has what was read last, ``STORE.da.mark`` the mark that was given, if one was. It stays there: should the
store lose blocks, reading begins there again.
"""

from pathlib import Path

from syncfsm.errors import LocalError
from syncfsm.signed import SignedChain
from syncfsm.truth import passed
from syncfsm.truth.reader.types import Mark
from syncfsm.truth.signed import checked
from syncfsm_adapters.host.whole import write_whole
from syncfsm_adapters.store.base import BlockStore


def beside(path: Path) -> Path:
    """Where the mark is that was given to the reader which keeps its own at ``path``."""
    return path.with_name(f"{path.name}.mark")


def given(path: Path, chain: SignedChain, file: Path | None) -> Mark | None:
    """The mark at which the reader begins that keeps its own at ``path``: the one in ``file``, if it has none yet, or
    the one that it was given before. ``None`` if it never was given one. ``LocalError`` if the mark is not for this
    chain, is damaged, or comes too late. To give the same again is no mistake."""
    before = _read(beside(path)) if beside(path).exists() else None
    if file is None:
        return _checked(before, beside(path), chain) if before is not None else None
    text = _read(file)
    mark = _checked(text, file, chain)
    if before is not None and _checked(before, beside(path), chain) == mark:
        return mark
    if before is not None or path.exists():
        there = " and ".join(str(each) for each in (path, beside(path)) if each.exists())
        raise LocalError(
            f"the mark in {file} comes too late: this node has one of its own, and goes on from there. Leave out "
            "--mark; or, if the layer keeps no more what comes next for this node, stop it, move "
            f"{there} away, and give it the mark then"
        )
    try:
        write_whole(beside(path), text)
    except OSError as error:
        raise LocalError(f"the mark can not be kept in {beside(path)} ({error}); make room") from error
    return mark


def mark_of(chain_id: bytes, mark: Mark, store: BlockStore) -> bytes:
    """A mark as text, with the header of its block from the store. ``LocalError`` if it confirms nothing, or the store
    has not that block."""
    header = store.header(mark.tip) if mark.tip.height else store.standing.genesis
    if header is None:
        raise LocalError(f"the store has not block {mark.tip}, up to which the layer was read: ask another node")
    return passed.encode(passed.Passed(chain_id, mark.place, header))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(passed.MOST_BYTES + 1)
    except OSError as error:
        raise LocalError(f"the mark in {file} can not be read ({error}); name the file that has it") from error


def _checked(text: bytes, file: Path, chain: SignedChain) -> Mark:
    try:
        return checked(passed.decode(text), chain)
    except LocalError as error:
        raise LocalError(f"{file}: {error}") from None
