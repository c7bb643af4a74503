"""Hypothesis strategies: block trees, headers, messages, and schedules of a network. Needs ``syncfsm[testing]``."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.blocks import Header, Point
from syncfsm.notes.messages import Note
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message as Control
from syncfsm.sync.messages import Blocks, Finality, Found, Hello
from syncfsm.testing.scenario import KINDS
from syncfsm.testing.trees import GENESIS, grow

SMALL = st.sampled_from(range(32))
"""A number that picks one of a few things, modulo how many there are."""


def shapes(most: int = 16, least: int = 0) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Shapes of trees, for ``grow``: mostly branches, some forks, scores that favour short branches at times."""
    back = st.sampled_from((0, 0, 0, 0, 1, 2, 3, 5))
    return st.lists(st.tuples(back, st.sampled_from((1, 1, 2, 5))), min_size=least, max_size=most)


def block_trees(most: int = 16, root: Header = GENESIS) -> st.SearchStrategy[list[Header]]:
    """Blocks of one tree, parents before children, the root first. Heights, parents and scores are sound."""
    return shapes(most).map(lambda shape: grow(shape, root))


def points() -> st.SearchStrategy[Point]:
    """Any point that the codec lets through."""
    ids = st.binary(min_size=1, max_size=limits.ID_BYTES)
    return st.builds(Point, st.integers(0, limits.MAX_HEIGHT), ids)


def headers() -> st.SearchStrategy[Header]:
    """Any header that the codec lets through; it follows from nothing."""
    id = st.binary(min_size=1, max_size=limits.ID_BYTES)
    parent = st.binary(max_size=limits.ID_BYTES)
    score = st.binary(max_size=limits.SCORE_BYTES)
    height = st.integers(0, limits.MAX_HEIGHT)
    return st.builds(Header, height, id, parent, score, st.integers(0, 2**32 - 1), st.binary(max_size=64))


@st.composite
def hellos(draw: st.DrawFn, known: Sequence[Point] = ()) -> Hello:
    """A hello that the codec lets through. ``known`` are points to draw from, so that it means something."""
    point = st.sampled_from(known) | points() if known else points()
    base, final, head = sorted((draw(point) for _ in range(3)), key=lambda point: point.height)
    drawn = draw(st.lists(point, max_size=5))
    offered = {point.height: point for point in (head, *drawn) if point.height >= base.height}
    highest = max(offered)
    if highest == limits.MAX_HEIGHT:
        del offered[highest]
        highest = max(offered, default=0)
    score = draw(st.binary(max_size=8))
    if not offered:  # all is at the greatest height, and nothing lies below a ceiling there
        base, final, offered = Point(0, base.id), Point(0, base.id), {0: Point(0, base.id)}
    ceiling = draw(st.integers(highest + 1, min(limits.MAX_HEIGHT, highest + 50)))
    about = draw(st.none() | point)
    return Hello(head, score, final, base, tuple(offered[at] for at in sorted(offered, reverse=True)), ceiling, about)


def control_messages(known: Sequence[Point] = ()) -> st.SearchStrategy[Control]:
    """Any small message that the codec lets through."""
    point = st.sampled_from(known) | points() if known else points()
    some = st.none() | point
    return st.one_of(
        hellos(known),
        st.builds(Found, point),
        st.builds(Finality, point),
        st.builds(Note, st.binary(max_size=100), some),
        st.builds(Bye, st.sampled_from(Parting), some),
        st.just(Ping()),
        st.just(Pong()),
    )


def messages(tree: Sequence[Header]) -> st.SearchStrategy[Control | Blocks]:
    """Anything a peer may send: blocks of ``tree``, or of none, and small messages about them."""
    known = tuple(header.point for header in tree)
    block = st.sampled_from(tree) | headers()
    runs = st.lists(block, min_size=1, max_size=3).map(lambda found: Blocks(tuple(found)))
    return control_messages(known) | runs


# Acts of a scenario: the arguments of its methods ---------------------------------------------------------------

Acts = st.SearchStrategy[dict[str, Any]]


def setups_of(least: int, most: int) -> Acts:
    """Networks of so many nodes."""
    return st.fixed_dictionaries(
        {
            "nodes": st.integers(least, most),
            "shape": shapes(least=4),
            "heads": st.lists(SMALL, min_size=most, max_size=most),
            "truth": st.sampled_from(("none", "one", "many")),
        }
    )


setups: Acts = setups_of(2, 5)
makes: Acts = st.fixed_dictionaries(
    {
        "at": SMALL,
        "back": st.sampled_from((0, 0, 0, 1, 2, 4)),
        "count": st.integers(1, 4),
        "gain": st.sampled_from((1, 1, 2, 6)),
        "name": st.integers(0, 2),
    }
)
deliveries: Acts = st.fixed_dictionaries({"at": SMALL, "count": st.integers(1, 4), "overtake": st.booleans()})
connects: Acts = st.fixed_dictionaries({"at": SMALL})
_kinds = st.sampled_from((*KINDS, "finalise", "finalise", "say", "wait"))
faults: Acts = st.fixed_dictionaries({"kind": _kinds, "at": SMALL, "count": st.integers(0, 4)})


def schedules(most: int = 30) -> st.SearchStrategy[list[dict[str, Any]]]:
    """What happens after the setup: acts, each with its name under ``act``, as in a trace."""
    named = {"connect": connects, "make": makes, "deliver": deliveries, "fault": faults}
    names = st.sampled_from((*named, "deliver", "deliver"))
    return st.lists(names.flatmap(lambda act: named[act].map(lambda drawn: {"act": act, **drawn})), max_size=most)
