"""Keeping a peer in step: finding the common ancestor, then streaming blocks. ``rules.py`` is the protocol."""
