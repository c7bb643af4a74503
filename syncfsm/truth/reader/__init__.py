"""Reads the DA layer, and says what of the chain it confirms. ``rules.py`` is the table."""
