"""Which of its peers a node has its blocks from, and which it sends them to. ``rules.py`` is the table."""
