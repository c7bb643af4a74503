"""Live blocks: how fast they spread, and what that costs; ours, gossipsub's, and what no protocol can beat."""

from collections import Counter
from math import inf
from statistics import fmean

from benchmarks.scale.gossip import Gossip, bound
from benchmarks.scale.settings import Cost, Figures, Scale, in_step, milliseconds, overlay_of, producers_of
from syncfsm.testing.scale import LargeNetwork, Ledger, Source
from syncfsm.testing.scale.network import WORK
from syncfsm.testing.scale.source import INTERVAL

PATIENCE = 10.0
"""Seconds that are waited for blocks after the last one was made."""


def relay(scale: Scale, size: int, producers: int = 1, turn: int = 1) -> Figures:
    """The nodes that ship. With several producers, each makes ``turn`` blocks before the next one does."""
    cost, network = Cost(), in_step(scale)
    source = Source(network, producers_of(scale, producers), size, turn=turn)
    source.make(scale.warm)
    before, smalls, given = network.ledger.traffic(), Counter(network.ledger.smalls), _given(network, source)
    heights = source.plan(scale.blocks)
    network.run(network.now + scale.blocks * INTERVAL)
    traffic = network.ledger.traffic().since(before)
    said, given = network.ledger.smalls - smalls, _given(network, source) - given
    settle(network, source)
    ledger = network.ledger
    delays = sorted(delay for delay in ledger.delays(heights, range(scale.nodes)) if delay > 0)
    each = scale.nodes * scale.blocks
    return {
        **milliseconds(delays),
        "copies": round(sum(ledger.copies[height] for height in heights) / scale.blocks / (scale.nodes - 1), 3),
        "bytes_per_node_block": round(traffic.bytes / each),
        "messages_per_node_block": round(traffic.smalls / each, 2),
        "messages": {type_.__name__: round(count / each, 2) for type_, count in said.most_common()},
        "source_bytes_per_block": round(sum(traffic.by_node[node] for node in source.producers) / scale.blocks),
        "source_copies_per_block": round(given / scale.blocks, 2),
        "missing": delays.count(inf),
        "gaps": ledger.gaps,
        "doubles": ledger.doubles,
        "tree": tree(ledger, heights),
        **({"after_change": after_change(ledger, heights, turn)} if turn > 1 else {}),
        "cost": cost.figures(network),
    }


def after_change(ledger: Ledger, heights: range, turn: int) -> Figures:
    """How fast the first block of a producer's turn spreads, the second, and so on; the chain begins with a turn."""
    by_place = {at + 1: [height for height in heights if (height - 1) % turn == at] for at in range(turn)}
    delays = {at: sorted(ledger.delays(made, range(ledger.nodes))) for at, made in by_place.items() if made}
    return {str(at): milliseconds([delay for delay in each if delay > 0]) for at, each in delays.items()}


def _given(network: LargeNetwork, source: Source) -> int:
    return sum(network.ledger.given[node] for node in source.producers)


def settle(network: LargeNetwork, source: Source, nodes: set[int] | None = None) -> None:
    """Let time pass until these nodes (all) have the newest block, or patience is at its end."""
    until, heights = network.now + PATIENCE, network.ledger.heights
    wanted = range(len(heights)) if nodes is None else nodes
    while network.now < until and any(heights[node] < source.head.height for node in wanted):
        network.run(network.now + 0.1)


def tree(ledger: Ledger, heights: range) -> Figures:
    """Who had the last block from whom; and for how many nodes that was another one than for the block before."""
    last = heights[-1]
    depths, children = ledger.depths(last), ledger.children(last)
    now, before = ledger.had_from[last], ledger.had_from[last - 1]
    return {
        "depth_max": max(depths),
        "depth_mean": round(fmean(depths), 2),
        "children_max": max(children),
        "children": dict(sorted(Counter(children).items())),
        "moved": sum(a != b for a, b in zip(now, before, strict=True)),
    }


def gossipsub(scale: Scale, size: int, dont_want: bool) -> Figures:
    """Gossipsub, on the same overlay, from the same producer."""
    cost = Cost()
    gossip = Gossip(overlay_of(scale), size, producers_of(scale), dont_want=dont_want, work=WORK, seed=scale.seed)
    found = gossip.run(scale.gossip, INTERVAL, PATIENCE)
    delays = sorted(delay for spread in found for delay in spread.delays if delay > 0)
    each = scale.nodes * scale.gossip
    return {
        **milliseconds(delays),
        "copies": round(sum(spread.copies for spread in found) / scale.gossip / (scale.nodes - 1), 3),
        "bytes_per_node_block": round(sum(spread.bytes for spread in found) / each),
        "messages_per_node_block": round(sum(spread.small for spread in found) / each, 2),
        "source_bytes_per_block": round(sum(spread.source_bytes for spread in found) / scale.gossip),
        "source_copies_per_block": round(sum(spread.source_bytes for spread in found) / gossip.size / scale.gossip, 2),
        "missing": delays.count(inf),
        "cost": cost.figures(),
    }


def latency_alone(scale: Scale, size: int) -> Figures:
    """The quickest way to each node, if lines carried any number of bytes at once. Each node is sent one copy."""
    [producer] = producers_of(scale)
    return {
        **milliseconds(sorted(delay for delay in bound(overlay_of(scale), producer) if delay > 0)),
        "copies": 1.0,
        "bytes_per_node_block": size,
        "messages_per_node_block": 0.0,
        "source_bytes_per_block": size,
        "source_copies_per_block": 1.0,
    }
