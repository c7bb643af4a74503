"""What sync promises: in words, in Python, in TLA+, and the worlds that show it."""
