"""Where a block stands: soft, confirmed or final, and in which batch of the layer it is."""

from enum import StrEnum

import msgspec

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.truth.reader.types import Confirmed


class Stand(StrEnum):
    """What a held block is to its chain. Where several apply, the first in this order is told."""

    FINAL = "final"
    """It can not be taken back."""
    CONFIRMED = "confirmed"
    """A valid batch has it, and the layer may still take that back."""
    BANNED = "banned"
    """An operator has banned it, or what it stands on."""
    SOFT = "soft"
    """It is on the best chain, and no batch that was read has it."""
    BRANCH = "branch"
    """It is beside the best chain."""


class Batched(msgspec.Struct, frozen=True):
    """A valid batch: the heights of its first and of its last block, and that of the layer's block which has it."""

    first: int
    last: int
    layer: int


def stand(chain: Chain, header: Header) -> Stand:
    """What this block, which must be held, is. Without a layer nothing is confirmed that is not final."""
    if chain.on_best(header.point):
        if header.height <= chain.final.height:
            return Stand.FINAL
        if header.height <= chain.confirmed.height:
            return Stand.CONFIRMED
        return Stand.SOFT
    return Stand.BANNED if chain.barred(header.id) else Stand.BRANCH


def batched(told: Confirmed) -> Batched:
    """Which batch it is that a reader tells of."""
    return Batched(told.cover.first, told.cover.last, told.place.height)
