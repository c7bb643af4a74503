"""A namespace of a Celestia node, or of whatever speaks its API (``syncfsm da``), on trio and on asyncio.

A node's errors are texts; here they become the answers of a ``Layer``. What is not known is ``Trouble``, never *none*.
The header is asked for before the blobs: if the layer reorganises between the two, the next header does not fit on this
one, and the reader notices.
"""

import base64
import re
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import attrs
import msgspec

from syncfsm.errors import LocalError
from syncfsm.truth.answers import (
    Answer,
    Blobs,
    Future,
    Head,
    Nothing,
    Outcome,
    Place,
    Posted,
    Pruned,
    Refused,
    TooBig,
    Trouble,
    Unsure,
)  # fmt: skip
from syncfsm_adapters.da.news import News
from syncfsm_adapters.da.rpc import Failed, How, Rpc
from syncfsm_adapters.da.shares import NAMESPACE_BYTES, commitment

MIB: Final = 1024 * 1024
TAIL: Final = re.compile(r"below Tail \((\d+)\)")
BELOW: Final = ("below Tail", "outside of sampling window", "outside sampling window")
FUTURE: Final = ("from the future",)
NONE: Final = ("blob: not found",)
MAY_LAND: Final = ("already in mempool", "timed out waiting", "context deadline exceeded", "already in cache")
BIG: Final = ("too large", "too big", "exceeds max", "larger than")
NOT_TAKEN: Final = ("incorrect account sequence", "account sequence mismatch", "no blobs provided", "mempool is full")
FOR_GOOD: Final = ("insufficient fee", "insufficient funds", "missing permission", "invalid namespace", "unauthorized")


@attrs.frozen(kw_only=True)
class Gas:
    """What a transaction may cost, and who pays; what is ``None`` is left to the node. ``priority`` is 1 to 3."""

    price: float | None = None
    most: float | None = None
    gas: int | None = None
    priority: int | None = None
    key: str | None = None
    signer: str | None = None
    granter: str | None = None

    def options(self) -> Mapping[str, Any]:
        """As the API names it."""
        named = {
            "gas_price": self.price, "is_gas_price_set": True if self.price is not None else None,
            "max_gas_price": self.most, "gas": self.gas, "tx_priority": self.priority, "key_name": self.key,
            "signer_address": self.signer, "fee_granter_address": self.granter,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None}


class _Link(msgspec.Struct):
    hash: str


class _Inner(msgspec.Struct):
    height: str
    last_block_id: _Link


class _Commit(msgspec.Struct):
    block_id: _Link


class _Header(msgspec.Struct):
    """What is read of a node's header."""

    header: _Inner
    commit: _Commit

    @property
    def place(self) -> Place:
        ids = (bytes.fromhex(link.hash) for link in (self.commit.block_id, self.header.last_block_id))
        return Place(int(self.header.height), *ids)


class _Blob(msgspec.Struct):
    namespace: bytes
    data: bytes
    commitment: bytes


class Celestia:
    """One namespace behind this ``url``. Between two questions it holds a subscription at most, until it is closed."""

    def __init__(
        self,
        url: str,
        space: bytes,
        *,
        token: str = "",
        gas: Gas | None = None,
        blob_bytes: int = 8 * MIB - 64 * 1024,
        answer_bytes: int = 256 * MIB,
        patience: float = 10.0,
        inclusion: float = 90.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``patience`` is how many seconds a question may take, ``inclusion`` how many a blob may take into a block. A
        longer answer than ``answer_bytes`` is trouble; ``TruthLimits.window`` of them may be in memory at once."""
        if len(space) != NAMESPACE_BYTES:
            raise LocalError(
                f"a namespace has {NAMESPACE_BYTES} bytes, not {len(space)}: make one with shares.namespace"
            )
        self._space = space
        self._call = Rpc(url, token, answer_bytes, patience).call
        self._clock = clock
        self._news = News(url, token, base64.b64encode(space).decode(), answer_bytes, patience, clock)
        self._gas = (gas or Gas()).options()
        self._blob_bytes, self._inclusion = blob_bytes, inclusion
        self._head = 0

    # The four questions ---------------------------------------------------------------------------------------------

    async def submit(self, blob: bytes) -> Outcome:
        if not blob:
            raise LocalError("an empty blob can not be submitted: give it at least one byte")
        if len(blob) > self._blob_bytes:
            return TooBig(self._blob_bytes, f"a blob has at most {self._blob_bytes:,} bytes, not {len(blob):,}")
        proof = commitment(self._space, blob)
        given = {"namespace": self._space, "data": blob, "share_version": 0, "commitment": proof, "index": -1}
        found = await self._call("blob.Submit", int, [given], self._gas, patience=self._inclusion)
        return Posted(found) if isinstance(found, int) else _outcome(found)

    async def blobs(self, height: int) -> Answer:
        if height < 1:
            raise LocalError(f"the first block of a DA layer has height 1; there is none at {height}")
        if height > self._head:  # a node waits for the next header, and does not say that it is not there
            head = await self.head()
            if isinstance(head, Trouble):
                return head
            if height > head.height:
                return Future(head.height)
        header = await self._call("header.GetByHeight", _Header, height)
        if isinstance(header, Failed):
            return self._absent(header)
        try:
            place = header.place
        except ValueError as error:
            return Trouble(f"the node gives a header that can not be read: {error}")
        if place.height != height:
            return Trouble(f"the node gives header {place.height} for {height}")
        found = await self._call("blob.GetAll", list[_Blob] | None, height, [self._space])
        if isinstance(found, Failed):
            return Nothing(place) if found.says(NONE) else self._absent(found)
        return self._whole(place, found or [])

    async def head(self) -> Head | Trouble:
        return self._reached(await self._call("header.LocalHead", _Header))

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        """News of it is heard where the layer has a subscription; else it is asked to answer once it is there."""
        end = self._clock() + seconds
        while True:
            found = await self._wait(height, end - self._clock())
            if isinstance(found, Trouble) or found.height >= height or self._clock() >= end:
                return found

    async def _wait(self, height: int, left: float) -> Head | Trouble:
        """The same; it may end too early."""
        was_open = self._news.is_open
        if not await self._news.open():
            return await self._ask(height, left)
        if not was_open or height <= self._news.height:  # it may have come before
            head = await self.head()
            if isinstance(head, Trouble) or head.height >= height:
                return head
        if not await self._news.reach(height, left):
            return await self.head()
        self._head = self._news.height
        return Head(self._head)

    async def _ask(self, height: int, left: float) -> Head | Trouble:
        found = await self._call("header.WaitForHeight", _Header, height, patience=min(left, self._inclusion))
        if isinstance(found, Failed) and found.how is How.LOST:  # too late, most likely: is the node there?
            return await self.head()
        return self._reached(found)

    def close(self) -> None:
        self._news.close()

    # What a node says -----------------------------------------------------------------------------------------------

    def _reached(self, header: "_Header | Failed") -> Head | Trouble:
        if isinstance(header, Failed):
            return header.trouble
        if not header.header.height.isdecimal():
            return Trouble(f"the node gives a header without a height: {header.header.height!r}")
        self._head = int(header.header.height)
        return Head(self._head)

    def _absent(self, failed: Failed) -> Answer:
        known, self._head = self._head, 0  # the layer may have gone back: ask for the head next time
        if failed.says(FUTURE):
            return Future(known)
        if failed.says(BELOW):
            tail = TAIL.search(failed.detail)
            return Pruned(int(tail[1]) if tail else 0)
        return failed.trouble

    def _whole(self, place: Place, found: list[_Blob]) -> Answer:
        for blob in found:
            if blob.namespace != self._space or blob.commitment != commitment(self._space, blob.data):
                return Trouble(f"the node gives a blob at {place.height} that is not what its commitment names")
        return Blobs(place, tuple(blob.data for blob in found)) if found else Nothing(place)


def _outcome(failed: Failed) -> Outcome:
    """What became of a blob, from how its submission failed. An unknown error may come after it was sent on."""
    if failed.how is How.STATUS:
        return failed.by_status()
    if failed.how is How.UNSENT or failed.says(NOT_TAKEN):
        return failed.trouble
    if failed.says(BIG) and not failed.says(MAY_LAND):
        return TooBig(0, failed.detail)
    return Refused(failed.detail) if failed.says(FOR_GOOD) else Unsure(failed.detail)
