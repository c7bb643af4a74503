"""What of ``syncfsm node`` follows a data-availability layer."""

from pathlib import Path
from typing import TYPE_CHECKING

import trio

from syncfsm.signed import SignedChain
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.signed import SignedBatches
from syncfsm_adapters.command.layer import lag, layer_of
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write

if TYPE_CHECKING:
    from syncfsm_adapters.da.truth import Truth


def limits_of(settings: Settings) -> TruthLimits:
    """The bounds of reading and posting that follow from the settings."""
    return TruthLimits(
        finality=settings.da_finality,
        period=settings.batch_seconds,
        poll=min(3.0, settings.batch_seconds),
        patience=max(1.0, min(60.0, 2 * settings.batch_seconds)),
        overdue=TruthLimits().overdue + lag(settings),  # what is there counts as late once it could have been read
        unconfirmed=settings.unconfirmed,
    )


def truth_of(settings: Settings, host: Host, chain: SignedChain, journal: Write) -> "Truth | None":
    """What follows the layer that was named, if one was. ``LocalError`` if that is none."""
    if settings.da is None:
        return None
    layer, limits = layer_of(settings), limits_of(settings)
    from syncfsm_adapters.da.given import given
    from syncfsm_adapters.da.truth import Truth

    path = Path(f"{settings.store}.da")
    mark = given(path, chain, Path(settings.mark) if settings.mark is not None else None)
    return Truth(
        host, layer, SignedBatches(chain), limits, path, journal, clock=trio.current_time, sleep=trio.sleep,
        start=settings.da_start, given=mark,
    )  # fmt: skip
