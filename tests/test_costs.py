"""Real nodes against the table of costs: no kind of message, however hostile or often, earns more than its row says.

Each kind comes with every field at its bounds, in every state of a link, from the feed and from a peer beside it, once
and in floods that take turns; with time at rest and passing, and with our own head at rest and moving.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import attrs
import pytest
from msgspec.msgpack import encode

from docs.generate import ROOT, costs
from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Connected, Event, Produced, Received, Room, Tick
from syncfsm.limits import HELLO_POINTS, ID_BYTES, MAX_HEIGHT, SCORE_BYTES, Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Output, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting, Ping
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, branch
from syncfsm_spec.costs import ROWS, Cost, Flood, answer_bytes, kept
from syncfsm_spec.kit.bounds import sound

LIAR, HONEST, OTHER = "liar", "honest", "other"
TRUNK: Final = branch(GENESIS, 8, "trunk")
LIVE: Final = branch(TRUNK[-1], 400, "live")
BETTER: Final = branch(TRUNK[3], 20, "better", gain=9)
"""Blocks that the liar alone has, or says to have."""
CHOSEN: Final = Limits(gates=1, room=4096)
ROLES = ("feed", "beside")
STATES = (State.START, State.INIT, State.SYNCING, State.IDLE)
PLACES = list(product(ROLES, STATES))
AT = pytest.mark.parametrize(("role", "state"), PLACES, ids=["-".join(place) for place in PLACES])
KINDS = [kind for _, kind in STANDARD.kinds.values()]
TALK = [kind for kind in KINDS if kind.type not in (Bye, Blocks)]
"""What does not end the connection, and brings nothing."""


# What a liar says -------------------------------------------------------------------------------------------------


def hellos() -> list[Hello]:
    """At the bounds, and such as could be a step of a search."""
    far = Point(MAX_HEIGHT - 1, b"\xff" * ID_BYTES)
    heads = (TRUNK[-1], TRUNK[2], BETTER[-1])
    found = [hello_of(header.point, header.score, (header.point,), header.height + 1) for header in heads]
    for about, score in product((None, TRUNK[-1].point, far), (b"", b"\xff" * SCORE_BYTES)):
        many = tuple(Point(far.height - at, far.id) for at in range(HELLO_POINTS))
        found += [hello_of(far, score, points, MAX_HEIGHT, about) for points in (many, many[:1], many[:2])]
        low = (Point(2, b"a"), Point(1, b"b"))
        found += [hello_of(far, score, low, ceiling, about) for ceiling in (3, 8, 9, MAX_HEIGHT)]
    return found


def hello_of(
    head: Point, score: bytes, points: tuple[Point, ...], ceiling: int, about: Point | None = None
) -> Hello:  # fmt: skip
    return Hello(head, score, GENESIS.point, GENESIS.point, points, ceiling, about)


def said_by_liars(type_: type[Any]) -> list[Any]:
    """Messages of a kind: at the bounds of each field, and about blocks that are there."""
    held, lacked = (TRUNK[0], TRUNK[-1]), (BETTER[0], BETTER[-1])
    about: Mapping[type[Any], Sequence[Any]] = {
        Hello: hellos(),
        Found: [Found(header.point) for header in (*held, *lacked)],
        Finality: [Finality(header.point) for header in (GENESIS, *held, *lacked)],
        Has: [Has(header.point, header.score) for header in (*held, *lacked)],
        Blocks: [Blocks((header,)) for header in (*held, *lacked)] + [Blocks(tuple(BETTER))],
    }
    return [*sound(STANDARD.kinds[type_][1]), *about.get(type_, ())]


# Who hears it -----------------------------------------------------------------------------------------------------


@attrs.define
class Watched:
    """A node that is linked to a liar, to an honest peer and to another, and what it says meanwhile."""

    node: Node
    said: dict[str, list[Any]]
    steps: int = 0
    now: float = 0.0
    made: int = 0

    def feed(self, event: Event) -> None:
        """One step, counted in moves of tables."""
        tables = {name: Counting(self, table) for name, table in STANDARD.tables.items()}
        self.node, outputs = self.node.step(event, tables)
        for output in outputs:
            self._note(output)

    def _note(self, output: Output) -> None:
        if isinstance(output, Send):
            self.said[output.peer].append(output.message)
            cost = STANDARD.cost(output.message)
            if cost and output.peer in self.node.links:
                self.feed(Room(output.peer, cost, self.now))
        elif isinstance(output, SendBlocks) and output.peer != LIAR and output.peer in self.node.links:
            self.feed(Room(output.peer, sum(header.cost for header in output.headers), self.now))

    def hear(self, *messages: Any) -> None:
        for message in messages:
            self.feed(Received(LIAR, message, self.now))

    def wait(self, seconds: float) -> None:
        """Time passes; the other two peers live."""
        self.now += seconds
        for peer in (HONEST, OTHER):
            self.feed(Received(peer, Ping(), self.now))
        while self.node.next_deadline is not None and self.node.next_deadline <= self.now:
            self.feed(Tick(self.now))

    def move(self) -> None:
        """Our head moves, as the honest peer gives a block."""
        self.feed(Received(HONEST, Blocks((LIVE[self.made],)), self.now))
        self.made += 1

    @property
    def there(self) -> bool:
        return LIAR in self.node.links

    @property
    def kept(self) -> int:
        """Bytes of all that is remembered of the liar, and of what is decided across peers."""
        values = (*self.node.links.get(LIAR, ()), *self.node.across)
        return sum(len(encode(value, enc_hook=dict)) for value in values)

    def forget(self) -> None:
        """What was said and done so far does not count."""
        self.steps, self.said = 0, {peer: [] for peer in self.said}


@attrs.frozen
class Counting:
    """A table that counts how often it is moved."""

    watched: Watched
    table: Any

    def step(self, value: Any, event: Any, message: Any, view: Any) -> Any:
        self.watched.steps += 1
        return self.table.step(value, event, message, view)


def watched(role: str, state: State, strategy: Strategy = Strategy.LOCATOR, chain: Sequence[Header] = TRUNK) -> Watched:
    """A node that holds this chain, and whose link to the liar is in this state."""
    node = Node.start(Config(Unchecked(), strategy, CHOSEN), Chain.start(GENESIS, CHOSEN))
    node, _ = node.step(Produced(tuple(chain), 0.0))
    made = Watched(node, {peer: [] for peer in (LIAR, HONEST, OTHER)})
    order = (LIAR, HONEST, OTHER) if role == "feed" else (HONEST, LIAR, OTHER)
    head = chain[-1]
    for peer in order:
        made.feed(Connected(peer, 0.0, id=peer.encode().ljust(32)))
        if peer != LIAR:
            made.feed(Received(peer, hello_of(head.point, head.score, (head.point,), head.height + 1), 0.0))
    if state is State.INIT:
        better = BETTER[-1]
        made.hear(hello_of(better.point, better.score, (better.point,), better.height + 1))
    elif state is State.SYNCING:
        made.hear(DoNotWant(), hello_of(TRUNK[2].point, TRUNK[2].score, (TRUNK[2].point,), 4))
    elif state is State.IDLE:
        made.hear(hello_of(head.point, head.score, (head.point,), head.height + 1))
    link = made.node.at(SYNC, LIAR)
    assert link is not None
    assert link.state is state
    assert (made.node.decided(FEED).peer == LIAR) == (role == "feed")
    made.forget()
    return made


def answers(said: Iterable[Any]) -> list[Any]:
    """Without our own questions for a sign of life."""
    return [message for message in said if not isinstance(message, Ping)]


def size(messages: Iterable[Any]) -> int:
    return sum(len(encode(message)) for message in messages)


# The table --------------------------------------------------------------------------------------------------------


def test_every_kind_of_every_protocol_has_a_row_and_no_other() -> None:
    assert set(ROWS) == set(STANDARD.kinds)


def test_the_page_shows_the_table() -> None:
    assert (ROOT / "spec/syncfsm_spec/COSTS.md").read_text(encoding="utf-8") == costs()


def test_the_limits_that_the_table_names_exist() -> None:
    names = {name for row in ROWS.values() for name in re.findall(r"`(?:Limits\.)?([a-z_]+)`", row.bound + row.work)}
    assert names
    assert names <= {field.name for field in attrs.fields(Limits)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type.__name__)
def test_messages_are_made_at_the_bounds_of_their_fields(kind: Any) -> None:
    made = sound(kind)
    assert made
    if kind.type is Has:
        assert {message.head.height for message in made} >= {0, 1, MAX_HEIGHT - 1, MAX_HEIGHT}
        assert {len(message.head.id) for message in made} == {1, ID_BYTES}
        assert {len(message.score) for message in made} >= {0, SCORE_BYTES}
    if kind.type is Hello:
        assert {len(message.points) for message in (*made, *hellos())} >= {1, HELLO_POINTS}
        assert {message.ceiling for message in (*made, *hellos())} >= {1, MAX_HEIGHT}


# One message ------------------------------------------------------------------------------------------------------


@AT
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type.__name__)
def test_one_message_earns_no_more_than_its_row_says(kind: Any, role: str, state: State) -> None:
    row = ROWS[kind.type]
    for message in said_by_liars(kind.type):
        made = watched(role, state)
        before = made.kept
        made.hear(message)
        within(made, row, before, message)
        assert made.steps <= row.steps + row.each * 3, message
        if not made.there:
            continue
        for seconds in (0.04, 0.02, 0.5, 0.6):
            made.wait(seconds)
            within(made, row, before, message)


def within(made: Watched, row: Cost, before: int, message: Any) -> None:
    said = answers(made.said[LIAR])
    too_much = Counter(map(type, said)) - Counter(row.answers)
    assert not too_much, f"{message} earned {said}"
    assert size(said) <= answer_bytes(row)
    for peer in (HONEST, OTHER):
        told = {type(each) for each in answers(made.said[peer])}
        ended = () if made.there else ROWS[Bye].elsewhere
        extra = told - {*row.elsewhere, *ended, *ANSWERS_TO_PING}
        assert not extra, f"{message} made us say {made.said[peer]} to {peer}"
    if made.there:
        assert made.kept <= before + kept(row, made.node.config.limits), message


ANSWERS_TO_PING = ROWS[Ping].answers


# Floods -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Pace:
    """How time and our head go on while a liar talks: after so many messages each."""

    name: str
    seconds: float = 0.0
    every: int = 10
    move_every: int = 0


PACES = (Pace("at rest"), Pace("time passes", 0.03), Pace("blocks come", 0.03, 10, 40))


def flooded(made: Watched, messages: Sequence[Any], pace: Pace, count: int) -> tuple[Counter[type[Any]], int]:
    """What the liar got to say, and the most that was kept of it."""
    heard: Counter[type[Any]] = Counter()
    most = 0
    for at in range(count):
        if not made.there:
            break
        message = messages[at % len(messages)]
        made.hear(message)
        heard[type(message)] += 1
        if pace.seconds and at % pace.every == 0:
            made.wait(pace.seconds)
        if pace.move_every and at % pace.move_every == 0:
            made.move()
        most = max(most, made.kept)
    return heard, most


def budget(made: Watched, heard: Counter[type[Any]], streaming: bool = False) -> float:
    """What all that was heard may earn, beside what we say of our own heads, and one last word."""
    limits, top = made.node.config.limits, len(TRUNK) + made.made
    rows = (
        ROWS[kind].most(Flood(
            count=count, seconds=made.now, moves=made.made, top=top, limits=limits, streaming=streaming,
        ))
        for kind, count in heard.items()
    )  # fmt: skip
    return sum(rows) + 2 * made.made + 1


@pytest.mark.parametrize("pace", PACES, ids=lambda pace: pace.name)
@AT
@pytest.mark.parametrize("kind", TALK, ids=lambda kind: kind.type.__name__)
def test_a_flood_of_one_kind_earns_no_more_than_its_row_says(kind: Any, role: str, state: State, pace: Pace) -> None:
    made = watched(role, state)
    before = made.kept
    heard, most = flooded(made, said_by_liars(kind.type), pace, 400)
    assert len(answers(made.said[LIAR])) <= budget(made, heard)
    assert most <= before + kept(ROWS[kind.type], made.node.config.limits)
    fair(made)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("pace", PACES, ids=lambda pace: pace.name)
def test_ever_new_claims_are_asked_for_once(pace: Pace, strategy: Strategy) -> None:
    """Each names a block that nobody has, better than the one before."""
    for role in ROLES:
        made = watched(role, State.IDLE, strategy)
        claims = [
            claim
            for at in range(1000)
            for claim in (
                Has(Point(1000 + at, b"%d" % at), b"\xff" * 8 + at.to_bytes(2)),
                Finality(Point(2000 + at, b"final %d" % at)),
            )
        ]
        heard, _ = flooded(made, claims, pace, 2000)
        asked = [message for message in made.said[LIAR] if isinstance(message, Want)]
        assert len(asked) <= 1
        assert len(answers(made.said[LIAR])) <= budget(made, heard)
        fair(made)


TURNS: Final = {
    "want, do not want": (Want(), DoNotWant()),
    "insist, do not want": (Want(True), DoNotWant()),
    "ask on and on": (Want(),),
    "give, do not want": (Give(), DoNotWant()),
    "give on and on": (Give(),),
    "busy, and ahead": (Busy(), Has(BETTER[-1].point, BETTER[-1].score)),
    "off, and ahead": (Busy(off=True), Has(BETTER[-1].point, BETTER[-1].score)),
    "ahead, and not": (
        Has(BETTER[-1].point, BETTER[-1].score), Has(TRUNK[-1].point, TRUNK[-1].score),
    ),
    "ahead, not, busy": (
        Has(BETTER[-1].point, BETTER[-1].score), Has(TRUNK[-1].point, TRUNK[-1].score), Busy(),
    ),
    "give, and ahead": (Give(), Has(Point(MAX_HEIGHT, b"x"), b"\xff" * SCORE_BYTES)),
    "give, and busy": (Give(), Busy()),
    "final, and off": (Finality(Point(MAX_HEIGHT, b"x")), Busy(off=True)),
    "found, and want": (Found(TRUNK[0].point), Want(), DoNotWant()),
    "ping": (Ping(),),
}  # fmt: skip


@pytest.mark.parametrize("pace", PACES, ids=lambda pace: pace.name)
@AT
@pytest.mark.parametrize("turns", TURNS)
def test_messages_that_take_turns_earn_no_more_than_their_rows_say(
    turns: str, role: str, state: State, pace: Pace
) -> None:
    made = watched(role, state)
    heard, _ = flooded(made, TURNS[turns], pace, 2000)
    assert len(answers(made.said[LIAR])) <= budget(made, heard)
    fair(made)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_said_in_whatever_order_earns_no_more_than_its_rows_say(seed: int, strategy: Strategy) -> None:
    chance = random.Random(seed)
    everything = [message for kind in TALK for message in said_by_liars(kind.type)]
    for role, state in PLACES:
        made = watched(role, state, strategy)
        before = made.kept
        few = [chance.choice(everything) for _ in range(chance.choice((2, 3, 5, 40)))]
        heard, most = flooded(made, few, chance.choice(PACES), 1000)
        assert len(answers(made.said[LIAR])) <= budget(made, heard, strategy is Strategy.STREAMING)
        assert most <= before + sum(kept(ROWS[kind], CHOSEN) for kind in heard)
        fair(made)


@pytest.mark.parametrize("role", ROLES)
def test_steps_of_a_search_that_leads_nowhere_are_no_longer_free(role: str) -> None:
    """Each has a little less left than the one before, which is all that is right about it: there could be as many as
    our head is high, each worth a hello of ours."""
    tall = [*TRUNK, *LIVE]
    made = watched(role, State.START, chain=tall)
    top, head = tall[-1], Point(5, b"none")
    heard = 0
    for ceiling in range(top.height + 1, 1, -1):
        if made.there:
            points = (Point(ceiling - 1, b"x"), Point(ceiling - 2, b"y"))
            made.hear(hello_of(head, b"", points, ceiling, top.point))
            heard += 1
    assert not made.there
    assert made.said[LIAR][-1] == Bye(Parting.FAULT)
    assert heard <= CHOSEN.hello_burst + top.height.bit_length() < top.height / 4


def fair(made: Watched) -> None:
    """Whatever the liar did, the node is linked to the others, and has the blocks that were given."""
    assert {HONEST, OTHER} <= set(made.node.links)
    assert made.node.chain.head == ([TRUNK[-1], *LIVE][made.made])
