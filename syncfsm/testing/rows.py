"""Which rows of the link table fire: a test that never reaches a row says nothing about it."""

from collections import Counter

from syncfsm.link import TABLE, Event, Link, View
from syncfsm.machine import Rule, Step, Table


class RowCount:
    """Rules for nodes that count what they do. Give it to ``Node.step`` or to ``SimNetwork``."""

    def __init__(self, table: Table[Link] = TABLE) -> None:
        self.table = table
        self.fired: Counter[Rule] = Counter()

    def step(self, value: Link, event: Event, message: object, view: View) -> Step[Link]:
        step = self.table.step(value, event, message, view)
        self.fired[step.rule] += 1
        return step

    def never_fired(self) -> list[Rule]:
        """The rows that have not fired yet, in the order of the table."""
        return [rule for rule in self.table.rules if rule not in self.fired]
