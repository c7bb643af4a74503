"""The story with real processes and real TCP, both modes, on a small scale. Times are figures here, never verdicts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WANTED = {
    "outage": {"lost_at", "restored_at_sequencer_height"},
    "recovery": {"seconds", "blocks", "gaps", "duplicate_blocks", "hellos"},
    "latency_ms": {"p50", "p99"},
    "sequencer": {"bytes_per_block"},
}


@pytest.mark.parametrize("mode", ["network", "crash"])
def test_the_lost_node_comes_back_whole(mode: str, tmp_path: Path) -> None:
    figures = tmp_path / "out.json"
    flags = ["--mode", mode, "--followers", "3", "--interval", "0.1", "--gap", "30", "--tail", "5"]
    command = [sys.executable, "-m", "syncfsm_adapters", "outage", *flags, "--json", str(figures)]
    result = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert figures.exists(), result.stderr.decode()
    shown = json.loads(figures.read_text())
    for group, names in WANTED.items():
        assert names <= set(shown[group])
    assert shown["agreed"] is True
    assert shown["recovery"]["gaps"] == 0
    assert shown["recovery"]["duplicate_blocks"] == 0
    assert shown["recovery"]["blocks"] >= 30
    assert shown["outage"]["restored_at_sequencer_height"] >= shown["outage"]["lost_at"] + 30
    assert b"Node A was lost at height" in result.stdout
