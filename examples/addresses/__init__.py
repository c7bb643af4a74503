"""A protocol of one's own: two nodes tell each other addresses of further peers. ``rules.py`` is the protocol."""
