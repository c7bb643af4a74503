"""Every row of every table fires in a scenario, and all ways to read a table agree on it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import Exploration
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Finalised, Garbled, Leave, Lost, Produced, Room, Tick, Verdict
from syncfsm.limits import Limits, Strategy
from syncfsm.machine import ALWAYS, Rule, Step, Table, twin
from syncfsm.node.node import Node
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.notes.protocol import NOTES
from syncfsm.notes.types import Event as NotesEvent
from syncfsm.notes.types import Held, Say
from syncfsm.notes.types import State as NotesState
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Hook, Joined, Said, View
from syncfsm.routing.router.types import Event as PacketsEvent
from syncfsm.routing.router.types import Waiting
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.feed.types import FED
from syncfsm.sync.feed.types import Event as FeedEvent
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import OPEN, Event, Link, Serve, State, Switch
from syncfsm.testing import GENESIS, Pair, branch, child
from syncfsm_spec.routing.worlds import by_itself as packets_of_a_peer
from syncfsm_spec.routing.worlds import router_by_itself as packets_across
from tests.building import connected, hear, hello_of, joined, node
from tests.routing.networks import ROUTER as PACKETS
from tests.routing.networks import packet

# The tables, watched ------------------------------------------------------------------------------------------


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
        assert found == twin.step(table, value, event, message, view)
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


def searching(strategy: Strategy = Strategy.LOCATOR, limits: Limits | None = None) -> Node:
    """A node in ``init`` with the peer "p", which is ahead on ``RIGHT``."""
    made, _ = connected(node(TRUNK[:2], LEFT, strategy=strategy, limits=limits), "p")
    made, _ = hear(made, "p", hello_of(RIGHT[-1]))
    assert made.all(SYNC)["p"].state is State.INIT
    return made


def better_off(strategy: Strategy = Strategy.LOCATOR) -> Node:
    """A node in ``start`` that has greeted "p" and waits for its hello."""
    return connected(node(TRUNK[:2], RIGHT, strategy=strategy), "p")[0]


def in_step(limits: Limits | None = None) -> Node:
    """A node on ``TRUNK`` that is idle with "p"."""
    made, _ = connected(node(TRUNK, limits=limits), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    assert made.all(SYNC)["p"].state is State.IDLE
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
    made, _ = hear(connected(left, "p")[0], "p", hello_of(LEFT[-1]))
    hear(made, "p", Finality(RIGHT[2].point), Blocks(tuple(RIGHT[:3])))
    hear(made, "p", Blocks(tuple(RIGHT[:3])), Finality(RIGHT[2].point))


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
        ahead = after(made, Produced(tuple(branch(TRUNK[-1], 2)), 0.0))
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
    hear(in_step(Limits(aside=1)), "p", Blocks((child(TRUNK[0]),)))


def scenario_the_head_moves() -> None:
    made = after(in_step(Limits(retention=0)), Produced((child(TRUNK[-1]),), 0.0))
    after(made, Verdict(TRUNK[-1].id, False, 0.0))
    slow = in_step(Limits(retention=0, room=1))
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
        for number in (ProtocolNumber.PEER, ProtocolNumber.SYNC):
            after(made, Garbled("p", Fault("bad-signature", "forged"), 0.0, number))
        alive = made
        for second in range(1, 31):
            if "p" in alive.links:
                alive, _ = hear(alive, "p", Pong(), now=float(second))
                alive = after(alive, Tick(float(second)))


def has(block: Header) -> Has:
    return Has(block.point, block.score)


def fed(*more: str, limits: Limits | None = None) -> Node:
    """A node on ``TRUNK`` whose feed "p" has brought a block; the others have said that they want none."""
    made, _ = connected(node(TRUNK[:-1], limits=limits), "p", "q", *more)
    for peer in ("p", "q", *more):
        made, _ = hear(made, peer, DoNotWant(), hello_of(TRUNK[-2]))
    made, _ = hear(made, "p", Blocks((TRUNK[-1],)))
    return made


NEXT = branch(TRUNK[-1], 9, "next")
PATIENT = Limits(silence=100.0, keepalive=50.0)


def scenario_modes() -> None:
    made = fed("r", limits=Limits(join=2))
    hear(searching(), "p", has(RIGHT[-1]))
    for block in NEXT[:4]:
        made, _ = hear(made, "q", has(block))
        made, _ = hear(made, "p", Blocks((block,)))
    served, _ = hear(made, "r", has(TRUNK[1]), Want(), DoNotWant(), DoNotWant(), Want(), Want())
    hear(served, "r", Give())
    hear(after(made, Switch(True, 0.0)), "r", Want(), DoNotWant(), has(NEXT[3]))
    after(made, Switch(True, 0.0, ("r",)), Switch(True, 0.0), Produced((NEXT[4],), 0.0), Switch(False, 0.0))
    after(made, Produced((NEXT[4],), 0.0), Switch(False, 0.0, ("p",)))
    slow = in_step(Limits(room=1))
    slow = after(slow, Produced(tuple(NEXT[:2]), 0.0), Produced(tuple(NEXT[2:4]), 0.0))
    after(slow, Switch(True, 0.0), Room("p", 10**6, 0.0))
    hear(slow, "p", DoNotWant(), Want())
    after(hear(slow, "p", DoNotWant())[0], Room("p", 10**6, 0.0))


def scenario_gates() -> None:
    for version in (1, 2):
        made, _ = connected(node(TRUNK, limits=Limits(gates=1)), "p", "q")
        made, _ = hear(made, "q", hello_of(TRUNK[-1]))
        made = after(
            made, Connected("r", 0.0, protocols=Map[int, int](dict.fromkeys(map(int, ProtocolNumber), version)))
        )
        made, _ = hear(made, "r", hello_of(TRUNK[-1]), Want())
        hear(made, "r", *[Want()] * 100)
        hear(after(made, Switch(True, 0.0, ("r",))), "r", Want())


def scenario_an_older_peer() -> None:
    old = Map[int, int](dict.fromkeys(map(int, ProtocolNumber), 1))
    made = after(node(TRUNK), Connected("p", 0.0), Connected("q", 0.0, protocols=old), Connected("r", 0.0))
    after(made, Lost("p", 0.0))
    made, _ = hear(after(node(TRUNK), Connected("q", 0.0, protocols=old), Connected("p", 0.0)), "p", hello_of(NEXT[-1]))
    made = after(made, Tick(Limits().graft_most))
    hear(made, "p", Blocks(tuple(NEXT)), now=made.now)
    hear(made, "q", Want(), now=made.now)


def scenario_the_feed() -> None:
    made = fed("r", limits=PATIENT)
    after(made, Lost("q", 0.0), Lost("p", 0.0), Lost("r", 0.0))
    hear(made, "q", Blocks((NEXT[0],)))
    behind, _ = hear(made, "q", has(NEXT[2]), has(NEXT[3]))
    behind, _ = hear(behind, "p", has(NEXT[3]))
    hear(behind, "q", Busy())
    after(hear(behind, "p", Blocks(tuple(NEXT)))[0], Tick(0.04))
    asked = after(behind, Tick(PATIENT.graft))
    hear(asked, "p", Blocks(tuple(NEXT[:4])), now=0.1)
    hear(asked, "q", has(NEXT[4]), Give(), Blocks((NEXT[0],)), Blocks(tuple(NEXT[1:5])), now=0.1)
    after(asked, Tick(PATIENT.graft + PATIENT.patience))
    worn = after(asked, Tick(PATIENT.graft + PATIENT.patience))
    worn, _ = hear(worn, "p", Blocks(tuple(NEXT[:4])), now=2.0)
    given, _ = hear(fed(limits=Limits(refusal_burst=1)), "q", Give())
    given, _ = hear(given, "p", Blocks((NEXT[0],)))
    hear(given, "q", Give())
    hear(worn, "q", Blocks((NEXT[4],)), now=2.0)
    late, _ = hear(behind, "r", has(NEXT[3]))
    after(late, Tick(PATIENT.patience))
    after(connected(node(TRUNK), "p", "q")[0], Produced((NEXT[0],), 0.0))
    makes, _ = hear(fed(), "q", Want())
    makes, _ = hear(after(makes, Produced((NEXT[0],), 0.0)), "p", DoNotWant())
    after(makes, Produced((NEXT[1],), 0.0))
    after(hear(made, "q", Want())[0], Produced((NEXT[0],), 0.0), Produced((NEXT[1],), 0.0))
    fresh, _ = hear(connected(node(TRUNK), "p", "q")[0], "p", hello_of(TRUNK[-1]))
    hear(fresh, "q", hello_of(NEXT[-1]))


def scenario_a_feed_is_overtaken() -> None:
    made = fed(limits=PATIENT)
    for now, block in enumerate(NEXT[:3]):
        made, _ = hear(made, "q", has(block), now=float(now))
        made, _ = hear(made, "p", Blocks((block,)), now=now + 0.03)
    for block in NEXT[3:6]:
        made, _ = hear(made, "p", Blocks((block,)), now=4.0)


def scenario_blocks_come_from_another_side() -> None:
    made, _ = hear(fed(), "q", Give(), Give())
    hear(made, "p", Give())
    hear(made, "q", Blocks((NEXT[0],)))


def scenario_the_feed_refuses() -> None:
    hear(fed(), "p", Busy())
    alone = in_step()
    hear(alone, "p", Busy())
    off, _ = hear(alone, "p", Busy(off=True))
    after(off, Connected("q", 0.0))
    hear(off, "p", has(NEXT[0]))


def scenario_what_was_told_came_another_way() -> None:
    """Its own source brings what another had told of, while the clock runs."""
    made, _ = hear(fed(), "q", has(NEXT[0]))
    after(made, Produced((NEXT[0],), 0.0), Tick(Limits().graft))


def scenario_rows_a_node_never_uses() -> None:
    """A node begins a connection once and forgets a closed one; it gives a turn and tells news only where that can
    matter. So these rows guard the tables against another caller."""
    view = View(Chain.start(GENESIS), 0, 0.0, Limits(), Strategy.LOCATOR)
    for state in OPEN:
        for event in (Event.GREET, *((Event.TURN,) if state in (State.START, State.IDLE) else ())):
            assert SYNC.table.step(Link("p", state), event, None, view).outputs == ()
    active = Link("p", State.IDLE)
    assert SYNC.table.step(active, Event.SERVE, Serve(True), view)[:2] == (active, ())
    older = Link("p", State.IDLE, relays=False)
    for event in (Event.ASK, Event.SHUT, Event.REFUSE):
        assert SYNC.table.step(older, event, Want() if event is Event.ASK else None, view)[:2] == (older, ())
    held = Held("p", NotesState.OPEN)
    for event in (NotesEvent.OPENED, NotesEvent.NEWS):
        assert NOTES.table.step(held, event, None, view)[:2] == (held, ())
    fed = replace(FEED.start, state=FED, peer="p")
    assert FEED.table.step(fed, FeedEvent.JOINED, Joined("p", 2), view)[:2] == (fed, ())
    for event in (FeedEvent.AHEAD, FeedEvent.GIVEN):
        for peer in ("p", "gone"):
            assert FEED.table.step(fed, event, Said(peer), view)[:2] == (fed, ())
    for event in set(FeedEvent) - {FeedEvent.JOINED}:
        assert FEED.table.step(FEED.start, event, None, view)[:2] == (FEED.start, ())
    for protocol in STANDARD.protocols:
        begins = protocol.hooks.get(Hook.OPENED, Event.GREET)
        for event in set(protocol.table.events) - {begins}:
            value = protocol.begin("p")
            assert protocol.table.step(value, event, None, view)[:2] == (value, ())


def scenario_packets_whatever_happens() -> None:
    for world in (packets_of_a_peer(), packets_across()):
        Exploration(world).run()
    waits = replace(PACKETS.start, waiting=(Waiting(packet("o", 1), 1, "p", 0.0),))
    late = View(node(TRUNK).chain, 0, 9.0, Limits(), Strategy.LOCATOR)
    assert not PACKETS.table.step(waits, PacketsEvent.LATE, None, late).value.waiting


SCENARIOS = [found for name, found in sorted(globals().items()) if name.startswith("scenario_")]


def test_every_row_of_every_table_fires(watch: Watch) -> None:
    for scenario in SCENARIOS:
        scenario()
    rules = [rule for table in STANDARD.tables.values() for rule in table.rules]
    never = [str(rule) for rule in rules if rule not in watch.fired]
    assert not never, "\n".join(never)
