"""What reader and poster share: what a table may look at, and how long one waits after a failure."""

from typing import Any, Final

import msgspec

from syncfsm.truth.limits import TruthLimits


class View(msgspec.Struct, frozen=True):
    """What a table may look at besides its value. ``check`` is a ``BatchCheck``; a poster needs none."""

    now: float
    limits: TruthLimits
    chain_id: bytes = b""
    check: Any = None


TRIES: Final = 32
"""As many failures in a row are counted."""


def pause(tries: int, limits: TruthLimits) -> float:
    """How long one waits after the failure of this number; the first is 0, none is over ``TRIES``."""
    return min(limits.back_off * 2.0**tries, limits.back_off_most)
