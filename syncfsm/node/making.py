"""What a node that makes blocks looks at before its first one: never two blocks of its own at one height.

``stands`` compares its chain with the last block that it has signed, as something beside the store remembers that.
``Asking`` is for when that memory may be as old as the store, restored together with it: then only peers know better.
"""

from enum import StrEnum
from typing import Final

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.node.status import Status, Why


class Stand(StrEnum):
    """How the chain that is held stands to the last block that was signed. ``sentence`` says it to people."""

    REACHED = "reached"
    NEXT = "next"
    BEHIND = "behind"
    FORKED = "forked"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]


SENTENCES: Final = {
    Stand.REACHED: "The chain has the last signed block: the next one may be made.",
    Stand.NEXT: "The last signed block is the next of the chain: that very block is to be added, and no other.",
    Stand.BEHIND: "The chain ends before the last signed block: the blocks up to it are to be fetched first.",
    Stand.FORKED: "The chain has another block where the last signed one belongs: the branch of that is to be fetched.",
}


def stands(signed: Header, chain: Chain) -> Stand:
    """How ``chain`` stands to the last block that was signed. What is below the base can not be compared, and every
    block to come is above it."""
    if signed.height < chain.base.height:
        return Stand.REACHED
    held = chain.best_at(signed.height)
    if held is None:
        return Stand.NEXT if signed.parent == chain.head.id else Stand.BEHIND
    return Stand.REACHED if held.id == signed.id else Stand.FORKED


ANSWERED: Final = (Why.IN_STEP, Why.ALONE, Why.BANNED)
"""No peer that is there has, or may have, a better head than ours."""


@attrs.frozen
class Asking:
    """Waits until ``expected`` peers are there and none of them has, or may have, more; or until ``seconds`` have
    passed without a new block.

    A peer that only claims to have more holds nobody up for longer: blocks are checked before they are taken, so what
    moves the head was signed by us. Make one with ``start``, move it with ``look``.
    """

    seconds: float
    expected: int
    head: Point
    since: float

    @classmethod
    def start(cls, seconds: float, expected: int, status: Status, now: float) -> "Asking":
        return cls(seconds, expected, status.head, now)

    def look(self, status: Status, now: float) -> "Asking":
        """The same, later: a new head starts the time anew."""
        return self if status.head == self.head else attrs.evolve(self, head=status.head, since=now)

    def over(self, status: Status, now: float) -> bool:
        """Is there nothing more to wait for?"""
        answered = len(status.peers) >= self.expected and status.why in ANSWERED
        return answered or now >= self.since + self.seconds
