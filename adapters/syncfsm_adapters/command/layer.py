"""The data-availability layer of ``syncfsm node``: its flags, whether they make sense, and what they make."""

import argparse
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    from syncfsm_adapters.command.settings import Settings
    from syncfsm_adapters.da.ethereum import Tag
    from syncfsm_adapters.da.layer import Layer

ETHEREUM: Final = "ethereum+"
"""What an address of a node of Ethereum begins with, before ``http``."""
LAGS: Final = {"latest": 0.0, "safe": 2 * 32 * 12.0, "finalized": 3 * 32 * 12.0}
"""How far one is to read on Ethereum, and how many seconds that is behind its head while all is well: two epochs, or
three."""
OF_CELESTIA: Final = ("gas_price", "max_gas_price", "gas_limit", "priority", "key_name", "signer", "fee_granter")
OF_ETHEREUM: Final = ("key", "beacon", "ceiling", "tag")
"""Settings that mean something to one kind of layer alone, without ``da_`` before them; so are those below."""
PRICES: Final = (("gas_price", "utia", True), ("max_gas_price", "utia", False), ("ceiling", "gwei", False))
"""Their units, and whether they may be 0."""
COUNTS: Final = (
    ("gas_limit", 1, 2**63 - 1, "a number of units of gas, 1 or more"),
    ("priority", 1, 3, "1, 2 or 3"),
    ("finality", 0, 2**31 - 1, "a number of the layer's blocks, 0 or more"),
    ("start", 1, 2**63 - 1, "a height of the layer, 1 or more"),
)
"""The least, the most, and what they are."""
NAMES: Final = ("key_name", "signer", "fee_granter")


def add_da_flags(node: argparse.ArgumentParser) -> None:
    """Where the source of truth is."""
    add = node.add_argument
    add(
        "--da",
        metavar="URL",
        help="the data-availability layer that decides what is final; ethereum+http://… is one, too",
    )
    add("--da-namespace", metavar="NAME", help="whose batches (default: the chain's name)")
    add("--da-token", metavar="FILE", help="what the layer wants to be shown")
    add("--da-start", type=int, metavar="N", help="the layer's height at which a new node begins to read (default: 1)")
    add(
        "--mark",
        metavar="FILE",
        help="a node that has not read yet begins at this mark, which syncfsm mark printed at a node that you trust",
    )
    add("--da-finality", type=int, metavar="N", help="so many of the layer's blocks may be taken back (default: 0)")
    add("--batch-seconds", type=float, metavar="S", help="a sequencer posts a batch every S seconds (default: 30)")
    add("--unconfirmed", type=int, metavar="N", help="a sequencer waits while N blocks are not confirmed")
    celestia = node.add_argument_group("what a sequencer pays on Celestia; without these its node of Celestia decides")
    add = celestia.add_argument
    add("--da-gas-price", type=float, metavar="UTIA", help="what is paid for a unit of gas")
    add("--da-max-gas-price", type=float, metavar="UTIA", help="most that is, when the node estimates it")
    add("--da-gas-limit", type=int, metavar="N", help="units of gas that a batch may take")
    add("--da-priority", type=int, metavar="1|2|3", help="how soon it is to land, for the estimate: 3 is soonest")
    add("--da-key-name", metavar="NAME", help="which key in the node's keyring signs")
    add("--da-signer", metavar="ADDRESS", help="which account of the node signs")
    add("--da-fee-granter", metavar="ADDRESS", help="which account pays in place of the one that signs")
    ethereum = node.add_argument_group("on Ethereum")
    add = ethereum.add_argument
    add("--da-key", metavar="FILE", help="a sequencer pays with this key")
    add("--da-beacon", metavar="URL", help="post blobs, and read them from this beacon node")
    add(
        "--da-ceiling",
        type=float,
        metavar="GWEI",
        help="most that a unit of gas, or of blob gas, may cost (default: 100)",
    )
    add("--da-tag", metavar="TAG", help=f"who follows reads up to here: {', '.join(LAGS)} (default: latest)")


def check_layer(settings: "Settings") -> None:
    """``LocalError`` if what was said of the layer makes no sense, before anything is made of it."""
    of_ethereum = settings.da is not None and settings.da.startswith(ETHEREUM)
    for names, wanted, where in (
        (OF_CELESTIA, settings.da is not None and not of_ethereum, "Celestia: write --da http://…"),
        (OF_ETHEREUM, of_ethereum, f"Ethereum: write --da {ETHEREUM}http://…"),
    ):
        given = [name for name in names if _of(settings, name) is not None]
        if given and not wanted:
            raise LocalError(f"{_flag(given[0])} goes with {where}, or leave it out")
    if settings.key is None and (given := [name for name in OF_CELESTIA if _of(settings, name) is not None]):
        raise LocalError(f"only a sequencer posts, and pays for it: {_flag(given[0])} goes with --key")
    if settings.key is not None and of_ethereum and settings.da_key is None:
        raise LocalError("who posts on Ethereum pays for it: give --da-key FILE, with the key of an account")
    if settings.mark is not None and settings.da is None:
        raise LocalError("a mark is of a data-availability layer: --mark goes with --da")
    if settings.mark is not None and settings.da_start != 1:
        raise LocalError("the mark says where to begin: leave out --da-start, or --mark")
    _check_prices(settings)
    for name, least, most, what in COUNTS:
        value = _of(settings, name)
        if value is not None and not (_is_count(value) and least <= value <= most):
            raise LocalError(f"da_{name} is {what}, not {value!r}")
    for name in NAMES:
        value = _of(settings, name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise LocalError(f"da_{name} names a key or an account, which {value!r} does not")
    _check_tag(settings)


def _check_prices(settings: "Settings") -> None:
    for name, unit, free in PRICES:
        value = _of(settings, name)
        if value is not None and not (_is_number(value) and (value > 0 or (free and value == 0))):
            raise LocalError(f"da_{name} is a number of {unit}, {'0 or more' if free else 'above 0'}, not {value!r}")
    price, most = settings.da_gas_price, settings.da_max_gas_price
    if price is not None and most is not None and price > most:
        raise LocalError(
            f"a gas price of {price:g} utia is above the most that is paid, {most:g}: lower --da-gas-price"
        )


def _check_tag(settings: "Settings") -> None:
    if settings.da_tag is None:
        return
    if settings.da_tag not in LAGS:
        raise LocalError(f"da_tag is one of {', '.join(LAGS)}, not {settings.da_tag!r}")
    if settings.key is not None and LAGS[settings.da_tag]:
        raise LocalError(
            "a sequencer gives its next batch once it has read the last one, so it reads up to latest: leave out "
            "--da-tag, and say with --da-finality what may be taken back"
        )


def _of(settings: "Settings", name: str) -> Any:
    return getattr(settings, f"da_{name}")


def _flag(name: str) -> str:
    return f"--da-{name.replace('_', '-')}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def lag(settings: "Settings") -> float:
    """Seconds for which what the layer has is not read yet, while all is well."""
    return LAGS[settings.da_tag or "latest"]


def layer_of(settings: "Settings") -> "Layer":
    """The layer that was named. ``LocalError`` if it can not be one, or a file that was named can not be read."""
    from syncfsm_adapters.command.cli import needs

    needs("h11", "wsproto", extra="da")
    from syncfsm_adapters.da.celestia import Celestia, Gas
    from syncfsm_adapters.da.shares import namespace

    assert settings.da is not None
    name, token = (settings.da_namespace or settings.chain).encode(), _read("token", settings.da_token)
    if settings.da.startswith(ETHEREUM):
        return _ethereum(settings, settings.da.removeprefix(ETHEREUM), name, token)
    gas = Gas(
        price=settings.da_gas_price, most=settings.da_max_gas_price, gas=settings.da_gas_limit,
        priority=settings.da_priority, key=settings.da_key_name, signer=settings.da_signer,
        granter=settings.da_fee_granter,
    )  # fmt: skip
    return Celestia(settings.da, namespace(name), token=token, gas=gas)


def _ethereum(settings: "Settings", url: str, name: bytes, token: str) -> "Layer":
    import trio

    from syncfsm_adapters.command.cli import needs

    needs("coincurve", "Crypto", *(("ckzg",) if settings.da_beacon is not None else ()), extra="ethereum")
    from syncfsm_adapters.da import kzg
    from syncfsm_adapters.da.beacon import Beacon
    from syncfsm_adapters.da.ethereum import Ethereum
    from syncfsm_adapters.da.wallet import CEILING, GWEI

    if settings.da_beacon is not None:
        kzg.prepare()
    return Ethereum(
        url, name, _key(settings.da_key), sleep=trio.sleep, token=token, tag=cast("Tag", settings.da_tag or "latest"),
        path=Path(f"{settings.store}.da.finalized"), look=min(1.0, settings.batch_seconds / 4),
        beacon=Beacon(settings.da_beacon) if settings.da_beacon is not None else None,
        ceiling=CEILING if settings.da_ceiling is None else int(settings.da_ceiling * GWEI),
    )  # fmt: skip


def _read(what: str, path: str | None) -> str:
    if path is None:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"the {what} in {path} can not be read ({error}); name the file that holds it") from error


def _key(path: str | None) -> bytes | None:
    """The key that pays on Ethereum: 64 hexadecimal digits in a file."""
    if path is None:
        return None
    try:
        return bytes.fromhex(_read("key", path).removeprefix("0x"))
    except ValueError:
        raise LocalError(f"there is no key of Ethereum in {path}: it has 64 hexadecimal digits") from None
