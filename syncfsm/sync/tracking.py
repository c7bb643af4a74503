"""Head tracking: what the peer has, and what to send it next.

A link knows two blocks: ``sent``, the newest block of our best chain that the peer is known to have, and ``received``,
the newest it gave us or told us of. A peer that has a block has all its ancestors, so both may be backed up to an
ancestor at any time; only the child of ``sent`` is ever sent. When either leaves a branch, ``left`` remembers how far
the peer has it; what the peer says it has and we do not is in ``claims``. What it gave us to no use is in ``aside``.
"""

from collections.abc import Sequence

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.protocol import View
from syncfsm.sync.discovery import higher
from syncfsm.sync.messages import Has
from syncfsm.sync.types import Link


def raised(sent: Header | None, known: Header | None, view: View) -> Header | None:
    """``sent``, or the part of the peer's chain up to ``known`` that is on our best chain, whichever is higher."""
    chain = view.chain
    if known is None or (sent is not None and known.height <= sent.height) or known.id not in chain:
        return sent
    return higher(sent, chain.common(chain.head.id, known.id))


def rebased(link: Link, view: View, told: Header | None = None) -> Header | None:
    """What ``sent`` becomes after our chain moved, or after the peer told us that it has a block: the nearest to our
    head of all that the peer is known to have."""
    sent = link.sent
    if sent is not None and not view.chain.on_best(sent.point):
        sent = raised(None, sent, view)
    for known in (link.received, *link.left, *learnt(link, view), told):
        sent = raised(sent, known, view)
    return sent


def stays(link: Link, view: View) -> bool:
    """Is ``sent`` the nearest to our head of all that the peer is known to have, as long as it is on our best chain?
    Most links are like that most of the time, and nothing need be looked up."""
    sent, received = link.sent, link.received
    if sent is None or link.left or link.claims:
        return False
    return received is None or received.height <= sent.height


def after(link: Link, newest: Header, view: View) -> Header | None:
    """After a block came: the peer has it, or, if it was refused here, its parent."""
    chain = view.chain
    return rebased(link, view, chain.get(newest.id) or chain.get(newest.parent))


def leaving(
    link: Link, received: Header | None, sent: Header | None, view: View, told: Sequence[Header]
) -> tuple[Header, ...]:
    """What ``left`` becomes when ``sent`` and ``received`` change, or the peer turns out to have the blocks ``told``:
    ends of branches that neither of the new ones covers."""
    more = (*link.left, *told)
    old = [known for known in (link.sent, link.received) if known is not None and known not in (sent, received)]
    if not more and all(_follows(received, known) for known in old):
        return ()
    chain = view.chain
    covers = [by for by in (sent, received) if by is not None and _holds(chain, by)]
    kept: list[Header] = []
    for known in (*old, *more):
        if _holds(chain, known) and not any(chain.descends(by, known) for by in (*covers, *kept)):
            kept.append(known)
    return tuple(kept[: view.limits.branches])


def _holds(chain: Chain, block: Header) -> bool:
    """Is it held, and where it says? Of what was refused when it came, another may be held by now under its id."""
    found = chain.get(block.id)
    return found is not None and found.height == block.height


def _follows(block: Header | None, parent: Header) -> bool:
    return block is not None and block.parent == parent.id


def claimed(link: Link, view: View, found: Sequence[Header], points: Sequence[Point] = ()) -> tuple[Point, ...]:
    """What ``claims`` becomes when the peer names these points, or we got some blocks: what is not held, and still may
    be. Of ``link.claims``, which is in order already, ``found`` is held."""
    named = {*link.claims, *points} if points else link.claims
    if not named:
        return ()
    final, held = view.chain.final.height, view.chain.blocks if points else {header.id for header in found}
    if not (points or found) and link.claims[-1].height > final:
        return link.claims
    missing = [point for point in named if point.height > final and point.id not in held]
    if points:
        missing.sort(key=lambda point: (-point.height, point.id))
    return tuple(missing[: view.limits.claims])


def learnt(link: Link, view: View) -> Sequence[Header]:
    """What the peer named when we did not hold it, and we hold now."""
    return view.chain.those_held(link.claims) if link.claims else ()


def beside(fresh: Sequence[Header], view: View) -> int:
    """Bytes of these blocks, each the child of the one before, that are not on our best chain."""
    chain = view.chain
    if chain.on_best(fresh[-1].point):
        return 0
    return sum(block.cost for block in fresh if not chain.on_best(block.point))


def counted(link: Link, received: Header | None, view: View, more: int = 0) -> tuple[int, int]:
    """What ``aside`` and ``pending`` become when ``received`` does, and the peer gave so many bytes ``more`` beside our
    best chain. Only what leads to ``received`` is forgiven when that is on our best chain: else a peer could fill the
    disk as long as it says our own blocks in between."""
    if not link.aside and not more:
        return 0, 0
    chain, last, pending = view.chain, link.received, 0
    if last is not None and received is not None and last.id in chain and received.id in chain:
        pending = link.pending if chain.is_ancestor(last.id, received.id) else 0
    if received is not None and chain.on_best(received.point):
        return link.aside - pending, 0
    return link.aside + more, pending + more


def batch(after: Header, room: int, view: View) -> tuple[Header, ...]:
    """The next blocks for a peer that has ``after``: one more for as long as any room is left, so that a large block
    fits too."""
    if room <= 0:
        return ()
    head = view.chain.head
    guess = room // head.cost + 1  # if these blocks are smaller than the head, what is left goes with the next batch
    blocks = view.chain.path(after, min(view.limits.run, head.height - after.height, guess))
    for count, block in enumerate(blocks, 1):
        room -= block.cost
        if room <= 0:
            return blocks[:count]
    return blocks


def unheld(has: Has | None, view: View) -> Has | None:
    """What a peer says that its head is, as long as that is not held here and still may be."""
    if has is None or has.head.id in view.chain.blocks or has.head.height <= view.chain.final.height:
        return None
    return has


def ahead(link: Link, view: View) -> bool:
    """Does the peer say that it has more than we: a better head, or a final block that we lack?"""
    says = link.says
    return (says is not None and says.rank > view.chain.head.rank) or lacks_final(link, view)


def lacks_final(link: Link, view: View) -> bool:
    """Does the peer call a block final that is not held here, and still may be?"""
    final = link.final
    return final is not None and final.height > view.chain.final.height and final.id not in view.chain.blocks
