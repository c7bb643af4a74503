"""Which of the peers a node that is behind turns to. ``rules.py`` is the table."""
