"""Which ids have been of use, and when last: for ``seats``. Kept over restarts in a small file.

Times are Unix time. What is here only decides who finds room; a file that is lost or damaged costs no more than that.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from syncfsm.limits import NODE_ID_BYTES
from syncfsm_adapters.host.whole import write_whole

REMEMBERED: Final = 256
"""Most ids; of more, those that were of use longest ago are forgotten."""
FRESH: Final = 60.0
"""Seconds in which the time of last use is not written anew, so that who comes and goes costs no writing."""


class Useful:
    """Ids that have given blocks. ``path`` is the file, ``None`` for none; ``tell`` hears what is wrong with it."""

    def __init__(self, path: Path | None, tell: Callable[..., None]) -> None:
        self._path, self._tell = path, tell
        self._last = self._load()

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._last

    def used(self, node_id: bytes, now: float) -> None:
        """This id, which is proved, has been of use."""
        before = self._last.get(node_id)
        if before is not None and 0 <= now - before < FRESH:
            return
        self._last[node_id] = now
        while len(self._last) > REMEMBERED:
            del self._last[min(self._last, key=self._last.__getitem__)]
        self._keep()

    def forget(self, node_id: bytes) -> None:
        """It has done what no correct peer does: whatever it gave before counts no more."""
        if self._last.pop(node_id, None) is not None:
            self._keep()

    def _load(self) -> dict[bytes, float]:
        if self._path is None:
            return {}
        try:
            given = json.loads(self._path.read_bytes())
            found = {_an_id(text): _a_time(last) for text, last in given.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            self._tell("useful-lost", detail=str(error), sentence=f"{self._path} can not be read: it starts empty")
            return {}
        newest = sorted(found, key=found.__getitem__)[-REMEMBERED:]
        return {node_id: found[node_id] for node_id in newest}

    def _keep(self) -> None:
        """A crash leaves the old file or the new one. If it can not be written, that is said, and all goes on."""
        if self._path is None:
            return
        kept = {node_id.hex(): last for node_id, last in self._last.items()}
        try:
            write_whole(self._path, json.dumps(kept).encode(), synced=False)
        except OSError as error:
            self._tell("useful-lost", detail=str(error), sentence=f"{self._path} can not be written")


def _an_id(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != NODE_ID_BYTES:
        raise ValueError(f"this is no node id: {text[:80]}")
    return found


def _a_time(given: object) -> float:
    if not isinstance(given, int | float) or not 0 <= given < 1e12:  # NaN is none either
        raise ValueError(f"this is no time: {given!r}")
    return float(given)
