"""The published network, and its random neighbours."""

import pytest

from syncfsm.errors import LocalError
from syncfsm.testing.scale import random_overlay
from syncfsm.testing.scale.overlay import NAMES
from syncfsm.testing.scale.published import LATENCY_MS, REGIONS


def test_latency_is_the_same_both_ways_and_least_at_home() -> None:
    assert len(LATENCY_MS) == len(REGIONS)
    for here, row in enumerate(LATENCY_MS):
        assert len(row) == len(REGIONS)
        assert min(row) == row[here]
        assert [LATENCY_MS[there][here] for there in range(len(row))] == list(row)


@pytest.mark.parametrize("count", [20, 300, 2000])
def test_degrees_are_as_asked_and_all_are_connected(count: int) -> None:
    overlay = random_overlay(count, seed=3)
    degrees = [len(others) for others in overlay.neighbours]
    assert sum(degrees) == 8 * count
    assert 6 <= min(degrees) <= max(degrees) <= 12
    assert all(a != b for a, b in overlay.edges)
    assert len({frozenset(edge) for edge in overlay.edges}) == len(overlay.edges)
    assert overlay.reachable(0) == set(range(count))


def test_places_have_the_published_shares() -> None:
    overlay = random_overlay(4000, seed=1)
    fast = sum(place.up > 1e8 for place in overlay.places)
    assert fast == pytest.approx(800, rel=0.1)
    assert {place.up for place in overlay.places} == {6.25e6, 128e6}
    total = sum(REGIONS.values())
    for region, nodes in REGIONS.items():
        assert len(overlay.within(region)) == pytest.approx(4000 * nodes / total, rel=0.2, abs=12)


def test_the_same_seed_gives_the_same_overlay_and_another_another() -> None:
    assert random_overlay(100, seed=1) == random_overlay(100, seed=1)
    assert random_overlay(100, seed=1).edges != random_overlay(100, seed=2).edges


def test_latency_follows_the_regions() -> None:
    overlay = random_overlay(300, seed=1)
    european, american = overlay.within("europe")[0], overlay.within("na_east")[0]
    assert overlay.latency(european, american) == overlay.latency(american, european) == 0.07
    assert sum(len(overlay.within(region)) for region in NAMES) == 300


def test_who_is_not_there_leads_nowhere() -> None:
    overlay = random_overlay(50, seed=1)
    alone = frozenset(overlay.neighbours[0])
    assert overlay.reachable(0, alone) == {0}


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(LocalError, match="no overlay of 12 nodes has from 6 to 12 neighbours"):
        random_overlay(12)
    with pytest.raises(LocalError, match="there is no region 'mars'; there are australia"):
        random_overlay(20).within("mars")
