"""Head tracking: what the peer has, and what to send it next.

A link knows two blocks: ``sent``, the newest block of our best chain that the peer is known to have, and ``received``,
the newest it gave us or told us of. A peer that has a block has all its ancestors, so both may be backed up to an
ancestor at any time; only the child of ``sent`` is ever sent. When either leaves a branch, ``left`` remembers how far
the peer has it.
"""

from syncfsm.blocks import Header
from syncfsm.link.discovery import higher
from syncfsm.link.types import Link, View
from syncfsm.messages import Hello


def raised(sent: Header | None, known: Header | None, view: View) -> Header | None:
    """``sent``, or the part of the peer's chain up to ``known`` that is on our best chain, whichever is higher."""
    chain = view.chain
    if known is None or known.id not in chain or (sent is not None and known.height <= sent.height):
        return sent
    return higher(sent, chain.common(chain.head.id, known.id))


def begun(link: Link, found: Header | None, view: View, hello: Hello | None = None) -> Header | None:
    """Where to stream from when the search ends at ``found``, maybe by this ``hello``: the nearest to our head of all
    that the peer is known to have. Hellos may have named blocks that we got or chose only after they came."""
    sent = raised(None, found, view)
    for heard in (link.heard, hello):
        sent = _raised_by(sent, heard, view)
    return sent


def _raised_by(sent: Header | None, hello: Hello | None, view: View) -> Header | None:
    """``sent``, or what the hello shows to be on the peer's side, whichever is higher."""
    for point in (hello.head, *hello.points) if hello is not None else ():
        sent = raised(sent, view.chain.get(point.id), view)
    return sent


def rebased(link: Link, view: View) -> Header | None:
    """After our chain moved: the nearest of all that the peer is known to have that is on the best chain now."""
    sent = link.sent
    if sent is not None and not view.chain.on_best(sent.point):
        sent = raised(None, sent, view)
    sent = raised(sent, link.received, view)
    for known in link.left:
        sent = raised(sent, known, view)
    return sent


def leaving(link: Link, received: Header | None, sent: Header | None, view: View) -> tuple[Header, ...]:
    """What ``left`` becomes when ``sent`` and ``received`` change: branch ends that neither of the new ones covers."""
    old = tuple(known for known in (link.sent, link.received) if known is not None)
    if all(known in (sent, received) or _follows(received, known) for known in old) and not link.left:
        return ()
    chain = view.chain
    kept: list[Header] = []
    for known in (*old, *link.left):
        covers = (sent, received, *kept)
        held = known.id in chain
        if held and not any(by is not None and by.id in chain and chain.is_ancestor(known.id, by.id) for by in covers):
            kept.append(known)
    return tuple(kept[: view.limits.branches])


def _follows(block: Header | None, parent: Header) -> bool:
    return block is not None and block.parent == parent.id


def after(link: Link, newest: Header, view: View) -> Header | None:
    """After a block came: the peer has it, or, if it was refused here, its parent."""
    chain = view.chain
    sent = raised(rebased(link, view), chain.get(newest.id) or chain.get(newest.parent), view)
    return _raised_by(sent, link.heard, view) if link.said is not None else sent


def batch(link: Link, room: int, view: View) -> tuple[Header, ...]:
    """The next blocks for the peer: one more for as long as any room is left, so that a large block fits too."""
    assert link.sent is not None
    if room <= 0:
        return ()
    head = view.chain.head
    guess = room // head.cost + 1  # if these blocks are smaller than the head, what is left goes with the next batch
    blocks = view.chain.path(link.sent, min(view.limits.run, head.height - link.sent.height, guess))
    for count, block in enumerate(blocks, 1):
        room -= block.cost
        if room <= 0:
            return blocks[:count]
    return blocks
