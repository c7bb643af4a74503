"""Writes a sequencer's blocks to the DA layer, in batches. ``rules.py`` is the table."""
