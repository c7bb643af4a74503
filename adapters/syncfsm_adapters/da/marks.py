"""What a reader keeps for its next start, in a file: where it begins, and what its layer has called final."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Place
from syncfsm.truth.reader.types import Kept
from syncfsm_adapters.host.whole import write_whole

T = TypeVar("T")
NOWHERE: Final = Place(0, b"", b"")
"""Before the layer's first block."""


def keep(path: Path, kept: Kept) -> None:
    """Keep this in place of the one before; a crash leaves the one or the other. ``LocalError`` if that fails."""
    try:
        write(path, kept)
    except OSError as error:
        raise LocalError(f"the mark in {path} can not be kept ({error}); make room, or name another file") from error


def load(path: Path, first: Kept) -> Kept:
    """What was kept; ``first`` if there is no such file. ``LocalError`` if it can not be read."""
    anew = "remove it, and the layer is read from its beginning"
    return read(path, Kept, "the mark", anew) or first


def write(path: Path, value: msgspec.Struct) -> None:
    """Keep a value; ``OSError`` if it can not be."""
    write_whole(path, msgspec.msgpack.encode(value))


def read(path: Path, kind: type[T], what: str, anew: str) -> T | None:
    """A value that was kept; ``None`` if there is no file. ``LocalError`` if it can not be read; ``anew`` says what
    to do then."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(f"{what} in {path} can not be read ({error}); {anew}") from error
