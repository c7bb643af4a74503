"""The derived machinery: the lint, both dispatches, the documents; and every row of the link table in a scenario."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Finalised, Garbled, Leave, Lost, Produced, Room, Say, Tick, Verdict
from syncfsm.limits import Limits
from syncfsm.link import TABLE, Event, Link, State, Strategy, View
from syncfsm.machine import ALWAYS, IGNORE, STAY, Rule, Step, Table
from syncfsm.messages import Blocks, Bye, Finality, Found, Hello, Note, Parting, Ping, Pong
from syncfsm.node import Node
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import connected, hear, hello_of, joined, node

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
    "lamp", Lamp, {Lamp.OFF: "Dark.", Lamp.ON: "Light.", Lamp.BROKEN: "Done."}, Press, Lamp.OFF, Lamp.BROKEN, SOUND,
    {"warm": warm}, {"count": count},
)  # fmt: skip


def complaints(*rules: Rule, **changes: Any) -> list[str]:
    return attrs.evolve(LAMP, rules=rules or SOUND, **changes).lint()


def without(at: int, *instead: Rule) -> tuple[Rule, ...]:
    return (*SOUND[:at], *instead, *SOUND[at + 1 :])


def test_a_sound_table_and_the_link_table_have_no_complaints() -> None:
    assert LAMP.lint() == []
    assert TABLE.lint() == []


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


def test_an_unsound_table_names_the_missing_row() -> None:
    table = attrs.evolve(LAMP, rules=without(2))
    for step in (table.step, table.step_by_transitions):
        with pytest.raises(KeyError, match=r"lamp: no row of \(on, push\) applies; run its lint"):
            step(Bulb(Lamp.ON), Press.PUSH, None, None)


@given(st.lists(st.sampled_from(Press), max_size=12))
def test_both_dispatches_agree(events: list[Press]) -> None:
    bulb = Bulb()
    for event in events:
        step = LAMP.step(bulb, event, None, None)
        assert step == LAMP.step_by_transitions(bulb, event, None, None)
        bulb = step.value
    assert (bulb.state is Lamp.BROKEN) == (Press.DROP in events or events.count(Press.PUSH) >= 4)


# The documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [LAMP, TABLE], ids=["lamp", "link"])
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


@pytest.mark.parametrize("table", [LAMP, TABLE], ids=["lamp", "link"])
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


# The link table, watched ------------------------------------------------------------------------------------------


class Watch:
    """Sees every step of every table: which row fired, and whether all three ways to read the table agree."""

    def __init__(self, step: Callable[..., Step[Any]]) -> None:
        self.step, self.fired, self.steps = step, set[Rule](), 0

    def __call__(self, table: Table[Any], value: Any, event: StrEnum, message: object, view: object) -> Step[Any]:
        rule = next(
            rule
            for rule, source, on in table.cases()
            if (source, on) == (value.state, event)
            and (rule.guard == ALWAYS or table.guards[rule.guard](value, message, view))
        )
        self.fired.add(rule)
        self.steps += 1
        found = self.step(table, value, event, message, view)
        assert found.rule is rule
        assert found == table.step_by_transitions(value, event, message, view)
        return found


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watching = Watch(Table.step)
    monkeypatch.setattr(Table, "step", lambda *given: watching(*given))
    return watching


@settings(max_examples=60, deadline=None)
@given(data=st.data(), strategies=st.tuples(*[st.sampled_from(Strategy)] * 2))
def test_dispatches_agree_on_links_between_real_nodes(data: st.DataObject, strategies: tuple[Strategy, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        watching = Watch(Table.step)
        patch.setattr(Table, "step", lambda *given: watching(*given))
        shared = branch(GENESIS, 3)
        forks = [branch(shared[data.draw(st.integers(0, 2))], data.draw(st.integers(0, 5)), name) for name in "ab"]
        pair = Pair(*(node(shared, fork, strategy=way) for fork, way in zip(forks, strategies, strict=True)))
        pair.connect()
        for _ in range(data.draw(st.integers(0, 12))):
            side = data.draw(st.sampled_from((0, 1)))
            if data.draw(st.booleans()) and pair.queues[side]:
                pair.deliver(side)
            else:
                head = pair.nodes[side].chain.head
                made = child(data.draw(st.sampled_from((head, shared[-1]))), f"{head.height}", 2)
                pair.feed(side, Produced((made,), 0.0))
        pair.settle()
        assert watching.steps > 4


# A scenario for every row -----------------------------------------------------------------------------------------

TRUNK = branch(GENESIS, 4, "trunk")
LEFT, RIGHT = branch(TRUNK[1], 5, "left"), branch(TRUNK[1], 8, "right")
FAR = branch(GENESIS, 12, "far")
GREETED = hello_of(GENESIS)


def searching(strategy: Strategy = Strategy.LOCATOR, limits: Limits | None = None) -> Node:
    """A node in ``init`` with the peer "p", which is ahead on ``RIGHT``."""
    made, _ = connected(node(TRUNK[:2], LEFT, strategy=strategy, limits=limits), "p")
    made, _ = hear(made, "p", hello_of(RIGHT[-1]))
    assert made.links["p"].state is State.INIT
    return made


def better_off(strategy: Strategy = Strategy.LOCATOR) -> Node:
    """A node in ``start`` that has greeted "p" and waits for its hello."""
    return connected(node(TRUNK[:2], RIGHT, strategy=strategy), "p")[0]


def in_step(limits: Limits | None = None) -> Node:
    """A node on ``TRUNK`` that is idle with "p"."""
    made, _ = connected(node(TRUNK, limits=limits), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    assert made.links["p"].state is State.IDLE
    return made


def after(made: Node, *events: Any) -> Node:
    for event in events:
        made, _ = made.step(event)
    return made


def scenario_pairs_of_every_kind() -> None:
    for ways in ((Strategy.STREAMING,) * 2, (Strategy.LOCATOR,) * 2, (Strategy.STREAMING, Strategy.LOCATOR)):
        for fork in (LEFT, RIGHT, [], FAR[2:]):
            for room in (1, 10**6):
                limits = Limits(room=room, points=2)
                a = node(TRUNK[:2], LEFT, strategy=ways[0], limits=limits)
                b = node(FAR if fork == FAR[2:] else TRUNK[:2], fork, strategy=ways[1], limits=limits)
                for pair in (joined(a, b), joined(b, a)):
                    pair.feed(0, Produced((child(pair.nodes[0].chain.head),), 0.0))
                    pair.feed(1, Finalised(pair.nodes[1].chain.head.point, 0.0))
                    pair.settle()


def scenario_one_name_twice() -> None:
    for made in (in_step(), searching(), better_off()):
        with pytest.raises(LocalError):
            made.step(Connected("p", 0.0))


def scenario_waiting_to_greet() -> None:
    fresh = connected(node(), "leader", "p")[0]
    waiting, _ = hear(fresh, "p", hello_of(FAR[-1]))
    hear(fresh, "p", Found(GENESIS.point))
    hear(fresh, "p", Blocks((FAR[0],)))
    after(waiting, Produced(tuple(TRUNK), 0.0), Finalised(TRUNK[0].point, 0.0))


def scenario_hellos_beyond_the_limit() -> None:
    made = better_off()
    hear(made, "p", *(hello_of(header) for header in branch(GENESIS, 70, "flood")))


def scenario_final_blocks_contradict() -> None:
    left = node(TRUNK[:2], LEFT, final=LEFT[1])
    made = connected(left, "p")[0]
    hear(made, "p", hello_of(RIGHT[-1], final=RIGHT[1]))
    hear(made, "p", Finality(RIGHT[1].point))
    unsure = connected(node(TRUNK[:2], LEFT), "p")[0]
    unsure, _ = hear(unsure, "p", hello_of(RIGHT[-1], final=RIGHT[1]))
    after(unsure, Finalised(LEFT[2].point, 0.0))


def scenario_nothing_shared() -> None:
    limits = Limits(retention=0)
    young = node(TRUNK[:2], LEFT, final=LEFT[2], limits=limits)
    hear(connected(young, "p")[0], "p", hello_of(TRUNK[0]))
    made = connected(node(TRUNK[:2], LEFT, limits=limits), "p")[0]
    low = hello_of(child(LEFT[0], "low"), final=LEFT[0], base=LEFT[0])
    made, _ = hear(made, "p", low)
    after(made, Finalised(LEFT[3].point, 0.0), Produced((child(LEFT[-1]),), 0.0))


def scenario_fork_switches_while_greeting() -> None:
    spent = Limits(hello_burst=4)
    for strategy in Strategy:
        for limits in (Limits(), spent):
            made = searching(strategy, limits)
            worse = branch(TRUNK[1], 6, "still worse")
            still = after(made, Produced(tuple(worse), 0.0), Tick(0.5))
            after(still, Produced(tuple(branch(TRUNK[1], 20, "now better")), 0.5), Tick(0.9))
            after(made, Produced(tuple(RIGHT), 0.0))
            after(made, Produced((*RIGHT, child(RIGHT[-1])), 0.0))
            after(made, Produced((child(LEFT[-1]),), 0.0))
            after(made, Produced(tuple(branch(TRUNK[1], 20, "better")), 0.0), Tick(0.9))


def scenario_they_overtake_and_fall_behind() -> None:
    for strategy in Strategy:
        made = better_off(strategy)
        head = made.chain.head.point
        ahead = branch(TRUNK[1], 20, "ahead")
        narrow = msgspec.structs.replace(hello_of(ahead[-1], ahead[-1], TRUNK[0], GENESIS), about=head)
        hear(made, "p", narrow)
        hear(made, "p", hello_of(LEFT[-1]))
        hear(made, "p", hello_of(LEFT[-1], LEFT[-1], TRUNK[0], GENESIS))
        made = searching(strategy)
        behind = branch(TRUNK[1], 2, "behind")
        hear(made, "p", hello_of(behind[-1]))
        hear(made, "p", hello_of(behind[-1], behind[-1], TRUNK[0], GENESIS))


def scenario_late_hellos_and_founds() -> None:
    for made in (in_step(), in_step(Limits(room=1))):
        hear(made, "p", hello_of(TRUNK[-1]), Found(TRUNK[-1].point))
        ahead = after(made, Room("p", -5000, 0.0), Produced(tuple(branch(TRUNK[-1], 2)), 0.0))
        hear(ahead, "p", hello_of(TRUNK[-1]), Found(TRUNK[-1].point))
        hear(ahead, "p", hello_of(ahead.chain.head))
        hear(ahead, "p", Found(ahead.chain.head.point))
    hear(searching(), "p", Found(RIGHT[-1].point))


def scenario_blocks_of_every_kind() -> None:
    made = in_step()
    hear(made, "p", Blocks((child(TRUNK[-1]),)))
    hear(made, "p", Blocks((child(TRUNK[0]),)))
    hear(made, "p", Blocks((Header(9, b"bad", TRUNK[-1].id, b"\xff", 0, b""),)))
    hear(made, "p", Blocks((FAR[-1],)))
    hear(in_step(Limits(unfinal=4)), "p", Blocks((child(TRUNK[-1]),)))


def scenario_the_head_moves() -> None:
    made = after(in_step(Limits(retention=0)), Produced((child(TRUNK[-1]),), 0.0))
    after(made, Verdict(TRUNK[-1].id, False, 0.0))
    slow = after(in_step(Limits(retention=0, room=1)), Room("p", -5000, 0.0))
    grown = branch(TRUNK[-1], 3)
    after(slow, Produced(tuple(grown), 0.0), Finalised(grown[-1].point, 0.0))


def scenario_payloads() -> None:
    made = in_step(Limits(notes=1))
    later = child(TRUNK[-1])
    about = Note(b"x", later.point)
    after(made, Say(Note(b"x"), 0.0), Say(about, 0.0), Say(about, 0.0), Produced((later,), 0.0))
    hear(made, "p", Note(b"x", TRUNK[0].point), about)


def scenario_time_and_partings() -> None:
    for made in (in_step(), searching(), better_off()):
        hear(made, "p", Ping(), Pong())
        hear(made, "p", Bye(Parting.SHUTDOWN))
        after(made, Tick(0.5), Tick(1.0), Tick(5.0))
        after(made, Leave("p", Parting.SHUTDOWN, 0.0))
        after(made, Lost("p", 0.0))
        after(made, Garbled("p", Fault("bad-signature", "forged"), 0.0))
        alive = made
        for second in range(1, 31):
            if "p" in alive.links:
                alive, _ = hear(alive, "p", Pong(), now=float(second))
                alive = after(alive, Tick(float(second)))


def scenario_rows_a_node_never_uses() -> None:
    """A node greets a link once and forgets a closed one, so these rows guard the table against another caller."""
    chain = Chain.start(GENESIS)
    view = View(chain, 0, 0.0, Limits(), Strategy.LOCATOR)
    for state in (State.START, State.INIT, State.SYNCING, State.IDLE):
        said = Hello(GENESIS.point, b"", GENESIS.point, GENESIS.point, (GENESIS.point,), 1)
        step = TABLE.step(Link("p", state, said=said), Event.GREET, None, view)
        assert step.outputs == ()
    for event in set(Event) - {Event.CONNECT}:
        assert TABLE.step(Link("p"), event, None, view).value == Link("p")


SCENARIOS = [found for name, found in sorted(globals().items()) if name.startswith("scenario_")]


def test_every_row_of_the_link_table_fires(watch: Watch) -> None:
    for scenario in SCENARIOS:
        scenario()
    assert [str(rule) for rule in TABLE.rules if rule not in watch.fired] == []
