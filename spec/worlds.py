"""The worlds that are explored. Write one of your own like those at the end, and run ``syncfsm check``.

The tree of blocks, with forks on g, a1 and a2. Of two blocks the one with the greater score is better::

    g ── a1 ── a2 ── a3 ── a4
    │     │     └─── d3
    │     └─── c2 ── c3
    └─── b1 ── b2 ── b3
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from spec.invariants import COMPOUND, Parts, Tree, link_states, promises
from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.check import Environment, Move, NodeComponent, Property, Sometimes, SometimesStep, World, connect, cut, happen, network
from syncfsm.events import Finalised, Produced, Verdict
from syncfsm.limits import Limits
from syncfsm.link import TABLE, State, Strategy
from syncfsm.messages import Parting
from syncfsm.node import Config, Node


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
BLOCK: Final = 512
"""What an empty block counts against the room of a link."""


def node(name: str, run: Sequence[Header], strategy: Strategy, limits: Limits, timed: bool = False) -> NodeComponent:
    """A node that holds this run, which begins at the genesis."""
    chain, _ = Chain.start(run[0], limits).extend(run[1:])
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


def two(
    name: str,
    strategy: Strategy,
    a: Sequence[Header],
    b: Sequence[Header],
    moves: Iterable[Move],
    connects: int = 2,
    cuts: int = 1,
    room: int = BLOCK + 1,
    bound: int = 3,
    retention: int = 100,
    overtaking: bool = False,
    partings: Iterable[Parting] = (),
    extra: Iterable[Property] = (),
    doc: str = "",
) -> World:
    """Two nodes and a connection. Room for one block and a byte: at most two blocks or hellos are under way."""
    limits = Limits(room=room, points=2, retention=retention)
    nodes = [node("A", a, strategy, limits), node("B", b, strategy, limits)]
    links = [connect("A", "B", connects), *([cut("A", "B", cuts)] if cuts else [])]
    components = network(nodes, [("A", "B")], bound, overtaking)
    properties = (*promises(("A", "B"), [("A", "B")], TREE, partings), *extra)
    return World(name, (*components, Environment((*moves, *links))), properties, doc, TABLE.rules)


def reaches_compound_states() -> list[Property]:
    """Each compound state of the notes is met."""
    return [
        Sometimes(f"Reaches({', '.join(sorted(pair))})", "Each of the compound states is reached.", ("A", "B"), _Meets(pair), link_states)
        for pair in sorted(COMPOUND, key=sorted)
    ]


@attrs.frozen
class _Meets:
    pair: frozenset[State]

    def __call__(self, a: tuple[tuple[str, State], ...], b: tuple[tuple[str, State], ...]) -> bool:
        return bool(a) and bool(b) and frozenset((a[0][1], b[0][1])) == self.pair
