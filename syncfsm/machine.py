"""A protocol is one table, and everything else about it is derived here.

Two rules hold for every table in this package:

1. Whatever decides a state must be a row. Guards and actions are named pure functions; nothing hides behind a name.
2. Nothing is written twice. The dispatch that a node runs, the ``transitions`` machine it is compared with, the tables
   and diagrams of the documentation and the lint all come from the same tuple of ``Rule`` values.

How a step works: the rows for (state, event) are tried in the order of the table, the first whose guard holds fires,
its action makes the new value and the outputs, and the value moves to the row's target. A sound table has a row for
every state and event, ending with an unguarded one, so that a step always finds exactly one; ``Table.lint`` proves it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar, cast

import attrs
import msgspec
from transitions import EventData, Machine

ALWAYS: Final = "always"
"""The guard that always holds."""
IGNORE: Final = "ignore"
"""The action of a row that says, on purpose: this may come, and it changes nothing."""
VIOLATION: Final = "violation"
"""The action of a row that says: no correct peer does this. Each protocol brings its own function for it."""
STAY: Final = None
"""The target of a row that leaves the state as it is."""


class Stateful(Protocol):
    """What a table moves: a frozen ``msgspec.Struct`` with a field ``state``."""

    @property
    def state(self) -> StrEnum: ...


V = TypeVar("V", bound=Stateful)
Guard = Callable[[Any, Any, Any], bool]
"""(value, message, view) -> does the row apply?"""
Action = Callable[[Any, Any, Any], tuple[Any, tuple[Any, ...]]]
"""(value, message, view) -> (value, outputs)."""


def _states(given: StrEnum | Iterable[StrEnum]) -> tuple[StrEnum, ...]:
    return (given,) if isinstance(given, StrEnum) else tuple(given)


@attrs.frozen
class Rule:
    """One row: in ``source``, on ``event``, if ``guard`` holds, do ``action`` and go to ``target``.

    ``source`` and ``event`` may be several; ``target`` may be ``STAY``. ``doc`` says why in one sentence, ``ref`` names
    where the rule comes from.
    """

    source: tuple[StrEnum, ...] = attrs.field(converter=_states)
    event: tuple[StrEnum, ...] = attrs.field(converter=_states)
    guard: str
    target: StrEnum | None
    action: str
    doc: str
    ref: str

    def __str__(self) -> str:
        where = ", ".join(self.source)
        what = ", ".join(self.event)
        return f"({where}) {what} [{self.guard}] -> {self.target or 'stay'} / {self.action}"


def always(value: object, message: object, view: object) -> bool:
    return True


def ignore(value: V, message: object, view: object) -> tuple[V, tuple[()]]:
    return value, ()


class Step(NamedTuple, Generic[V]):
    """The result of one event: the new value, what is to be done, and the row that decided it.

    A plain tuple, as one is made for every step of every link.
    """

    value: V
    outputs: tuple[Any, ...]
    rule: Rule


class _Cell:
    """What the ``transitions`` machine moves: thrown away after each step, so that no peer is ever registered."""

    __slots__ = ("message", "outputs", "rule", "state", "value", "view")
    state: str
    value: Any
    message: Any
    view: Any
    outputs: tuple[Any, ...]
    rule: Rule | None


@attrs.frozen(slots=False, eq=False)
class Table(Generic[V]):
    """A protocol: its rules, and the functions that their names mean.

    ``meanings`` says what each state means. ``initial`` is where a value starts, ``end`` where it stops for good.
    """

    name: str
    states: type[StrEnum]
    meanings: Mapping[Any, str]
    events: type[StrEnum]
    initial: StrEnum
    end: StrEnum
    rules: tuple[Rule, ...]
    guards: Mapping[str, Guard]
    actions: Mapping[str, Action]

    # The dispatch that ships ------------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> dict[StrEnum, dict[StrEnum, tuple[tuple[Guard, Action, StrEnum, Rule], ...]]]:
        rows: dict[StrEnum, dict[StrEnum, list[tuple[Guard, Action, StrEnum, Rule]]]]
        rows = defaultdict(lambda: defaultdict(list))
        for rule in self.rules:
            guard, action = self._guard(rule.guard), self._action(rule.action)
            for source in rule.source:
                for event in rule.event:
                    rows[source][event].append((guard, action, rule.target or source, rule))
        return {state: {event: tuple(found) for event, found in by.items()} for state, by in rows.items()}

    def _guard(self, name: str) -> Guard:
        return always if name == ALWAYS else self.guards[name]

    def _action(self, name: str) -> Action:
        return cast(Action, ignore) if name == IGNORE else self.actions[name]

    def step(self, value: V, event: StrEnum, message: object, view: object) -> Step[V]:
        """Apply one event. Pure; raises only what an action raises, and ``KeyError`` if the table is not sound."""
        for guard, action, target, rule in self._rows[value.state][event]:
            if guard(value, message, view):
                new, outputs = action(value, message, view)
                return Step(_moved(new, target), outputs, rule)
        raise KeyError(f"table {self.name}: no row of ({value.state}, {event}) applies; run its lint")

    # The same table through transitions -------------------------------------------------------------------------

    @cached_property
    def machine(self) -> Machine:
        """The table as one shared, model-less ``transitions.Machine``: for introspection, and as a second opinion."""
        return Machine(
            model=None,
            states=[str(state) for state in self.states],
            initial=str(self.initial),
            auto_transitions=False,
            send_event=True,
            transitions=[self._transition(rule, source, event) for rule, source, event in self.cases()],
        )

    def _transition(self, rule: Rule, source: StrEnum, event: StrEnum) -> dict[str, Any]:
        guard, action = self._guard(rule.guard), self._action(rule.action)

        def holds(data: EventData) -> bool:
            cell: _Cell = data.model  # type: ignore[assignment]  # transitions types a model as object
            return bool(guard(cell.value, cell.message, cell.view))

        def act(data: EventData) -> None:
            cell: _Cell = data.model  # type: ignore[assignment]  # transitions types a model as object
            cell.value, cell.outputs = action(cell.value, cell.message, cell.view)
            cell.rule = rule

        target = str(rule.target or source)
        return {"trigger": str(event), "source": str(source), "dest": target, "conditions": holds, "before": act}

    def step_by_transitions(self, value: V, event: StrEnum, message: object, view: object) -> Step[V]:
        """The same as ``step``, decided by ``machine``; slower, and proved equal by the model tests."""
        cell = _Cell()
        cell.state, cell.value, cell.message, cell.view = str(value.state), value, message, view
        cell.outputs, cell.rule = (), None
        self.machine.events[str(event)].trigger(cell)
        if cell.rule is None:
            raise KeyError(f"table {self.name}: no row of ({value.state}, {event}) applies; run its lint")
        return Step(_moved(cell.value, self.states(cell.state)), cell.outputs, cell.rule)

    # The lint ---------------------------------------------------------------------------------------------------

    def cases(self) -> Iterable[tuple[Rule, StrEnum, StrEnum]]:
        """Every (rule, state, event) in the order in which rows are tried."""
        return ((rule, source, event) for rule in self.rules for source in rule.source for event in rule.event)

    def lint(self) -> list[str]:
        """What is wrong with the table, one sentence each; empty if it is sound."""
        return [*self._lint_names(), *self._lint_pairs(), *self._lint_reach()]

    def _lint_names(self) -> Iterable[str]:
        guards, actions = {ALWAYS, *self.guards}, {IGNORE, *self.actions}
        for rule in self.rules:
            if rule.guard not in guards:
                yield f"{rule}: unknown guard {rule.guard!r}"
            if rule.action not in actions:
                yield f"{rule}: unknown action {rule.action!r}"
            for state in (*rule.source, *((rule.target,) if rule.target else ())):
                if not isinstance(state, self.states):
                    yield f"{rule}: {state!r} is not a state of {self.name}"
            for event in rule.event:
                if not isinstance(event, self.events):
                    yield f"{rule}: {event!r} is not an event of {self.name}"
            if rule.action == IGNORE and rule.target is not STAY:
                yield f"{rule}: a row that ignores must stay"
            if not rule.doc or not rule.ref:
                yield f"{rule}: a row says why (doc) and where that comes from (ref)"
        used_guards = {rule.guard for rule in self.rules}
        used_actions = {rule.action for rule in self.rules}
        yield from (f"guard {name!r} is used by no row" for name in self.guards if name not in used_guards)
        yield from (f"action {name!r} is used by no row" for name in self.actions if name not in used_actions)

    def _lint_pairs(self) -> Iterable[str]:
        pairs: dict[tuple[StrEnum, StrEnum], list[str]] = defaultdict(list)
        for rule, source, event in self.cases():
            pairs[source, event].append(rule.guard)
        for state in self.states:
            for event in self.events:
                guards = pairs.get((state, event), [])
                if not guards:
                    yield f"({state}, {event}) has no row: handle it, or say IGNORE or VIOLATION"
                    continue
                if guards[-1] != ALWAYS:
                    yield f"({state}, {event}) can find no row: its last row must be unguarded"
                if ALWAYS in guards[:-1]:
                    yield f"({state}, {event}) has rows after an unguarded one; they can never fire"
                if len(set(guards)) < len(guards):
                    yield f"({state}, {event}) tries the same guard twice"

    def _lint_reach(self) -> Iterable[str]:
        reached, grew = {self.initial}, True
        while grew:
            found = {rule.target or source for rule, source, _ in self.cases() if source in reached}
            grew = not found <= reached
            reached |= found
        yield from (
            f"state {state} cannot be reached from {self.initial}" for state in self.states if state not in reached
        )
        if self.end not in reached:
            yield f"the end {self.end} cannot be reached"

    # The documentation ------------------------------------------------------------------------------------------

    def markdown(self) -> str:
        """The table as Markdown, one section a state, rows in the order in which they are tried."""
        lines: list[str] = []
        for state in self.states:
            lines += [f"### `{state}`", "", self.meanings[state], ""]
            lines += ["| on | if | do | then | why | from |", "|---|---|---|---|---|---|"]
            for rule in self.rules:
                if state in rule.source:
                    events = ", ".join(f"`{event}`" for event in rule.event)
                    target = f"`{rule.target}`" if rule.target and rule.target is not state else "stay"
                    guard = "" if rule.guard == ALWAYS else rule.guard.replace("_", " ")
                    action = rule.action.replace("_", " ")
                    lines.append(f"| {events} | {guard} | {action} | {target} | {rule.doc} | {rule.ref} |")
            lines.append("")
        return "\n".join(lines).rstrip() + "\n"

    def mermaid(self, guards: bool = True) -> str:
        """The changes of state as a Mermaid diagram; rows that stay are left to the tables, ends are drawn once."""
        edges: dict[tuple[str, str], list[str]] = {}
        ends: list[str] = []
        for rule, source, event in self.cases():
            guard = f" [{rule.guard.replace('_', ' ')}]" if guards and rule.guard != ALWAYS else ""
            if rule.target is self.end and source is not self.end:
                _add(ends, f"{event}{guard}")
            elif rule.target and rule.target is not source:
                start = "[*]" if source is self.initial else str(source)
                _add(edges.setdefault((start, str(rule.target)), []), f"{event}{guard}")
        inner = [f"        {a} --> {b} : {', '.join(labels)}" for (a, b), labels in edges.items()]
        end = f"    {self.name} --> [*] : {', '.join(ends)}"
        return "\n".join(["stateDiagram-v2", f"    state {self.name} {{", *inner, "    }", end]) + "\n"


def _add(labels: list[str], label: str) -> None:
    if label not in labels:
        labels.append(label)


def _moved(value: V, target: StrEnum) -> V:
    if value.state is target:
        return value
    return cast(V, msgspec.structs.replace(cast(msgspec.Struct, value), state=target))
