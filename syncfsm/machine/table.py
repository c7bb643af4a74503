"""The dispatch: a table, its rules, and the step that a node runs.

How a step works: the rows for (state, event) are tried in the order of the table, the first whose guard holds fires,
its action makes the new value and the outputs, and the value moves to the row's target. A sound table has a row for
every state and event, ending with an unguarded one, so that a step always finds exactly one; ``Table.lint`` proves it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar, cast

import attrs
import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from transitions import Machine

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
"""(value, what the event carries, view) -> does the row apply?"""
Action = Callable[[Any, Any, Any], tuple[Any, tuple[Any, ...]]]
"""(value, what the event carries, view) -> (value, outputs)."""
Carried = Any
"""A type, a union of types, or ``None``: what an event brings along."""


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


_STEP: Any = tuple.__new__
"""Makes a ``Step`` in half the time that its class takes."""


@attrs.frozen(slots=False, eq=False, kw_only=True)
class Table(Generic[V]):
    """A protocol: its rules, and the functions that their names mean.

    ``meanings`` says what each state means. ``initial`` is where a value starts, ``end`` where it stops for good (the
    same, for what can begin again; ``None`` for what never ends). ``carries`` says what each event brings along; what
    is not in it brings nothing.
    """

    name: str
    states: type[StrEnum]
    meanings: Mapping[Any, str]
    events: type[StrEnum]
    carries: Mapping[Any, Carried] = attrs.field(factory=dict)
    initial: StrEnum
    end: StrEnum | None
    rules: tuple[Rule, ...]
    guards: Mapping[str, Guard]
    actions: Mapping[str, Action]

    @cached_property
    def _rows(self) -> dict[StrEnum, dict[StrEnum, tuple[tuple[Guard, Action, StrEnum, Rule], ...]]]:
        rows: dict[StrEnum, dict[StrEnum, list[tuple[Guard, Action, StrEnum, Rule]]]]
        rows = defaultdict(lambda: defaultdict(list))
        for rule in self.rules:
            guard, action = self.guard(rule.guard), self.action(rule.action)
            for source in rule.source:
                for event in rule.event:
                    rows[source][event].append((guard, action, rule.target or source, rule))
        return {state: {event: tuple(found) for event, found in by.items()} for state, by in rows.items()}

    def guard(self, name: str) -> Guard:
        """The function that a guard's name means; ``KeyError`` if there is none."""
        return always if name == ALWAYS else self.guards[name]

    def action(self, name: str) -> Action:
        """The function that an action's name means; ``KeyError`` if there is none."""
        return cast(Action, ignore) if name == IGNORE else self.actions[name]

    def step(self, value: V, event: StrEnum, message: object, view: object) -> Step[V]:
        """Apply one event. Pure; raises only what an action raises, and ``KeyError`` if the table is not sound."""
        for guard, action, target, rule in self._rows[value.state][event]:
            if guard is always or guard(value, message, view):
                new, outputs = action(value, message, view)
                if new.state is not target:
                    new = replace(new, state=target)
                step: Step[V] = _STEP(Step, (new, outputs, rule))
                return step
        raise KeyError(f"table {self.name}: no row of ({value.state}, {event}) applies; run its lint")

    def cases(self) -> Iterable[tuple[Rule, StrEnum, StrEnum]]:
        """Every (rule, state, event) in the order in which rows are tried."""
        return ((rule, source, event) for rule in self.rules for source in rule.source for event in rule.event)

    def acting(self, event: StrEnum) -> frozenset[StrEnum]:
        """The states in which this event can do something: some row for it does more than ignore it."""
        return frozenset(source for rule, source, on in self.cases() if on is event and rule.action != IGNORE)

    # What stands next door, in modules of their own ---------------------------------------------------------------

    @cached_property
    def machine(self) -> "Machine":
        """The table as one shared, model-less ``transitions.Machine``, for its callbacks, markup and graphs.

        ``transitions`` is imported when this is first asked for: a node at work does not wait for it.
        """
        from syncfsm.machine.twin import machine

        return machine(self)

    def lint(self) -> list[str]:
        """What is wrong with the table, one sentence each; empty if it is sound."""
        from syncfsm.machine.lint import lint

        return lint(self)

    def markdown(self) -> str:
        """The table as Markdown, one section a state, rows in the order in which they are tried."""
        from syncfsm.machine.pages import markdown

        return markdown(self)

    def mermaid(self, guards: bool = True) -> str:
        """The changes of state as a Mermaid diagram; rows that stay are left to the tables, ends are drawn once."""
        from syncfsm.machine.pages import mermaid

        return mermaid(self, guards)


def moved(value: V, target: StrEnum) -> V:
    """The value in the state ``target``; itself if it is there."""
    return value if value.state is target else cast(V, replace(cast(msgspec.Struct, value), state=target))
