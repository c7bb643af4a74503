"""A world of packets in the terms of ``World.tla`` of routing: it is written once, in Python; its constants come from
here.

Of a state of the code there is what packets depend on: routing's values, whether blocks go over a connection, and the
messages that have to do with either. So several states of the code may be one there, which differ in what sync says
otherwise.
"""

from collections.abc import Iterable
from typing import Any, Final

import attrs

from model_tests.terms import NotSpecifiedError
from model_tests.tla import Value, record
from model_tests.translation import row_name
from syncfsm.blocks import Header
from syncfsm.check import Channel, Environment, Moment, NodeComponent, World
from syncfsm.check.nodes import BREAK, OPEN, Line
from syncfsm.check.world import Move, State
from syncfsm.events import Connected, Lost, Produced
from syncfsm.limits import FETCHED, HOPS
from syncfsm.machine import Rule
from syncfsm.node.node import Node
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass
from syncfsm.routing.router.types import Kept, Missing, Road, Router, Waiting, Window
from syncfsm.routing.types import OPEN as SPEAKING
from syncfsm.routing.types import Judged, Judgement, Publish, Way
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Blocks, DoNotWant, Found, Hello, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import Mode
from syncfsm_spec.routing.promises import PROTOCOL, ROUTER, producer, router_of, verify
from syncfsm_spec.routing.worlds import Judging

ROUTES: Final = frozenset(ROUTER.table.rules)
SPEAKS: Final = frozenset(PROTOCOL.table.rules)
TREE: Final = "Tree"
"""What the specification calls a step in which no row of packets fires."""
NO_WAY: Final = record(open=False, brought=(), has=(), told=())
SHUT: Final = record(open=False, queue=())


def thousandths(seconds: float) -> int:
    return round(1000 * seconds)


@attrs.frozen
class Packets:
    """A world of packets in the terms of ``World.tla``. Nodes are numbered by their names, packets as they are
    published, blocks by their heights, each from 1; 0 is none."""

    world: World
    nodes: tuple[NodeComponent, ...]
    lines: tuple[Channel, ...]
    environment: Environment
    packets: tuple[Packet, ...]
    headers: tuple[Header, ...]

    # What TLC is given

    def constants(self) -> dict[str, Value]:
        """The constants of ``Routing.tla`` and ``World.tla``."""
        limits = self.nodes[0].start.config.limits
        of_code = ("router", "way", "tree", "held", "line")
        return {
            "Nodes": len(self.nodes),
            "Packet": tuple(map(self._packet, self.packets)),
            "Hops": HOPS,
            "Kept": limits.kept,
            "Judging": limits.judging,
            "JudgingOne": limits.judging_one,
            "Refused": limits.refused,
            "Origins": limits.origins,
            "Window": limits.window,
            "Missing": limits.missing,
            "Fetched": FETCHED,
            "Judge": thousandths(limits.judge),
            "Graft": thousandths(limits.graft),
            "GraftMost": thousandths(limits.graft_most),
            "Start": record(**dict(zip(of_code, self.state(self.world.start), strict=False))),
            "Maker": tuple(self._node(producer(header) or b"") for header in self.headers),
            "Prompt": isinstance(self.nodes[0], Judging),
            "Bound": self.lines[0].bound,
            "Moves": tuple(map(self._move, self.environment.moves)),
            "Times": tuple(move.times for move in self.environment.moves),
        }

    def _packet(self, packet: Packet) -> Value:
        origin, to = self._node(packet.id.origin), self._node(packet.to)
        return record(origin=origin, sequence=packet.id.sequence, reach=packet.reach.name.lower(), to=to)

    def _node(self, name: str | bytes | None) -> int:
        """The number of a node; 0 of none."""
        name = name.decode() if isinstance(name, bytes) else name
        return next((at for at, node in enumerate(self.nodes, 1) if node.name == name), 0)

    def _id(self, id: PacketId) -> int:
        return next(at for at, packet in enumerate(self.packets, 1) if packet.id == id)

    def _ids(self, ids: Iterable[PacketId]) -> tuple[int, ...]:
        return tuple(map(self._id, ids))

    def _peers(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(map(self._node, names))

    def _move(self, move: Move) -> Value:
        target, event = move.emissions[-1]
        node, first = self._node(target), move.emissions[0][1]
        match event:
            case Connected(peer) if first == OPEN:
                return record(kind="connect", node=node, peer=self._node(peer))
            case Lost(peer) if first == BREAK:
                return record(kind="cut", node=node, peer=self._node(peer))
            case Publish(packet):
                return record(kind="publish", node=node, packet=self._id(packet.id))
            case Judged(id, judgement) if judgement is not Judgement.PENALISE:
                valid = judgement is Judgement.VALID
                return record(kind="verdict", node=node, packet=self._id(id), valid=valid)
            case Produced((header,)):
                return record(kind="make", node=node, block=header.height)
        raise NotSpecifiedError(f"the specification has no move like {move.label!r}")

    # What a state is

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of the variables of ``World.tla`` in a state of the world, but for ``seen``."""
        find = self.world.find
        nodes: list[Node] = [state[find(node.name)] for node in self.nodes]
        lines = {(line.source, line.target): self._line(state[find(line.name)]) for line in self.lines}
        names = [node.name for node in self.nodes]
        return (
            tuple(self._router(router_of(node)) for node in nodes),
            tuple(tuple(self._way(node.all(PROTOCOL).get(peer)) for peer in names) for node in nodes),
            tuple(map(self._tree, nodes)),
            tuple(node.chain.head.height for node in nodes),
            tuple(tuple(lines.get((source, target), SHUT) for target in names) for source in names),
            state[find(self.environment.name)],
        )

    def _router(self, router: Router) -> Value:
        origins = [node.name.encode() for node in self.nodes]
        roads = {road.producer: road for road in router.roads}
        return record(
            peers=frozenset(self._peers(router.peers)),
            windows=tuple(self._window(router.windows.get(origin)) for origin in origins),
            waiting=tuple(map(self._waiting, router.waiting)),
            refused=self._ids(router.refused),
            kept=tuple(map(self._kept, router.kept)),
            missing=tuple(map(self._missing, router.missing)),
            roads=tuple(self._road(roads.get(origin)) for origin in origins),
        )

    def _window(self, window: Window | None) -> Value:
        if window is None:
            return record(top=0, before=frozenset())
        bits = (behind for behind in range(window.before.bit_length()) if window.before >> behind & 1)
        return record(top=window.top, before=frozenset(window.top - 1 - behind for behind in bits))

    def _waiting(self, waiting: Waiting) -> Value:
        packet, peer = self._id(waiting.packet.id), self._node(waiting.peer)
        return record(packet=packet, hops=waiting.hops, peer=peer, since=thousandths(waiting.since))

    def _kept(self, kept: Kept) -> Value:
        source, over = self._node(kept.source), self._peers(kept.over)
        return record(packet=self._id(kept.packet.id), hops=kept.hops, spread=kept.spread, source=source, over=over)

    def _missing(self, missing: Missing) -> Value:
        tellers, asked = self._peers(missing.tellers), self._node(missing.asked)
        return record(packet=self._id(missing.id), tellers=tellers, due=thousandths(missing.due), asked=asked)

    def _road(self, road: Road | None) -> Value:
        if road is None:
            return record(height=0, peer=0, here=False)
        return record(height=road.height, peer=self._node(road.peer), here=road.here)

    def _way(self, way: Way | None) -> Value:
        if way is None:
            return NO_WAY
        if way.held:
            raise NotSpecifiedError("a packet waits for a block")
        return record(
            open=way.state is SPEAKING,
            brought=self._ids(way.brought),
            has=self._ids(way.has),
            told=self._ids(way.told),
        )

    def _tree(self, node: Node) -> Value:
        """From whom it has blocks, and to whom it sends them."""
        links = node.all(SYNC)
        return record(
            feed=self._node(node.decided(FEED).peer),
            wanted=frozenset(self._node(peer) for peer, link in links.items() if link.wanted),
            active=frozenset(self._node(peer) for peer, link in links.items() if link.mode is Mode.ACTIVE),
        )

    def _line(self, line: Line) -> Value:
        said = [message for message in line.under_way if not isinstance(message, Hello | Found)]
        return record(open=line.open, queue=tuple(map(self._message, said)))

    def _message(self, message: Any) -> Value:
        match message:
            case Pass(packet, hops):
                return record(type="pass", packet=self._id(packet.id), hops=hops)
            case Have(ids):
                return record(type="have", ids=self._ids(ids))
            case Fetch(ids):
                return record(type="fetch", ids=self._ids(ids))
            case Want(insist=False):
                return record(type="want")
            case DoNotWant():
                return record(type="do not want")
            case Blocks((header,)):
                return record(type="block", block=header.height)
        raise NotSpecifiedError(f"the specification has no message like {message}")

    # What a step is called

    def name(self, moments: Iterable[Moment]) -> str:
        """The first row that fires: one of the router, or else one of a connection; if none does, it is sync's step."""
        fired: list[Rule] = [rule for moment in moments for rule in moment.rules]
        for table in (ROUTES, SPEAKS):
            found = next((rule for rule in fired if rule in table), None)
            if found is not None:
                return row_name(found)
        return TREE


def translate(world: World) -> Packets:
    """The world in the terms of the specification. ``NotSpecifiedError`` if it has something that is left out there."""
    nodes = tuple(part for part in world.components if isinstance(part, NodeComponent))
    lines = tuple(part for part in world.components if isinstance(part, Channel))
    environments = [part for part in world.components if isinstance(part, Environment)]
    if len(environments) != 1 or len(nodes) + len(lines) + 1 != len(world.components):
        raise NotSpecifiedError(f"world {world.name!r} is not one of nodes, lines and an environment")
    if any(node.timed for node in nodes) or len({type(node) for node in nodes}) > 1:
        raise NotSpecifiedError(f"in world {world.name!r} time passes, or the nodes are of several kinds")
    given = [event for move in environments[0].moves for _, event in move.emissions]
    packets = tuple(event.packet for event in given if isinstance(event, Publish))
    if any(packet.about is not None or packet.id.start or not verify(packet) for packet in packets):
        raise NotSpecifiedError(f"in world {world.name!r} a packet is about a block, or is no first one, or forged")
    made = [event for event in given if isinstance(event, Produced)]
    meets = any(isinstance(event, Connected) for event in given)
    circle = len(lines) >= 2 * len(nodes)
    if made and (meets or circle or len(made) > 1):
        raise NotSpecifiedError(f"in world {world.name!r} blocks come in more ways than the specification has")
    held = {header for node in nodes for header in node.start.chain.blocks.headers()}
    every = sorted(held.union(*(event.headers for event in made)), key=lambda header: header.height)
    headers = tuple(header for header in every if header.height)
    if [header.height for header in headers] != list(range(1, len(headers) + 1)):
        raise NotSpecifiedError(f"in world {world.name!r} the blocks are no chain")
    return Packets(world, nodes, lines, environments[0], packets, headers)
