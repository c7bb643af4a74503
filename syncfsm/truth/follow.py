"""How a node follows a layer: what its reader tells becomes events of the node, and where both begin after a restart.

A node refuses such an event (``LocalError``) if the layer contradicts what is final there, or has what an operator has
banned. Then its reader is fed a ``Refusal``, and what it told after that is dropped: nothing more is read, and somebody
has to look which of the two is wrong.
"""

from collections.abc import Iterable

from syncfsm import events
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.protocol import Stage, Standing
from syncfsm.truth.messages import Cover
from syncfsm.truth.reader.types import Confirmed, Kept, Mark, Settled, TakenBack


def event(told: object, now: float) -> events.Confirmed | events.Finalised | None:
    """What this output of a reader is to the node; ``None`` if it is nothing to it."""
    match told:
        case Confirmed(cover, blocks):
            headers, bodies = tuple(e.header for e in blocks), tuple(e.body for e in blocks)
            return events.Confirmed(cover.end, now, headers, bodies)
        case TakenBack(tip):
            return events.Confirmed(tip, now)
        case Settled(tip):
            return events.Finalised(tip, now)
    return None


def contradicted(before: Chain, after: Chain) -> int | None:
    """The height from which on the layer has other blocks than our best chain had; ``None`` if it has the same."""
    was = before.head
    if was.id not in after or after.on_best(was.point):
        return None
    return after.common(was.id, after.head.id).height + 1


def withheld(peers: Iterable[Standing], before: Chain, cover: Cover) -> bool:
    """Does the layer confirm what no peer has told of, though some are in step with us? They are behind, or keep it
    from us. ``peers`` are how they stood ``before`` its blocks came: what one of them had named is held after that."""
    peers = tuple(peers)
    in_step, told = any(peer.stage is Stage.IN_STEP for peer in peers), any(peer.better for peer in peers)
    return cover.end.height > before.head.height and in_step and not told


def resumed(chain: Chain, kept: Kept, first: Kept) -> Kept:
    """What was kept, as far as this chain, which a store has loaded, has its blocks; ``first`` if it has none of them.

    What is confirmed there, and not final, is to be confirmed anew: feed ``again``.
    """
    final = kept.final.tip
    if final.height >= chain.base.height and not chain.on_best(final):
        return first
    try:
        chain.confirm(kept.tip)
    except LocalError:
        return Kept(kept.final)
    return kept


def is_reached(chain: Chain, kept: Kept) -> bool:
    """Has this chain the final block of what was kept, or had it? Before that no batch after it fits here, so nothing
    is to be read: a mark that somebody gave names a block that the peers have to bring first."""
    final = kept.final.tip
    return final.height < chain.base.height or final.id in chain


def trusted(chain: Chain, mark: Mark) -> Settled | None:
    """What a mark that somebody gave says of its block, once that is reached; ``None`` if it is below all that this
    chain has, which is final."""
    return Settled(mark.tip) if mark.tip.height >= chain.base.height else None


def again(kept: Kept, now: float) -> events.Confirmed | None:
    """What a node that begins at ``kept`` has confirmed beyond what is final; ``None`` if that is nothing."""
    return events.Confirmed(kept.tip, now) if kept.tip.height > kept.final.tip.height else None
