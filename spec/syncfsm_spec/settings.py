"""What a world is made of: who holds what, what may happen, and all that may be chosen besides."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain, Outcome
from syncfsm.check import Move, NodeComponent, Property, Sometimes, World, connect, cut, network
from syncfsm.errors import LocalError
from syncfsm.events import Confirmed, Finalised, Verdict
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import CORE, STANDARD
from syncfsm.peer.messages import Parting
from syncfsm.registry import Registry
from syncfsm.sync.types import State
from syncfsm_spec.kit.moments import link_states
from syncfsm_spec.kit.trees import BLOCK, TREE
from syncfsm_spec.promises import promises
from syncfsm_spec.sync.between import COMPOUND

LOCATOR, STREAMING = Strategy.LOCATOR, Strategy.STREAMING
REACHED: Final = "From (start, start) each of the notes' compound states is reached."
ROWS: Final = tuple(rule for table in STANDARD.tables.values() for rule in table.rules)
"""The rows of every table."""


def node(
    name: str, run: Sequence[Header], strategy: Strategy, limits: Limits, timed: bool, registry: Registry = CORE
) -> NodeComponent:
    """A node that holds this run, from its base up. ``LocalError`` if a block does not fit on those before it. What
    peers give beside its best chain is counted if all blocks together are more than one peer may give."""
    chain, outcomes = Chain.start(run[0], limits).extend(run[1:])
    for header, outcome in zip(run[1:], outcomes, strict=True):
        if outcome is not Outcome.NEW:
            raise LocalError(f"node {name} can not hold {header.id.decode()} after what it holds ({outcome.value})")
    start = Node.start(Config(Unchecked(), strategy, limits, registry), chain)
    return NodeComponent(name, start, timed=timed, counted=counted(limits))


def counted(limits: Limits) -> bool:
    """Are there so many blocks in the worlds that a peer can give more beside the best chain than it may?"""
    return sum(block.cost for block in TREE.blocks.values()) > limits.aside


@attrs.frozen(kw_only=True)
class Setting:
    """All that a world may choose besides who holds what, and what may happen.

    Room for one block and a byte: at most two blocks or hellos are under way. Nothing new happens at a node while
    ``bound`` messages are under way from it; what the protocol adds by itself is not held up. ``partings`` are the
    reasons for which links may end, ``liars`` are nodes that are none of ours. Packets have worlds of their own, so the
    ``registry`` lacks them.
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
    registry: Registry = attrs.field(default=CORE, hash=False)

    def world(
        self, name: str, chains: Mapping[str, Sequence[Header]], pairs: Sequence[tuple[str, str]],
        moves: Iterable[Move], extra: Iterable[Property] = (), doc: str = "",
    ) -> World:  # fmt: skip
        """The world in which these nodes hold these runs and may be linked in these pairs."""
        limits = Limits(**{"room": self.room, "points": 2, "retention": self.retention, "join": 1, **self.limits})
        nodes = [node(each, run, self.strategy, limits, self.timed, self.registry) for each, run in chains.items()]
        moves = tuple(moves)
        worsen = any(
            isinstance(event, Confirmed | Finalised | Verdict) for move in moves for _, event in move.emissions
        )
        components = network(nodes, pairs, moves, self.bound, self.overtaking)
        found = promises(
            tuple(chains), pairs, TREE, self.partings, worsen, self.liars, self.room, self.timed, counted(limits)
        )
        return World(
            f"{name}-{self.strategy}",
            components,
            (*found, *extra),
            doc,
            tuple(rule for table in self.registry.tables.values() for rule in table.rules),
        )

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
