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
from syncfsm.check import Move, NodeComponent, Property, Sometimes, SometimesStep, World, connect, cut, happen, network
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
    heads_may_worsen: bool = False,
    extra: Iterable[Property] = (),
    doc: str = "",
) -> World:
    """Two nodes and a connection. Room for one block and a byte: at most two blocks or hellos are under way."""
    limits = Limits(room=room, points=2, retention=retention)
    nodes = [node("A", a, strategy, limits), node("B", b, strategy, limits)]
    links = [connect("A", "B", connects), *([cut("A", "B", cuts)] if cuts else [])]
    components = network(nodes, [("A", "B")], (*moves, *links), bound, overtaking)
    properties = (*promises(("A", "B"), [("A", "B")], TREE, partings, heads_may_worsen), *extra)
    return World(name, components, properties, doc, TABLE.rules)


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


# The standard set: two nodes ------------------------------------------------------------------------------------


def forks(strategy: Strategy) -> World:
    """Three forks, a cut and a new connection. What most of what can go wrong looks like."""
    moves = [*makes("A", c2, a3, b1, b2), *makes("B", a2, a3)]
    return two(
        f"forks-{strategy}", strategy, [g, a1, a2], [g, a1, c2, c3], moves, extra=reaches_compound_states(),
        doc="Two nodes on two branches of a tree with three forks; both switch forks while they meet, and meet again.",
    )  # fmt: skip


def race(strategy: Strategy) -> World:
    """Both nodes overtake each other again and again, more under way at a time."""
    moves = [*makes("A", b1, b2, b3, a4), *makes("B", a2, a3, d3)]
    return two(
        f"race-{strategy}", strategy, [g, a1, a2, a3], [g, a1, c2], moves, room=2 * BLOCK + 1,
        doc="A leads, both switch forks; up to three blocks are under way.",
    )  # fmt: skip


def ahead(strategy: Strategy) -> World:
    """The outage: one node is simply behind, on the same branch."""
    moves = [*makes("B", a4), *makes("A", a2, a3)]
    return two(
        f"ahead-{strategy}", strategy, [g, a1], [g, a1, a2, a3], moves, connects=3, cuts=2,
        doc="A is behind B on one branch, makes the same blocks itself, and loses the link twice.",
    )  # fmt: skip


def finals(strategy: Strategy) -> World:
    """Final points on a fork: one node's finality overrules the branch of the other."""
    moves = [*finalises("A", a1, a2), *finalises("B", a2), *makes("A", a3), *makes("B", a2, a3)]
    return two(
        f"finals-{strategy}", strategy, [g, a1, a2], [g, a1, c2, c3], moves, overtaking=True, heads_may_worsen=True,
        partings=(Parting.CONTRADICTION, Parting.OUT_OF_STEP), doc="Both learn of final points below a fork; small messages overtake blocks.",
    )  # fmt: skip


def contradiction(strategy: Strategy) -> World:
    """Two sources of truth that contradict each other: the peers must part, and nobody is to blame."""
    moves = [*finalises("A", a2), *finalises("B", b1), *makes("B", b3), *makes("A", a4)]
    return two(
        f"contradiction-{strategy}", strategy, [g, a1, a2, a3], [g, b1, b2], moves, overtaking=True, heads_may_worsen=True,
        partings=(Parting.CONTRADICTION, Parting.OUT_OF_STEP),
        extra=[SometimesStep("PartsContradicting", "Peers with contradicting final points part once, saying why.", ("A", "B"), Parts(Parting.CONTRADICTION))],
        doc="A's final point and B's lie on different branches.",
    )  # fmt: skip


def prune(strategy: Strategy) -> World:
    """Nothing is kept below the final point: who is too far behind is told so."""
    moves = [*finalises("B", a1, a2, a3), *makes("B", a4), *makes("A", a2), *finalises("A", a1)]
    return two(
        f"prune-{strategy}", strategy, [g, a1], [g, a1, a2, a3], moves, retention=0, overtaking=True, heads_may_worsen=True,
        partings=(Parting.PRUNED, Parting.OUT_OF_STEP),
        extra=[SometimesStep("PartsPruned", "A peer whose head is below what we still hold is told so at once.", ("A", "B"), Parts(Parting.PRUNED))],
        doc="B drops what becomes final, while A is behind.",
    )  # fmt: skip


def prune_fork(strategy: Strategy) -> World:
    """The same on a fork: what is dropped is the branch that the other one is on."""
    moves = [*finalises("A", a2), *finalises("B", a1), *makes("A", a3), *makes("B", a2)]
    return two(
        f"prune-fork-{strategy}", strategy, [g, a1, a2], [g, a1, c2, c3], moves, retention=0, overtaking=True, heads_may_worsen=True,
        partings=(Parting.PRUNED, Parting.OUT_OF_STEP, Parting.CONTRADICTION), doc="A drops the branch that B is on.",
    )  # fmt: skip


def ban(strategy: Strategy) -> World:
    """An operator bans blocks, before or after they come."""
    moves = [*bans("A", c2), *bans("B", c3), *makes("B", a2), *makes("A", a3)]
    return two(
        f"ban-{strategy}", strategy, [g, a1, a2], [g, a1, c2, c3], moves, heads_may_worsen=True,
        doc="Blocks of the better branch are banned while it is sent.",
    )  # fmt: skip


KINDS: Final = (forks, race, ahead, finals, contradiction, prune, prune_fork, ban)
STANDARD: Final = tuple(kind(strategy) for kind in KINDS for strategy in (LOCATOR, STREAMING))
