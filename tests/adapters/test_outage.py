"""The story with real processes and real TCP, in all modes, on a small scale. Times are figures here, no verdicts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale.budgets import BODIES, COPIES
from syncfsm_adapters.story.fields import FIELDS, OF_LAYER
from syncfsm_adapters.story.plan import Mode, make
from tests.adapters.test_figures import paths
from tests.pages import FENCE, ROOT, text_of

GAP = 30
SHORT = ("--interval", "0.1", "--gap", str(GAP), "--tail", "5")
FEED_MODES = [mode.value for mode in Mode if mode.of_feed]
README = text_of(ROOT / "README.md")
(RUN,) = (fence["text"] for fence in FENCE.finditer(README) if "Node A was lost" in fence["text"])
"""The end of the run that README shows."""


def tell(folder: Path, mode: str, *flags: str) -> tuple[dict[str, Any], str]:
    """The figures of a story, and what was said."""
    written = folder / "out.json"
    command = [sys.executable, "-m", "syncfsm_adapters", "outage", "--mode", mode, *flags, "--json", str(written)]
    result = subprocess.run(command, capture_output=True, timeout=180, check=False)
    assert written.exists(), result.stderr.decode()
    return json.loads(written.read_text()), result.stdout.decode()


def must_be_whole(shown: dict[str, Any]) -> None:
    """What holds however slow the machine is."""
    absent = (*(() if "feed" in shown else ("feed.",)), *(() if "da" in shown else OF_LAYER))
    assert set(paths(shown)) == {name for name in FIELDS if not name.startswith(absent)}
    assert shown["agreed"] is True
    assert shown["recovery"]["gaps"] == 0
    assert shown["recovery"]["blocks"] >= GAP
    assert shown["outage"]["restored_at_sequencer_height"] >= shown["outage"]["lost_at"] + GAP
    assert shown["sequencer"]["bodies_per_block"] >= 1
    assert shown["copies_per_block"] >= 1
    assert shown["recovery"]["copies_per_block"] >= 1


def must_be_back(shown: dict[str, Any]) -> None:
    """A, which was lost itself. What a layer brings while the same is on its way from a peer comes twice; nothing else
    does."""
    must_be_whole(shown)
    assert shown["lost"] == "A"
    assert shown["recovery"]["duplicate_blocks"] <= shown["recovery"]["blocks_read"]
    assert "da" in shown or shown["recovery"]["blocks_read"] == 0


def must_have_gone_on(shown: dict[str, Any]) -> None:
    """A, when another follower was lost, which fed it."""
    must_be_whole(shown)
    names = set(make(followers=shown["followers"], folder=Path()).names)
    feed = shown["feed"]
    assert {shown["lost"], feed["next"]} <= names - {"A"}
    assert feed["gaps"] == 0
    assert feed["blocks"] >= GAP
    assert feed["copies_per_block"] >= 1


def shape(text: str) -> list[str]:
    """The lines of the verdict without their figures. The last one, which depends on the machine, is left out."""
    said = text.partition("Node A was lost")[2].partition("blocks from genesis")[0]
    return re.sub(r"\d+(\.\d+)?", "#", said).splitlines()


@pytest.mark.parametrize("mode", ["network", "crash"])
def test_the_lost_node_comes_back_whole(mode: str, tmp_path: Path) -> None:
    shown, said = tell(tmp_path, mode, "--followers", "3", *SHORT)
    must_be_back(shown)
    assert "Node A was lost at height" in said


def test_the_layer_decides(tmp_path: Path) -> None:
    """The two acts more, with a data-availability layer."""
    shown, said = tell(tmp_path, "network", "--followers", "3", "--da", "--batch-seconds", "1.5", *SHORT)
    must_be_back(shown)
    act, stolen = shown["act2"], shown["equivocation"]
    assert act["blocks"] > 0
    assert act["gaps"] == 0
    assert act["duplicates"] <= act["blocks_read"]
    assert stolen == {"evidence": 4, "undone": stolen["undone"], "head_agrees": True}
    assert stolen["undone"] >= 30
    assert 0 < shown["heads"]["final"] <= shown["heads"]["confirmed"] <= shown["heads"]["soft"]
    assert shown["da"]["batches"] >= 4
    assert shape(said) == shape(RUN), "README shows a run of today"


@pytest.mark.parametrize("mode", FEED_MODES)
def test_the_node_that_loses_its_feed_goes_on(mode: str, tmp_path: Path) -> None:
    shown, said = tell(tmp_path, mode, "--followers", "3", *SHORT)
    must_have_gone_on(shown)
    assert f"{shown['lost']}, which feeds A, is" in said
    found = re.search(rf"A has block (\d+) from {shown['feed']['next']}", said)
    assert found is not None
    assert int(found[1]) > shown["feed"]["height"]


def test_on_few_links_too(tmp_path: Path) -> None:
    """A ring, and what is left of it when a neighbour of A is killed: there is one way left for the blocks."""
    shown, _ = tell(tmp_path, "feed", "--followers", "4", "--degree", "2", *SHORT)
    must_have_gone_on(shown)
    assert shown["degree"] == 2
    assert shown["sequencer"]["bodies_per_block"] <= 2


@pytest.mark.nightly
@pytest.mark.parametrize("degree", [(), ("--degree", "4")], ids=["mesh", "four links"])
@pytest.mark.parametrize("mode", Mode)
def test_sixteen_followers(mode: Mode, degree: tuple[str, ...], tmp_path: Path) -> None:
    shown, _ = tell(tmp_path, mode, "--followers", "16", *degree, "--interval", "0.2", "--gap", str(GAP))
    if mode.of_feed:
        must_have_gone_on(shown)
    else:
        must_be_back(shown)
    assert shown["copies_per_block"] <= COPIES
    assert shown["sequencer"]["bodies_per_block"] <= BODIES


def test_readme_says_how_often_a_block_arrived_in_the_run_that_it_shows() -> None:
    (copies,) = re.findall(r"a follower received ([\d.]+) of a block", RUN)
    assert f"({copies} times in the run above)" in README
