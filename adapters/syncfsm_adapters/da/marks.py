"""Where a reader begins after a restart: its last final place and those after it that it had read, in a file."""

from pathlib import Path

import msgspec

from syncfsm.errors import LocalError
from syncfsm.truth.reader.types import Kept
from syncfsm_adapters.host.whole import write_whole


def keep(path: Path, kept: Kept) -> None:
    """Keep this in place of the one before; a crash leaves the one or the other. ``LocalError`` if that fails."""
    try:
        write_whole(path, msgspec.msgpack.encode(kept))
    except OSError as error:
        raise LocalError(f"the mark in {path} can not be kept ({error}); make room, or name another file") from error


def load(path: Path, first: Kept) -> Kept:
    """What was kept; ``first`` if there is no such file. ``LocalError`` if it can not be read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return first
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(
            f"the mark in {path} can not be read ({error}); remove it, and the layer is read from its beginning"
        ) from error
