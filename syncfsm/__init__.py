"""Keeps the blocks of many nodes in step: pure state machines that decide, and nothing that waits."""

from typing import Final

__version__: Final = "0.2.0"
