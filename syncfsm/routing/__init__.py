"""Packets over many hops: to one producer, to the producers, or to everybody. ``rules.py`` is what is said on a
connection, ``router/rules.py`` what a node decides across its peers."""
