"""What is promised of packets: each is judged first, delivered once, and reaches everybody.

``at_most_once``, ``judged_first``, ``follows_blocks`` look at one step of a node, ``within_limits`` at a node between
its steps, ``Reaching`` and ``Leading`` at all nodes of a world.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from syncfsm.blocks import Header
from syncfsm.check import Moment
from syncfsm.events import Received
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Send
from syncfsm.routing.messages import Have, Packet, PacketId, Pass
from syncfsm.routing.protocol import routing
from syncfsm.routing.router.guards import delivered, waiting_for
from syncfsm.routing.router.types import Kept, Road, Router
from syncfsm.routing.types import Arrived, Judge, Judged, Judgement, Publish, State
from syncfsm_spec.kit.promise import Promise

AT_MOST_ONCE: Final = Promise("AtMostOnce", "A node delivers a packet at most once, and none of its own.")
JUDGED_FIRST: Final = Promise(
    "JudgedFirst",
    "Nothing is delivered, passed on or told of that was not judged valid by the integrator, or published here; the "
    "first verdict stands; and nothing is judged that its origin did not sign.",
)
REACHES_ALL: Final = Promise(
    "ReachesAll",
    "At rest, whoever has a packet for everybody has given it to all its peers that have its block; and one for a "
    "producer, to all along its way.",
)
ROUTES_CONVERGE: Final = Promise(
    "RoutesConverge",
    "The way to a producer is the one that its newest block came. These ways never lead in a circle, nor over a "
    "connection that is over; they end at the producer, or where none is known and packets are broadcast.",
)
SIGNED: Final = b"signed"


def verify(packet: Packet) -> bool:
    """Signatures of these worlds."""
    return packet.signature == SIGNED


def producer(header: Header) -> bytes | None:
    """In these worlds A makes the blocks a1, a2 …; it is not known who made the others."""
    return b"A" if header.id.startswith(b"a") else None


PROTOCOL: Final = routing(verify, producer)
assert PROTOCOL.across is not None
ROUTER: Final = PROTOCOL.across


def router_of(node: Node) -> Router:
    """What the node decides across its peers."""
    found: Router = node.decided(ROUTER)
    return found


def speakers(node: Node) -> tuple[str, ...]:
    """The peers to which packets go and from which they come, by what is known of their connections alone."""
    return tuple(sorted(peer for peer, way in node.all(PROTOCOL).items() if way.state is State.OPEN))


# One step of a node ---------------------------------------------------------------------------------------------


def arrived(moment: Moment) -> list[Packet]:
    """The packets that are delivered in this step."""
    return [output.packet for output in moment.outputs if isinstance(output, Arrived)]


def at_most_once(moment: Moment) -> bool:
    """What is delivered was not before, is remembered, and is never forgotten."""
    limits, (before, after) = moment.after.config.limits, (router_of(moment.before), router_of(moment.after))
    ids = [packet.id for packet in arrived(moment)]
    once = len(set(ids)) == len(ids)
    new = all(not delivered(before, id, limits) and delivered(after, id, limits) for id in ids)
    return once and new and all(delivered(after, id, limits) for id in _all_delivered(before))


def _all_delivered(router: Router) -> Iterable[PacketId]:
    """The packets that the windows name."""
    for origin, window in router.windows.items():
        yield PacketId(origin, window.start, window.top)
        for behind in range(window.before.bit_length()):
            if window.before >> behind & 1:
                yield PacketId(origin, window.start, window.top - 1 - behind)


def judged_first(moment: Moment) -> bool:
    event, before, after = moment.stimulus, router_of(moment.before), router_of(moment.after)
    limits = moment.after.config.limits
    may: set[PacketId] = set()
    if isinstance(event, Publish):
        may.add(event.packet.id)
    if isinstance(event, Judged) and event.judgement is Judgement.VALID and waiting_for(before, event.id) is not None:
        may.add(event.id)
    if isinstance(event, Judged) and waiting_for(after, event.id) is not None:
        return False
    new = {id for id in _all_delivered(after) if not delivered(before, id, limits)}
    said = {id for output in moment.outputs if isinstance(output, Send) for id in _said(output.message)}
    signed = all(verify(output.packet) for output in moment.outputs if isinstance(output, Judge))
    return new <= may and signed and all(delivered(after, id, limits) for id in said)


def refused(moment: Moment) -> bool:
    """The integrator says that a packet is not valid: it is not judged again."""
    event = moment.stimulus
    return isinstance(event, Judged) and event.id in router_of(moment.after).refused


def _said(message: Any) -> tuple[PacketId, ...]:
    if isinstance(message, Pass):
        return (message.packet.id,)
    return message.ids if isinstance(message, Have) else ()


def follows_blocks(moment: Moment) -> bool:
    """Where new blocks of a producer came from, there the way to it leads; none, if packets do not go there."""
    event, after = moment.stimulus, moment.after
    peer = event.peer if isinstance(event, Received) else None
    before = {road.producer: road.height for road in router_of(moment.before).roads}
    roads = {road.producer: road for road in router_of(after).roads}
    for header in (header for output in moment.outputs if isinstance(output, Accepted) for header in output.headers):
        name = producer(header)
        if name is not None and header.height > before.get(name, -1):
            leads = peer if peer in speakers(after) else None
            if name not in roads or roads[name].peer != leads or roads[name].here is not (peer is None):
                return False
    return True


def within_limits(node: Node) -> bool:
    """Whatever peers say, no more is remembered than may be."""
    router, limits = router_of(node), node.config.limits
    few = (
        len(router.windows) <= limits.origins
        and len(router.waiting) <= limits.judging
        and len(router.refused) <= limits.refused
        and len(router.kept) <= limits.kept
        and len(router.roads) <= limits.roads
    )
    for peer in {waiting.peer for waiting in router.waiting}:
        few = few and sum(waiting.peer == peer for waiting in router.waiting) <= limits.judging_one
    for peer in router.peers:
        few = few and sum(peer in missing.tellers for missing in router.missing) <= limits.missing
    for way in node.all(PROTOCOL).values():
        few = few and max(len(way.brought), len(way.has), len(way.told)) <= limits.kept
        few = few and len(way.held) <= limits.notes
    return few


# All nodes of a world -------------------------------------------------------------------------------------------


@attrs.frozen
class Reaching:
    """At rest, no packet is on this side of a connection and not on the other. ``names`` are those of the nodes."""

    names: tuple[str, ...]

    def __call__(self, *nodes: Node) -> bool:
        by_name = dict(zip(self.names, nodes, strict=True))
        return all(
            self._has(by_name[peer], name, kept)
            for name, node in by_name.items()
            for kept in router_of(node).kept
            for peer in (self._linked(node) if kept.spread else kept.over)
            if peer in by_name
        )

    def _linked(self, node: Node) -> set[str]:
        """Those to whom packets go, by what is known of connections, or is decided across them."""
        return {*speakers(node), *router_of(node).peers}

    def _has(self, node: Node, teller: str, kept: Kept) -> bool:
        router, about, id = router_of(node), kept.packet.about, kept.packet.id
        excused = teller not in self._linked(node) or id in router.refused
        lacks = about is not None and about.id not in node.chain
        return excused or lacks or delivered(router, id, node.config.limits)


def ways(node: Node) -> tuple[tuple[tuple[str, ...], ...], tuple[Road, ...]]:
    """The view for ``Leading``: the peers, and the ways to producers."""
    return ((speakers(node),), router_of(node).roads)


@attrs.frozen
class Leading:
    """Where the ways lead, from each of the nodes of these ``names``."""

    names: tuple[str, ...]

    def __call__(self, *views: tuple[tuple[tuple[str, ...], ...], tuple[Road, ...]]) -> bool:
        roads = {
            name: {road.producer: road for road in found} for name, (_, found) in zip(self.names, views, strict=True)
        }
        peers = {name: here[0] for name, (here, _) in zip(self.names, views, strict=True)}
        return all(
            self._leads(name, producer, roads) and (road.peer is None or road.peer in peers[name])
            for name, found in roads.items()
            for producer, road in found.items()
        )

    def _leads(self, name: str, producer: bytes, roads: Mapping[str, Mapping[bytes, Road]]) -> bool:
        been = [name]
        while (road := roads[been[-1]].get(producer)) is not None and road.peer is not None:
            if road.peer in been or road.peer not in roads:
                return False
            been.append(road.peer)
        return road is None or not road.here or been[-1].encode() == producer
