"""Who is linked to whom in the story with real processes."""

from pathlib import Path

import pytest

from syncfsm.errors import LocalError
from syncfsm_adapters.story.overlay import Links, overlay
from syncfsm_adapters.story.plan import LOST, SEQUENCER, Mode, Plan, make


def plans(mode: Mode) -> list[Plan]:
    fewest = 3 if mode.of_feed else 1
    sizes = (*range(fewest, 12), 16, 33, 64)
    return [
        make(followers=followers, degree=degree, mode=mode, folder=Path())
        for followers in sizes
        for degree in (None, 2, 3, 4, 8, 64)
    ]


def connected(links: Links, without: str) -> bool:
    """Can all but this one reach the sequencer?"""
    reached, border = {SEQUENCER}, [SEQUENCER]
    while border:
        found = {name for near in border for name in links[near]} - reached - {without}
        reached |= found
        border = list(found)
    return reached == links.keys() - {without}


@pytest.mark.parametrize("mode", Mode)
def test_whichever_follower_is_lost_the_others_stay_connected(mode: Mode) -> None:
    for plan in plans(mode):
        links = overlay(plan)
        assert set(links) == {SEQUENCER, *plan.names}
        assert all(name in links[other] for name in links for other in links[name])
        assert all(name not in links[name] for name in links)
        assert all(connected(links, without) for without in ("nobody", *plan.names)), plan


@pytest.mark.parametrize("mode", Mode)
def test_nodes_have_about_as_many_links_as_asked_for(mode: Mode) -> None:
    for plan in plans(mode):
        counts = [len(beside) for beside in overlay(plan).values()]
        most = min(plan.degree or plan.followers, plan.followers)
        assert max(counts) <= most
        assert min(counts) >= min(2, most)
        assert sum(counts) >= 0.9 * most * len(counts) - 2, plan


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.of_feed])
def test_the_sequencer_does_not_feed_the_one_that_loses_its_feed(mode: Mode) -> None:
    for plan in plans(mode):
        links = overlay(plan)
        assert SEQUENCER not in links[LOST]
        assert len(links[LOST]) >= 2, plan


def test_without_a_degree_all_are_linked_to_all() -> None:
    links = overlay(make(followers=4, folder=Path()))
    assert all(links[name] == links.keys() - {name} for name in links)


def test_the_same_plan_has_the_same_links() -> None:
    for plan in plans(Mode.FEED):
        assert overlay(plan) == overlay(plan)


def test_plans_that_can_not_be_told_say_why() -> None:
    with pytest.raises(LocalError, match="give 3 followers or more"):
        make(followers=2, mode="feed", folder=Path())
    with pytest.raises(LocalError, match="degree"):
        make(degree=1, folder=Path())
