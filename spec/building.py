"""What worlds are made of: blocks, nodes, what may happen to them, and networks of two and three.

The tree of blocks, with forks on g, a1 and a2. Of two blocks the one with the greater score is better::

    g ── a1 ── a2 ── a3 ── a4
    │     │     └─── d3
    │     └─── c2 ── c3
    └─── b1 ── b2 ── b3
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from spec.invariants import COMPOUND, promises
from spec.seen import Tree, link_states
from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain, Outcome
from syncfsm.check import (
    Moment,
    Move,
    NodeComponent,
    Property,
    Sometimes,
    SometimesStep,
    Wait,
    World,
    channel,
    connect,
    cut,
    happen,
    network,
)
from syncfsm.check.nodes import CALM, Put
from syncfsm.errors import LocalError
from syncfsm.events import Finalised, Produced, Say, Verdict
from syncfsm.limits import Limits
from syncfsm.link import TABLE, State, Strategy
from syncfsm.messages import Blocks, Control, Note, Parting
from syncfsm.node import Config, Node
from syncfsm.outputs import Misbehaviour


def block(name: str, parent: Header | None, score: int) -> Header:
    """A block whose id is its name."""
    height, id = (parent.height + 1, parent.id) if parent else (0, b"")
    return Header(height, name.encode(), id, bytes([score]), 0, b"")


g = block("g", None, 0)
a1 = block("a1", g, 1)
a2 = block("a2", a1, 3)
a3 = block("a3", a2, 5)
a4 = block("a4", a3, 7)
b1 = block("b1", g, 2)
b2 = block("b2", b1, 4)
b3 = block("b3", b2, 6)
c2 = block("c2", a1, 4)
c3 = block("c3", c2, 6)
d3 = block("d3", a2, 6)
TREE: Final = Tree([g, a1, a2, a3, a4, b1, b2, b3, c2, c3, d3])
LOCATOR, STREAMING = Strategy.LOCATOR, Strategy.STREAMING
REACHED: Final = "From (start, start) each of the notes' compound states is reached."
BLOCK: Final = 512
"""What an empty block counts against the room of a link."""


def node(name: str, run: Sequence[Header], strategy: Strategy, limits: Limits, timed: bool) -> NodeComponent:
    """A node that holds this run, from its base up. ``LocalError`` if a block does not fit on those before it."""
    chain, outcomes = Chain.start(run[0], limits).extend(run[1:])
    for header, outcome in zip(run[1:], outcomes, strict=True):
        if outcome is not Outcome.NEW:
            raise LocalError(f"node {name} can not hold {header.id.decode()} after what it holds ({outcome.value})")
    return NodeComponent(name, Node.start(Config(Unchecked(), strategy, limits), chain), TABLE, timed)


def makes(name: str, *headers: Header) -> list[Move]:
    """The node may make each of these blocks, once, when it holds the parent."""
    return [happen(name, f"makes {header.id.decode()}", Produced((header,), 0.0)) for header in headers]


def finalises(name: str, *headers: Header) -> list[Move]:
    """The node's source of truth may confirm each of these blocks, when the node holds it."""
    return [happen(name, f"finalises {header.id.decode()}", Finalised(header.point, 0.0)) for header in headers]


def bans(name: str, *headers: Header) -> list[Move]:
    """The node's operator may ban each of these blocks."""
    return [happen(name, f"bans {header.id.decode()}", Verdict(header.id, False, 0.0)) for header in headers]


def says(name: str, about: Header | None, times: int = 1) -> Move:
    """The node has a payload for all its peers, about this block."""
    note = Note(b"", about.point if about else None)
    return happen(name, f"has a note on {about.id.decode() if about else 'nothing'}", Say(note, 0.0), times)


def lies(name: str, peer: str, label: str, message: Control | Blocks, times: int = 1) -> Move:
    """Something that is no node of ours says this to its peer."""
    return Move(f"{name} {label}", ((channel(name, peer), CALM), (channel(name, peer), Put((message,)))), times)


def blames(name: str, *rules: str) -> list[Property]:
    """This node tells each of these faults of its peers."""
    sentence = "A peer's mistake is an output, with its evidence."
    return [SometimesStep(f"Blames({rule})", sentence, (name,), _Blames(rule)) for rule in rules]


@attrs.frozen
class _Blames:
    rule: str

    def __call__(self, moment: Moment) -> bool:
        return any(isinstance(output, Misbehaviour) and output.fault.rule == self.rule for output in moment.outputs)


def time_passes(seconds: float, *names: str, times: int = 1) -> Move:
    """Time passes at these nodes."""
    return Move(f"{seconds:g} s pass", tuple((name, Wait(seconds)) for name in names), times)


@attrs.frozen(kw_only=True)
class Setting:
    """All that a world may choose besides who holds what, and what may happen.

    Room for one block and a byte: at most two blocks or hellos are under way. Nothing new happens at a node while
    ``bound`` messages are under way from it; what the protocol adds by itself is not held up. ``partings`` are the
    reasons for which links may end, ``liars`` are nodes that are none of ours.
    """

    strategy: Strategy = LOCATOR
    room: int = BLOCK + 1
    bound: int = 3
    retention: int = 100
    overtaking: bool = False
    timed: bool = False
    partings: tuple[Parting, ...] = ()
    liars: tuple[str, ...] = ()
    limits: Mapping[str, Any] = attrs.field(factory=dict, hash=False)

    def world(
        self, name: str, chains: Mapping[str, Sequence[Header]], pairs: Sequence[tuple[str, str]],
        moves: Iterable[Move], extra: Iterable[Property] = (), doc: str = "",
    ) -> World:  # fmt: skip
        """The world in which these nodes hold these runs and may be linked in these pairs."""
        limits = Limits(room=self.room, points=2, retention=self.retention, **self.limits)
        nodes = [node(each, run, self.strategy, limits, self.timed) for each, run in chains.items()]
        moves = tuple(moves)
        worsen = any(isinstance(event, Finalised | Verdict) for move in moves for _, event in move.emissions)
        components = network(nodes, pairs, moves, self.bound, self.overtaking)
        found = promises(tuple(chains), pairs, TREE, self.partings, worsen, self.liars, self.room, self.timed)
        return World(f"{name}-{self.strategy}", components, (*found, *extra), doc, TABLE.rules)

    def two(
        self, name: str, a: Sequence[Header], b: Sequence[Header], moves: Iterable[Move], connects: int = 2,
        cuts: int = 1, extra: Iterable[Property] = (), doc: str = "",
    ) -> World:  # fmt: skip
        """Two nodes; a connection that may be made ``connects`` times and broken ``cuts`` times."""
        links = [connect("A", "B", connects), *([cut("A", "B", cuts)] if cuts else [])]
        return self.world(name, {"A": a, "B": b}, [("A", "B")], (*moves, *links), extra, doc)

    def three(
        self, name: str, chains: Sequence[Sequence[Header]], pairs: Sequence[tuple[str, str]], moves: Iterable[Move],
        cuts: int = 0, extra: Iterable[Property] = (), doc: str = "",
    ) -> World:  # fmt: skip
        """Nodes A, B and C; each connection is made once, the first may be broken ``cuts`` times and made anew."""
        links = [connect(a, b, 1 + (cuts if at == 0 else 0)) for at, (a, b) in enumerate(pairs)]
        links += [cut(*pairs[0], cuts)] if cuts else []
        return self.world(name, dict(zip("ABC", chains, strict=True)), pairs, (*moves, *links), extra, doc)


def reaches_compound_states() -> list[Property]:
    """Each compound state of the notes is met."""
    return [
        Sometimes(f"Reaches({', '.join(sorted(pair))})", REACHED, ("A", "B"), _Meets(pair), link_states)
        for pair in sorted(COMPOUND, key=sorted)
    ]


@attrs.frozen
class _Meets:
    pair: frozenset[State]

    def __call__(self, a: tuple[tuple[str, State], ...], b: tuple[tuple[str, State], ...]) -> bool:
        return bool(a) and bool(b) and frozenset((a[0][1], b[0][1])) == self.pair
