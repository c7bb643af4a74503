"""A world of relay in the terms of ``Relay.tla``: nodes with several peers, and what their feeds decide.

Nodes are numbered by their names, blocks by rank, both from 1; 0 is none. What is remembered of time is in thousandths
of a second, so what the code tells apart by a rounding error is one state there.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import attrs

from model_tests.peers import feed_limits, feed_value, thousandths
from model_tests.terms import CLOSED, NotSpecifiedError, Terms
from model_tests.tla import Value, record
from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import Channel, Environment, Move, NodeComponent, Wait, World
from syncfsm.check.nodes import BREAK, CALM, OPEN, STILL, Line, Put
from syncfsm.check.world import State
from syncfsm.events import Confirmed, Connected, Produced
from syncfsm.node.node import Node
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Blocks, Has
from syncfsm.sync.types import Switch
from syncfsm_spec.sync.feed import NEVER_DARK, ONCE_PER_NODE, Fed
from syncfsm_spec.sync.watched import Declining, Mute, Pause, Punctual, Since, Timed, Watch

LATENESS: Final = {NodeComponent: "ever", Timed: "ever", Punctual: "never", Declining: "unless"}
"""When a feed may be late, by the kind of a world's nodes."""
SINCE: Final = Since().name


@attrs.frozen
class Relayed(Terms):
    """A world of relay in the terms of ``Relay.tla``."""

    world: World
    nodes: tuple[NodeComponent | Mute, ...]
    lines: tuple[Channel, ...]
    environment: Environment
    headers: tuple[Header, ...]

    @property
    def ours(self) -> tuple[NodeComponent, ...]:
        return tuple(node for node in self.nodes if isinstance(node, NodeComponent))

    def node(self, name: str) -> int:
        return [node.name for node in self.nodes].index(name) + 1 if name else 0

    def _nodes(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(map(self.node, names))

    # What TLC is given

    def constants(self) -> dict[str, Value]:
        """The constants of ``Relay.tla`` and ``RelayPromises.tla``."""
        config = self.ours[0].start.config
        limits = config.limits
        chain, link, feed, line, left, *_ = Relayed.state(self, self.world.start)
        linked = [frozenset(self.node(line.target) for line in self.lines if line.source == n.name) for n in self.nodes]
        return {
            **self.of_links(config.strategy, limits),
            "Counting": self.ours[0].counted,
            "Linked": tuple(linked),
            "Ours": frozenset(self.node(node.name) for node in self.ours),
            "Begin": record(chain=chain, link=link, feed=feed, line=line),
            "Bound": self.lines[0].bound,
            "Overtaking": self.lines[0].overtaking,
            "Lateness": LATENESS[type(self.ours[0])],
            "Moves": tuple(self._move(move) for move in self.environment.moves),
            "Times": left,
            **feed_limits(limits),
            "Source": self.node(self._source()),
            "OnceAfter": self._once_after(),
        }

    def _source(self) -> str:
        """What is promised of all nodes says who makes the blocks."""
        promises = (each for each in self.world.properties if each.name == NEVER_DARK.name)
        asked = (getattr(each.holds, "__self__", None) for each in promises)
        return next((fed.source for fed in asked if isinstance(fed, Fed)), "")

    def _once_after(self) -> int:
        """From how many blocks on that are made in peace each comes once to each node, where that is promised."""
        return next((each.holds.blocks for each in self.world.properties if each.name == ONCE_PER_NODE.name), 0)

    def _move(self, move: Move) -> Value:
        given = tuple(each for each in move.emissions if each[0] != SINCE)
        still = any(stimulus is STILL for _, stimulus in given)
        (target, event) = given[-1]
        if given[0][1] == OPEN or given[0][1] == BREAK:
            (a, _), (b, _) = given[-2:]
            return record(kind="connect" if given[0][1] == OPEN else "cut", node=self.node(a), peer=self.node(b))
        line = next((line for line in self.lines if line.name == target), None)
        if line is not None and isinstance(event, Put) and given[:-1] == ((target, CALM),):
            (said,) = event.items
            node, peer = self._nodes((line.source, line.target))
            if not isinstance(self.nodes[node - 1], Mute):
                raise NotSpecifiedError(f"in world {self.world.name!r} a liar is one of ours")
            return record(kind="lie", node=node, peer=peer, says=self._message(said))
        calm = tuple((line.name, CALM) for line in self.lines if line.source == target)
        if tuple(each for each in given[:-1] if each[1] is not STILL) == calm:
            changes = self._event(event, node=self.node(target), still=still)
            if changes is not None:
                return changes
            match event:
                case Switch(off, peers=peers):
                    to = frozenset(self._nodes([node.name for node in self.nodes] if peers is None else peers))
                    return record(kind="switch", node=self.node(target), peers=to, off=off)
                case Wait(seconds, shared=False, late=late):
                    return record(kind="wait", node=self.node(target), time=thousandths(seconds), late=late)
        raise NotSpecifiedError(f"the specification has no move like {move.label!r}")

    # What a state is

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of the variables of ``Relay.tla`` in a state of the world."""
        by_name = dict(zip(self.world.names, state, strict=True))
        nodes = [by_name[node.name] if isinstance(node, NodeComponent) else self._mute for node in self.nodes]
        lines = {(line.source, line.target): by_name[line.name] for line in self.lines}
        names = [node.name for node in self.nodes]
        parts = [self._known(node, self._node) for node in nodes]
        shut = Line()
        return (
            tuple(part[0] for part in parts),
            tuple(part[1] for part in parts),
            tuple(part[2] for part in parts),
            tuple(tuple(self._known(lines.get((a, b), shut), self._line) for b in names) for a in names),
            by_name[self.environment.name],
            by_name.get(SINCE, 0),
        )

    @cached_property
    def _mute(self) -> Node:
        """One that is none of ours is told as one that never does anything."""
        start = self.ours[0].start
        return Node.start(start.config, Chain.start(start.chain.base, start.config.limits))

    @cached_property
    def _told(self) -> dict[int, tuple[Any, Any]]:
        """What was worked out already, with that of which it is the value."""
        return {}

    def _known(self, local: Any, told: Callable[[Any], Any]) -> Any:
        """Many states have a node in common: its value is worked out once."""
        known = self._told
        if id(local) not in known:
            known[id(local)] = local, told(local)
        return known[id(local)][1]

    def _node(self, node: Node) -> tuple[Value, Value, Value]:
        peers = [other.name for other in self.nodes]
        links = tuple(self._link(node, peer) if peer in node.links else CLOSED for peer in peers)
        return self._chain(node.chain), links, feed_value(node.decided(FEED), self.node)

    def name(self, moments: object) -> str:
        """Edges have no names here."""
        return ""


@attrs.frozen
class Starved(Relayed):
    """A world in which a node is watched, in the terms of ``Starved.tla``."""

    watched: Timed

    def constants(self) -> dict[str, Value]:
        """The constants of ``Starved.tla``."""
        watched, correct = self._nodes((self.watched.name, self.watched.correct))
        return {**Relayed.constants(self), "Watched": watched, "Correct": correct}

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of the variables of ``Starved.tla``."""
        find = self.world.find
        watch, pause = (state[find(name)] for name in ("watch", "pause"))
        return (*Relayed.state(self, state), thousandths(watch), thousandths(pause) if pause >= 0 else -1)


def translate(world: World) -> Relayed:
    """The world in the terms of the specification. ``NotSpecifiedError`` if it has something that is left out there."""
    nodes = tuple(part for part in world.components if isinstance(part, NodeComponent | Mute))
    lines = tuple(part for part in world.components if isinstance(part, Channel))
    environments = [part for part in world.components if isinstance(part, Environment)]
    kinds = NodeComponent | Mute | Channel | Environment | Since | Watch | Pause
    others = [part for part in world.components if not isinstance(part, kinds)]
    if others or len(environments) != 1:
        raise NotSpecifiedError(f"world {world.name!r} is not one of nodes, lines and an environment")
    ours = [node for node in nodes if isinstance(node, NodeComponent)]
    if any(type(node) not in LATENESS for node in ours):
        raise NotSpecifiedError(f"in world {world.name!r} there are nodes that the specification does not know")
    if any(node.timed for node in ours):
        raise NotSpecifiedError(f"in world {world.name!r} time passes for links, and the specification has none")
    choices = {(n.start.config.strategy, n.start.config.limits, LATENESS[type(n)], n.counted) for n in ours}
    if len(choices) > 1:
        raise NotSpecifiedError(f"in world {world.name!r} the nodes differ in their choices")
    headers = sorted(_headers(ours, lines, environments[0]), key=lambda header: header.rank)
    limits = ours[0].start.config.limits
    most = min(limits.unfinal, limits.tips)
    if len(headers) > most:
        raise NotSpecifiedError(f"in world {world.name!r} there are more than the {most} blocks that a node holds")
    for move in environments[0].moves:
        for _, event in move.emissions:
            if isinstance(event, Connected) and event.protocols is not None:
                raise NotSpecifiedError(f"in world {world.name!r} a node is of an older release")
    parts = (world, nodes, lines, environments[0], tuple(headers))
    watched = next((node for node in ours if isinstance(node, Timed)), None)
    return Relayed(*parts) if watched is None else Starved(*parts, watched)


def _headers(nodes: Sequence[NodeComponent], lines: Sequence[Channel], environment: Environment) -> set[Header]:
    """All blocks that there are in a world, and those that are only named there."""
    given = [stimulus for move in environment.moves for _, stimulus in move.emissions]
    held = {header for node in nodes for header in node.start.chain.blocks.headers()}
    said = [item for event in given if isinstance(event, Put) for item in event.items]
    said += [item for line in lines for item in line.start.under_way]
    held |= {header for message in said if isinstance(message, Blocks) for header in message.headers}
    held |= {header for event in given if isinstance(event, Produced | Confirmed) for header in event.headers}
    named = [(message.head, message.score) for message in said if isinstance(message, Has)]
    ids = {header.id for header in held}
    return held | {Header(point.height, point.id, b"", score, 0, b"") for point, score in named if point.id not in ids}
