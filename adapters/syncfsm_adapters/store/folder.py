"""A store's folder: made whole or not at all, and what it says if it is no such folder."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm_adapters.store import marks
from syncfsm_adapters.store.base import Standing
from syncfsm_adapters.store.files import Disk, Files
from syncfsm_adapters.store.marks import Mark
from syncfsm_adapters.store.records import SECRET_BYTES, Link, Record, Start, encode, title
from syncfsm_adapters.store.segments import name

OLD: Final = ".format-1"
"""How the name of a store of format 1 ends when it has been migrated."""


def create(path: Path, genesis: Header, chain_id: bytes) -> None:
    """Make a store with the genesis alone. It appears at ``path`` complete or not at all."""
    for ending, what in ((OLD, "a store that is being migrated"), ("-wal", "the log of a store of format 1")):
        rest = path.with_name(path.name + ending)
        if rest.exists():
            raise LocalError(
                f"can not make the block store {path}: beside it is {rest.name}, {what}, and holds blocks of it. Run "
                f"`syncfsm store migrate {path}`, or move {rest.name} away too"
            )
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            draft.mkdir()
            files = Disk(draft)
            lay_out(files, Standing.start(genesis, chain_id))
            files.close()
            with suppress(FileExistsError, NotADirectoryError):  # somebody made one just now: that one is opened
                os.rename(draft, path)
        parent = Disk(path.parent)
        parent.sync_names()
    except OSError as error:
        if path.is_dir() and any(path.iterdir()):
            return
        raise LocalError(
            f"can not make the block store {path}: {error}. Give a path in a folder that exists, can be written to "
            "and has space"
        ) from error


def lay_out(files: Files, standing: Standing) -> None:
    """Write the files of a store that stands there and holds no block but the genesis."""
    secret = secrets.token_bytes(SECRET_BYTES)
    record = Record(start=Start(1, standing, (1,)))
    prefix, link = encode(record, (), Link(), 0, crc32(secret))
    files.create(name(1))
    files.write(name(1), 0, [title(secret), prefix])
    files.sync(name(1))
    files.create(marks.FILE)
    Mark(link.number, standing.head.height, True).write(files, both=True)
    files.sync(marks.FILE)
    files.sync_names()


def check_kind(path: Path) -> None:
    """``LocalError`` if something else than a store of this format is there."""
    if not path.is_file():
        return
    with translated(path), path.open("rb") as file:
        old = file.read(16) == b"SQLite format 3\0"
    if old:
        raise LocalError(
            f"the block store {path} has format 1, one SQLite file, and this release reads format 2, a folder. Nothing "
            f"was changed. Run `syncfsm store migrate {path}`, or open it with the release that wrote it"
        )
    raise LocalError(
        f"{path} is a file and no block store, which is a folder. Nothing was changed. Give another path, or move the "
        "file away"
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say what an error of the system means, and what to do."""
    try:
        yield
    except OSError as error:
        raise LocalError(
            f"the block store {path} can not be read or written: {error}. Nothing was changed. Look at the free space "
            "of the disk, at its health, and at the permissions of the folder and its files"
        ) from error
