"""What can be wrong with a table, found before it runs."""

import inspect
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from syncfsm.machine.table import ALWAYS, IGNORE, STAY, Table


def lint(table: Table[Any]) -> list[str]:
    """What is wrong with the table, one sentence each; empty if it is sound."""
    return [*_names(table), *_pairs(table), *_reach(table), *_carried(table)]


def _names(table: Table[Any]) -> Iterable[str]:
    guards, actions = {ALWAYS, *table.guards}, {IGNORE, *table.actions}
    for rule in table.rules:
        if rule.guard not in guards:
            yield f"{rule}: unknown guard {rule.guard!r}"
        if rule.action not in actions:
            yield f"{rule}: unknown action {rule.action!r}"
        for state in (*rule.source, *((rule.target,) if rule.target else ())):
            if not isinstance(state, table.states):
                yield f"{rule}: {state!r} is not a state of {table.name}"
        for event in rule.event:
            if not isinstance(event, table.events):
                yield f"{rule}: {event!r} is not an event of {table.name}"
        if rule.action == IGNORE and rule.target is not STAY:
            yield f"{rule}: a row that ignores must stay"
        if not rule.doc or not rule.ref:
            yield f"{rule}: a row says why (doc) and where that comes from (ref)"
    used_guards = {rule.guard for rule in table.rules}
    used_actions = {rule.action for rule in table.rules}
    yield from (f"guard {name!r} is used by no row" for name in table.guards if name not in used_guards)
    yield from (f"action {name!r} is used by no row" for name in table.actions if name not in used_actions)


def _pairs(table: Table[Any]) -> Iterable[str]:
    pairs: dict[tuple[StrEnum, StrEnum], list[str]] = defaultdict(list)
    for rule, source, event in table.cases():
        pairs[source, event].append(rule.guard)
    for state in table.states:
        for event in table.events:
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


def _reach(table: Table[Any]) -> Iterable[str]:
    reached, grew = {table.initial}, True
    while grew:
        found = {rule.target or source for rule, source, _ in table.cases() if source in reached}
        grew = not found <= reached
        reached |= found
    yield from (
        f"state {state} cannot be reached from {table.initial}" for state in table.states if state not in reached
    )
    if table.end is not None and table.end not in reached:
        yield f"the end {table.end} cannot be reached"


def _carried(table: Table[Any]) -> Iterable[str]:
    """What an event carries must be what the guards and actions of its rows are annotated with."""
    for event in table.carries:
        if not isinstance(event, table.events):
            yield f"carries: {event!r} is not an event of {table.name}"
    told: set[tuple[str, str, StrEnum]] = set()
    for rule, _, event in table.cases():
        for kind, name, functions in (("guard", rule.guard, table.guards), ("action", rule.action, table.actions)):
            function = functions.get(name)
            if function is None or (kind, name, event) in told:
                continue
            told.add((kind, name, event))
            takes = _taken(function)
            carried = _members(table.carries.get(event))
            if takes is not None and not all(any(issubclass(one, each) for each in takes) for one in carried):
                brings, wants = " | ".join(map(_word, carried)), " | ".join(map(_word, takes))
                yield f"{kind} {name!r} takes {wants}, and event {event} of ({', '.join(rule.source)}) carries {brings}"


def _taken(function: Any) -> tuple[type, ...] | None:
    """The types that a guard or an action takes as its second argument; ``None`` if it is not said."""
    try:
        hints = get_type_hints(inspect.unwrap(function))
        name = list(inspect.signature(function).parameters)[1]
    except (NameError, TypeError, IndexError):  # a lambda, or a mutant: it says nothing
        return None
    return _members(hints[name]) if name in hints and hints[name] is not Any else None


def _members(given: Any) -> tuple[type, ...]:
    """The types of a union, or the one type that it is; ``None`` stands for its own type."""
    if get_origin(given) in (Union, UnionType):
        return tuple(member for each in get_args(given) for member in _members(each))
    if given is None:
        return (NoneType,)
    return (get_origin(given) or given,)


def _word(type_: type) -> str:
    return "nothing" if type_ is NoneType else type_.__name__
