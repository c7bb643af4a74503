"""Payloads about blocks: sent once the peer has the block, delivered where it is held. ``rules.py`` is the protocol."""
