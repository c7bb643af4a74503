"""What relay is measured against gives the figures that are known of it."""

from math import inf

import pytest

from benchmarks.scale.gossip import Gossip, bound
from syncfsm.testing.scale import percentile, random_overlay

OVERLAY = random_overlay(2000, seed=1)
SOURCES = tuple(OVERLAY.within("europe")[:2] + OVERLAY.within("na_east")[:1])
KNOWN = {
    # size, IDONTWANT: p50, p99 in ms, copies; simulated with 10,000 nodes, so the band is broad
    (10_000, False): (99, 218, 7.0),
    (10_000, True): (99, 218, 5.5),
    (100_000, False): (320, 468, 7.0),
    (100_000, True): (317, 461, 4.75),
}


@pytest.mark.parametrize(("size", "dont_want"), KNOWN)
def test_gossipsub_is_as_fast_and_as_wasteful_as_it_is_known_to_be(size: int, dont_want: bool) -> None:
    found = Gossip(OVERLAY, size, SOURCES, dont_want=dont_want, work=0.001).run(3, 2.0)
    delays = sorted(delay for spread in found for delay in spread.delays)
    p50, p99, copies = KNOWN[size, dont_want]
    assert 1000 * percentile(delays, 0.5) == pytest.approx(p50, rel=0.25)
    assert 1000 * percentile(delays, 0.99) == pytest.approx(p99, rel=0.25)
    assert delays[-1] < inf
    assert sum(spread.copies for spread in found) / 3 / 1999 == pytest.approx(copies, rel=0.08)


def test_nothing_is_faster_than_latency_alone() -> None:
    [spread] = Gossip(OVERLAY, 1000, SOURCES, dont_want=False, work=0.0).run(1, 1.0)
    least = bound(OVERLAY, SOURCES[0])
    assert least[SOURCES[0]] == 0.0
    assert all(delay >= quickest for delay, quickest in zip(spread.delays, least, strict=True))
    assert max(least) < 0.5


def test_each_copy_is_counted_where_it_is_sent() -> None:
    """Whoever has it sends it to all neighbours but one, the source to all."""
    [spread] = Gossip(OVERLAY, 10_000, SOURCES, dont_want=False, work=0.0).run(1, 1.0)
    assert spread.copies == 2 * len(OVERLAY.edges) - 1999
    assert spread.bytes == spread.copies * spread.source_bytes / len(OVERLAY.neighbours[SOURCES[0]])
    assert spread.small == 0


def test_small_messages_are_not_worth_an_idontwant() -> None:
    [spread] = Gossip(OVERLAY, 1000, SOURCES, dont_want=True, work=0.0).run(1, 1.0)
    assert spread.small == 0
