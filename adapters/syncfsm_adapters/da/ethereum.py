"""Ethereum as a DA layer: batches are carried by transactions to an address that follows from the namespace, as
calldata, or as blobs (EIP-4844) where there is a beacon node to read them from.

Any node of Ethereum will do, over JSON-RPC, on trio and on asyncio. What is at a height is read from the block itself.
One reads up to ``latest``, ``safe`` or ``finalized``; with ``latest``, finality is a depth, as for every layer. A block
that the node has called finalized and that changes afterwards is the end: from then on the layer says that it is
broken, and nothing is posted.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Final, Literal

import msgspec

from syncfsm.errors import LocalError
from syncfsm.truth.answers import (
    Answer,
    Blobs,
    Broken,
    Future,
    Head,
    Nothing,
    Outcome,
    Place,
    Pruned,
    Refused,
    TooBig,
    Trouble,
    Unsure,
)  # fmt: skip
from syncfsm_adapters.da import blobs as packing
from syncfsm_adapters.da.beacon import Beacon
from syncfsm_adapters.da.finalized import Finalized
from syncfsm_adapters.da.rpc import Failed, Rpc
from syncfsm_adapters.da.transactions import ADDRESS_BYTES, Account, keccak256
from syncfsm_adapters.da.wallet import CEILING, Wallet

CALLDATA_BYTES: Final = 120 * 1024
"""Longest batch as calldata: a pool takes transactions of 128 KiB."""
KEPT: Final = 4096 * 32 * 12
"""Seconds for which beacon nodes keep blobs: 4,096 epochs, 18 days."""
ANSWER_BYTES: Final = 64 * 1024 * 1024
LOOK: Final = 1.0
"""Seconds between two looks for a block, at most."""
Tag = Literal["latest", "safe", "finalized"]


class _Transaction(msgspec.Struct):
    input: str
    to: str | None = None
    hashes: list[str] = msgspec.field(name="blobVersionedHashes", default_factory=list)

    def goes_to(self, address: str) -> bool:
        return self.to is not None and self.to.lower() == address


class _Block(msgspec.Struct):
    """What is read of a block; ``transactions`` are hashes where they are not asked for."""

    number: str
    hash: str
    parent: str = msgspec.field(name="parentHash")
    timestamp: str
    transactions: list[_Transaction | str] = []

    @property
    def height(self) -> int:
        return int(self.number, 16)

    @property
    def time(self) -> int:
        return int(self.timestamp, 16)

    @property
    def place(self) -> Place:
        return Place(self.height, bytes.fromhex(self.hash[2:]), bytes.fromhex(self.parent[2:]))


class Ethereum:
    """One namespace of Ethereum, behind this ``url``. ``key`` pays for what is posted; a reader needs none."""

    def __init__(
        self,
        url: str,
        space: bytes,
        key: bytes | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]],
        tag: Tag = "latest",
        path: Path | None = None,
        token: str = "",
        beacon: Beacon | None = None,
        kept: float = KEPT,
        ceiling: int = CEILING,
        blob_bytes: int | None = None,
        answer_bytes: int = ANSWER_BYTES,
        patience: float = 10.0,
        inclusion: float = 90.0,
        look: float = LOOK,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``sleep`` is that of the event loop. ``path`` is a file that keeps what was finalized over a restart. With a
        ``beacon`` node batches are posted as blobs, and read as blobs and as calldata; the blobs of blocks older than
        ``kept`` seconds may be gone. ``ceiling`` is the most wei that is paid for a unit of gas, and for one of blob
        gas. ``patience`` is how many seconds a question may take, ``inclusion`` how many a transaction may take into a
        block, ``look`` how often one looks. ``LocalError`` if the key is none, or the file can not be read."""
        self._call = Rpc(url, token, answer_bytes, patience).call
        inbox = keccak256(b"syncfsm inbox" + space)[-ADDRESS_BYTES:]
        self._address = "0x" + inbox.hex()
        self._wallet = Wallet(Account.of(key), inbox, self._call, ceiling) if key is not None else None
        self._sleep, self._clock, self._tag = sleep, clock, tag
        self._beacon, self._kept, self._ceiling = beacon, kept, ceiling
        most = CALLDATA_BYTES if beacon is None else packing.MOST_BYTES
        self._blob_bytes = min(most, blob_bytes or most)
        self._inclusion, self._look = inclusion, look
        self._finalized = Finalized(self._call, path)

    # The four questions ---------------------------------------------------------------------------------------------

    async def submit(self, blob: bytes) -> Outcome:
        if not blob:
            raise LocalError("an empty blob can not be submitted: give it at least one byte")
        if self._wallet is None:
            raise LocalError("nobody pays for it: give the layer a key of Ethereum")
        if len(blob) > self._blob_bytes:
            return TooBig(self._blob_bytes, f"a blob has at most {self._blob_bytes:,} bytes, not {len(blob):,}")
        if self._finalized.broken is not None:
            return Refused(self._finalized.broken.detail)
        hash = await self._wallet.send(blob, in_blobs=self._beacon is not None)
        return await self._included(hash) if isinstance(hash, str) else hash

    async def _included(self, hash: str) -> Outcome:
        """Wait until the transaction is in a block."""
        assert self._wallet is not None
        end = self._clock() + self._inclusion
        while True:
            landed = await self._wallet.landed(hash)
            if landed is not None:
                return landed
            if self._clock() >= end:
                return Unsure(f"transaction {hash} is in no block after {self._inclusion:g} s")
            await self._sleep(min(self._look, max(0.0, end - self._clock())))

    async def blobs(self, height: int) -> Answer:
        if height < 1:
            raise LocalError(f"the first block of a DA layer has height 1; there is none at {height}")
        head = await self._reached()
        if not isinstance(head, Head):
            return head
        if height > head.height:
            return Future(head.height)
        block = await self._call("eth_getBlockByNumber", _Block | None, hex(height), True)
        if isinstance(block, Failed):
            return Pruned(0) if block.says(("pruned", "not available")) else block.trouble
        if block is None:
            return Pruned(0)
        try:
            place, ours = block.place, [each for each in block.transactions if self._is_ours(each)]
            found = await self._carried(block, [each for each in ours if isinstance(each, _Transaction)])
        except ValueError as error:
            return Trouble(f"the node gives block {height} that can not be read: {error}")
        if isinstance(found, Pruned | Trouble):
            return found
        return Blobs(place, found) if found else Nothing(place)

    async def head(self) -> Head | Trouble:
        found = await self._reached()
        return Trouble(found.detail) if isinstance(found, Broken) else found

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        end = self._clock() + seconds
        while True:
            head = await self.head()
            left = end - self._clock()
            if isinstance(head, Trouble) or head.height >= height or left <= 0:
                return head
            await self._sleep(min(self._look, left))

    def close(self) -> None:
        """Nothing is held."""

    # Reading --------------------------------------------------------------------------------------------------------

    async def _reached(self) -> Head | Trouble | Broken:
        """Where the chain is, as far as one reads it, if it keeps what it has finalized."""
        wrong = await self._finalized.look()
        if wrong is not None:
            return wrong
        block = await self._call("eth_getBlockByNumber", _Block | None, self._tag, False)
        if isinstance(block, Failed):
            return block.trouble
        return Head(block.height) if block is not None else Trouble(f"the node knows no block that is {self._tag}")

    def _is_ours(self, each: _Transaction | str) -> bool:
        return isinstance(each, _Transaction) and each.goes_to(self._address)

    async def _carried(self, block: _Block, ours: list[_Transaction]) -> tuple[bytes, ...] | Pruned | Trouble:
        """What these transactions of a block carry, in its order. Without a beacon node blobs are passed by."""
        names = [name for each in ours for name in each.hashes]
        blobs: Mapping[str, bytes] = {}
        if names and self._beacon is not None:
            found = await self._beacon.blobs(block.height, block.time, names)
            if isinstance(found, Failed):
                return found.trouble
            blobs = found
            if not all(name in blobs for name in names):
                return await self._missing(block)
        data = (_data(each, blobs) for each in ours if not each.hashes or self._beacon is not None)
        return tuple(each for each in data if each)

    async def _missing(self, block: _Block) -> Pruned | Trouble:
        """A beacon node keeps blobs for so long. Before, it has them not yet, or it is one that does not keep all."""
        newest = await self._call("eth_getBlockByNumber", _Block, "latest", False)
        if isinstance(newest, Failed):
            return newest.trouble
        if newest.time - block.time >= self._kept:
            return Pruned(0)
        assert self._beacon is not None
        return Trouble(
            f"{self._beacon.url} has not the blobs of block {block.height}: it lags, or does not keep them all"
        )


def _data(each: _Transaction, blobs: Mapping[str, bytes]) -> bytes:
    """What a transaction carries; nothing if its blobs were packed by a stranger in another way."""
    if not each.hashes:
        return bytes.fromhex(each.input[2:])
    return packing.unpack([blobs[name] for name in each.hashes]) or b""
