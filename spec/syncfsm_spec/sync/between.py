"""What sync promises of two nodes that may be linked: as their states show, and what is on its way between them.

The promises by their names are in ``promises.py``.
"""

from typing import Final

import attrs

from syncfsm.check import Moment
from syncfsm.node.node import Node
from syncfsm.outputs import Disconnect
from syncfsm.peer.messages import Parting
from syncfsm.sync.types import Link, Mode, State
from syncfsm_spec.kit.moments import Tree, links

COMPOUND: Final = frozenset(
    frozenset(pair)
    for pair in (
        (State.START,), (State.INIT, State.START), (State.SYNCING, State.START), (State.IDLE, State.START),
        (State.INIT, State.SYNCING), (State.INIT, State.IDLE), (State.SYNCING,), (State.SYNCING, State.IDLE),
        (State.IDLE,),
    )
)  # fmt: skip
"""Compound states that the notes allow. Their ``initlow`` is ``init``, their ``inithigh`` is ``start``; (init, init)
is the one that is missing, as "high vs low is determined by the relative hello messages". That is so while heads only
get better. A ban, or a final point that overrules a branch, can make a head worse while hellos are under way; then both
may hear of a better head than they have, until the next hello arrives."""


@attrs.frozen
class Between:
    """The properties of two nodes that may be linked."""

    a: str
    b: str
    tree: Tree
    heads_may_worsen: bool

    def linked(self, a: Node, b: Node) -> bool:
        return self.b in a.links and self.a in b.links

    def compound(self, a: tuple[tuple[str, State], ...], b: tuple[tuple[str, State], ...]) -> bool:
        here, there = dict(a).get(self.b), dict(b).get(self.a)
        if here is None or there is None or frozenset((here, there)) in COMPOUND:
            return True
        return self.heads_may_worsen and here is there is State.INIT

    def settled(self, a: Node, b: Node) -> bool:
        """Both are linked or neither; if they are, both links are idle and both have the same head, unless a final
        or confirmed point or a ban rules the better one out for the other. A link is not idle if it is off and the peer
        lacks our head; nor if the peer wants no blocks over it and has a better head, or one that we may not have, or
        is off to us and so does not say that it has ours."""
        if not self.linked(a, b):
            return self.b not in a.links and self.a not in b.links
        ours, theirs = links(a)[self.b], links(b)[self.a]
        rest = self._rests(a, ours, b, theirs) and self._rests(b, theirs, a, ours)
        return rest and self._agrees(a, b, theirs) and self._agrees(b, a, ours)

    def _rests(self, node: Node, link: Link, other: Node, back: Link) -> bool:
        """The other is not sent our head: it has a better one, or may not have or follow ours."""
        if link.state is State.SYNCING and link.mode is not Mode.ACTIVE:
            head, theirs = node.chain.head, other.chain
            refused = not self.tree.descends(head.id, theirs.confirmed.id)
            refused = refused or any(id in theirs.banned for id in self.tree.line(head.id))
            off = Mode.OFF in (link.mode, back.mode)
            return off or theirs.head.rank > head.rank or refused
        return link.state is State.IDLE

    def _agrees(self, node: Node, other: Node, link: Link) -> bool:
        """It holds the head of the other, or wants no blocks over that one's ``link``; and has none worse, unless it
        may not have or follow it, or the other's operator gives it none."""
        chain, head = node.chain, other.chain.head
        if link.mode is Mode.OFF or not self.tree.descends(head.id, chain.final.id):
            return True
        banned = any(id in chain.banned for id in self.tree.line(head.id))
        held = head.id in chain or link.mode is not Mode.ACTIVE
        pinned = not self.tree.descends(head.id, chain.confirmed.id)
        return held and (banned or pinned or chain.head.rank >= head.rank)

    def final_advances(self, a: Node, b: Node) -> bool:
        """Linked and at rest, each has the other's final block, or has dropped it because it lies below its base;
        unless the other's operator gives it none. (If the two contradict, there is nothing to advance to: that is for
        ``no_contradiction``.)"""
        if not self.linked(a, b) or self._contradict(a, b):
            return True
        return self._has_final(a, b, links(b)[self.a]) and self._has_final(b, a, links(a)[self.b])

    def _has_final(self, node: Node, other: Node, link: Link) -> bool:
        final = other.chain.final
        dropped = self.tree.descends(node.chain.base.id, final.id)
        return final.id in node.chain or dropped or link.mode is Mode.OFF

    def no_contradiction(self, a: Node, b: Node) -> bool:
        """Linked and at rest, the final points of two peers do not contradict each other: else they have parted. What
        nobody can know is left out: the higher one has dropped all at the height of the lower one's final point, and
        its own final block is not the last that it gave the lower one."""
        if not self.linked(a, b) or not self._contradict(a, b):
            return True
        low, high, peer = (a, b, self.b) if a.chain.final.height <= b.chain.final.height else (b, a, self.a)
        dropped = low.chain.final.height < high.chain.base.height
        return dropped and links(low)[peer].received != high.chain.final

    def parts_rightly(self, moment: Moment, b: Node) -> bool:
        """If a leaves b because their final points contradict, they do."""
        left = [output.reason for output in moment.outputs if isinstance(output, Disconnect) and output.peer == self.b]
        return Parting.CONTRADICTION not in left or self._contradict(moment.after, b)

    def _contradict(self, a: Node, b: Node) -> bool:
        return self.tree.contradict(a.chain.final.id, b.chain.final.id)


@attrs.frozen
class Conserved:
    """``Bounded``, for what is on its way: the room that a link has given out is under way to this peer, or owed to
    the link. So no more can be under way than ``Limits.room``, the last block or hello aside."""

    peer: str
    room: int

    def __call__(self, rooms: tuple[tuple[str, int], ...], given: int | None) -> bool:
        left = dict(rooms).get(self.peer)
        return left is None or given is None or left + given == self.room
