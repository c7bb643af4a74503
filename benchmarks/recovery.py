"""The outage story, told by the command line as a user would: how soon the lost node is back at the live head."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Figures

INTERVAL = 0.2
GAP, GAP_QUICK = 30, 5


def run(quick: bool) -> Figures:
    """The figures of ``recovery``. Seconds count from the moment the link carries bytes again."""
    with tempfile.TemporaryDirectory(prefix="syncfsm-bench-") as folder:
        result = Path(folder) / "outage.json"
        story = ("--interval", str(INTERVAL), "--gap", str(GAP_QUICK if quick else GAP), "--json", str(result))
        command = (sys.executable, "-m", "syncfsm_adapters", "outage", *story)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        told = json.loads(result.read_text(encoding="utf-8"))
    return {
        "seconds": told["recovery"]["seconds"],
        "blocks": told["recovery"]["blocks"],
        "gap": GAP_QUICK if quick else GAP,
        "interval": INTERVAL,
        "latency_ms": {name: told["latency_ms"][name] for name in ("p50", "p99")},
    }
