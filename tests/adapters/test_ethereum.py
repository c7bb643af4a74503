"""Ethereum as a DA layer: the suite against a real chain on this machine, on trio and on asyncio; and what it adds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Blobs, Broken, Future, Head, Nothing, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm_adapters.da.beacon import Beacon
from syncfsm_adapters.da.ethereum import Ethereum, Tag
from syncfsm_adapters.da.layer import Layer
from syncfsm_adapters.da.rpc import Failed, How
from syncfsm_adapters.da.transactions import Account, Fees, gas_of, keccak256, rlp, signed
from syncfsm_adapters.da.wallet import CEILING, Wallet
from syncfsm_adapters.look.why import Word
from tests.adapters.anvil import KEY, PROGRAM, WHERE, Anvil
from tests.adapters.beacon_node import BeaconNode
from tests.adapters.da_suite import LONGEST, SUITE, Bench, what_is_pruned_is_neither_none_nor_future
from tests.adapters.guard_nodes import Place, process
from tests.adapters.test_look import control, is_word, public_key, until

TOO_LONG: Final = 60.0
CASES: Final = [
    (check, kind)
    for kind in ("calldata", "blobs")
    for check in SUITE
    if kind == "blobs" or check is not what_is_pruned_is_neither_none_nor_future
]
"""A chain on this machine keeps all blocks; blobs are pruned by a beacon node."""
NEEDS_ANVIL = pytest.mark.skipif(PROGRAM is None, reason=WHERE)
Sleep = Callable[[float], Awaitable[None]]


def layer(anvil: Anvil, sleep: Sleep, space: bytes = b"ours", tag: Tag = "latest", **more: Any) -> Ethereum:
    given = {"look": 0.02, "blob_bytes": LONGEST, "patience": 1.0, **more}
    return Ethereum(anvil.url, space, KEY, sleep=sleep, tag=tag, **given)


@attrs.frozen
class OnAnvil:
    """The bench of the suite."""

    layer: Layer
    other: Layer
    _anvil: Anvil
    _beacon: BeaconNode

    async def reorganise(self, height: int, keep: bool) -> None:
        await self._anvil.call("evm_setIntervalMining", 0)  # the depth is counted from a head that stands still
        head = int(await self._anvil.call("eth_blockNumber"), 16)
        second = (await self._anvil.call("eth_accounts"))[1]
        pairs: list[Any] = [({"from": second, "to": second}, 0)]  # so that no block is the same again
        for at in range(height, head + 1) if keep else ():
            block = await self._anvil.call("eth_getBlockByNumber", hex(at), False)
            pairs += [(await self._anvil.call("eth_getRawTransactionByHash", tx), 0) for tx in block["transactions"]]
        await self._anvil.call("anvil_reorg", head - height + 1, pairs)
        await self._anvil.call("evm_setIntervalMining", 1)

    async def prune(self, oldest: int) -> None:
        self._beacon.oldest = oldest

    async def out(self, out: bool) -> None:
        self._anvil.hold(out)


@asynccontextmanager
async def bench(sleep: Sleep, kind: str) -> AsyncIterator[Bench]:
    with Anvil() as anvil, BeaconNode(anvil.url) as node:
        more: dict[str, Any] = {"beacon": Beacon(node.url), "kept": 0.0, "patience": 3.0} if kind == "blobs" else {}
        await layer(anvil, sleep).wait(2, 30)  # so that there is something before what is posted
        if more:  # anvil prepares for blobs when it is given the first one
            await layer(anvil, sleep, b"first", beacon=Beacon(node.url), patience=30.0).submit(b"first")
        yield OnAnvil(layer(anvil, sleep, **more), layer(anvil, sleep, b"other", **more), anvil, node)


def run(test: Callable[[Sleep], Awaitable[None]], on_trio: bool = True) -> None:
    async def bounded() -> None:
        with trio.fail_after(TOO_LONG):
            await test(trio.sleep)

    if on_trio:
        trio.run(bounded)
    else:
        asyncio.run(asyncio.wait_for(test(asyncio.sleep), TOO_LONG))


@NEEDS_ANVIL
@pytest.mark.parametrize(("check", "kind"), CASES, ids=[f"{kind}-{check.__name__}" for check, kind in CASES])
@pytest.mark.parametrize("on_trio", [True, False], ids=["trio", "asyncio"])
def test_it_is_a_layer(on_trio: bool, check: Callable[[Bench], Awaitable[None]], kind: str) -> None:
    async def test(sleep: Sleep) -> None:
        async with bench(sleep, kind) as made:
            await check(made)

    run(test, on_trio)


@NEEDS_ANVIL
def test_one_may_read_up_to_what_is_finalized() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil(pace=0) as anvil:
            latest, final = layer(anvil, sleep), layer(anvil, sleep, tag="finalized")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(latest.submit, b"a batch")
                while not int((await anvil.call("txpool_status"))["pending"], 16):
                    await sleep(0.01)
                await anvil.call("anvil_mine", 1)
            assert await latest.head() == Head(1)
            assert isinstance(await latest.blobs(1), Blobs)
            assert isinstance(await final.blobs(1), Future)
            await anvil.call("anvil_mine", 6)
            found = await final.blobs(1)
            assert isinstance(found, Blobs)
            assert found.blobs == (b"a batch",)

    run(test)


@NEEDS_ANVIL
def test_what_was_finalized_and_changes_is_the_end(tmp_path: Path) -> None:
    """A restart does not forget it, and another layer that has not seen it trusts what there is."""

    async def test(sleep: Sleep) -> None:
        with Anvil(pace=0) as anvil:
            kept = tmp_path / "finalized"
            made = layer(anvil, sleep, path=kept)
            await anvil.call("anvil_mine", 10)
            assert isinstance(await made.head(), Head)
            await anvil.call("anvil_reorg", 3, [])
            assert isinstance(await made.head(), Head), "that was not final"
            await anvil.call("anvil_reorg", 9, [])
            for each in (made, layer(anvil, sleep, path=kept)):
                broken = await each.blobs(1)
                assert isinstance(broken, Broken), broken
                assert "taken back what it had finalized" in broken.detail
                assert f"remove {kept}" in broken.detail
                assert await each.head() == await each.wait(1, 1) == Trouble(broken.detail)
                assert await each.submit(b"a batch") == Refused(broken.detail)
            kept.unlink()
            assert isinstance(await layer(anvil, sleep, path=kept).blobs(1), Nothing)
            kept.write_bytes(b"junk")
            with pytest.raises(LocalError, match="can not be read"):
                layer(anvil, sleep, path=kept)

    run(test)


@NEEDS_ANVIL
def test_a_node_says_that_it_was_the_end_and_says_so_again_after_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with Anvil(pace=0.1) as anvil:
        place.sequencer()  # who has a key, and does not run
        flags = place.follower(
            public_key(place), "--da", f"ethereum+{anvil.url}", "--da-finality", "2", "--listen", "127.0.0.1:0"
        )
        path = control(tmp_path / "f.store")
        with process(*flags) as node:
            node.until("listening")
            until(path, lambda report: report["truth"]["reader"]["read"] > 10)
            trio.run(anvil.call, "anvil_reorg", 9, [])
            node.until("da-broke")
            report = until(path, is_word(Word.LOST_FORK))
            assert "taken back what it had finalized" in report["sentence"]
        with process(*flags) as node:
            node.until("da-broke")
            assert until(path, is_word(Word.LOST_FORK))["sentence"] == report["sentence"]


@NEEDS_ANVIL
def test_a_transaction_that_waits_is_not_given_twice() -> None:
    """The next one takes its place, and one of the two lands."""

    async def test(sleep: Sleep) -> None:
        with Anvil(pace=0) as anvil:
            made = layer(anvil, sleep, inclusion=0.2)
            assert isinstance(await made.submit(b"first"), Unsure)
            assert isinstance(await made.submit(b"second"), Unsure)
            await anvil.call("anvil_mine", 1)
            await anvil.call("anvil_mine", 1)
            answers = [await made.blobs(height) for height in (1, 2)]
            assert [answer.blobs for answer in answers if isinstance(answer, Blobs)] == [(b"second",)]

    run(test)


@NEEDS_ANVIL
def test_what_is_dear_is_given_later() -> None:
    """Nothing is given above the ceiling, be it the first time or to replace what waits."""

    async def test(sleep: Sleep) -> None:
        gwei = 10**9
        with Anvil(pace=0) as anvil:
            made = layer(anvil, sleep, inclusion=0.1, ceiling=5 * gwei)
            await anvil.call("anvil_setNextBlockBaseFeePerGas", hex(5 * gwei))
            await anvil.call("anvil_mine", 1)
            dear = await made.submit(b"first")
            assert isinstance(dear, Trouble)
            assert "for a unit of gas, and the ceiling is 5.00" in dear.detail
            await anvil.call("anvil_setNextBlockBaseFeePerGas", hex(2 * gwei))
            await anvil.call("anvil_mine", 1)
            assert isinstance(await made.submit(b"first"), Unsure)
            dear = await made.submit(b"second")
            assert isinstance(dear, Trouble)
            assert "to replace what still waits" in dear.detail
            await anvil.call("anvil_mine", 1)
            landed = await made.blobs(3)
            assert isinstance(landed, Blobs)
            assert landed.blobs == (b"first",)
            await anvil.call("anvil_setNextBlockBaseFeePerGas", hex(gwei))
            await anvil.call("anvil_mine", 1)
            assert isinstance(await made.submit(b"second"), Unsure)

    run(test)


@NEEDS_ANVIL
def test_an_account_without_money_is_refused() -> None:
    async def test(sleep: Sleep) -> None:
        with Anvil() as anvil:
            poor = Ethereum(anvil.url, b"ours", bytes(31) + b"\x07", sleep=sleep, look=0.02)
            found = await poor.submit(b"a batch")
            assert isinstance(found, Refused), found
            assert "fill the account" in found.detail
            reader = Ethereum(anvil.url, b"ours", sleep=sleep)
            assert isinstance(await reader.wait(2, 10), Head)
            assert isinstance(await reader.blobs(1), Nothing)
            with pytest.raises(LocalError, match="nobody pays"):
                await reader.submit(b"a batch")

    run(test)


@NEEDS_ANVIL
def test_a_restart_of_the_node_loses_nothing(tmp_path: Any) -> None:
    async def test(sleep: Sleep) -> None:
        state = ("--state", str(tmp_path / "state.json"), "--preserve-historical-states")
        with Anvil(*state) as anvil:
            posted = await layer(anvil, sleep).submit(b"before")
            assert isinstance(posted, Posted)
        with Anvil(*state) as anvil:
            found = await layer(anvil, sleep).blobs(posted.height)
            assert isinstance(found, Blobs)
            assert found.blobs == (b"before",)

    run(test)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("replacement transaction underpriced", Trouble),
        ("max fee per blob gas less than block blob gas fee", Trouble),
        ("address already reserved", Trouble),
        ("Insufficient funds for gas * price + value", Refused),
        ("oversized data: transaction size 200000, limit 131072", TooBig),
        ("too many blobs in transaction: have 6, permitted 2", TooBig),
        ("something else", Unsure),
    ],
)
def test_what_became_of_a_transaction_that_was_not_taken(said: str, outcome: type[object]) -> None:
    """In the words of geth."""

    async def test(sleep: Sleep) -> None:
        answers = {
            "eth_chainId": "0x1", "eth_getTransactionCount": "0x0", "eth_maxPriorityFeePerGas": "0x1",
            "eth_getBlockByNumber": {"baseFeePerGas": "0x1"},
        }  # fmt: skip

        async def call(method: str, kind: Any, *params: Any) -> Any:
            return msgspec.convert(answers[method], kind) if method in answers else Failed(How.ERROR, said)

        assert isinstance(await Wallet(Account.of(KEY), bytes(20), call, CEILING).send(b"x", False), outcome)

    run(test)


# What is hashed and signed --------------------------------------------------------------------------------------------


def test_numbers_bytes_and_lists_are_written_as_ethereum_writes_them() -> None:
    """From the examples of its documentation."""
    assert rlp(b"dog") == b"\x83dog"
    assert rlp([b"cat", b"dog"]) == b"\xc8\x83cat\x83dog"
    assert rlp(b"") == rlp(0) == b"\x80"
    assert rlp([]) == b"\xc0"
    assert rlp(15) == b"\x0f"
    assert rlp(1024) == b"\x82\x04\x00"
    assert rlp([[], [[]], [[], [[]]]]) == bytes.fromhex("c7c0c1c0c3c0c1c0")
    text = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"
    assert rlp(text) == b"\xb8\x38" + text
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_an_account_is_the_one_that_its_key_says() -> None:
    assert Account.of(KEY).address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    for wrong in (bytes(32), b"short"):
        with pytest.raises(LocalError):
            Account.of(wrong)
    made = signed(Account.of(KEY), 1, 0, Fees(1, 2), bytes(20), b"\x00\x01")
    assert made.wire[0] == 2
    assert gas_of(b"\x00\x01") == 21_050
    assert Fees(8, 80).raised() == Fees(11, 101)
