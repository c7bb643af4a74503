"""The components of a network: real nodes, the lines between them, and what the environment may do to both.

Time stands still at 0 in these worlds, and the hello meter is always full, as if much time passed between any two
actions. A ``Wait`` makes time pass for one node: all its time stamps move back. So a node's state does not grow with
the clock, and what depends on time is explored where a world asks for it (``timed``).

Likewise, what a link counts of blocks beside the best chain is left out of the state where no count can reach its limit
(not ``counted``): there it decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, cast

import attrs
from immutables import Map

from syncfsm.check.world import Choice, Component, Emission, Environment, Move, Step, World
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Garbled, Lost, Received, Room, Tick
from syncfsm.machine import Rule, Table
from syncfsm.machine import Step as RuleStep
from syncfsm.node.node import Node, Rules
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Disconnect, Output, Send, SendBlocks
from syncfsm.protocol import Protocol, View, short
from syncfsm.registry import Registry

GIVEN: Final = (Connected, Received, Garbled, Room, Lost, Tick)
"""Events that a transport or a clock gives. Any other is of the environment: one that a node rejects, or that changes
nothing and says nothing, cannot happen."""

# Lines ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Line:
    """One direction of a connection: what is under way, and how much room its sender is owed for what arrived."""

    open: bool = False
    under_way: tuple[Any, ...] = ()
    owed: int = 0


@attrs.frozen
class Put:
    """The sender hands over messages."""

    items: tuple[Any, ...]


@attrs.frozen
class Do:
    """The other stimuli of a channel."""

    what: str


OPEN, END, SHUT, BREAK, CALM, STILL, DELIVER, OVERTAKE, GIVE_BACK = (
    Do("open"), Do("end"), Do("shut"), Do("break"), Do("calm"), Do("still"), Do("deliver"), Do("overtake"),
    Do("give back"),
)  # fmt: skip
EOF: Final = "end"
"""The last thing on a line: its sender has closed the connection."""


class EndlessError(Exception):
    """More is under way on a line than any exchange needs that comes to an end."""


@attrs.frozen
class Channel:
    """A first-in, first-out line from ``source`` to ``target``.

    It takes what the protocol hands it, as a transport does. Nothing new *happens* at its source while ``bound`` or
    more messages are under way (``CALM`` refuses), and so worlds stay finite; what the protocol adds by itself is
    finite if it settles. If it does not, the line gets ever longer: to hand over more than ``most`` messages raises.

    * ``deliver``: the oldest message goes to the target. A block or a hello leaves room owed to the source.
    * ``overtake`` (if ``overtaking``): the oldest small message goes ahead of the blocks that wait before it.
    * ``give back``: the source gets all the room it is owed.

    For worlds in which something happens only when all else is over, ``STILL`` refuses while anything is under way; a
    node refuses it while it waits for time to pass.

    When its source ends the link, an end mark follows the last message. When its target ends the link, what is under
    way is lost. It can be opened again when it is shut and empty, and broken while it is open.
    """

    source: str
    target: str
    bound: int = 3
    overtaking: bool = False
    most: int = 24
    start: Line = Line()
    registry: Registry = STANDARD

    @property
    def name(self) -> str:
        return channel(self.source, self.target)

    def step(self, line: Line, stimulus: Put | Do) -> Step | None:
        if isinstance(stimulus, Put):
            longer = _put(line, stimulus.items)
            if len(longer.under_way) > self.most:
                raise EndlessError(
                    f"more than {self.most} messages on the line {self.name}: they seem to go on for ever"
                )
            return Step(longer)
        if stimulus is DELIVER or stimulus is OVERTAKE:
            return self._deliver(line, 0 if stimulus is DELIVER else self.registry.first_small(line.under_way))
        if stimulus is GIVE_BACK:
            return Step(attrs.evolve(line, owed=0), ((self.source, Room(self.target, line.owed, 0.0)),))
        if stimulus is END:
            return Step(attrs.evolve(line, under_way=(*line.under_way, EOF), owed=0) if line.open else line)
        if stimulus is SHUT:
            return Step(Line())
        if stimulus is BREAK:
            return Step(Line()) if line.open else None
        if stimulus is CALM:
            return Step(line) if len(line.under_way) < self.bound else None
        if stimulus is STILL:
            return None if line.under_way else Step(line)
        return Step(Line(True)) if line == Line() else None

    def _deliver(self, line: Line, at: int) -> Step:
        message = line.under_way[at]
        if message == EOF:
            return Step(Line(), ((self.target, Lost(self.source, 0.0)),))
        rest = line.under_way[:at] + line.under_way[at + 1 :]
        owed = line.owed + self.registry.cost(message) if EOF not in rest else 0
        return Step(Line(True, rest, owed), ((self.target, Received(self.source, message, 0.0)),))

    def choices(self, line: Line) -> Sequence[Choice]:
        found = [Choice("deliver", DELIVER)] if line.under_way else []
        if self.overtaking and self.registry.first_small(line.under_way) > 0:
            found.append(Choice("overtake", OVERTAKE))
        if line.owed:
            found.append(Choice("give back", GIVE_BACK))
        return found

    def show(self, line: Line) -> str:
        return " ".join(self.registry.words(message) for message in line.under_way)


def _put(line: Line, items: tuple[Any, ...]) -> Line:
    """What is handed over after the end, or to a line that is shut, is lost."""
    if not line.open or EOF in line.under_way:
        return line
    return attrs.evolve(line, under_way=(*line.under_way, *items))


def channel(source: str, target: str) -> str:
    """The name of the channel between two nodes."""
    return f"{source}→{target}"


# Nodes ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wait:
    """``seconds`` pass, then comes a tick, unless it is ``late``: then something else may come before it. If
    ``shared``, they pass for all linked peers too."""

    seconds: float
    shared: bool = False
    late: bool = False


@attrs.define
class Watch:
    """Rules that note which of their rows fire, in a list that those of one step share."""

    rules: Rules
    fired: list[Rule]
    all: list[Rule]

    def step(self, value: Any, event: StrEnum, message: object, view: View) -> RuleStep[Any]:
        step = self.rules.step(value, event, message, view)
        self.all.append(step.rule)
        if self.fired is not self.all:
            self.fired.append(step.rule)
        return step


@attrs.frozen
class NodeComponent:
    """A real node, in the state ``start``. Its peers are the nodes to which it has channels.

    ``tables`` move its values instead of those of its registry that have the same names. ``counted`` may be false only
    if all blocks there are cost no more than ``Limits.aside``.
    """

    name: str
    start: Node
    tables: Mapping[str, Table[Any]] = attrs.field(factory=dict, hash=False)
    timed: bool = False
    counted: bool = True

    @property
    def registry(self) -> Registry:
        """The protocols that it speaks."""
        return self.start.config.registry

    def step(self, node: Node, stimulus: Event | Wait | Do) -> Step | None:
        if isinstance(stimulus, Do):  # the only one for a node: is it still?
            return None if self.choices(node) else Step(node)
        event: Event = Tick(0.0) if isinstance(stimulus, Wait) else stimulus
        before = self._earlier(node, stimulus.seconds) if isinstance(stimulus, Wait) else node
        if isinstance(stimulus, Wait) and stimulus.late:
            return Step(before)
        fired: list[Rule] = []
        decided: list[Rule] = []  # across peers: that it looks around says nothing of the event
        of_nodes = {across.table.name for _, across in self.registry.across}
        watched = {
            name: Watch(self.tables.get(name, table), decided if name in of_nodes else fired, fired)
            for name, table in self.registry.tables.items()
        }
        chosen = not isinstance(event, GIVEN)
        try:
            after, outputs = before.step(event, watched)
        except LocalError:
            if chosen:
                return None
            raise
        if chosen and not outputs and after == node and len(fired) == len(decided):
            return None
        after = self._rested(after)
        emissions = self._emissions(outputs)
        if isinstance(stimulus, Wait) and stimulus.shared:
            emissions = (*((peer, Wait(stimulus.seconds)) for peer in sorted(node.links)), *emissions)
        return Step(after, emissions, outputs, tuple(fired))

    def _emissions(self, outputs: Iterable[Output]) -> tuple[Emission, ...]:
        """One put for each peer, and the end of its connection."""
        put: dict[str, list[Any]] = {}
        ended: list[str] = []
        for output in outputs:
            if isinstance(output, Send):
                put.setdefault(output.peer, []).append(output.message)
            elif isinstance(output, SendBlocks):
                runs = [self.registry.run(output.protocol, (header,)) for header in output.headers]
                put.setdefault(output.peer, []).extend(runs)
            elif isinstance(output, Disconnect):
                ended.append(output.peer)
        emissions: list[Emission] = [(channel(self.name, peer), Put(tuple(items))) for peer, items in put.items()]
        for peer in ended:
            emissions += ((channel(self.name, peer), END), (channel(peer, self.name), SHUT))
        return tuple(emissions)

    def _earlier(self, node: Node, seconds: float) -> Node:
        """The same node, everything that it remembers ``seconds`` longer ago; in timeless worlds, only what it decides
        across its peers."""
        decided = zip(self.registry.across, node.across, strict=True)
        across = tuple(each.aged(value, seconds) for (_, each), value in decided)
        return attrs.evolve(node, links=self._aged(node, seconds) if self.timed else node.links, across=across)

    def _aged(self, node: Node, seconds: float) -> Map[str, tuple[Any, ...]]:
        protocols = self.registry.protocols
        return Map({
            peer: tuple(
                value if value is None else protocol.aged(value, seconds)
                for protocol, value in zip(protocols, values, strict=True)
            )
            for peer, values in node.links.items()
        })  # fmt: skip

    def _rested(self, node: Node) -> Node:
        """The same node, its links without what no choice of this world depends on: time, and counts."""
        links, limits, protocols = node.links, node.config.limits, self.registry.protocols

        def rest(protocol: Protocol[Any], value: Any) -> Any:
            value = value if self.timed else protocol.timeless(value, limits)
            return value if self.counted else protocol.uncounted(value, limits)

        for peer, values in node.links.items():
            rested = tuple([
                value if value is None else rest(protocol, value)
                for protocol, value in zip(protocols, values, strict=True)
            ])  # fmt: skip
            if any(rest is not value for rest, value in zip(rested, values, strict=True)):
                links = links.set(peer, rested)
        return node if links is node.links else attrs.evolve(node, links=links)

    def choices(self, node: Node) -> Sequence[Choice]:
        """What only needs time, as the protocols say."""
        limits = node.config.limits
        due = [
            each for (_, across), value in zip(self.registry.across, node.across, strict=True)
            for each in across.due(value, limits)
        ]  # fmt: skip
        for values in node.links.values():
            for protocol, value in zip(self.registry.protocols, values, strict=True):
                if value is not None:
                    due += protocol.due(value, limits)
        return [Choice(label, Wait(seconds, shared)) for label, seconds, shared in dict.fromkeys(due)]

    def show(self, node: Node) -> str:
        return show_node(node)


def with_rules(world: World, table: Table[Any]) -> World:
    """The same world, moved by this table instead of the one of its name: to learn what breaks if a rule is changed."""
    components = tuple(
        attrs.evolve(cast(Any, component), tables={**component.tables, table.name: table})
        if hasattr(component, "tables") else component
        for component in world.components
    )  # fmt: skip
    own = {rule for name, shipped in _tables(world).items() if name == table.name for rule in shipped.rules}
    rows = tuple(row for row in world.rows if row not in own)
    return attrs.evolve(world, components=components, rows=(*rows, *table.rules))


def _tables(world: World) -> dict[str, Table[Any]]:
    registries = [component.registry for component in world.components if isinstance(component, NodeComponent)]
    return {name: table for registry in registries for name, table in registry.tables.items()}


# What the environment may do ------------------------------------------------------------------------------------


def connect(a: str, b: str, times: int = 1) -> Move:
    """Open a connection, once the one before is quite over."""
    channels = ((channel(a, b), OPEN), (channel(b, a), OPEN))
    nodes = ((a, Connected(b, 0.0)), (b, Connected(a, 0.0)))
    return Move(f"connect {a}-{b}", (*channels, *nodes), times)


def cut(a: str, b: str, times: int = 1) -> Move:
    """Break an open connection; what is under way is lost."""
    channels = ((channel(a, b), BREAK), (channel(b, a), BREAK))
    nodes = ((a, Lost(b, 0.0)), (b, Lost(a, 0.0)))
    return Move(f"cut {a}-{b}", (*channels, *nodes), times)


def happen(node: str, label: str, event: Event | Wait, times: int = 1) -> Move:
    """Something happens at one node: it makes a block, learns that one is final, bans one, waits."""
    return Move(f"{node} {label}", ((node, event),), times)


def network(
    nodes: Sequence[NodeComponent],
    pairs: Iterable[tuple[str, str]],
    moves: Iterable[Move],
    bound: int = 3,
    overtaking: bool = False,
) -> tuple[Component, ...]:
    """The nodes, a channel in either direction for every pair of them, and the environment with these moves.

    What happens at a node waits until all its lines are calm.
    """
    ends = [end for a, b in pairs for end in ((a, b), (b, a))]
    registry = nodes[0].registry
    lines = [Channel(source, target, bound, overtaking, registry=registry) for source, target in ends]
    names = {node.name for node in nodes}

    def calmly(move: Move) -> Move:
        happens = {target for target, stimulus in move.emissions if target in names}
        opens = any(stimulus in (OPEN, BREAK) for _, stimulus in move.emissions)
        calm = tuple((line.name, CALM) for line in lines if line.source in happens and not opens)
        return attrs.evolve(move, emissions=(*calm, *move.emissions))

    return (*nodes, *lines, Environment(tuple(calmly(move) for move in moves)))


# For people -----------------------------------------------------------------------------------------------------


def show_node(node: Node) -> str:
    """Head, final point, and each link, as its protocols show it."""
    registry = node.config.registry
    links = " ".join(
        f"{peer}:{' '.join(shown)}"
        for peer, values in sorted(node.links.items())
        if (
            shown := [p.show(v) for p, v in zip(registry.protocols, values, strict=True) if v is not None and p.show(v)]
        )
    )
    final = f" final {short(node.chain.final.id)}" if node.chain.final.height else ""
    return f"{short(node.chain.head.id)}{final} {links or 'no link'}"
