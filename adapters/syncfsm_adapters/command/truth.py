"""What of ``syncfsm node`` has to do with a data-availability layer: ``--da`` and the flags beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import trio

from syncfsm.errors import LocalError
from syncfsm.signed import SignedChain
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.signed import SignedBatches
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write

if TYPE_CHECKING:
    from syncfsm_adapters.da.layer import Layer
    from syncfsm_adapters.da.truth import Truth

ETHEREUM = "ethereum+"
"""What an address of a node of Ethereum begins with, before ``http``."""


def truth_of(settings: Settings, host: Host, chain: SignedChain, journal: Write) -> "Truth | None":
    """What follows the layer that was named, if one was. ``LocalError`` if that is none."""
    if settings.da is None:
        return None
    from syncfsm_adapters.da.truth import Truth

    limits = TruthLimits(
        finality=settings.da_finality,
        period=settings.batch_seconds,
        poll=min(3.0, settings.batch_seconds),
        patience=max(1.0, min(60.0, 2 * settings.batch_seconds)),
        unconfirmed=settings.unconfirmed,
    )
    if settings.key is not None and settings.da.startswith(ETHEREUM) and settings.da_key is None:
        raise LocalError("who posts on Ethereum pays for it: give --da-key FILE, with the key of an account")
    path = Path(f"{settings.store}.da")
    clock, sleep = trio.current_time, trio.sleep
    batches = SignedBatches(chain)
    layer = _layer(settings)
    return Truth(
        host, layer, batches, limits, path, journal, clock=clock, sleep=sleep, start=settings.da_start
    )  # fmt: skip


def _layer(settings: Settings) -> "Layer":
    from syncfsm_adapters.command.cli import needs

    needs("h11", "wsproto", extra="da")
    from syncfsm_adapters.da.celestia import Celestia
    from syncfsm_adapters.da.shares import namespace

    assert settings.da is not None
    name, token = (settings.da_namespace or settings.chain).encode(), _read("token", settings.da_token)
    if settings.da.startswith(ETHEREUM):
        return _ethereum(settings, settings.da.removeprefix(ETHEREUM), name, token)
    if settings.da_beacon is not None:
        raise LocalError(f"a beacon node goes with Ethereum: write --da {ETHEREUM}http://…, or leave out --da-beacon")
    return Celestia(settings.da, namespace(name), token=token)


def _ethereum(settings: Settings, url: str, name: bytes, token: str) -> "Layer":
    from syncfsm_adapters.command.cli import needs

    needs("coincurve", "Crypto", *(("ckzg",) if settings.da_beacon is not None else ()), extra="ethereum")
    from syncfsm_adapters.da import kzg
    from syncfsm_adapters.da.beacon import Beacon
    from syncfsm_adapters.da.ethereum import Ethereum
    from syncfsm_adapters.da.wallet import CEILING, GWEI

    if settings.da_beacon is not None:
        kzg.prepare()
    return Ethereum(
        url, name, _key(settings.da_key), sleep=trio.sleep, token=token,
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
