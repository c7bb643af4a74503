"""Who a node is, and TLS 1.3 that proves it: bytes in, bytes out. Nothing here waits, or reads a socket."""

from syncfsm_adapters.secure.channel import Channel
from syncfsm_adapters.secure.identity import APPLICATION, Identity, parse_id

__all__ = ["APPLICATION", "Channel", "Identity", "parse_id"]
