"""A protocol is one table, and everything else about it is derived from that.

Two rules hold for every table in this package:

1. Whatever decides a state must be a row. Guards and actions are named pure functions; nothing hides behind a name.
2. Nothing is written twice. The dispatch that a node runs (``table``), the ``transitions`` machine it is compared with
   (``twin``), the tables and diagrams of the documentation (``pages``) and the ``lint`` all come from the same tuple of
   ``Rule`` values.
"""

from syncfsm.machine.table import ALWAYS, IGNORE, STAY, VIOLATION, Action, Guard, Rule, Step, Table, always, ignore

__all__ = [
    "ALWAYS",
    "IGNORE",
    "STAY",
    "VIOLATION",
    "Action",
    "Guard",
    "Rule",
    "Step",
    "Table",
    "always",
    "ignore",
]
