"""Where the figures were taken: without that they mean little."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.measure import Figures

PACKAGES: Final = ("syncfsm", "attrs", "immutables", "msgspec", "pynacl", "transitions", "trio")


def describe() -> Figures:
    """The machine, Python, the packages, and how busy the machine is now."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    """The model's name where Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
