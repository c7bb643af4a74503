"""Whatever the codec lets through, a node never raises on it, never grows beyond its limits, and says sound things."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, cast

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Finalised, Lost, Produced, Received, Room, Tick, Verdict
from syncfsm.limits import MAX_HEIGHT, Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.notes.protocol import NOTES
from syncfsm.notes.types import Deliver, Say
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.peer.protocol import PEER
from syncfsm.protocol import Message as Control
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State, Switch
from syncfsm.testing import GENESIS, branch
from syncfsm.wire.codec import Codec
from tests.building import asked, feed, node

LEFT = branch(GENESIS, 6, "left")
RIGHT = branch(LEFT[1], 5, "right", gain=2)
FAR = branch(GENESIS, 9, "far", gain=3)
HEADERS = [GENESIS, *LEFT, *RIGHT, *FAR]
HEIGHTS = (0, 1, 2, 3, 4, 6, 9, 10, MAX_HEIGHT - 1, MAX_HEIGHT)
SCORES = (b"", *(header.score for header in HEADERS), b"\xff" * 8)
IDS = (*(header.id for header in HEADERS), b"unknown")
PEERS = ("p", "q")


def a_point(luck: random.Random) -> Point:
    """Mostly a block of the pool; sometimes its id at another height, or an id that nobody knows."""
    return luck.choice(HEADERS).point if luck.random() < 0.8 else Point(luck.choice(HEIGHTS), luck.choice(IDS))


def a_header(luck: random.Random) -> Header:
    """Mostly a block of the pool; sometimes one with wrong heights, parents, scores, or another block's id."""
    found = luck.choice(HEADERS)
    if luck.random() < 0.75:
        return found
    parent, size = luck.choice((*IDS, b"")), luck.choice((0, 2**32 - 1))
    if luck.random() < 0.5:
        return Header(found.height, found.id, parent, found.score, size, b"")
    return Header(luck.choice(HEIGHTS), luck.choice(IDS), parent, luck.choice(SCORES), size, b"")


def a_run(luck: random.Random) -> Blocks:
    run = [a_header(luck)]
    while luck.random() < 0.6:
        nexts = [header for header in HEADERS if header.parent == run[-1].id]
        run.append(luck.choice(nexts) if nexts else a_header(luck))
    return Blocks(tuple(run))


def a_hello(luck: random.Random) -> Hello:
    base, final, head = sorted((a_point(luck) for _ in range(3)), key=lambda point: point.height)
    by_height = {point.height: point for point in (a_point(luck) for _ in range(luck.choice((1, 1, 2, 5))))}
    if luck.random() < 0.7:
        base, final = GENESIS.point, luck.choice((GENESIS.point, final))
    points = tuple(by_height[height] for height in sorted(by_height, reverse=True))
    ceiling = min(MAX_HEIGHT, points[0].height + luck.choice((1, 1, 2, 50)))
    about = luck.choice((None, a_point(luck), LEFT[-1].point, RIGHT[-1].point))
    return Hello(head, luck.choice(SCORES), final, base, points, ceiling, about)


def messages(luck: random.Random) -> Iterator[Control | Blocks]:
    """Endless messages; the control messages among them are those that the codec lets through."""
    while True:
        message: Control | Blocks = luck.choice(
            (
                a_hello(luck), a_hello(luck), a_hello(luck), a_run(luck), a_run(luck), Found(a_point(luck)),
                Finality(a_point(luck)), Note(b"x", luck.choice((None, a_point(luck)))), Ping(), Pong(),
                Has(a_point(luck), luck.choice(SCORES)), Want(luck.random() < 0.5), DoNotWant(), Give(),
                Busy(luck.random() < 0.3, luck.choice(((), (b"\x01" * 32,)))),
            )
        )  # fmt: skip
        if luck.random() < 0.01:
            message = Bye(luck.choice(list(Parting)), luck.choice((None, a_point(luck))))
        if isinstance(message, Blocks) or passes(message):
            yield message


def passes(message: Control) -> bool:
    """Whether a peer's codec lets this through."""
    try:
        return Codec(STANDARD).decode(Codec(STANDARD).encode(message)) == message
    except LocalError:
        return False


def own_events(luck: random.Random) -> Iterator[Event]:
    """What the node's own side does meanwhile. ``now`` is filled in later."""
    while True:
        yield luck.choice(
            (
                Produced((a_header(luck),), 0.0),
                Produced(a_run(luck).headers, 0.0),
                Verdict(luck.choice(IDS), luck.random() < 0.5, 0.0),
                Finalised(a_point(luck), 0.0),
                Say(Note(b"y", a_point(luck)), 0.0),
                Switch(luck.random() < 0.5, 0.0),
                Room(luck.choice(PEERS), luck.choice((0, 512, 5000)), 0.0),
                Lost(luck.choice(PEERS), 0.0),
                Tick(0.0),
            )
        )


LUCK = random.Random(1)
HEARD: list[Control | Blocks] = list(itertools.islice(messages(LUCK), 4000))
OWN: list[Event] = list(itertools.islice(own_events(LUCK), 400))
MOVES = st.one_of(*[st.tuples(st.sampled_from(PEERS), st.sampled_from(HEARD))] * 8, st.sampled_from(OWN))
MOVES_PER_RUN, RUNS = 100, 230  # of nine moves, eight are messages: at least 20,000 of them in all


def with_time(event: Event, now: float) -> Event:
    later: Event = attrs.evolve(cast(Any, event), now=now)
    return later


@settings(max_examples=RUNS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    moves=st.lists(MOVES, min_size=MOVES_PER_RUN, max_size=MOVES_PER_RUN),
    root=st.sampled_from((GENESIS, LEFT[0], FAR[2])),
    strategy=st.sampled_from(Strategy),
    small=st.booleans(),
    pace=st.sampled_from((0.0, 0.05, 0.4)),
)
def test_no_message_raises_or_outgrows_the_limits(
    moves: list[tuple[str, Control | Blocks] | Event], root: Header, strategy: Strategy, small: bool, pace: float
) -> None:
    limits = Limits(retention=2, unfinal=8, tips=2, points=3, notes=2, room=600, run=2) if small else Limits()
    made = Node.start(Config(node().config.check, strategy, limits), Chain.start(root, limits))
    names = dict.fromkeys(PEERS, "none")
    for turn, move in enumerate(moves):
        now = turn * pace
        if isinstance(move, tuple):
            role, message = move
            if names[role] not in made.links:
                names[role] = f"{role}{turn}"
                made, _ = made.step(Connected(names[role], now))
            made, outputs = made.step(Received(names[role], message, now))
        else:
            try:
                made, outputs = made.step(with_time(move, now))
            except LocalError:
                continue
        check_bounds(made, limits)
        check_outputs(made, outputs)


def check_bounds(made: Node, limits: Limits) -> None:
    chain = made.chain
    assert len(chain.blocks) <= limits.unfinal + limits.retention + 1
    assert len(chain.tips) <= limits.tips
    assert len(made.links) <= len(PEERS)
    told = feed(made)
    assert {told.peer, *told.others} - {""} == set(made.links)
    assert {*told.ahead, *asked(made), *told.worn, *told.refused, *told.off, *told.served} <= set(made.links)
    assert chain.on_best(chain.final.point)
    for link in made.all(SYNC).values():
        if link.state in (State.SYNCING, State.IDLE):
            assert link.sent is not None
            assert chain.on_best(link.sent.point)
            assert (link.state is State.IDLE) == (link.sent.id == chain.head.id)
    assert all(len(held.notes) <= limits.notes for held in made.all(NOTES).values())
    assert all(peer.room <= limits.room for peer in made.all(PEER).values())
    hash(made)


def check_outputs(made: Node, outputs: tuple[Output, ...]) -> None:
    over = set()
    for said in outputs:
        if isinstance(said, Send | SendBlocks | Misbehaviour | Disconnect):
            assert said.peer not in over
        if isinstance(said, SendBlocks):
            assert [after.parent for after in said.headers[1:]] == [before.id for before in said.headers[:-1]]
        elif isinstance(said, Send):
            assert passes(said.message), "a correct peer would call this malformed"
        elif isinstance(said, Deliver):
            about = said.note.about
            assert about is None or about.id in made.chain or about.height < made.chain.base.height
        elif isinstance(said, Disconnect):
            over.add(said.peer)
            assert said.peer not in made.links
