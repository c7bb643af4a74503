"""Ethereum as a DA layer: batches are the data of transactions to an address that follows from the namespace.

Any node of Ethereum will do, over JSON-RPC, on trio and on asyncio. What is at a height is read from the block itself.
One reads up to ``latest``, ``safe`` or ``finalized``; with ``latest``, finality is a depth, as for every layer. A block
that the node has called finalized and that changes afterwards is the end: from then on all answers are trouble that
says so.

A transaction may wait in the pool for long. As a poster gives one batch at a time, the next one takes the place of what
still waits (the same number, a higher fee), so that never two of them land by surprise.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, Literal

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
from syncfsm_adapters.da.rpc import Failed, How, Rpc
from syncfsm_adapters.da.transactions import Account, Fees, keccak256, signed

BLOB_BYTES: Final = 120 * 1024
"""Longest blob: a pool takes transactions of 128 KiB."""
ANSWER_BYTES: Final = 64 * 1024 * 1024
LOOK: Final = 1.0
"""Seconds between two looks for a block, at most."""
NOT_TAKEN: Final = ("nonce too low", "txpool is full", "underpriced")
MAY_LAND: Final = ("already known", "already imported")
BIG: Final = ("oversized data", "exceeds max", "too large")
FOR_GOOD: Final = ("insufficient funds", "gas required exceeds", "exceeds the configured cap", "invalid sender")
Tag = Literal["latest", "safe", "finalized"]


class _Transaction(msgspec.Struct):
    input: str
    to: str | None = None

    def goes_to(self, address: str) -> bool:
        return self.to is not None and self.to.lower() == address


class _Block(msgspec.Struct):
    """What is read of a block; ``transactions`` are hashes where they are not asked for."""

    number: str
    hash: str
    parent: str = msgspec.field(name="parentHash")
    base_fee: str = msgspec.field(name="baseFeePerGas", default="0x0")
    transactions: list[_Transaction | str] = []

    @property
    def height(self) -> int:
        return int(self.number, 16)

    @property
    def place(self) -> Place:
        return Place(self.height, bytes.fromhex(self.hash[2:]), bytes.fromhex(self.parent[2:]))


class _Receipt(msgspec.Struct):
    block: str = msgspec.field(name="blockNumber")


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
        token: str = "",
        blob_bytes: int = BLOB_BYTES,
        answer_bytes: int = ANSWER_BYTES,
        patience: float = 10.0,
        inclusion: float = 90.0,
        look: float = LOOK,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``sleep`` is that of the event loop. ``patience`` is how many seconds a question may take, ``inclusion`` how
        many a transaction may take into a block, ``look`` how often one looks. ``LocalError`` if the key is none."""
        self._call = Rpc(url, token, answer_bytes, patience).call
        self._account = Account.of(key) if key is not None else None
        self._inbox = keccak256(b"syncfsm inbox" + space)[-20:]
        self._address = "0x" + self._inbox.hex()
        self._sleep, self._clock, self._tag = sleep, clock, tag
        self._blob_bytes, self._inclusion, self._look = blob_bytes, inclusion, look
        self._chain: int | None = None
        self._fees: Fees | None = None
        """Of the last transaction, if it may still wait."""
        self._finalized: tuple[int, str] = (0, "")
        self._broken = ""

    # The four questions ---------------------------------------------------------------------------------------------

    async def submit(self, blob: bytes) -> Outcome:
        if not blob:
            raise LocalError("an empty blob can not be submitted: give it at least one byte")
        if self._account is None:
            raise LocalError("nobody pays for it: give the layer a key of Ethereum")
        if len(blob) > self._blob_bytes:
            return TooBig(self._blob_bytes, f"a blob has at most {self._blob_bytes:,} bytes, not {len(blob):,}")
        made = await self._transaction(self._account, blob)
        if isinstance(made, Failed):
            return made.trouble if made.how is not How.ERROR else _refusal(made)
        sent = await self._call("eth_sendRawTransaction", str, "0x" + made.hex())
        if isinstance(sent, Failed) and not sent.says(MAY_LAND):
            return _refusal(sent)
        return await self._included("0x" + keccak256(made).hex())

    async def blobs(self, height: int) -> Answer:
        if height < 1:
            raise LocalError(f"the first block of a DA layer has height 1; there is none at {height}")
        head = await self.head()
        if isinstance(head, Trouble):
            return head
        if height > head.height:
            return Future(head.height)
        block = await self._call("eth_getBlockByNumber", _Block | None, hex(height), True)
        if isinstance(block, Failed):
            return Pruned(0) if block.says(("pruned", "not available")) else block.trouble
        if block is None:
            return Pruned(0)
        try:
            data = (self._data(each) for each in block.transactions if self._is_ours(each))
            found = tuple(blob for blob in data if blob)
            place = block.place
        except ValueError as error:
            return Trouble(f"the node gives block {height} that can not be read: {error}")
        return Blobs(place, found) if found else Nothing(place)

    async def head(self) -> Head | Trouble:
        wrong = await self._look_at_finalized()
        if wrong is not None:
            return wrong
        block = await self._call("eth_getBlockByNumber", _Block | None, self._tag, False)
        if isinstance(block, Failed):
            return block.trouble
        return Head(block.height) if block is not None else Trouble(f"the node knows no block that is {self._tag}")

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        end = self._clock() + seconds
        while True:
            head = await self.head()
            left = end - self._clock()
            if isinstance(head, Trouble) or head.height >= height or left <= 0:
                return head
            await self._sleep(min(self._look, left))

    # Reading --------------------------------------------------------------------------------------------------------

    def _is_ours(self, each: _Transaction | str) -> bool:
        return isinstance(each, _Transaction) and each.goes_to(self._address)

    def _data(self, each: _Transaction | str) -> bytes:
        return bytes.fromhex(each.input[2:]) if isinstance(each, _Transaction) else b""

    async def _look_at_finalized(self) -> Trouble | None:
        """Remember the newest finalized block, and see that the one remembered is still there."""
        if self._broken:
            return Trouble(self._broken)
        block = await self._call("eth_getBlockByNumber", _Block | None, "finalized", False)
        if isinstance(block, Failed):
            return block.trouble
        height, known = self._finalized
        if block is None or block.height <= height:
            # A node that lags, or has gone back: what it had called finalized must be there all the same.
            block = await self._call("eth_getBlockByNumber", _Block | None, hex(height), False) if known else None
            if isinstance(block, Failed):
                return block.trouble
            if known and (block is None or block.hash != known):
                return self._breaks(height, known, block)
            return None
        if known:
            old = await self._call("eth_getBlockByNumber", _Block | None, hex(height), False)
            if isinstance(old, Failed):
                return old.trouble
            if old is None or old.hash != known:
                return self._breaks(height, known, old)
        self._finalized = block.height, block.hash
        return None

    def _breaks(self, height: int, was: str, now: _Block | None) -> Trouble:
        instead = f"has {now.hash} there now" if now is not None else "has no such block any more"
        self._broken = (
            f"Ethereum has taken back what it had finalized: block {height} was {was}, and the node {instead}. Nothing "
            "more is read; find out what happened, and start anew"
        )
        return Trouble(self._broken)

    # Writing --------------------------------------------------------------------------------------------------------

    async def _transaction(self, account: Account, blob: bytes) -> bytes | Failed:
        """A signed transaction, which takes the place of one of ours that still waits."""
        who = "0x" + account.address.hex()
        if self._chain is None:
            chain = await self._call("eth_chainId", str)
            if isinstance(chain, Failed):
                return chain
            self._chain = int(chain, 16)
        asked: list[Any] = [
            await self._call("eth_getTransactionCount", str, who, "latest"),
            await self._call("eth_getTransactionCount", str, who, "pending"),
            await self._call("eth_maxPriorityFeePerGas", str),
            await self._call("eth_getBlockByNumber", _Block, "latest", False),
        ]
        for each in asked:
            if isinstance(each, Failed):
                return each
        landed, waiting, tip, block = int(asked[0], 16), int(asked[1], 16), int(asked[2], 16), asked[3]
        fees = Fees(tip, 2 * int(block.base_fee, 16) + tip)
        if waiting > landed and self._fees is not None:
            raised = self._fees.raised()
            fees = Fees(max(fees.tip, raised.tip), max(fees.most, raised.most))
        self._fees = fees
        return signed(account, self._chain, landed, fees, self._inbox, blob)

    async def _included(self, hash: str) -> Outcome:
        """Wait until the transaction is in a block."""
        end = self._clock() + self._inclusion
        while True:
            found = await self._call("eth_getTransactionReceipt", _Receipt | None, hash)
            if isinstance(found, _Receipt):
                self._fees = None
                return Posted(int(found.block, 16))
            if self._clock() >= end:
                return Unsure(f"transaction {hash} is in no block after {self._inclusion:g} s")
            await self._sleep(min(self._look, max(0.0, end - self._clock())))


def _refusal(failed: Failed) -> Outcome:
    """What became of a transaction that the node did not take, or may have taken."""
    if failed.how is How.STATUS:
        return failed.by_status()
    if failed.how is How.UNSENT or failed.says(NOT_TAKEN):
        return failed.trouble
    if failed.says(FOR_GOOD):
        return Refused(f"{failed.detail}; fill the account that posts, or give the key of another")
    return TooBig(0, failed.detail) if failed.says(BIG) else Unsure(failed.detail)
