"""Finding the nearest common ancestor of two best chains: what a hello offers, and what it tells.

The peer's points are places on its best chain. Of two chains that share a block, everything below it is shared, so "is
this point on our best chain?" is true up to the nearest common ancestor and false above: a search by halves, or by
thirty-seconds. Each hello carries the whole bracket, so neither side remembers the search, and a fork switch on either
side starts it anew without harm.
"""

from collections.abc import Iterable, Iterator

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.limits import Strategy
from syncfsm.protocol import View
from syncfsm.sync.messages import Hello
from syncfsm.sync.types import Assessment, Link, Relation, Shared


def opening(view: View, about: Point | None = None) -> Hello:
    """The hello with which a link starts, or starts anew after a fork switch."""
    head = view.chain.head
    count = 1 if view.strategy is Strategy.STREAMING else view.limits.points
    points = _points(view, sparse(view.floor, head.height, count))
    return _hello(view, head.point, head.score, points, head.height + 1, about)


def narrower(said: Hello, hello: Hello, assessment: Assessment, view: View) -> Hello:
    """An answer that divides the bracket: our points between the common block and the ceiling, evenly spread.

    If nothing is left to divide, it is the one block of theirs that we hold, be it on our best chain or not. It names
    the head of our opening hello, not a newer one: who searches stays settled while the search lasts.
    """
    shared = assessment.shared
    if assessment.relation is Relation.COMMON and shared is not None:
        return offer(said, shared.has.point, hello.head, view)
    top = said.head.height
    low = min(max(shared.common.height if shared else 0, view.floor), top)
    ceiling = max(low + 1, min(assessment.ceiling, top + 1))
    points = _points(view, _even(low, ceiling - 1, view.limits.points))
    return _hello(view, said.head, said.score, points, ceiling, hello.head)


def step_back(link: Link, said: Hello, heard: Hello, view: View) -> Point | None:
    """The next point of a streaming search, or ``None`` when all that can be common has been offered.

    The first step skips down to the peer's height, as above it the chains cannot meet. Below the lower of the two final
    points and below the peer's oldest block they need not; if that oldest block is no part of our best chain, it is all
    there is to offer.
    """
    chain, oldest = view.chain, heard.base
    if oldest.id in chain and oldest.height >= view.floor and not chain.on_best(oldest):
        return oldest if link.cursor != oldest else None
    last = link.cursor or said.head
    theirs = link.final.height if link.final is not None else 0
    bottom = max(view.floor, oldest.height, min(chain.final.height, theirs))
    height = min(last.height - 1, heard.head.height)
    found = chain.best_at(max(height, bottom)) if last.height > bottom else None
    return found.point if found else None


def offer(said: Hello, point: Point, about: Point, view: View) -> Hello:
    """A hello with one point, and the claim that above it there is nothing to find."""
    return _hello(view, said.head, said.score, (point,), point.height + 1, about)


def assess(hello: Hello, said: Hello | None, chain: Chain) -> Assessment:
    """What the peer's hello means against our chain. Total: any hello that the codec lets through has an answer."""
    better = said is None or hello.rank > said.rank
    if contradicts(hello.final, chain):
        return Assessment(Relation.CONTRADICTION, better)
    head = chain.get(hello.head.id)
    if head is not None and head.height == hello.head.height:
        common = chain.common(chain.head.id, head.id)
        return Assessment(Relation.COMMON, better, True, Shared(common, head), common.height + 1)
    if _nothing_shared(hello, chain):
        return Assessment(Relation.NOTHING, better)
    return _bracket(hello, better, chain)


def contradicts(final: Point, chain: Chain) -> bool:
    """Do we hold another block final where they hold this one? Below our base we cannot tell, and above our final point
    only if we hold their block."""
    if final.height > chain.final.height:
        theirs = chain.get(final.id)
        return theirs is not None and not chain.is_ancestor(chain.final.id, theirs.id)
    ours = chain.best_at(final.height)
    return ours is not None and ours.id != final.id


def _nothing_shared(hello: Hello, chain: Chain) -> bool:
    """The chains share a held block exactly if the higher of the two bases is held by the other side.

    The side with the lower base can tell; if that is the peer, it will. A head below our base settles it for us too.
    """
    if hello.base.height >= chain.base.height:
        return chain.get(hello.base.id) is None
    return hello.head.height < chain.base.height


def _bracket(hello: Hello, better: bool, chain: Chain) -> Assessment:
    ceiling = hello.ceiling
    for point in hello.points:
        held = chain.get(point.id)
        if held is not None and held.height == point.height:
            common = chain.common(chain.head.id, held.id)
            exact = common.height < held.height or ceiling - held.height <= 1
            relation = Relation.COMMON if exact else Relation.BRACKET
            return Assessment(relation, better, False, Shared(common, held), ceiling)
        if point.height > chain.base.height:
            ceiling = min(ceiling, point.height)
    return Assessment(Relation.BRACKET, better, False, None, ceiling)


def _hello(
    view: View, head: Point, score: bytes, points: tuple[Point, ...], ceiling: int, about: Point | None
) -> Hello:
    return Hello(head, score, view.chain.final.point, oldest_held(view).point, points, ceiling, about)


def _points(view: View, heights: Iterable[int]) -> tuple[Point, ...]:
    return tuple(found.point for height in heights if (found := view.chain.best_at(height)) is not None)


def sparse(low: int, high: int, count: int) -> Iterator[int]:
    """Heights from ``high`` down to ``low``, both included, ``count`` at most: dense at the top, then ever sparser.

    The gaps grow by the power that makes the last one end at ``low``, so the whole chain is covered at any length.
    """
    span, dense = high - low, max(1, count // 4)
    if count == 1:
        yield high
    elif span < count:
        yield from range(high, low - 1, -1)
    else:
        yield from range(high, high - dense, -1)
        last, left = dense - 1, count - dense
        growth = (span / max(1, last)) ** (1 / left)
        for step in range(1, left):
            last = max(last + 1, min(span - (left - step), round(max(1, dense - 1) * growth**step)))
            yield high - last
        yield low


def _even(low: int, high: int, count: int) -> Iterator[int]:
    """Heights from ``high`` down to ``low``, ``low`` included, ``count`` at most, evenly spread."""
    span = high - low
    if span < count:
        yield from range(high, low - 1, -1)
    else:
        yield from (low + (span + 1) * step // count for step in range(count - 1, 0, -1))
        yield low


def oldest_held(view: View) -> Header:
    """The oldest block that will be held after this step: what is pruned in it is no longer offered."""
    return view.chain.best_at(view.floor) or view.chain.base


def higher(a: Header | None, b: Header | None) -> Header | None:
    """The higher of two blocks of one chain; either may be unknown."""
    if a is None or b is None:
        return a or b
    return a if a.height >= b.height else b
