"""When a row of the poster's table applies. Each function is named in ``rules.py``, but for what others here share."""

from collections.abc import Mapping
from typing import Final

from syncfsm.blocks import Header, Point
from syncfsm.machine import Guard
from syncfsm.truth.answers import Outcome, Posted, TooBig
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.poster.types import AWAITING, BACKING_OFF, GATHERING, PAUSED, WAITING, Begin, Poster, Seen
from syncfsm.truth.types import View


def known(poster: Poster, point: Point) -> bool:
    """Is it one of the sequencer's blocks, or the final one before them?"""
    above = point.height - poster.final.height
    if not 0 < above <= len(poster.blocks):
        return point == poster.final
    return poster.blocks[above - 1].point == point


def is_other(poster: Poster, seen: Seen, view: View) -> bool:
    """The layer confirms what is none of ours."""
    return not (known(poster, seen.tip) and known(poster, seen.final))


def has_other(poster: Poster, given: Begin, view: View) -> bool:
    """The sequencer has not the final block, or its blocks do not stand on it."""
    last = given.ours
    for block in given.blocks:
        if (block.height, block.parent) != (last.height + 1, last.id):
            return True
        last = block.point
    return given.ours != given.final


def is_all(poster: Poster, seen: Seen, view: View) -> bool:
    return seen.all


def is_broken(poster: Poster, seen: Seen, view: View) -> bool:
    return seen.broken


def is_done(poster: Poster, seen: Seen, view: View) -> bool:
    """What was given to the layer is confirmed."""
    return poster.sent is not None and seen.tip.height >= poster.sent.height


def is_in_vain(poster: Poster, seen: Seen, view: View) -> bool:
    """The reader has read where it landed, and it confirms nothing."""
    return 0 < poster.landed <= seen.read


def was_seen(poster: Poster, outcome: Outcome, view: View) -> bool:
    """The reader was faster than the layer's answer."""
    return poster.sent is not None and poster.tip.height >= poster.sent.height


def was_read(poster: Poster, posted: Posted, view: View) -> bool:
    """The reader was faster than the layer's answer, and has not found all of it valid."""
    return posted.height <= poster.read


def is_one(poster: Poster, outcome: TooBig, view: View) -> bool:
    """The batch has one block, so it can not be made smaller."""
    return poster.sent is not None and poster.sent.height == poster.tip.height + 1


def is_strange(poster: Poster, block: Header, view: View) -> bool:
    """It is not the next block."""
    newest = poster.blocks[-1].point if poster.blocks else poster.final
    return (block.height, block.parent) != (newest.height + 1, newest.id)


def is_silent(poster: Poster, message: None, view: View) -> bool:
    """Nothing was confirmed for too long, and that was not said yet."""
    return bool(poster.open) and not poster.told and view.now >= poster.since + view.limits.overdue


def is_due(poster: Poster, message: None, view: View) -> bool:
    when = due(poster, view.limits)
    return when is not None and view.now >= when


def due(poster: Poster, limits: TruthLimits) -> float | None:
    """When time alone moves it on; ``None`` if it does not."""
    if poster.state is GATHERING:
        return (
            None if not poster.open else poster.gathered if is_full(poster, limits) else poster.gathered + limits.period
        )
    if poster.state is WAITING:
        return None if poster.landed else poster.until
    return poster.until if poster.state in (AWAITING, BACKING_OFF, PAUSED) else None


def is_full(poster: Poster, limits: TruthLimits) -> bool:
    """Do all open blocks not fit into one batch, or just so?"""
    return len(poster.open) >= count(poster, limits) or sum(block.cost for block in poster.open) >= limits.batch_bytes


def count(poster: Poster, limits: TruthLimits) -> int:
    """How many blocks a batch may have."""
    return min(poster.most or limits.batch_blocks, limits.batch_blocks)


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        has_other, is_other, is_all, is_broken, is_done, is_in_vain, was_seen, was_read, is_one, is_strange,
        is_silent, is_due,
    )
}  # fmt: skip
