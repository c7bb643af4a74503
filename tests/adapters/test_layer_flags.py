"""The flags of ``syncfsm node`` for a layer: from the command line, or a file, to what is asked of the layer."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Future, Head, Posted
from syncfsm.truth.limits import TruthLimits
from syncfsm_adapters.command.cli import parser
from syncfsm_adapters.command.layer import layer_of
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.command.truth import limits_of
from tests.adapters.da_process import DaProcess, store
from tests.adapters.guard_nodes import Place, process
from tests.adapters.rpc_proxy import Recording, passing_on

PAYS = (
    "--da-gas-price", "0.004", "--da-max-gas-price", "0.1", "--da-gas-limit", "90000", "--da-priority", "3",
    "--da-key-name", "mine", "--da-signer", "celestia1signer", "--da-fee-granter", "celestia1granter",
)  # fmt: skip
NAMED = {
    "gas_price": 0.004, "is_gas_price_set": True, "max_gas_price": 0.1, "gas": 90000, "tx_priority": 3,
    "key_name": "mine", "signer_address": "celestia1signer", "fee_granter_address": "celestia1granter",
}  # fmt: skip


def settings(*flags: str, config: str | None = None) -> Settings:
    """Of a node with these flags, as the command reads them."""
    given = vars(parser().parse_args(["node", "--name", "n", "--store", "n.store", *flags]))
    return Settings.read(config, {name: value for name, value in given.items() if name not in ("run", "config")})


def sequencer(*flags: str, da: str = "http://127.0.0.1:1") -> Settings:
    return settings("--key", "no.key", "--da", da, *flags)


def follower(*flags: str, da: str = "http://127.0.0.1:1") -> Settings:
    return settings("--public-key", "ab" * 32, "--da", da, *flags)


def test_a_sequencer_pays_as_it_was_told_to(tmp_path: Path) -> None:
    """The process of a sequencer, before a layer."""
    place = Place(tmp_path)
    with DaProcess(*store(tmp_path), "--block-time", "0.1") as da, Recording(passing_on(da.url)) as node:
        flags = place.sequencer("--da", node.url, "--batch-seconds", "0.2", "--blocks", "5", *PAYS)
        with process(*flags) as made:
            made.until("confirmed")
        assert node.of("blob.Submit")
        assert all(options == NAMED for _, options in node.of("blob.Submit"))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ((), {}),
        (("--da-gas-price", "0"), {"gas_price": 0.0, "is_gas_price_set": True}),
        (("--da-max-gas-price", "0.2", "--da-priority", "1"), {"max_gas_price": 0.2, "tx_priority": 1}),
    ],
)
def test_what_was_not_said_is_left_to_the_node(flags: tuple[str, ...], named: dict[str, Any]) -> None:
    with Recording(lambda body: (200, b'{"result": 7}')) as node:
        assert trio.run(layer_of(sequencer(*flags, da=node.url)).submit, b"a blob") == Posted(7)
        assert [options for _, options in node.of("blob.Submit")] == [named]


def test_a_file_says_the_same(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('da_gas_price = 0.5\nda_key_name = "mine"\n')
    found = settings("--key", "no.key", "--da", "http://127.0.0.1:1", "--da-gas-price", "0.25", config=str(config))
    assert (found.da_gas_price, found.da_key_name) == (0.25, "mine")


# How far Ethereum is read ---------------------------------------------------------------------------------------------


def chain(body: bytes) -> tuple[int, bytes]:
    """A chain of Ethereum that is at 9, of which 5 are safe and 2 are finalized, and nothing is in it."""
    tags = {"latest": 9, "safe": 5, "finalized": 2}
    call = json.loads(body)
    assert call["method"] == "eth_getBlockByNumber"
    which = call["params"][0]
    height = tags[which] if which in tags else int(which, 16)
    block = {
        "number": hex(height),
        "hash": f"0x{height:064x}",
        "parentHash": f"0x{height - 1:064x}",
        "timestamp": "0x1",
    }
    return 200, json.dumps({"result": block}).encode()


@pytest.mark.parametrize(
    ("flags", "end"), [((), 9), (("--da-tag", "latest"), 9), (("--da-tag", "safe"), 5), (("--da-tag", "finalized"), 2)]
)
def test_who_follows_reads_up_to_the_tag(tmp_path: Path, flags: tuple[str, ...], end: int) -> None:
    pytest.importorskip("coincurve")
    with Recording(chain) as node:
        layer = layer_of(follower(*flags, "--store", str(tmp_path / "n"), da=f"ethereum+{node.url}"))
        assert trio.run(layer.head) == Head(end)
        assert trio.run(layer.blobs, end + 1) == Future(end)
        asked = {params[0] for params in node.of("eth_getBlockByNumber")}
        assert (flags[1] if flags else "latest") in asked


def test_who_reads_late_does_not_call_late_what_is_not_to_be_read_yet() -> None:
    """Safe are blocks after two epochs of 32 slots of 12 s, finalized after three."""
    usual = TruthLimits().overdue
    for flags, lag in (((), 0), (("--da-tag", "safe"), 768), (("--da-tag", "finalized"), 1152)):
        assert limits_of(follower(*flags, da="ethereum+http://127.0.0.1:1")).overdue == usual + lag


# What makes no sense --------------------------------------------------------------------------------------------------

ON_ETHEREUM = "ethereum+http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (sequencer, ("--da-gas-price", "-1"), "da_gas_price is a number of utia, 0 or more, not -1.0"),
        (sequencer, ("--da-gas-price", "nan"), "da_gas_price is a number of utia"),
        (sequencer, ("--da-max-gas-price", "0"), "da_max_gas_price is a number of utia, above 0, not 0.0"),
        (sequencer, ("--da-gas-price", "2", "--da-max-gas-price", "1"), "is above the most that is paid, 1"),
        (sequencer, ("--da-gas-limit", "0"), "da_gas_limit is a number of units of gas, 1 or more, not 0"),
        (sequencer, ("--da-priority", "4"), "da_priority is 1, 2 or 3, not 4"),
        (sequencer, ("--da-key-name", " "), "da_key_name names a key or an account"),
        (sequencer, ("--da-start", "0"), "da_start is a height of the layer, 1 or more, not 0"),
        (sequencer, ("--da-finality", "-1"), "da_finality is a number of the layer's blocks, 0 or more, not -1"),
        (sequencer, ("--da-tag", "safe"), "--da-tag goes with Ethereum: write --da ethereum+http://"),
        (sequencer, ("--da-beacon", "http://127.0.0.1:2"), "--da-beacon goes with Ethereum"),
        (sequencer, ("--da-key", "k"), "--da-key goes with Ethereum"),
        (follower, ("--da-gas-limit", "7"), "only a sequencer posts, and pays for it: --da-gas-limit goes with --key"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_words(make: Any, flags: tuple[str, ...], words: str) -> None:
    with pytest.raises(LocalError, match=words.replace("+", r"\+")):
        make(*flags)


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (follower, ("--da-tag", "head"), "da_tag is one of latest, safe, finalized, not 'head'"),
        (follower, ("--da-ceiling", "0"), "da_ceiling is a number of gwei, above 0"),
        (sequencer, ("--da-key", "k", "--da-gas-price", "1"), "--da-gas-price goes with Celestia"),
        (sequencer, ("--da-key", "k", "--da-tag", "safe"), "so it reads up to latest: leave out --da-tag"),
        (sequencer, (), "who posts on Ethereum pays for it: give --da-key FILE"),
    ],
)
def test_the_same_on_ethereum(make: Any, flags: tuple[str, ...], words: str) -> None:
    with pytest.raises(LocalError, match=words):
        make(*flags, da=ON_ETHEREUM)


def test_without_a_layer_nothing_is_said_of_one() -> None:
    with pytest.raises(LocalError, match=r"--da-gas-limit goes with Celestia: write --da http://…, or leave it out"):
        settings("--key", "no.key", "--da-gas-limit", "7")
