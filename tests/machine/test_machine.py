"""The derived machinery, on a table small enough to break on purpose: the lint, both dispatches, the documents."""

import subprocess
import sys
from enum import StrEnum
from functools import partial
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule, Table, twin
from syncfsm.node.registry import STANDARD

# A table small enough to break on purpose -------------------------------------------------------------------------


class Lamp(StrEnum):
    OFF = "off"
    ON = "on"
    BROKEN = "broken"


class Press(StrEnum):
    PUSH = "push"
    DROP = "drop"


class Bulb(msgspec.Struct, frozen=True):
    state: Lamp = Lamp.OFF
    pushes: int = 0


def warm(bulb: Bulb, message: object, view: object) -> bool:
    return bulb.pushes >= 2


def count(bulb: Bulb, message: object, view: object) -> tuple[Bulb, tuple[str, ...]]:
    return msgspec.structs.replace(bulb, pushes=bulb.pushes + 1), ("click",)


def row(source: Any, event: Any, guard: str, target: Any, action: str, doc: str = "why", ref: str = "where") -> Rule:
    return Rule(source, event, guard, target, action, doc, ref)


SOUND = (
    row(Lamp.OFF, Press.PUSH, ALWAYS, Lamp.ON, "count"),
    row(Lamp.ON, Press.PUSH, "warm", Lamp.BROKEN, "count"),
    row(Lamp.ON, Press.PUSH, ALWAYS, Lamp.OFF, "count"),
    row((Lamp.OFF, Lamp.ON), Press.DROP, ALWAYS, Lamp.BROKEN, "count"),
    row(Lamp.BROKEN, tuple(Press), ALWAYS, STAY, IGNORE),
)
LAMP: Table[Bulb] = Table(
    name="lamp", states=Lamp, meanings={Lamp.OFF: "Dark.", Lamp.ON: "Light.", Lamp.BROKEN: "Done."}, events=Press,
    initial=Lamp.OFF, end=Lamp.BROKEN, rules=SOUND, guards={"warm": warm}, actions={"count": count},
)  # fmt: skip
TABLES = [LAMP, *STANDARD.tables.values()]


def complaints(*rules: Rule, **changes: Any) -> list[str]:
    return attrs.evolve(LAMP, rules=rules or SOUND, **changes).lint()


def without(at: int, *instead: Rule) -> tuple[Rule, ...]:
    return (*SOUND[:at], *instead, *SOUND[at + 1 :])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_sound_table_and_those_of_this_release_have_no_complaints(table: Table[Any]) -> None:
    assert table.lint() == []


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (without(1, row(Lamp.ON, Press.PUSH, "wram", Lamp.BROKEN, "count")), "unknown guard 'wram'"),
        (without(0, row(Lamp.OFF, Press.PUSH, ALWAYS, Lamp.ON, "cuont")), "unknown action 'cuont'"),
        (without(0, row(Lamp.OFF, Press.PUSH, ALWAYS, Press.DROP, "count")), "is not a state of lamp"),
        ((*SOUND, row(Lamp.OFF, Lamp.ON, ALWAYS, STAY, "count")), "is not an event of lamp"),
        (without(3, row((Lamp.OFF, Lamp.ON), Press.DROP, ALWAYS, Lamp.BROKEN, IGNORE)), "a row that ignores must stay"),
        (without(0, row(Lamp.OFF, Press.PUSH, ALWAYS, Lamp.ON, "count", doc="")), "a row says why"),
        (without(0, row(Lamp.OFF, Press.PUSH, ALWAYS, Lamp.ON, "count", ref="")), "a row says why"),
        (without(0), "(off, push) has no row"),
        (without(2), "(on, push) can find no row"),
        ((*SOUND, row(Lamp.ON, Press.PUSH, "warm", STAY, "count")), "(on, push) has rows after an unguarded one"),
        (without(1, SOUND[1], SOUND[1]), "(on, push) tries the same guard twice"),
        (without(1), "guard 'warm' is used by no row"),
        (without(0, row(Lamp.OFF, Press.PUSH, ALWAYS, STAY, "count")), "state on cannot be reached from off"),
    ],
)
def test_the_lint_finds_each_kind_of_mistake(rules: tuple[Rule, ...], said: str) -> None:
    assert any(said in complaint for complaint in complaints(*rules)), complaints(*rules)


def test_the_lint_finds_names_that_no_row_uses_and_an_end_out_of_reach() -> None:
    assert complaints(actions={"count": count, "spare": count}) == ["action 'spare' is used by no row"]
    forever = tuple(attrs.evolve(rule, target=STAY if rule.target is Lamp.BROKEN else rule.target) for rule in SOUND)
    assert "the end broken cannot be reached" in complaints(*forever)


def heat(bulb: Bulb, degrees: int | str, view: object) -> bool:
    return bool(degrees)


def touch(bulb: Bulb, where: None, view: object) -> tuple[Bulb, tuple[str, ...]]:
    return bulb, ()


def test_the_lint_compares_what_an_event_carries_with_what_guards_and_actions_take() -> None:
    guards = {"warm": heat}
    carries = {Press.PUSH: int, Press.DROP: None}
    assert complaints(guards=guards, carries=carries) == []
    assert complaints(guards=guards, carries={Press.PUSH: int | str}) == []
    (told,) = complaints(guards=guards, carries={Press.PUSH: float})
    assert told == "guard 'warm' takes int | str, and event push of (on) carries float"
    (told,) = complaints(guards=guards, carries={})
    assert told == "guard 'warm' takes int | str, and event push of (on) carries nothing"
    told = complaints(actions={"count": touch}, carries={Press.PUSH: int})[0]
    assert told == "action 'count' takes nothing, and event push of (off) carries int"
    (told,) = complaints(carries={Lamp.ON: int})
    assert "is not an event of lamp" in told


def test_a_node_at_work_does_not_wait_for_transitions() -> None:
    code = "import sys, syncfsm.node.node, syncfsm.wire.session; sys.exit('transitions' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", code), check=False).returncode == 0


def test_an_unsound_table_names_the_missing_row() -> None:
    table = attrs.evolve(LAMP, rules=without(2))
    for step in (table.step, partial(twin.step, table)):
        with pytest.raises(KeyError, match=r"lamp: no row of \(on, push\) applies; run its lint"):
            step(Bulb(Lamp.ON), Press.PUSH, None, None)


@given(st.lists(st.sampled_from(Press), max_size=12))
def test_both_dispatches_agree(events: list[Press]) -> None:
    bulb = Bulb()
    for event in events:
        step = LAMP.step(bulb, event, None, None)
        assert step == twin.step(LAMP, bulb, event, None, None)
        bulb = step.value
    assert (bulb.state is Lamp.BROKEN) == (Press.DROP in events or events.count(Press.PUSH) >= 4)


# The documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_markdown_has_each_row_under_its_state(table: Table[Any]) -> None:
    parts = dict(zip(table.states, table.markdown().split("### ")[1:], strict=True))
    for state, part in parts.items():
        assert part.startswith(f"`{state}`\n\n{table.meanings[state]}\n")
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        rules = [rule for rule in table.rules if state in rule.source]
        for rule, line in zip(rules, rows, strict=True):
            on, guard, action, target, doc, ref = (cell.strip() for cell in line.strip("|").split("|"))
            assert on.replace("`", "").split(", ") == list(rule.event)
            assert (guard or ALWAYS) == rule.guard.replace("_", " ")
            assert action == rule.action.replace("_", " ")
            assert target == ("stay" if rule.target in (STAY, state) else f"`{rule.target}`")
            assert (doc, ref) == (rule.doc, rule.ref)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_mermaid_has_each_change_of_state_and_no_other(table: Table[Any]) -> None:
    arrows = [line.strip().split(" : ") for line in table.mermaid().splitlines() if "-->" in line]
    drawn = {(edge, label) for edge, labels in arrows for label in labels.split(", ")}
    wanted = set()
    for rule, source, event in table.cases():
        if rule.target not in (STAY, source):
            start = "[*]" if source is table.initial else str(source)
            edge = f"{table.name} --> [*]" if rule.target is table.end else f"{start} --> {rule.target}"
            wanted.add((edge, str(event) if rule.guard == ALWAYS else f"{event} [{rule.guard.replace('_', ' ')}]"))
    assert drawn == wanted
    assert sum(len(labels.split(", ")) for _, labels in arrows) == len(drawn), "an edge is drawn twice"
