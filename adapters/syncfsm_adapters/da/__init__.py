"""Data availability: what a layer is to a node, one that is embedded, and Celestia's."""
