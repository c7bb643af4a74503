"""A table by itself, to which anything happens at any time: what a node never does to it, because it forgets a
connection that has ended and greets once, and a caller by mistake only.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import attrs

from syncfsm.check import Choice, Moment, Property, Step, World
from syncfsm.errors import LocalError
from syncfsm.machine import Table
from syncfsm.protocol import View
from syncfsm_spec.kit.promise import Promise


@attrs.frozen
class Comes:
    """What may happen to a value: an event, what it carries, and a ``label`` if the event alone does not tell."""

    event: StrEnum
    carried: Any = attrs.field(default=None, hash=False)
    label: str = ""

    def __str__(self) -> str:
        return f"{self.event} {self.label}".rstrip()


@attrs.frozen
class Lone:
    """One value, and the table of its ``name``.

    ``given`` is what can come at any time. Events that are not in it come only when it is over, where nothing looks at
    what they bring.
    """

    name: str
    start: Any
    tables: Mapping[str, Table[Any]] = attrs.field(hash=False)
    given: tuple[Comes, ...] = attrs.field(hash=False)
    view: View = attrs.field(hash=False, eq=False)

    @property
    def table(self) -> Table[Any]:
        """What moves it."""
        return self.tables[self.name]

    def step(self, value: Any, comes: Comes) -> Step:
        event = comes.event
        try:
            done = self.table.step(value, event, comes.carried, self.view)
        except LocalError:
            row = next(rule for rule in self.table.rules if value.state in rule.source and event in rule.event)
            return Step(value, rules=(row,))
        return Step(done.value, outputs=done.outputs, rules=(done.rule,))

    def choices(self, value: Any) -> Sequence[Choice]:
        over = self.table.end is not None and value.state is self.table.end
        late = tuple(Comes(event) for event in self.table.events if event not in {given.event for given in self.given})
        coming = (*self.given, *late) if over else self.given
        return tuple(Choice(str(comes), comes, environment=True) for comes in coming)

    def show(self, value: Any) -> str:
        return str(value.state.value)


@attrs.frozen
class OverIsOver:
    """Once it has ended, and before it begins, nothing moves it and it says nothing. What ends it, ends it."""

    begins: StrEnum
    ends: frozenset[StrEnum]
    end: StrEnum

    def __call__(self, moment: Moment) -> bool:
        event = moment.stimulus.event
        if event in self.ends and moment.after.state is not self.end:
            return False
        late = moment.before.state is self.end and event is not self.begins
        return not late or (moment.after == moment.before and not moment.outputs)


def alone(table: Table[Any], start: Any, given: Sequence[Comes], view: View, claims: Sequence[Property] = ()) -> World:
    """All that can come late, too early, or twice to a value of this table."""
    doc = f"A value of the table {table.name}, to which anything happens at any time."
    value = Lone(table.name, start, {table.name: table}, tuple(given), view)
    return World(f"alone-{table.name}", (value,), tuple(claims), doc, table.rules)


def over_is_over(table: Table[Any], promise: Promise, begins: StrEnum, *ends: StrEnum) -> tuple[Property, ...]:
    """The promise of a table that has an end. ``begins`` is the event that opens its values, ``ends`` close them."""
    assert table.end is not None
    return (promise.steps((table.name,), OverIsOver(begins, frozenset(ends), table.end)),)
