"""Where a reader begins after a restart: the mark of its last final point, in a file."""

from pathlib import Path

import msgspec

from syncfsm.errors import LocalError
from syncfsm.truth.reader.types import Mark
from syncfsm_adapters.host.whole import write_whole


def keep(path: Path, mark: Mark) -> None:
    """Keep this mark in place of the one before; a crash leaves the one or the other. ``LocalError`` if that fails."""
    try:
        write_whole(path, msgspec.msgpack.encode(mark))
    except OSError as error:
        raise LocalError(f"the mark in {path} can not be kept ({error}); make room, or name another file") from error


def load(path: Path, first: Mark) -> Mark:
    """The mark that was kept; ``first`` if there is no such file. ``LocalError`` if it can not be read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Mark)
    except FileNotFoundError:
        return first
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(
            f"the mark in {path} can not be read ({error}); remove it, and the layer is read from its beginning"
        ) from error
