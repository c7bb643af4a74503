"""The kit for test authors. Nothing here is needed to run a node."""

from syncfsm.testing.pair import Pair

__all__ = ["Pair"]
