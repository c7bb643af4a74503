"""The benchmark of large networks: what it compares with is as it is known to be, and it measures what it promises."""

import json
import subprocess
import sys
from math import inf
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.scale import budgets, picture
from benchmarks.scale.__main__ import PARTS, main, table, works
from benchmarks.scale.gossip import Gossip, bound
from benchmarks.scale.heal import FAILURES
from benchmarks.scale.picture import NAMES
from benchmarks.scale.settings import SIZES, Scale
from benchmarks.scale.trees import TURN, WAYS
from syncfsm.testing.scale import percentile, random_overlay
from tests.pages import ROOT

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


# The programme --------------------------------------------------------------------------------------------------

TINY = Scale(nodes=60, warm=3, blocks=4, gossip=3, heal=8, history=5)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """All that the programme measures, of a tiny network."""
    return {" ".join(place): work() for place, work in works(TINY, PARTS).items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["relay", "gossipsub", "idontwant", "bound"])
def test_networks_have_the_promised_figures(figures: dict[str, Any], size: str, name: str) -> None:
    found = figures[f"networks {size} {name}"]
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"] < 2000
    assert found["copies"] >= 1.0
    assert found["bytes_per_node_block"] >= SIZES[size]
    assert found["source_bytes_per_block"] >= SIZES[size]
    assert found["messages_per_node_block"] >= 0
    assert (found.get("missing", 0), found.get("gaps", 0), found.get("doubles", 0)) == (0, 0, 0)


@pytest.mark.parametrize("size", SIZES)
def test_no_network_beats_latency_alone(figures: dict[str, Any], size: str) -> None:
    least = figures[f"networks {size} bound"]
    for name in ("relay", "gossipsub", "idontwant"):
        found = figures[f"networks {size} {name}"]
        assert all(found[which] >= least[which] for which in ("p50_ms", "p99_ms", "max_ms"))


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_failure_all_who_can_be_reached_have_all_blocks(figures: dict[str, Any], failure: str) -> None:
    found = figures[f"heal {failure}"]
    assert found["gaps"] == 0
    assert found["accusations"] == 0
    assert 0 < found["p999_block_times"] <= found["worst_block_times"] < 50
    assert found["nodes"] == {"kill20": 48, "liars": 57}.get(failure, 60)


@pytest.mark.parametrize("way", WAYS)
def test_one_tree_or_several_bring_all_blocks_once(figures: dict[str, Any], way: str) -> None:
    found = figures[f"trees {way}"]
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"] < 2000
    assert (found["missing"], found["gaps"], found["doubles"]) == (0, 0, 0)
    assert found["copies"] >= 1.0


def test_a_change_of_the_producer_is_looked_at_block_by_block(figures: dict[str, Any]) -> None:
    after = figures["trees in_rounds"]["after_change"]
    assert set(after) <= {str(at) for at in range(1, TURN + 1)}
    assert len(after) == TINY.blocks


def test_a_network_comes_up(figures: dict[str, Any]) -> None:
    found = figures["start from_nothing"]
    assert 0 < found["seconds"]["p50"] <= found["seconds"]["max"] < 10
    assert (found["missing"], found["gaps"]) == (0, 0)
    assert figures["start greeting"]["bytes_per_node"] > 0


def test_the_programme_writes_its_figures_and_the_picture_is_drawn_from_them(
    figures: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "scale.json"
    flags = ("--quick", "--nodes", "30", "--only", "start", "--jobs", "1", "--json", str(out))
    subprocess.run([sys.executable, "-m", "benchmarks.scale", *flags], check=True, cwd=ROOT, capture_output=True)
    written = json.loads(out.read_text(encoding="utf-8"))
    assert set(written) == {"environment", "quick", "scale", "start", "seconds", "against", "most_rss_mb"}
    assert written["most_rss_mb"] > 0
    assert written["scale"]["nodes"] == 30
    networks = {size: {name: figures[f"networks {size} {name}"] for name in NAMES} for size in SIZES}
    whole = {"scale": written["scale"], "networks": networks}
    drawn = picture.svg(whole)
    assert drawn == picture.svg(json.loads(json.dumps(whole)))
    assert len(ElementTree.fromstring(drawn).findall("{*}rect")) == 1 + 2 * len(SIZES) * len(NAMES)
    assert "networks 10KB relay" in table(whole)
    assert set(budgets.against(whole)) == set(SIZES)
    with pytest.raises(SystemExit):
        main(["--only", "network"])
    assert "there are networks, trees, heal, start" in capsys.readouterr().err
