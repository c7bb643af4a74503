"""Where blocks are kept: in memory, or in an SQLite file."""

from syncfsm_adapters.store.base import BlockStore, Change, MemoryStore, Standing, load_chain
from syncfsm_adapters.store.sqlite import Promise, SqliteStore

__all__ = ["BlockStore", "Change", "MemoryStore", "Promise", "SqliteStore", "Standing", "load_chain"]
