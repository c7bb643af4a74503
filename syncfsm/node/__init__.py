"""A node puts the protocols together: ``node.py`` is the value, ``step.py`` the order of a step."""
