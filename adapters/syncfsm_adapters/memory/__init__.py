"""A network in memory, in virtual time."""

from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path

__all__ = ["MemoryNetwork", "Path"]
