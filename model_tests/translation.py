"""A world in the terms of ``World.tla``: it is written once, in Python; its constants come from here.

``translate(world)`` numbers the blocks of a world and says what its states are in the specification.
"""

from collections.abc import Iterable
from typing import Final

import attrs

from model_tests.terms import CLOSED, NotSpecifiedError, Terms
from model_tests.tla import Value, record
from syncfsm.blocks import Header
from syncfsm.check import Channel, Environment, Moment, NodeComponent, Steps, World
from syncfsm.check.nodes import BREAK, CALM, OPEN
from syncfsm.check.world import Move, State
from syncfsm.events import Confirmed, Leave, Produced
from syncfsm.machine import ALWAYS, Rule
from syncfsm.node.node import Node
from syncfsm.peer.messages import Parting
from syncfsm.peer.protocol import PEER
from syncfsm.peer.types import Event as PeerEvent
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.feed.types import Feed
from syncfsm.sync.feed.types import State as FeedState
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import Switch
from syncfsm_spec.peer.promises import OnlyFor

NAMED: Final = frozenset(rule for protocol in (PEER, SYNC) for rule in protocol.table.rules)
"""The rows that may have a name in the specification: sync's, and the connection's."""
UNNAMED: Final = {PeerEvent.HEARD, PeerEvent.SPENT}
"""Of the connection's, what each message does, and each that is sent."""
ROOM: Final = "RoomGain"


@attrs.frozen
class Translation(Terms):
    """A world in the terms of ``World.tla``. Blocks are numbered by rank, from 1; 0 is no block."""

    world: World
    nodes: tuple[NodeComponent, NodeComponent]
    lines: tuple[Channel, Channel]
    environment: Environment
    headers: tuple[Header, ...]

    # What TLC is given

    def constants(self) -> dict[str, Value]:
        """The constants of ``World.tla``."""
        config = self.nodes[0].start.config
        return {
            **self.of_links(config.strategy, config.limits),
            "Counting": self.nodes[0].counted,
            "Start": tuple(self._chain(node.start.chain) for node in self.nodes),
            "Bound": self.lines[0].bound,
            "Overtaking": self.lines[0].overtaking,
            "Moves": tuple(self._move(move) for move in self.environment.moves),
            "Times": tuple(move.times for move in self.environment.moves),
            "Partings": frozenset(map(str, self._partings())),
        }

    def _partings(self) -> Iterable[str]:
        """The reasons for which links may end here: all, unless the world allows less."""
        asked = (found.holds for found in self.world.properties if isinstance(found, Steps))
        return next((holds.reasons for holds in asked if isinstance(holds, OnlyFor)), Parting)

    def _move(self, move: Move) -> Value:
        first, *_, (target, event) = move.emissions
        if first[1] == OPEN:
            return record(kind="connect")
        if first[1] == BREAK:
            return record(kind="cut")
        at = next((at for at, component in enumerate(self.nodes) if component.name == target), None)
        if at is not None and move.emissions == ((self.lines[at].name, CALM), (target, event)):
            changes = self._event(event, node=at + 1)
            if changes is not None:
                return changes
            match event:
                case Leave(_, reason):
                    return record(kind="leave", node=at + 1, reason=reason.value)
                case Switch(off):
                    return record(kind="switch", node=at + 1, off=off)
        raise NotSpecifiedError(f"the specification has no move like {move.label!r}")

    # What a state is, and an action

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of the variables of ``World.tla`` in a state of the world. Different states have different
        values."""
        find = self.world.find
        nodes: list[Node] = [state[find(component.name)] for component in self.nodes]
        peers = [next(iter(node.links), None) for node in nodes]
        return (
            tuple(self._chain(node.chain) for node in nodes),
            tuple(CLOSED if peer is None else self._link(node, peer) for node, peer in zip(nodes, peers, strict=True)),
            tuple(self._feed(node.decided(FEED), peer) for node, peer in zip(nodes, peers, strict=True)),
            tuple(self._line(state[find(channel.name)]) for channel in self.lines),
            state[find(self.environment.name)],
        )

    def _feed(self, feed: Feed, peer: str | None) -> Value:
        """What is decided across peers, if there is one. It has all its blocks from there, so it waits for nobody."""
        here = FeedState.ALONE if peer is None else FeedState.FED
        off, served = feed.off != (), feed.served != ()
        only = () if peer is None else (peer,)
        if feed != Feed(here, peer or "", feed.proven, off=only * off, served=only * served, makes=feed.makes):
            raise NotSpecifiedError("a feed waits for somebody")
        return record(proven=feed.proven, off=off, served=served, makes=feed.makes)

    # What a step is called

    def name(self, moments: Iterable[Moment]) -> str:
        """The first row that fires and has a name there."""
        return next((name for moment in moments if (name := first_row(moment.rules)) is not None), "NoRow")


def translate(world: World) -> Translation:
    """The world in the terms of the specification. ``NotSpecifiedError`` if it has something that is left out there."""
    nodes = [component for component in world.components if isinstance(component, NodeComponent)]
    channels = {component.source: component for component in world.components if isinstance(component, Channel)}
    environments = [component for component in world.components if isinstance(component, Environment)]
    kinds = (len(nodes), len(channels), len(environments), len(world.components))
    if kinds != (2, 2, 1, 5) or set(channels) != {node.name for node in nodes}:
        raise NotSpecifiedError(f"world {world.name!r} is not one of two nodes, two lines and an environment")
    a, b = nodes
    if a.timed or b.timed:
        raise NotSpecifiedError(f"in world {world.name!r} time passes, and the specification has none")
    choices = {(node.start.config.strategy, node.start.config.limits) for node in nodes}
    if a.start.links or b.start.links or len(choices) > 1:
        raise NotSpecifiedError(f"in world {world.name!r} the nodes begin with links, or differ in their choices")
    if any(node.start.chain.pruned()[0] is not node.start.chain for node in nodes):
        raise NotSpecifiedError(f"in world {world.name!r} a chain begins with something to prune")
    most = min(a.start.config.limits.unfinal, a.start.config.limits.tips)
    if a.counted is not b.counted:
        raise NotSpecifiedError(f"in world {world.name!r} blocks beside the best chain are counted at one node only")
    headers = sorted(_headers(nodes, environments[0]), key=lambda header: header.rank)
    if len(headers) > most:
        raise NotSpecifiedError(f"in world {world.name!r} there are more than the {most} blocks that a node holds")
    return Translation(world, (a, b), (channels[a.name], channels[b.name]), environments[0], tuple(headers))


def _headers(nodes: Iterable[NodeComponent], environment: Environment) -> set[Header]:
    """All blocks that there are in a world."""
    held = {header for node in nodes for header in node.start.chain.blocks.headers()}
    given = (stimulus for move in environment.moves for _, stimulus in move.emissions)
    return held.union(*(event.headers for event in given if isinstance(event, Produced | Confirmed)))


def first_row(rules: Iterable[Rule]) -> str | None:
    """What the specification calls a step in which these rows fire: the name of the first that has one there. To give
    room is what a turn begins with: if a link uses it at once, that says more."""
    names = [row_name(rule) for rule in rules if rule in NAMED and not UNNAMED.intersection(rule.event)]
    if names[:1] == [ROOM] and len(names) > 1:
        return names[1]
    return names[0] if names else None


def row_name(rule: Rule) -> str:
    """What the specification calls a row: its event and its guard, or its event and its action if it has no guard."""
    (event, *_), told = rule.event, rule.action if rule.guard == ALWAYS else rule.guard
    return "".join(word.capitalize() for word in f"{event.value}_{told}".rstrip("_").replace("-", "_").split("_"))
