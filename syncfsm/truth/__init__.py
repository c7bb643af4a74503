"""The source of truth: batches of blocks on a data-availability (DA) layer, and what of the chain they confirm."""
