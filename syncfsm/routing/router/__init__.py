"""Where packets go: what a node decides across its peers. ``rules.py`` is the table."""
