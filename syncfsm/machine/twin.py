"""The same table through ``transitions``: a second opinion on the dispatch, and a way to that library's tools."""

from enum import StrEnum
from typing import Any

from transitions import EventData, Machine

from syncfsm.machine.table import Rule, Step, Table, V, moved


class _Cell:
    """What the machine moves: thrown away after each step, so that no peer is ever registered."""

    __slots__ = ("message", "outputs", "rule", "state", "value", "view")
    state: str
    value: Any
    message: Any
    view: Any
    outputs: tuple[Any, ...]
    rule: Rule | None


def machine(table: Table[Any]) -> Machine:
    """The table as a machine without a model; ``Table.machine`` keeps one."""
    return Machine(
        model=None,
        states=[str(state) for state in table.states],
        initial=str(table.initial),
        auto_transitions=False,
        send_event=True,
        transitions=[_transition(table, rule, source, event) for rule, source, event in table.cases()],
    )


def _transition(table: Table[Any], rule: Rule, source: StrEnum, event: StrEnum) -> dict[str, Any]:
    guard, action = table.guard(rule.guard), table.action(rule.action)

    def holds(data: EventData) -> bool:
        cell: _Cell = data.model  # type: ignore[assignment]  # transitions types a model as object
        return bool(guard(cell.value, cell.message, cell.view))

    def act(data: EventData) -> None:
        cell: _Cell = data.model  # type: ignore[assignment]  # transitions types a model as object
        cell.value, cell.outputs = action(cell.value, cell.message, cell.view)
        cell.rule = rule

    target = str(rule.target or source)
    return {"trigger": str(event), "source": str(source), "dest": target, "conditions": holds, "before": act}


def step(table: Table[V], value: V, event: StrEnum, message: object, view: object) -> Step[V]:
    """The same as ``Table.step``, decided by ``Table.machine``; slower, and proved equal by the model tests."""
    cell = _Cell()
    cell.state, cell.value, cell.message, cell.view = str(value.state), value, message, view
    cell.outputs, cell.rule = (), None
    table.machine.events[str(event)].trigger(cell)
    if cell.rule is None:
        raise KeyError(f"table {table.name}: no row of ({value.state}, {event}) applies; run its lint")
    return Step(moved(cell.value, table.states(cell.state)), cell.outputs, cell.rule)
