"""What peers say to each other to find a common ancestor and to stay in step: values, with no behaviour."""

from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Header, Height, Point, Score

NodeId = Annotated[bytes, Meta(max_length=limits.NODE_ID_BYTES)]


class Hello(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where the sender stands, and points of its best chain among which the receiver looks for a common one.

    ``head`` and ``score`` are the sender's best block, ``final`` its final point, ``base`` the oldest block it can
    still serve. ``points`` run from high to low. ``ceiling`` is a height at which the two best chains are known to
    differ (one above the head when nothing is known), so the common ancestor lies below it. ``about`` is the head in
    the receiver's hello that this one answers; ``None`` in an opening hello.
    """

    head: Point
    score: Score
    final: Point
    base: Point
    points: Annotated[tuple[Point, ...], Meta(min_length=1, max_length=limits.HELLO_POINTS)]
    ceiling: Height
    about: Point | None = None

    @property
    def rank(self) -> tuple[bytes, bytes]:
        """Orders hellos as their heads are ordered: the worse one searches."""
        return (self.score, self.head.id)


class Found(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sender knows the common ancestor, and that is it: the search is over on both sides. If the receiver's hello
    shows that it dropped that block, ``common`` is the newest of the receiver's own that the sender holds."""

    common: Point


class Finality(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sender's final point has advanced to this one. A claim: it proves nothing, but two claims can contradict."""

    point: Point


class Has(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sender's head: held, checked and stored. A peer that has a block has all its ancestors, so one is enough.

    Said over a backup connection instead of the block, and to whoever could not know otherwise.
    """

    head: Point
    score: Score

    @property
    def rank(self) -> tuple[bytes, bytes]:
        """Orders heads: the better one is worth asking for."""
        return (self.score, self.head.id)


class Want(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Send me blocks. To ``insist`` is to say that nobody else will."""

    insist: bool = False


class DoNotWant(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Send me no blocks, but say what your head is: somebody else brings them."""


class Give(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """From here on I send you blocks, though you did not ask: they come from my side of the network."""


class Busy(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """I send you no blocks. ``off``: because an operator says so. Else because I send as many others as I may;
    ``others`` are the ids of some of these nodes, from whom you may have them."""

    off: bool = False
    others: Annotated[tuple[NodeId, ...], Meta(max_length=limits.NAMED)] = ()


class Blocks(msgspec.Struct, frozen=True):
    """A run of one or more blocks, oldest first, each the child of the one before, as one peer sent them.

    ``bodies`` are theirs, in the same order, where the bodies came along; the core looks at headers alone.
    """

    headers: tuple[Header, ...]
    bodies: tuple[bytes, ...] = ()


def hello_flaw(hello: Hello) -> str | None:
    """Why the heights in ``hello`` do not fit together; whether they are true is for the link to find out."""
    heights = [point.height for point in hello.points]
    for upper, lower in pairwise(heights):
        if upper <= lower:
            return f"points must descend strictly, here {lower} follows {upper}"
    base, final, head = hello.base.height, hello.final.height, hello.head.height
    if not base <= final <= head:
        return f"heights must ascend from base to final to head, here {base}, {final}, {head}"
    if heights[-1] < base:
        return f"points must not lie below the base ({base}), here one is at {heights[-1]}"
    if heights[0] >= hello.ceiling:
        return f"points must lie below the ceiling ({hello.ceiling}), here one is at {heights[0]}"
    return None
