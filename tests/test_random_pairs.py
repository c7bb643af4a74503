"""Two nodes, any trees, any interleaving: what must hold after every step, and where it must end."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Event, Finalised, Produced, Room, Tick, Verdict
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.peer.protocol import PEER
from syncfsm.protocol import Message as Control
from syncfsm.sync.messages import Blocks, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, Pair, child
from tests.building import node

A, B = 0, 1
SMALL = st.integers(0, 1_000)
SIDES = st.sampled_from((A, B))


class Watched(Pair):
    """A pair that asserts after every step what must always hold. ``calm`` tells that nothing becomes final."""

    def __init__(self, a: Node, b: Node, tree: list[Header], calm: bool) -> None:
        super().__init__(a, b)
        self.tree = {header.id: header for header in tree}
        self.calm = calm
        self.given: list[set[bytes]] = [set(), set()]
        """The ids each side sent on the present connection."""
        self.gave: list[Header | None] = [None, None]
        """The block each side received last on the present connection."""
        self.sent = self._check_sent

    def line(self, header: Header) -> list[Header]:
        """The block and its ancestors, newest first."""
        found = [header]
        while found[-1].parent:
            found.append(self.tree[found[-1].parent])
        return found

    def connect(self) -> None:
        self.given, self.gave = [set(), set()], [None, None]
        super().connect()

    def deliver(self, side: int) -> Control | Blocks:
        message = self.queues[side][0]
        if isinstance(message, Blocks):
            self.gave[1 - side] = message.headers[-1]
        return super().deliver(side)

    def feed(self, side: int, event: Event) -> tuple[Output, ...]:
        outputs = super().feed(side, event)
        for said in outputs:
            assert not isinstance(said, Misbehaviour), f"NoPunishHonest: {said}"
            if isinstance(said, SendBlocks):
                chain = self.nodes[side].chain
                assert all(chain.on_best(header.point) or not self.calm for header in said.headers), "OnlyBestChain"
            if isinstance(said, Disconnect) and self.calm:
                assert said.reason is Parting.LOST, f"ParentKnown: {said}"
        self._check_links(side)
        return outputs

    def _check_sent(self, side: int, message: Control | Blocks) -> None:
        if not isinstance(message, Blocks):
            return
        for header in message.headers:
            known = header.parent in self.given[side] or header.parent in self.nodes[1 - side].chain
            assert known or not self.calm, f"OnlyChild: {header.point} on a parent the peer lacks"
            newest = self.gave[side]
            assert newest is None or header not in self.line(newest), f"NoEcho: {header.point} came from the peer"
            self.given[side].add(header.id)

    def _check_links(self, side: int) -> None:
        made = self.nodes[side]
        for link in made.all(SYNC).values():
            if link.state in (State.SYNCING, State.IDLE):
                assert link.sent is not None
                assert made.chain.on_best(link.sent.point)
                assert (link.state is State.IDLE) == (link.sent.id == made.chain.head.id)
            elif link.said is not None:
                heard = link.heard
                worse = heard is not None and heard.rank > link.said.rank and heard.head.id not in made.chain
                assert worse == (link.state is State.INIT), "InitIffWorse"

    def come_to_rest(self, most: int = 400) -> None:
        """Let the environment stop: nothing is banned, and time passes until no hello is owed."""
        for side in (A, B):
            for id in sorted(self.nodes[side].chain.banned):
                self.feed(side, Verdict(id, True, self.now))
        for _ in range(most):
            if not any(self.queues):
                if not any(link.owes_hello for made in self.nodes for link in made.all(SYNC).values()):
                    break
                self.now += 0.25
                for side in (A, B):
                    self.feed(side, Tick(self.now))
            self.round()
        else:
            raise AssertionError(f"Settles: still busy after {most} rounds")
        self.settle()


@st.composite
def pairs(draw: st.DrawFn, calm: bool) -> Watched:
    """Two nodes that hold parts of one random tree."""
    tree = [GENESIS]
    for at, (deep, where, gain) in enumerate(
        draw(st.lists(st.tuples(st.booleans(), SMALL, st.sampled_from((1, 2, 5))), min_size=4, max_size=24))
    ):
        parent = tree[-1] if deep else tree[where % len(tree)]
        tree.append(child(parent, str(at), gain))
    made = []
    for _ in (A, B):
        limits = Limits(
            points=draw(st.sampled_from((2, 3, 32))),
            room=draw(st.sampled_from((1, 600, 2000, 10**6))),
            run=draw(st.sampled_from((1, 3, 512))),
        )
        fresh = node(strategy=draw(st.sampled_from(Strategy)), limits=limits)
        pair = Watched(fresh, fresh, tree, calm)
        head = tree[draw(SMALL) % len(tree)]
        made.append(fresh.step(Produced(tuple(reversed(pair.line(head)[:-1])), 0.0))[0] if head.parent else fresh)
    return Watched(made[0], made[1], tree, calm)


CALM_KINDS = ("deliver",) * 7 + ("produce",) * 4 + ("ban",) * 2 + ("cut", "room", "wait")
FINAL_KINDS = ("deliver",) * 6 + ("produce",) * 4 + ("final",) * 3 + ("ban", "cut", "wait")


def moves_of(kinds: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    return st.lists(st.tuples(st.sampled_from(kinds), SIDES, SMALL), min_size=15, max_size=45)


def move(pair: Watched, kind: str, side: int, number: int) -> None:
    chain = pair.nodes[side].chain
    if not pair.up:
        pair.settle()
        pair.connect()
    if kind == "deliver" and pair.queues[side]:
        pair.deliver(side)
    elif kind == "produce":
        ready = [header for header in pair.tree.values() if header.parent in chain and header.id not in chain]
        if ready:
            attempt(pair, side, Produced((ready[number % len(ready)],), pair.now))
    elif kind == "ban":
        ids = sorted(pair.tree)
        attempt(pair, side, Verdict(ids[number % len(ids)], bool(number % 2), pair.now))
    elif kind == "cut" and number % 4 == 0:
        pair.cut()
        pair.connect()
    elif kind == "room":
        pair.feed(side, Room(pair.name, 0, pair.now))
    elif kind == "wait":
        pair.now += 0.1
        pair.feed(side, Tick(pair.now))
    elif kind == "final":
        height = chain.final.height + number % (chain.head.height - chain.final.height + 1)
        best = chain.best_at(height)
        assert best is not None
        attempt(pair, side, Finalised(best.point, pair.now))


def attempt(pair: Watched, side: int, event: Event) -> None:
    try:
        pair.feed(side, event)
    except LocalError:
        assert not pair.calm or isinstance(event, Verdict | Produced)


def assert_each_link_ended_once(pair: Watched) -> None:
    for side in (A, B):
        over: Counter[str] = Counter()
        for said in pair.outputs[side]:
            if isinstance(said, Send | SendBlocks):
                assert said.peer not in over, "OneDisconnect: something was sent after the end"
            elif isinstance(said, Disconnect):
                over[said.peer] += 1
        assert set(over.values()) <= {1}, "OneDisconnect"
        assert len(over) + len(pair.nodes[side].links) == int(pair.name.removeprefix("link#"))


CALM: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=200, **CALM)
@given(pair=pairs(calm=True), moves=moves_of(CALM_KINDS))
def test_without_finality_both_end_idle_on_the_better_head(pair: Watched, moves: list[tuple[str, int, int]]) -> None:
    pair.connect()
    for kind, side, number in moves:
        move(pair, kind, side, number)
    pair.come_to_rest()
    assert pair.up
    heads = [made.chain.head for made in pair.nodes]
    assert heads[A] == heads[B]
    for side in (A, B):
        (link,) = pair.nodes[side].all(SYNC).values()
        assert link.state is State.IDLE
        (peer,) = pair.nodes[side].all(PEER).values()
        assert peer.room == pair.nodes[side].config.limits.room, "room leaks"
    assert_each_link_ended_once(pair)


@settings(max_examples=200, **CALM)
@given(pair=pairs(calm=False), moves=moves_of(FINAL_KINDS))
def test_with_finality_they_agree_or_part(pair: Watched, moves: list[tuple[str, int, int]]) -> None:
    pair.connect()
    for kind, side, number in moves:
        move(pair, kind, side, number)
    pair.come_to_rest()
    assert_each_link_ended_once(pair)
    a, b = (made.chain for made in pair.nodes)
    low, high = sorted((a, b), key=lambda chain: chain.final.height)
    contradict = low.final not in pair.line(high.final)
    event(f"contradict: {contradict}, up: {pair.up}")
    if pair.up:
        assert not contradict, "NeverBelowFinal: they must part"
        assert high.final.id in low, "FinalAdvances"
        if high.final in pair.line(low.head):
            assert a.head == b.head
    else:
        assert {said.reason for outputs in pair.outputs for said in outputs if isinstance(said, Disconnect)} & {
            Parting.CONTRADICTION,
            Parting.OUT_OF_STEP,
        }


@settings(max_examples=60, **CALM)
@given(pair=pairs(calm=True))
def test_hellos_of_an_undisturbed_search_are_bounded(pair: Watched) -> None:
    lengths = [made.chain.head.height for made in pair.nodes]
    said: Counter[int] = Counter()
    check = pair.sent

    def count(side: int, message: Control | Blocks) -> None:
        check(side, message)
        said[side] += isinstance(message, Hello)

    pair.sent = count
    pair.connect()
    pair.come_to_rest()
    for side in (A, B):
        assert said[side] <= lengths[side] + 2
