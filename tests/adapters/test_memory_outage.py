"""The outage story in virtual time: the lost node is back within one block, with no gap and no duplicate."""

import pytest

from syncfsm.errors import LocalError
from syncfsm_adapters.memory.outage import Mode, Story, Topology, outage
from syncfsm_adapters.memory.pipes import Path

MODES = pytest.mark.parametrize("mode", ["network", "crash"])


def must_hold(story: Story, gap: int) -> None:
    """What the story promises, whatever the world it is played in."""
    assert story.agreed
    assert story.gaps == 0
    assert story.duplicates == 0
    assert story.misbehaviours == 0
    assert story.restored_at == story.lost_at + gap
    assert story.recovery_blocks >= gap
    assert story.recovery_seconds <= story.interval
    assert story.hellos >= 1


@MODES
@pytest.mark.parametrize("followers", [1, 2, 4])
def test_the_story(followers: int, mode: Mode) -> None:
    story = outage(followers, mode=mode)
    must_hold(story, gap=100)
    assert story.recovery_seconds == pytest.approx(0.004), "a round trip to connect, one to ask and be sent"
    assert story.latency_p99 == pytest.approx(0.001)
    assert 1024 < story.bytes_per_block < 1.3 * 1024


@MODES
def test_the_story_with_sixteen_followers(mode: Mode) -> None:
    must_hold(outage(16, gap=40, mode=mode), gap=40)


@MODES
def test_the_story_with_sixty_four_followers(mode: Mode) -> None:
    must_hold(outage(64, gap=30, mode=mode, topology="regular"), gap=30)


@pytest.mark.nightly
@MODES
def test_the_story_with_sixty_four_followers_in_a_mesh(mode: Mode) -> None:
    must_hold(outage(64, gap=30, mode=mode), gap=30)


@MODES
@pytest.mark.parametrize("followers", [1, 4])
def test_fifty_blocks_a_second(followers: int, mode: Mode) -> None:
    must_hold(outage(followers, interval=0.02, mode=mode), gap=100)


@MODES
@pytest.mark.parametrize("topology", ["star", "line", "regular"])
def test_other_topologies(topology: Topology, mode: Mode) -> None:
    must_hold(outage(6, mode=mode, topology=topology), gap=100)


@MODES
def test_real_bytes_tell_the_same_story(mode: Mode) -> None:
    assert outage(4, mode=mode, codec=True) == outage(4, mode=mode)


@MODES
def test_slow_links(mode: Mode) -> None:
    """A long way and little bandwidth: the missing blocks cross the link once, at the speed of the link."""
    story = outage(2, mode=mode, path=Path(latency=0.05, jitter=0.02, bandwidth=1e6), interval=1.0)
    must_hold(story, gap=100)
    assert story.recovery_seconds > 0.2 + 100 * 1024 / 1e6


def test_the_same_seed_tells_the_same_story() -> None:
    path = Path(latency=0.001, jitter=0.001)
    first, again, other = (outage(3, gap=30, seed=seed, path=path) for seed in (1, 1, 2))
    assert first == again != other


def test_an_outage_nobody_would_notice_is_refused() -> None:
    with pytest.raises(LocalError, match="more than 20"):
        outage(1, gap=20)
