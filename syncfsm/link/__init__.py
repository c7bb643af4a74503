"""The per-peer machine: start, init, syncing, idle. ``rules.py`` is the protocol; open it first."""

from typing import Final

from syncfsm.link.actions import ACTIONS
from syncfsm.link.discovery import assess
from syncfsm.link.guards import GUARDS
from syncfsm.link.rules import RULES
from syncfsm.link.types import MEANINGS, Event, Freed, Heard, Link, Moved, Receipt, State, Strategy, View
from syncfsm.machine import Table

TABLE: Final[Table[Link]] = Table("link", State, MEANINGS, Event, State.CLOSED, State.CLOSED, RULES, GUARDS, ACTIONS)

__all__ = ["TABLE", "Event", "Freed", "Heard", "Link", "Moved", "Receipt", "State", "Strategy", "View", "assess"]
