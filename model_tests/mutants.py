"""How a changed protocol is made: a table with other rules, guards or actions, and the world that shows what it breaks.

The mutants themselves are in ``sync_mutants``, ``peer_mutants``, ``relay_mutants``, ``routing_mutants`` and
``truth_mutants``.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from syncfsm.check import Channel, Component, Environment, World, with_rules
from syncfsm.check.nodes import CALM
from syncfsm.machine import Action, Guard, Rule, Table
from syncfsm.sync.protocol import TABLE as SYNC


@attrs.frozen
class Mutant:
    """A changed table. ``world``, moved by it, shows that it breaks ``promise``."""

    name: str
    promise: str
    world: World
    table: Table[Any]

    @property
    def narrowed(self) -> World:
        """The world, with the properties of that promise alone."""
        return attrs.evolve(self.world, properties=tuple(p for p in self.world.properties if p.name == self.promise))


def mutant(
    name: str,
    promise: str,
    world: World,
    guards: Mapping[str, Guard] | None = None,
    actions: Mapping[str, Action] | None = None,
    rules: Callable[[Rule], Rule | None] = lambda rule: rule,
    table: Table[Any] = SYNC,
) -> Mutant:
    broken = changed(table, guards, actions, rules)
    return Mutant(name, promise, with_rules(world, broken), broken)


def changed(
    table: Table[Any],
    guards: Mapping[str, Guard] | None = None,
    actions: Mapping[str, Action] | None = None,
    rules: Callable[[Rule], Rule | None] = lambda rule: rule,
) -> Table[Any]:
    """A table with some guards, actions or rules replaced; a rule that becomes ``None`` is left out."""
    return attrs.evolve(
        table,
        rules=tuple(kept for rule in table.rules if (kept := rules(rule)) is not None),
        guards={**table.guards, **(guards or {})},
        actions={**table.actions, **(actions or {})},
    )


def never(*given: object) -> bool:
    return False


def always(*given: object) -> bool:
    return True


def row(source: StrEnum, event: StrEnum, guard: str, **changes: Any) -> Callable[[Rule], Rule | None]:
    """Changes one row; with no changes it is left out."""

    def change(rule: Rule) -> Rule | None:
        if source in rule.source and event in rule.event and rule.guard == guard:
            return attrs.evolve(rule, **changes) if changes else None
        return rule

    return change


def calm(world: World) -> World:
    """The same world, where nothing new happens while a message is under way."""
    lines = [component.name for component in world.components if isinstance(component, Channel)]

    def changed(component: Component) -> Component:
        if isinstance(component, Channel):
            return attrs.evolve(component, bound=1)
        if isinstance(component, Environment):
            still = tuple((line, CALM) for line in lines)
            moves = (attrs.evolve(move, emissions=(*still, *move.emissions)) for move in component.moves)
            return attrs.evolve(component, moves=tuple(moves))
        return component

    return attrs.evolve(world, components=tuple(map(changed, world.components)))
