"""The source of truth: batches of blocks on a data-availability (DA) layer, and what of the chain they confirm.

``reader/`` reads the layer, ``poster/`` writes to it; each is a table. A node has a reader, a sequencer has both.
"""
