"""How a network comes up: all greet each other, and all catch up from nothing."""

from math import inf

from benchmarks.scale.live import settle
from benchmarks.scale.settings import Cost, Figures, Scale, apart, in_step, producers_of
from syncfsm.testing.scale import Dialling, Source, percentile

SIZE = 10_000
DIALLED = 1.0
"""Seconds in which all begin to dial."""


def greeting(scale: Scale) -> Figures:
    """All connections begin at once, and nobody has anything."""
    cost, network = Cost(), in_step(scale)
    traffic = network.ledger.traffic()
    return {
        "messages_per_node": round(traffic.smalls / scale.nodes, 1),
        "bytes_per_node": round(traffic.bytes / scale.nodes),
        "cost": cost.figures(network),
    }


def from_nothing(scale: Scale) -> Figures:
    """The producer has ``history`` blocks and goes on making them; nobody else has anything, all dial. ``seconds`` are
    from the first dial until a node had all of the history."""
    cost, network = Cost(), apart(scale)
    source = Source(network, producers_of(scale), SIZE)
    source.history(scale.history)
    Dialling(network).dial_all(DIALLED)
    source.make(scale.heal)
    settle(network, source)
    ledger, [producer] = network.ledger, source.producers
    others = [node for node in range(scale.nodes) if node != producer]
    had = sorted(ledger.delays([scale.history], others))
    live = sorted(ledger.delays([source.head.height], others))
    copies = sum(ledger.copies[height] for height in range(1, scale.history + 1))
    return {
        "history_blocks": scale.history,
        "seconds": {
            name: round(percentile(had, share), 3) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
        },
        "last_block_max_ms": round(1000 * live[-1], 1),
        "copies_of_history": round(copies / scale.history / (scale.nodes - 1), 3),
        "missing": had.count(inf) + live.count(inf),
        "gaps": ledger.gaps + ledger.doubles,
        "cost": cost.figures(network),
    }
