"""The newest block that a node of Ethereum has called finalized: it must stay there, whatever the node says later.

Nodes behind one address may differ, and one may lag; so an older finalized block breaks nothing, as long as the one
that is remembered is still there. It is kept in a file, so that a restart does not forget what was promised.
"""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from syncfsm.truth.answers import Broken, Trouble
from syncfsm_adapters.da import marks
from syncfsm_adapters.da.rpc import Failed

ANEW: Final = "remove it, and the next is trusted"
HEX: Final = re.compile("0x[0-9a-fA-F]{1,16}")


class _Block(msgspec.Struct, frozen=True):
    number: str
    hash: str

    @property
    def height(self) -> int:
        return int(self.number, 16)


class Finalized:
    """Remembers that block, in ``path`` if there is one. ``LocalError`` if what is there can not be read."""

    def __init__(self, call: Callable[..., Awaitable[Any]], path: Path | None = None) -> None:
        self.broken: Broken | None = None
        """That the promise was broken. From then on nothing is asked."""
        self._call, self._path = call, path
        self._known = marks.read(path, _Block, "what Ethereum had finalized", ANEW) if path is not None else None

    async def look(self) -> Trouble | Broken | None:
        """See that the block is still there, and remember a newer one."""
        if self.broken is not None:
            return self.broken
        newest, known = await self._block("finalized"), self._known
        if isinstance(newest, Trouble):
            return newest
        if known is not None:
            there = await self._block(known.number)
            if isinstance(there, Trouble):
                return there
            if there is None or there.hash != known.hash:
                self.broken = self._break(known, there)
                return self.broken
        return self._remember(newest) if newest is not None else None

    async def _block(self, which: str) -> _Block | Trouble | None:
        found: _Block | Failed | None = await self._call("eth_getBlockByNumber", _Block | None, which, False)
        if isinstance(found, Failed):
            return found.trouble
        if found is not None and not HEX.fullmatch(found.number):
            return Trouble(f"the node gives a block with the number {found.number[:40]!r}")
        return found

    def _remember(self, newest: _Block) -> Trouble | None:
        if self._known is not None and newest.height <= self._known.height:
            return None
        try:
            if self._path is not None:
                marks.write(self._path, newest)
        except OSError as error:
            return Trouble(f"what Ethereum has finalized can not be kept in {self._path} ({error}); make room")
        self._known = newest
        return None

    def _break(self, was: _Block, now: _Block | None) -> Broken:
        instead = f"has {now.hash} there now" if now is not None else "has no such block any more"
        anew = f"remove {self._path}, and start again" if self._path is not None else "start anew"
        return Broken(
            f"Ethereum has taken back what it had finalized. Find out what happened; to trust it again {anew}. Block "
            f"{was.height} was {was.hash}, and the node {instead}"
        )
