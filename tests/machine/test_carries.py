"""The lint compares what an event is said to carry with what the guards and actions of its rows are annotated with."""

from enum import StrEnum
from typing import Any, Final

import attrs
import msgspec
import pytest

from syncfsm.machine import ALWAYS, IGNORE, STAY, Action, Guard, Rule, Table
from syncfsm.node.registry import STANDARD


class State(StrEnum):
    SHUT = "shut"
    AJAR = "ajar"


class Event(StrEnum):
    PUSH = "push"
    KNOCK = "knock"


class Door(msgspec.Struct, frozen=True):
    state: State = State.SHUT


class Force(msgspec.Struct, frozen=True):
    newtons: int = 0


class Shove(Force, frozen=True):
    """More than a force."""


Result = tuple[Door, tuple[Any, ...]]


def strong(door: Door, force: Force, view: object) -> bool:
    return force.newtons > 10


def give_way(door: Door, force: Force, view: object) -> Result:
    return door, ()


def answer(door: Door, message: None, view: object) -> Result:
    return door, ("who is it?",)


RULES: Final = (
    Rule(State.SHUT, Event.PUSH, "strong", State.AJAR, "give_way", "It opens.", "here"),
    Rule(State.SHUT, Event.PUSH, ALWAYS, STAY, IGNORE, "It holds.", "here"),
    Rule(State.SHUT, Event.KNOCK, ALWAYS, STAY, "answer", "Somebody is there.", "here"),
    Rule(State.AJAR, tuple(Event), ALWAYS, STAY, IGNORE, "It is open.", "here"),
)
DOOR: Final[Table[Door]] = Table(
    name="door", states=State, meanings={State.SHUT: "Shut.", State.AJAR: "Not quite."}, events=Event,
    carries={Event.PUSH: Force}, initial=State.SHUT, end=State.AJAR, rules=RULES,
    guards={"strong": strong}, actions={"give_way": give_way, "answer": answer},
)  # fmt: skip


def with_guard(guard: Guard, **changes: Any) -> list[str]:
    return attrs.evolve(DOOR, guards={"strong": guard}, **changes).lint()


def with_action(action: Action, **changes: Any) -> list[str]:
    return attrs.evolve(DOOR, actions={**DOOR.actions, "give_way": action}, **changes).lint()


def test_a_table_whose_functions_take_what_its_events_carry_is_sound() -> None:
    assert DOOR.lint() == []


@pytest.mark.parametrize("table", STANDARD.tables.values(), ids=lambda table: table.name)
def test_every_table_that_ships_is_sound(table: Table[Any]) -> None:
    assert table.lint() == []


@pytest.mark.parametrize("table", STANDARD.tables.values(), ids=lambda table: table.name)
def test_an_event_of_a_table_that_ships_cannot_be_forgotten(table: Table[Any]) -> None:
    """It is told of each event whose functions look at what it carries."""
    for event in table.carries:
        names = {name for rule, _, on in table.cases() if on is event for name in (rule.guard, rule.action)}
        looks = names - {ALWAYS, IGNORE}
        rest = {on: carried for on, carried in table.carries.items() if on is not event}
        told = attrs.evolve(table, carries=rest).lint()
        typed = [each for each in told if f"event {event} of" in each and each.endswith("carries nothing")]
        assert bool(typed) == bool(looks and any(_says(table, name) for name in looks)), (event, told)


def _says(table: Table[Any], name: str) -> bool:
    """Does a function say that it takes something?"""
    function = table.guards.get(name) or table.actions[name]
    _, second, *_ = (hint for key, hint in function.__annotations__.items() if key != "return")
    return second not in (None, Any, object) and "None" not in str(second)


def test_a_guard_that_takes_something_else_is_told() -> None:
    def wrong(door: Door, message: int, view: object) -> bool:
        return message > 10

    assert with_guard(wrong) == ["guard 'strong' takes int, and event push of (shut) carries Force"]


def test_an_action_that_takes_something_else_is_told() -> None:
    def wrong(door: Door, message: str | None, view: object) -> Result:
        return door, ()

    assert with_action(wrong) == ["action 'give_way' takes str | nothing, and event push of (shut) carries Force"]


def test_an_event_that_is_missing_carries_nothing() -> None:
    assert attrs.evolve(DOOR, carries={}).lint() == [
        "guard 'strong' takes Force, and event push of (shut) carries nothing",
        "action 'give_way' takes Force, and event push of (shut) carries nothing",
    ]


def test_what_is_no_event_is_told() -> None:
    assert attrs.evolve(DOOR, carries={**DOOR.carries, State.AJAR: int}).lint() == [
        f"carries: {State.AJAR!r} is not an event of door"
    ]


def test_a_function_that_needs_less_than_the_event_brings_is_sound() -> None:
    assert attrs.evolve(DOOR, carries={Event.PUSH: Shove}).lint() == []

    def open_minded(door: Door, message: Force | int, view: object) -> bool:
        return True

    assert with_guard(open_minded) == []


def test_a_function_must_take_each_of_several_things() -> None:
    assert attrs.evolve(DOOR, carries={Event.PUSH: Force | int}).lint() == [
        "guard 'strong' takes Force, and event push of (shut) carries Force | int",
        "action 'give_way' takes Force, and event push of (shut) carries Force | int",
    ]


def test_what_says_nothing_of_what_it_takes_is_let_pass() -> None:
    def anything(door: Door, message: Any, view: object) -> bool:
        return True

    assert with_guard(anything) == []
    assert with_guard(lambda door, message, view: True) == []
    assert with_guard(lambda *given: True) == []
