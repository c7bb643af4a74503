"""How long a node may take to be at the live head again: the promise, computed for one story.

"Within one block time and two round trips after the link is back, as far as its bandwidth allows." That is the whole of
it for a connection that ends and is dialled again between two nodes in an honest network. What else may enter is a term
of its own in ``Allowed``, and is 0 where its reason is absent.
"""

from collections.abc import Collection, Iterator
from math import ceil, inf, log
from typing import Final

import attrs

from syncfsm.testing.lines import Way
from syncfsm.testing.outage.story import HELLO, Outage, Pair

LIES: Final = {"StalePeer": 8, "Equivocator": 20}
"""How many blocks the liars of this name add to what is to be carried, at most."""
UNASKED: Final = ("silent", "deaf", "mute", "killed")
"""Ways to be lost of which the other end may learn only once the line carries again."""


@attrs.frozen(kw_only=True)
class Allowed:
    """Seconds from the moment at which a node can be reached again, term by term."""

    notice: float
    """One round trip, unless connections were cut: an end that has given up says so when the line carries again, behind
    what is being written; and silence may run out while the first sign of life is still on its way."""
    dial: float
    """The story's own: the longest pause before a link is dialled."""
    patience: float
    """``Limits.patience``, if the node may turn first to peers that have nothing to give: liars, or others that are
    behind themselves. It waits so long without progress, for however many, then it asks all who told that they have
    more (decision 0023)."""
    graft: float
    """``Limits.graft_most`` for each other node on the way, if there is a liar or a node that is lost and does not say
    so: it may be the feed of any of them, and who is fed by it learns that only when another tells of a block; so one
    after the other. The node itself waits so long too, for one that is lost; for a liar that is in ``patience``."""
    greet: float
    """Two round trips: the hello and the first block of the feed; then, as that peer may be farther from the sequencer
    than another, what another is asked for and adds. One more for each branch switch
    (a hello is corrected, and what was under way is to no purpose), and one for each time that a bracket must be
    divided, if the fork is deeper than the points of a hello near the head show."""
    fetch: float
    """If what is missing was pruned, or is while it is being sent: a round trip until both know, then dial and greet
    again. To fetch it from elsewhere takes no time here."""
    transmit: float
    """All that was missed, all that is made while the node waits, and all that is made meanwhile, on the slowest link
    of the nodes on the way: blocks * time of one / (1 - share that the live chain takes)."""
    live: float
    """One block time."""

    @property
    def seconds(self) -> float:
        return float(sum(attrs.astuple(self)))


def allowed(outage: Outage, name: str, missed: int, away: Collection[str] = (), behind: int = 1) -> Allowed:
    """What the node may take. ``missed`` is how many blocks of the best chain the node, or a node on its way, lacks;
    ``away`` are the nodes that are out of reach now, ``behind`` how many of the others lack blocks.

    Time counts until the node has all blocks that are older than ``flight``.
    """
    way_there = route(outage, name, away)
    near = links_of(outage, {name, *way_there}, away)
    trip = 2 * max((_hop(outage, way, HELLO) for way in near.values()), default=0.0)
    slowest = max((outage.weight / way.rate for way in near.values()), default=0.0)
    dial, limits = outage.dial / 1000, outage.limits
    unasked = any(loss.how in UNASKED for loss in outage.losses)
    waits = Allowed(
        notice=trip if unasked else 0.0,
        dial=dial,
        patience=limits.patience if outage.liar or behind > 1 else 0.0,
        graft=limits.graft_most * max(0, len(way_there) - (1 if unasked else 2)) if outage.liar or unasked else 0.0,
        greet=(2 + len(outage.turns) + divisions(outage)) * trip,
        fetch=0.0,
        transmit=0.0,
        live=outage.every,
    )
    extra = sum(turn.count for turn in outage.turns) + LIES.get(outage.liar, 0)

    def filled(waits: Allowed) -> Allowed:
        blocks = missed + extra + waits.seconds / outage.every
        return attrs.evolve(waits, transmit=blocks * slowest / (1 - slowest / outage.every))

    due = filled(waits)
    if outage.final and missed + due.seconds / outage.every > limits.retention + outage.final:
        due = filled(attrs.evolve(waits, fetch=trip + dial + waits.greet))
    return due


def divisions(outage: Outage) -> int:
    """How often a bracket may have to be divided. A hello shows the first quarter of its points one by one, and those
    below far apart; if the fork is not among the first, each further hello divides what is left by its points."""
    points = outage.limits.points
    deepest = max((turn.depth + turn.count for turn in outage.turns), default=0)
    missed = sum(max(1, loss.gap) for loss in outage.losses)
    return ceil(log(outage.blocks + deepest, points)) if deepest and deepest + missed > points // 4 else 0


def flight(outage: Outage, name: str, away: Collection[str] = ()) -> float:
    """Seconds that a new block needs to reach this node from the one that is farthest from it, at most.

    At each hop: what is being written, then the block behind those that are made at the same moment, then the latency.
    The others have it by the shortest way. The node itself may have any of its neighbours for a feed: until it has seen
    that another is faster, it has its blocks from the one that brought what it missed.
    """
    burst = max((turn.count for turn in outage.turns), default=1) + LIES.get(outage.liar, 0)
    hops = [(far, seconds) for near, far, seconds in _hops(outage, away, burst) if near == name]
    return max((hop + _farthest(outage, feed, {*away, name}, burst) for feed, hop in hops), default=0.0)


def _farthest(outage: Outage, name: str, away: Collection[str], burst: int) -> float:
    return max(seconds for seconds, _ in _shortest(outage, name, away, burst).values())


def route(outage: Outage, name: str, away: Collection[str] = ()) -> set[str]:
    """The nodes on the shortest ways to this one from the sequencer, and from whoever makes a branch."""
    makers = {outage.name(0), *(outage.name(turn.by) for turn in outage.turns)}
    shortest = _shortest(outage, name, away, 1)
    return {by for far, (_, way) in shortest.items() if far in makers for by in way}


def reach(outage: Outage, name: str, away: Collection[str] = ()) -> set[str]:
    """The nodes that can be reached from this one."""
    return {*_shortest(outage, name, away, 1)}


def links_of(outage: Outage, names: Collection[str], away: Collection[str] = ()) -> dict[Pair, Way]:
    """The links of these nodes that carry."""
    return {pair: way for pair, way in outage.ways() if {*pair} & {*names} and not {*pair} & {*away}}


def one_feed(outage: Outage, due: Allowed) -> bool:
    """Does a node that comes back alone get all it missed from one peer? Yes, unless that is late, and another is asked
    too: the first block must come within ``graft_most``, each further one within ``graft``, as nobody knows yet how
    long it takes, and all of them within ``lead``."""
    hop = max(_hop(outage, way, HELLO) for _, way in outage.ways())
    block, limits = outage.weight / min(way.rate for _, way in outage.ways()), outage.limits
    in_time = 2 * hop + block < 0.9 * limits.graft_most and block < 0.9 * limits.graft
    return not outage.liar and in_time and due.seconds < limits.lead


def _hop(outage: Outage, way: Way, size: int) -> float:
    """Seconds for ``size`` bytes to the other end, behind a block that is being written."""
    return way.latency + (outage.weight + size) / way.rate


def _shortest(outage: Outage, name: str, away: Collection[str], burst: int) -> dict[str, tuple[float, tuple[str, ...]]]:
    """To each node that this one can reach: the seconds, and the nodes on the way, both ends included."""
    found: dict[str, tuple[float, tuple[str, ...]]] = {name: (0.0, (name,))}
    hops = list(_hops(outage, away, burst))
    for _ in outage.names:  # no way is longer
        for near, far, seconds in hops:
            if near in found and found[near][0] + seconds < found.get(far, (inf,))[0]:
                found[far] = found[near][0] + seconds, (*found[near][1], far)
    return found


def _hops(outage: Outage, away: Collection[str], burst: int) -> Iterator[tuple[str, str, float]]:
    for (a, b), way in outage.ways():
        if not {a, b} & {*away}:
            seconds = _hop(outage, way, burst * outage.weight + HELLO)
            yield a, b, seconds
            yield b, a, seconds
