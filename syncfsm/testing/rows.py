"""Which rows of the tables fire: a test that never reaches a row says nothing about it."""

from collections import Counter
from enum import StrEnum
from typing import Any

import attrs

from syncfsm.machine import Rule, Step, Table
from syncfsm.node.node import Rules
from syncfsm.node.registry import STANDARD
from syncfsm.registry import Registry


@attrs.frozen
class _Counted:
    """A table that counts which of its rows fire."""

    table: Table[Any]
    fired: Counter[Rule]

    def step(self, value: Any, event: StrEnum, message: object, view: Any) -> Step[Any]:
        step = self.table.step(value, event, message, view)
        self.fired[step.rule] += 1
        return step


class RowCount(dict[str, Rules]):
    """Rules for nodes that count what they do, of every table. Give it to ``Node.step`` or to ``SimNetwork``.

    ``changed`` are tables that take the place of those of ``registry`` that have the same names.
    """

    def __init__(self, *changed: Table[Any], registry: Registry = STANDARD) -> None:
        self.tables: dict[str, Table[Any]] = registry.tables | {table.name: table for table in changed}
        self.fired: Counter[Rule] = Counter()
        super().__init__({name: _Counted(table, self.fired) for name, table in self.tables.items()})

    def anew(self) -> "RowCount":
        """The same tables, nothing counted yet."""
        return RowCount(*self.tables.values())

    def never_fired(self, table: str | None = None) -> list[Rule]:
        """The rows that have not fired yet, in the order of the tables; of one table only, if it is named."""
        tables = self.tables.values() if table is None else (self.tables[table],)
        return [rule for each in tables for rule in each.rules if rule not in self.fired]
