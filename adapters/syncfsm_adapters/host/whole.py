"""Small files that are written whole: after a crash there is the old one or the new one."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, synced: bool = True) -> None:
    """Put ``content`` in the place of the file. If it is not ``synced``, a power failure may leave neither of the two.
    ``OSError`` if it can not be written; then the old one is there."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(content)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
