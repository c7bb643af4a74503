"""Posts with one account of Ethereum: fees, numbers, signatures.

A transaction may wait in the pool for long. As a poster gives one batch at a time, the next one takes the place of what
still waits (the same number, higher fees), so that never two of them land by surprise. Nothing costs more than the
ceiling: until it is cheaper, nothing is given.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from syncfsm.truth.answers import Outcome, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm_adapters.da import blobs as packing
from syncfsm_adapters.da import kzg
from syncfsm_adapters.da.rpc import Failed, How
from syncfsm_adapters.da.transactions import Account, Fees, Signed, signed, signed_blobs

GWEI: Final = 10**9
CEILING: Final = 100 * GWEI
"""Most wei for a unit of gas, and for one of blob gas. The longest batch costs half an ether then as calldata, and a
twelfth of one in blobs."""
NOT_TAKEN: Final = ("nonce too low", "txpool is full", "underpriced", "less than block", "already reserved")
MAY_LAND: Final = ("already known", "already imported")
BIG: Final = ("oversized data", "exceeds max", "too large", "too many blobs")
FOR_GOOD: Final = ("insufficient funds", "gas required exceeds", "exceeds the configured cap", "invalid sender")


class _Priced(msgspec.Struct):
    base_fee: str = msgspec.field(name="baseFeePerGas", default="0x0")


class _Receipt(msgspec.Struct):
    block: str = msgspec.field(name="blockNumber")


class _NotGivenError(Exception):
    """Nothing was given to the node, because of this."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Wallet:
    """One account, which sends to one address. ``ceiling`` is in wei for a unit of gas, and for one of blob gas."""

    def __init__(self, account: Account, to: bytes, call: Callable[..., Awaitable[Any]], ceiling: int) -> None:
        self._account, self._to, self._call, self._ceiling = account, to, call, ceiling
        self._chain: int | None = None
        self._fees: Fees | None = None
        """Of the last transaction, if it may still wait."""

    async def send(self, data: bytes, in_blobs: bool) -> str | Outcome:
        """Give the node a transaction that carries this: its hash, if it may land."""
        try:
            made = await self._transaction(data, in_blobs)
        except _NotGivenError as error:
            return error.outcome
        sent = await self._call("eth_sendRawTransaction", str, "0x" + made.wire.hex())
        return _refusal(sent) if isinstance(sent, Failed) and not sent.says(MAY_LAND) else made.hash

    async def landed(self, hash: str) -> Posted | None:
        """Is it in a block? Then nothing waits any more."""
        found = await self._call("eth_getTransactionReceipt", _Receipt | None, hash)
        if not isinstance(found, _Receipt):
            return None
        self._fees = None
        return Posted(int(found.block, 16))

    async def _transaction(self, data: bytes, in_blobs: bool) -> Signed:
        """A signed transaction, which takes the place of one of ours that still waits."""
        if self._chain is None:
            self._chain = await self._number("eth_chainId")
        who = "0x" + self._account.address.hex()
        landed = await self._number("eth_getTransactionCount", who, "latest")
        waiting = await self._number("eth_getTransactionCount", who, "pending")
        fees = await self._price(in_blobs)
        if waiting > landed and self._fees is not None:
            fees = fees.at_least(self._fees.raised())
            self._see(max(fees.most, fees.blob), "to replace what still waits")
        self._fees = fees
        if not in_blobs:
            return signed(self._account, self._chain, landed, fees, self._to, data)
        blobs = packing.pack(data)
        try:
            sealed = await kzg.seal(blobs)
        except kzg.KzgError as error:
            raise _NotGivenError(Trouble(str(error))) from None
        return signed_blobs(self._account, self._chain, landed, fees, self._to, blobs, sealed)

    async def _price(self, in_blobs: bool) -> Fees:
        """What it takes to land soon, and twice what is asked now at most, as it may rise; never above the ceiling."""
        tip = await self._number("eth_maxPriorityFeePerGas")
        base = int((await self._ask("eth_getBlockByNumber", _Priced, "latest", False)).base_fee, 16)
        self._see(base + tip, "for a unit of gas")
        blob = max(1, await self._number("eth_blobBaseFee")) if in_blobs else 0
        self._see(blob, "for a unit of blob gas")
        return Fees(tip, min(2 * base + tip, self._ceiling), min(2 * blob, self._ceiling))

    def _see(self, wei: int, what: str) -> None:
        if wei > self._ceiling:
            raise _NotGivenError(
                Trouble(
                    f"Ethereum is dear: it takes {wei / GWEI:,.2f} gwei {what}, and the ceiling is "
                    f"{self._ceiling / GWEI:,.2f}. The batch is tried again later; or raise the ceiling"
                )
            )

    async def _number(self, method: str, *params: Any) -> int:
        said = await self._ask(method, str, *params)
        try:
            return int(said, 16)
        except ValueError:
            raise _NotGivenError(Trouble(f"the node answers {method} with {said[:40]!r}, which is no number")) from None

    async def _ask(self, method: str, kind: Any, *params: Any) -> Any:
        found = await self._call(method, kind, *params)
        if isinstance(found, Failed):
            raise _NotGivenError(_refusal(found) if found.how is How.STATUS else found.trouble)
        return found


def _refusal(failed: Failed) -> Outcome:
    """What became of a transaction that the node did not take, or may have taken."""
    if failed.how is How.STATUS:
        return failed.by_status()
    if failed.how is How.UNSENT or failed.says(NOT_TAKEN):
        return failed.trouble
    if failed.says(FOR_GOOD):
        return Refused(f"{failed.detail}; fill the account that posts, or give the key of another")
    return TooBig(0, failed.detail) if failed.says(BIG) else Unsure(failed.detail)
