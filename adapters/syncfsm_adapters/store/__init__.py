"""Where blocks are kept: in memory, or in a folder."""

from syncfsm_adapters.store.base import BlockStore, Change, Standing, load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.memory import MemoryStore

__all__ = ["BlockStore", "Change", "FileStore", "MemoryStore", "Promise", "Standing", "load_chain"]
