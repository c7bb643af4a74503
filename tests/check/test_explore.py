"""The explorer: the same states as a plain search, however wide its words; and components of one's own."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest

from syncfsm.check import (
    Always,
    Choice,
    Ends,
    Exploration,
    Moment,
    Progress,
    Property,
    Settles,
    Sometimes,
    SometimesStep,
    Step,
    Steps,
    World,
    with_rules,
)
from syncfsm.check.judge import Asked
from syncfsm.check.packing import Layout
from syncfsm.check.report import HOLDS, OPEN, REACHED, VIOLATED, never_fired, report, verdicts
from syncfsm.check.world import State
from syncfsm.errors import LocalError
from syncfsm.outputs import Output, Send
from syncfsm.peer.messages import Parting, Pong
from syncfsm.peer.protocol import TABLE
from syncfsm.peer.types import Event, Peer
from syncfsm.protocol import View
from syncfsm_spec.kit.moves import finalises, makes, time_passes
from syncfsm_spec.kit.trees import a1, a2, b1, b2, g
from syncfsm_spec.settings import LOCATOR, STREAMING, Setting

SMALL = [
    Setting(strategy=strategy, overtaking=True, partings=(Parting.OUT_OF_STEP,)).two(
        "small", [g, a1, a2], [g, b1], [*makes("B", b2), *finalises("A", a1)]
    )
    for strategy in (LOCATOR, STREAMING)
]


def plainly(world: World) -> tuple[set[State], int]:
    """All states, and the number of actions from them, by the plain meaning of a world."""
    seen, todo, actions = {world.start}, [world.start], 0
    while todo:
        state = todo.pop()
        for name, choice in world.choices(state):
            done = world.act(state, name, choice.stimulus)
            if done is not None:
                actions += 1
                if done[0] not in seen:
                    seen.add(done[0])
                    todo.append(done[0])
    return seen, actions


def explored(world: World, bits: int = 4) -> Exploration:
    exploration = Exploration(world, bits)
    exploration.run()
    return exploration


@pytest.mark.parametrize("bits", [1, 4, 20], ids=["fields grow often", "fields grow", "two words"])
@pytest.mark.parametrize("world", SMALL, ids=lambda world: world.name)
def test_the_explorer_finds_what_a_plain_search_finds(world: World, bits: int) -> None:
    exploration = explored(world, bits)
    states, actions = plainly(world)
    assert {exploration.state(number) for number in range(exploration.states)} == states
    assert exploration.states == len(states)
    assert exploration.transitions == actions


def test_an_exploration_can_stop_and_go_on() -> None:
    whole, parts = explored(SMALL[0]), Exploration(SMALL[0])
    told: list[Progress] = []
    for most in (1, 50, 100, 200):
        parts.run(most, told.append)
        assert parts.states >= most
        assert not parts.complete
        assert OPEN in verdicts(parts).values(), "what is not finished is not proved"
    parts.run(None, told.append)
    assert (parts.states, parts.transitions, parts.depth) == (whole.states, whole.transitions, whole.depth)
    assert parts.settled == whole.settled
    assert told[-1].frontier == 0
    assert [parts.path(number) for number in range(parts.states)] == [
        whole.path(number) for number in range(whole.states)
    ]


def test_every_path_is_a_shortest_one_and_leads_where_it_says() -> None:
    exploration = explored(SMALL[0])
    depths = {exploration.world.start: 0}
    for number in range(exploration.states):
        state = exploration.world.start
        path = exploration.path(number)
        for name, label in path:
            stimulus = next(c.stimulus for n, c in exploration.world.choices(state) if (n, c.label) == (name, label))
            done = exploration.world.act(state, name, stimulus)
            assert done is not None
            state = done[0]
        assert state == exploration.state(number)
        depths[state] = len(path)
    for state, depth in depths.items():
        for name, choice in exploration.world.choices(state):
            done = exploration.world.act(state, name, choice.stimulus)
            assert done is None or depths[done[0]] <= depth + 1


def test_components_that_do_not_fit_two_words_are_refused() -> None:
    assert Layout.of([21, 21, 21]).count == 1
    assert Layout.of([21, 21, 22]).count == 2
    with pytest.raises(LocalError, match="bits"):
        Layout.of([50, 50, 50])


# Components of one's own ----------------------------------------------------------------------------------------


@attrs.frozen
class Digit:
    """Counts up; at ``top`` it starts anew and tells the ``higher`` digit, which may refuse for having no more."""

    name: str
    top: int
    higher: str = ""
    environment: bool = False
    start: int = 0

    def step(self, local: int, stimulus: str) -> Step | None:
        if stimulus == "explode":
            raise ZeroDivisionError("nothing left to divide by")
        if local < self.top:
            return Step(local + 1, outputs=(stimulus,), rules=("count",))
        return Step(0, ((self.higher, "carry"),), rules=("carry",)) if self.higher else None

    def choices(self, local: int) -> Sequence[Choice]:
        return (Choice("count", "count", self.environment),) if self.name == "low" else ()

    def show(self, local: int) -> str:
        return str(local)


LOW, HIGH = Digit("low", 9, "high"), Digit("high", 3)


def numbers(*properties: Property, low: Digit = LOW) -> World:
    return World("numbers", (low, HIGH), properties, rows=("count", "carry", "never"))


def test_a_component_of_ones_own_is_explored() -> None:
    exploration = explored(numbers())
    assert (exploration.states, exploration.depth, exploration.transitions) == (40, 39, 39)
    assert exploration.state(39) == (9, 3), "the last carry is refused, and with it the whole action"


def test_the_bound_is_the_longest_run_of_the_protocol() -> None:
    settled = explored(numbers(Settles("Settles", "it ends"))).settled
    assert settled is not None
    assert settled.bound == 39
    assert explored(numbers(Settles("Settles", "it ends"), low=attrs.evolve(LOW, environment=True))).settled == (
        attrs.evolve(settled, bound=0)
    )


def test_a_run_without_end_is_shown_once_around() -> None:
    @attrs.frozen
    class Wheel(Digit):
        def step(self, local: int, stimulus: str) -> Step | None:
            return Step((local + 1) % 4 if local >= 1 else 1)

    world = World("wheel", (Wheel("low", 3),), (Settles("Settles", "it ends"),))
    violation = explored(world).violation
    assert violation is not None
    assert (violation.name, violation.detail) == ("Settles", "a run without end")
    assert violation.loop is not None
    assert len(violation.actions) - violation.loop == 4


def test_a_run_without_end_begins_as_early_and_is_as_short_as_can_be() -> None:
    """One way leads soon to a long circle, from which a short one branches off; another leads late to a third."""
    ways = {0: (1, 10), 1: (2, 9), 2: (3,), 3: (4, 1), 4: (1,), 9: (), 10: (11,), 11: (12,), 12: (13,), 13: (13,)}

    @attrs.frozen
    class Maze(Digit):
        def step(self, local: int, stimulus: int) -> Step:  # type: ignore[override]  # it is told where to go
            return Step(stimulus)

        def choices(self, local: int) -> Sequence[Choice]:
            return tuple(Choice(f"to {there}", there) for there in ways[local])

    violation = explored(World("maze", (Maze("low", 0),), (Settles("Settles", "it ends"),))).violation
    assert violation is not None
    assert [label for _, label in violation.actions] == ["to 1", "to 2", "to 3", "to 1"]
    assert violation.loop == 1


def test_messages_for_ever_are_found_though_the_world_has_no_end() -> None:
    """Every sign of life is answered by two: the lines get longer and longer, and no state comes twice."""

    def twice(peer: Peer, message: Pong, view: View) -> tuple[Peer, tuple[Output, ...]]:
        return peer, (Send(peer.peer, Pong()), Send(peer.peer, Pong()))

    rules = tuple(attrs.evolve(rule, action="twice") if rule.event == (Event.PONG,) else rule for rule in TABLE.rules)
    table = attrs.evolve(TABLE, rules=rules, actions={**TABLE.actions, "twice": twice})
    quiet = Setting(timed=True).two("quiet", [g], [g], [time_passes(1.0, "A")], connects=1, cuts=0)
    violation = explored(with_rules(quiet, table)).violation
    assert violation is not None
    assert violation.name == "NeverRaises"
    assert "more than 24 messages on the line" in violation.detail


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        (Always("A", "", ("low",), lambda low: low < 7), 7),
        (Always("A", "", ("low", "high"), lambda low, high: low + high < 11), 29),
        (Always("A", "", ("low", "high"), lambda low, high: (low, high) != (1, 1), lambda digit: digit % 2), 11),
        (Ends("A", "", ("low", "high"), lambda low, high: low != 9), 39),
        (Steps("A", "", ("high",), lambda moment: moment.after < 2), 20),
        (Steps("A", "", ("high",), lambda moment, low: low != 0, lambda m: m.after == 2, ("low",)), 20),
    ],
    ids=["one", "two", "a view", "an end", "a step", "a step beside another"],
)
def test_a_violation_has_the_shortest_story(wanted: Property, steps: int) -> None:
    violation = explored(numbers(wanted)).violation
    assert violation is not None
    assert violation.name == "A"
    assert len(violation.actions) == steps


def test_what_must_be_reached_is_reached_or_reported() -> None:
    def carries(moment: Moment) -> bool:
        return bool(moment.after == 3)

    good = explored(
        numbers(Sometimes("S", "", ("high",), lambda high: high == 3), SometimesStep("T", "", ("high",), carries))
    )
    assert verdicts(good) == {"NeverRaises": HOLDS, "S": REACHED, "T": REACHED}
    bad = explored(numbers(Sometimes("S", "", ("high",), lambda high: high == 4)))
    assert verdicts(bad) == {"NeverRaises": OPEN, "S": VIOLATED}


def test_an_end_is_reported_before_a_step_that_is_one_action_further() -> None:
    """The state in which ``low`` waits for the environment is wrong already, so the step out of it is not the story."""
    low = attrs.evolve(LOW, environment=True)
    step = Steps("Step", "", ("low",), lambda moment: moment.after < 4)
    end = Ends("End", "", ("low",), lambda local: local < 3)
    for properties in ((step, end), (end, step)):
        violation = explored(numbers(*properties, low=low)).violation
        assert violation is not None
        assert (violation.name, len(violation.actions)) == ("End", 3)


def test_combinations_are_told_apart_however_many_there_could_be() -> None:
    """Three fields of 22 bits do not fit a word: side by side, 2^20 in the first would be cut off."""
    fields = [np.array([0, 1 << 20, 0]), np.array([0, 0, 0]), np.array([0, 0, 0])]
    sizes = [1 << 22] * 3
    asked = Asked()
    assert asked.new(fields, sizes).tolist() == [0, 1]
    assert asked.new(fields, sizes).tolist() == []


def test_a_step_that_did_not_happen_is_not_judged() -> None:
    """``low`` steps to 0 from (9, 3) in a table, but ``high`` refuses, so it never happens there."""
    wanted = Steps("A", "", ("low",), lambda moment, high: high != 3 or moment.after != 0, beside=("high",))
    assert verdicts(explored(numbers(wanted)))["A"] == HOLDS


def test_an_exception_is_a_violation_with_its_story() -> None:
    @attrs.frozen
    class Bomb(Digit):
        def choices(self, local: int) -> Sequence[Choice]:
            return (Choice("count", "count"), *((Choice("go off", "explode"),) if local == 3 else ()))

    violation = explored(World("bomb", (Bomb("low", 5),))).violation
    assert violation is not None
    assert (violation.name, len(violation.actions)) == ("NeverRaises", 4)
    assert "ZeroDivisionError: nothing left to divide by, in step (test_explore.py, line " in violation.detail


# Mistakes of the designer's -------------------------------------------------------------------------------------


UNHASHABLE: Any = []


def wrong(**methods: Any) -> World:
    """A world of one component, with these methods instead of its own."""
    return World("wrong", (type("Wrong", (Digit,), methods)("low", 5),))


def asked(wanted: Any) -> World:
    return attrs.evolve(wrong(), properties=(wanted,))


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (lambda: World("wrong", ()), "there are none"),
        (lambda: World("wrong", (LOW, LOW)), "there are low, low"),
        (lambda: World("wrong", (object(),)), "has no 'name'"),  # type: ignore[arg-type]  # that is the mistake
        (lambda: wrong(step=lambda self, local, stimulus: local + 1), "a step is a Step or None, not 1"),
        (lambda: wrong(step=lambda self, local, stimulus: Step(UNHASHABLE)), "local states are hashable"),
        (lambda: wrong(step=lambda self, local, stimulus: Step(1, (("nobody", 1),))), "emitted to 'nobody'"),
        (lambda: wrong(step=lambda self, local, stimulus: Step(1, (("low", UNHASHABLE),))), "stimuli are hashable"),
        (lambda: wrong(choices=lambda self, local: [Choice("go", 1), Choice("go", 2)]), "one label"),
        (lambda: wrong(choices=lambda self, local: 1 / 0), r"Wrong 'low' raised ZeroDivisionError.*test_explore.py"),
        (lambda: asked(lambda low: True), "is no property"),
        (lambda: asked(Steps("A", "", ("high",), lambda moment: True)), "no component 'high'; it has low"),
        (lambda: asked(Steps("A", "", ("low",), lambda moment, high: True, beside=("high",))), "no component 'high'"),
        (lambda: asked(Always("A", "", ("low",), lambda low: low.top)), "Always 'A' raised AttributeError.*line"),
        (lambda: asked(Steps("A", "", ("low",), lambda moment: moment.top)), "Steps 'A' raised AttributeError"),
        (lambda: asked(Always("A", "", ("low",), bool, lambda low: [low])), "views are hashable"),
        (lambda: asked(Always("A", "", ("low",), bool, lambda low: low.top)), "Always 'A' raised AttributeError"),
    ],
)
def test_a_mistake_in_a_world_says_what_to_mend(world: Callable[[], World], message: str) -> None:
    with pytest.raises(LocalError, match=message):
        explored(world())


def test_the_report_says_which_rows_never_fired() -> None:
    found = report(explored(numbers()), 2.0)
    assert (found["states"], found["states_per_second"]) == (40, 20)
    assert found["rules_never_fired"] == ["never"]
    assert never_fired([found, {"rules_fired": ["never"], "rules_never_fired": ["count"]}]) == []
