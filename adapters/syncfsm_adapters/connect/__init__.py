"""What decides about connections, without I/O: greeting, dialling, duplicates, turns. The shells in ``tcp`` and
``asyncio`` only move bytes."""

from syncfsm_adapters.connect.connector import Connector
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.connect.target import Target

__all__ = ["Connector", "Link", "Shell", "Target"]
