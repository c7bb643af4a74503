"""The connection itself: whether it is alive, how it ends, and how much room it has. ``rules.py`` is the protocol."""
