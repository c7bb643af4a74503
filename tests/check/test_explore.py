"""The explorer: the same states as a plain search, however wide its words; and components of one's own."""

from collections.abc import Sequence

import attrs
import pytest

from spec.building import LOCATOR, STREAMING, Setting, a1, a2, b1, b2, finalises, g, makes
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
)
from syncfsm.check.packing import Layout
from syncfsm.check.report import HOLDS, OPEN, REACHED, VIOLATED, never_fired, report, verdicts
from syncfsm.check.world import State
from syncfsm.messages import Parting

SMALL = [
    Setting(strategy=strategy, overtaking=True, heads_may_worsen=True, partings=(Parting.OUT_OF_STEP,)).two(
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
    with pytest.raises(ValueError, match="bits"):
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


@pytest.mark.parametrize(
    ("claim", "steps"),
    [
        (Always("A", "", ("low",), lambda low: low < 7), 7),
        (Always("A", "", ("low", "high"), lambda low, high: low + high < 11), 29),
        (Always("A", "", ("low", "high"), lambda low, high: (low, high) != (1, 1), lambda digit: digit % 2), 11),
        (Ends("A", "", ("low", "high"), lambda low, high: low != 9), 39),
        (Steps("A", "", ("high",), lambda moment: moment.after < 2), 20),
        (Steps("A", "", ("high",), lambda moment, low: low != 0, lambda m: m.after == 2, ("low",)), 20),
    ],
)
def test_a_violation_has_the_shortest_story(claim: Property, steps: int) -> None:
    violation = explored(numbers(claim)).violation
    assert violation is not None
    assert violation.name == "A"
    assert len(violation.actions) == steps


def test_what_must_be_reached_is_reached_or_reported() -> None:
    def carries(moment: Moment) -> bool:
        return bool(moment.after == 3)

    good = explored(
        numbers(Sometimes("S", "", ("high",), lambda high: high == 3), SometimesStep("T", "", ("high",), carries))
    )
    assert verdicts(good) == {"S": REACHED, "T": REACHED}
    bad = explored(numbers(Sometimes("S", "", ("high",), lambda high: high == 4)))
    assert verdicts(bad) == {"S": VIOLATED}


def test_a_step_that_did_not_happen_is_not_judged() -> None:
    """``low`` steps to 0 from (9, 3) in a table, but ``high`` refuses, so it never happens there."""
    claim = Steps("A", "", ("low",), lambda moment, high: high != 3 or moment.after != 0, beside=("high",))
    assert verdicts(explored(numbers(claim))) == {"A": HOLDS}


def test_an_exception_is_a_violation_with_its_story() -> None:
    @attrs.frozen
    class Bomb(Digit):
        def choices(self, local: int) -> Sequence[Choice]:
            return (Choice("count", "count"), *((Choice("go off", "explode"),) if local == 3 else ()))

    violation = explored(World("bomb", (Bomb("low", 5),))).violation
    assert violation is not None
    assert (violation.name, len(violation.actions)) == ("NeverRaises", 4)
    assert "ZeroDivisionError" in violation.detail


def test_the_report_says_which_rows_never_fired() -> None:
    found = report(explored(numbers()), 2.0)
    assert (found["states"], found["states_per_second"]) == (40, 20)
    assert found["rules_never_fired"] == ["never"]
    assert never_fired([found, {"rules_fired": ["never"], "rules_never_fired": ["count"]}]) == []
