"""A large network of the nodes that ship, in virtual time.

    network = LargeNetwork(random_overlay(300, seed=1), Node.start(config, Chain.start(GENESIS)))
    network.join_all()
    network.run(2.0)
    network.produce(0, (block,))
    network.run(3.0)

It carries what ``Node.step`` says and nothing else: it knows of messages what their protocols register (which bring
blocks, what they cost, what they wait for), and of blocks their headers. Each node has one line, on which blocks wait
and small messages do not (``uplink``); then all takes the latency of its edge. A node is told of room as its blocks are
written, and looks at the clock each ``look`` seconds, as the adapters have it. Connections that fail, and new ones,
are in ``dialling``.

It is ``SimNetwork`` for thousands of nodes: that one checks every promise at every step, and is for dozens. Here a
ledger sees what nodes accept and what lines carry; the nodes themselves are the same.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import ceil, inf
from typing import Any, Final

import attrs

from syncfsm.blocks import Header
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Event, Leave, Lost, Produced, Received, Room, Tick
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Disconnect, Misbehaviour, Output, Send, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Message
from syncfsm.testing.luck import Luck
from syncfsm.testing.scale.agenda import Agenda
from syncfsm.testing.scale.ledger import Ledger
from syncfsm.testing.scale.members import Behaviour, Connection, Edge, End, Member, Queued
from syncfsm.testing.scale.overlay import Overlay
from syncfsm.testing.scale.uplink import Uplink
from syncfsm.testing.scale.weights import Weights

LOOK: Final = 0.02
"""Seconds between two looks of a node at its deadline."""
SELDOM: Final = 5
"""Each so many looks it looks at the deadlines of its connections, which are seconds away; in between at what is
decided across them."""
WORK: Final = 0.001
"""Seconds from the last byte of a block until the node has checked and stored it."""
FIRST_PAUSE: Final = 0.05


class LargeNetwork:
    """The nodes of ``overlay``, which begin as ``start``, but for those that ``starts`` has by number; equal arguments
    and calls give an equal run.

    ``grain`` is how many bytes of room a node may be owed before it is told of any: 0 tells it of each write. With more
    there are fewer steps; a node decides the same as long as it has room (at most half of ``Limits.room``, else
    ``LocalError``).

    ``beside`` is another network of this overlay: both share the clock, and each node's lines. So a node can follow
    several chains, or trees, at once. Move either to move both; kill nobody.
    """

    def __init__(
        self, overlay: Overlay, start: Node, starts: Mapping[int, Node] | None = None, *, seed: int = 0,
        look: float = LOOK, work: float = WORK, grain: int = 0, beside: "LargeNetwork | None" = None,
    ) -> None:  # fmt: skip
        starts = starts or {}
        room = min(node.config.limits.room for node in (start, *starts.values()))
        if not 0 <= grain <= room // 2:
            raise LocalError(f"grain is {grain}; from 0 to half of Limits.room ({room}) is possible")
        if beside is not None and beside.overlay is not overlay:
            raise LocalError("the network beside this one has other nodes and lines; give both the same overlay")
        self.overlay: Overlay = overlay
        self.luck = Luck(seed)
        self.agenda: Agenda = Agenda() if beside is None else beside.agenda
        self.registry = start.config.registry
        self.ledger = Ledger(len(overlay.places), start.chain.head.height)
        self.accusations: list[tuple[int, str, Fault]] = []
        """Who accused, under what name, of what."""
        self.steps: Counter[type[Any]] = Counter()
        """How many events the nodes were given, by type."""
        self.closed: Callable[[End], None] = lambda end: None
        """Called when an end has closed."""
        others = (None,) * len(overlay.places) if beside is None else beside.members
        self.members: list[Member] = [
            self._member(index, starts.get(index, start), other) for index, other in enumerate(others)
        ]
        members = self.members
        self.edges = [Edge(members[a], members[b], overlay.latency(a, b), FIRST_PAUSE) for a, b in overlay.edges]
        self._weights = Weights(self.registry)
        self._look, self._work, self._grain = look, work, grain
        self._source: int | None = None
        self._carry: dict[type[Any], Callable[[Member, Any], None]] = {
            Send: self._send,
            SendBlocks: self._send_blocks,
            Accepted: self._accepted,
            Disconnect: self._disconnected,
            Misbehaviour: self._accused,
        }
        for member in self.members:
            member.phase = self.luck.share() * look
            self.agenda.at(member.phase + self.luck.below(SELDOM) * look, self._look_at_all, member)

    def _member(self, index: int, start: Node, beside: Member | None) -> Member:
        id = b"".join(self.luck.bits().to_bytes(8) for _ in range(4))
        return Member(index, id, self.overlay.places[index], start, beside)

    # Moving it ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds of virtual time."""
        return self.agenda.now

    def run(self, until: float) -> None:
        """Let time pass."""
        self.agenda.run(until)

    def produce(self, index: int, headers: tuple[Header, ...]) -> None:
        """A node makes blocks, each the child of the one before."""
        self.ledger.made(headers, self.now)
        self.feed(self.members[index], Produced(headers, self.now))

    def join_all(self, edges: Iterable[Edge] | None = None) -> None:
        """Both ends of these edges, of all unless told otherwise, are connected at once. Nobody is first everywhere:
        the order is by chance."""
        for edge in self.luck.shuffled(self.edges if edges is None else edges):
            for end in edge.connection().ends:
                self.enter(end)

    def name_sentries(self, index: int, others: Iterable[int]) -> None:
        """The operator of a node names these nodes as its sentries (``Config.sentries``). Do it before it has peers."""
        member, ids = self.members[index], frozenset(self.members[other].id for other in others)
        member.node = attrs.evolve(member.node, config=attrs.evolve(member.node.config, sentries=ids))

    def misbehave(self, index: int, behaviour: Behaviour) -> None:
        """From now on a node does what it says when ``behaviour`` lets it."""
        self.members[index].behaviour = behaviour

    def feed(self, member: Member, event: Event) -> None:
        """Give one node an event, and carry what it says. One that was killed hears nothing."""
        if not member.alive:
            return
        self.steps[type(event)] += 1
        before = member.node
        member.node, outputs = before.step(event)
        if member.node.across is not before.across:
            self._plan_look(member)
        for output in outputs:
            carry = self._carry.get(type(output))
            if carry is None:
                continue
            late = 0.0 if member.behaviour is None else member.behaviour(output)
            if not late:
                carry(member, output)
            elif late < inf:
                self.agenda.at(self.now + late, carry, member, output)
            else:
                self._suppress(member, output)

    def _look_at_all(self, member: Member) -> None:
        if member.alive:
            self._look_at_clock(member)
            self.agenda.at(self.now + SELDOM * self._look, self._look_at_all, member)

    def _look_at_clock(self, member: Member) -> None:
        due = member.node.next_deadline
        if due is not None and due <= self.now:
            self.feed(member, Tick(self.now))

    def _plan_look(self, member: Member) -> None:
        """What a node decided across peers may be due soon: it will look then."""
        node = member.node
        due = [
            when
            for (_, across), value in zip(self.registry.across, node.across, strict=True)
            if (when := across.deadline(value, node.config.limits)) is not None
        ]
        if due:
            looks = next_look(min(due), self.now, member.phase, self._look)
            if looks < member.looks_at:
                member.looks_at = looks
                self.agenda.at(looks, self._look_as_planned, member, looks)

    def _look_as_planned(self, member: Member, planned: float) -> None:
        if member.looks_at != planned:
            return  # it looked sooner
        member.looks_at = inf
        if member.alive:
            self._look_at_clock(member)
            self._plan_look(member)

    # Connections --------------------------------------------------------------------------------------------------

    def enter(self, end: End) -> None:
        """A node takes part in a connection from now on. An older one on the same edge, which it did not know to be
        over, it leaves."""
        edge, member = end.connection.edge, end.here
        old, edge.ends[end.side] = edge.ends[end.side], end
        if old is not None and old.open:
            self.feed(member, Leave(old.name, Parting.DUPLICATE, self.now))
        end.open = True
        member.ends[end.name] = end
        self.feed(member, Connected(end.name, self.now, end.other.here.id))

    def _disconnected(self, member: Member, output: Disconnect) -> None:
        """The node has ended it, and hears no more of it. What it said before goes out, then the line is closed."""
        end = member.ends.pop(output.peer, None)
        if end is None:
            return  # it had not begun, as too many were open
        end.open = False
        closed = member.uplink.small(self.now, 0)
        self.agenda.at(closed + end.connection.edge.latency, self.ended, end.other)
        self.closed(end)

    def ended(self, end: End) -> None:
        """The other end has closed: this is the last that arrives."""
        if self._stalled(end, self.ended, end):
            return
        if end.open:
            self.feed(end.here, Lost(end.name, self.now))

    @staticmethod
    def _stalled(end: End, call: Callable[..., None], *given: Any) -> bool:
        """Keep what would happen now for later, if the connection is stalled."""
        stalled = end.connection.stalled
        if stalled is None:
            return False
        stalled.append((call, given))
        return True

    # What nodes say -----------------------------------------------------------------------------------------------

    def _accepted(self, member: Member, output: Accepted) -> None:
        self.ledger.accepted(member.index, output.headers, self._source, self.now)

    def _accused(self, member: Member, output: Misbehaviour) -> None:
        self.accusations.append((member.index, output.peer, output.fault))

    def _send(self, member: Member, output: Send) -> None:
        end = member.ends.get(output.peer)
        if end is not None:
            self._say(end, output.message)

    def _say(self, end: End, message: Message) -> None:
        waiting = end.queued.get(self.registry.waits_for(message) or b"") if end.queued else None
        if waiting is not None:
            waiting.append(message)
            return
        size = self._weights.small(message)
        written = end.here.uplink.small(self.now, size)
        self.ledger.small(end.here.index, type(message), size)
        self.agenda.at(written + end.connection.edge.latency, self._small_arrives, end.other, message)
        cost = self.registry.costs.get(type(message), 0)
        if cost:
            end.taken += cost
            self.agenda.at(written, self._free, end, cost)

    def _send_blocks(self, member: Member, output: SendBlocks) -> None:
        end, uplink = member.ends.get(output.peer), member.uplink
        if end is None:
            return  # it is over, while a liar took its time
        for header in output.headers:
            end.taken += header.cost
            end.queued[header.id] = []
            due = uplink.put(self.now, self._weights.block(header), (end, header, output.protocol, self._carried))
            if due is not None:
                self.agenda.at(due, self._written, member, uplink)

    def _suppress(self, member: Member, output: Output) -> None:
        """A node does not do what it said; to itself it looks as if it were done."""
        if isinstance(output, SendBlocks) and output.peer in member.ends:
            end, cost = member.ends[output.peer], sum(header.cost for header in output.headers)
            end.taken += cost
            self.agenda.at(self.now, self._free, end, cost)

    # What lines carry ---------------------------------------------------------------------------------------------

    def _written(self, member: Member, uplink: Uplink[Queued]) -> None:
        if member.uplink is not uplink:
            return  # killed meanwhile
        queued, due = uplink.done(self.now)
        if due is not None:
            self.agenda.at(due, self._written, member, uplink)
        if queued is not None:
            end, header, protocol, carried = queued
            carried(end, header, protocol)

    def _carried(self, end: End, header: Header, protocol: int) -> None:
        """The line has carried a block: it is on its way."""
        size, rate = self._weights.block(header), end.here.uplink.rate
        self.ledger.block(end.here.index, header, size)
        arrives = self.now + end.connection.edge.latency
        self.agenda.at(arrives, self._block_arrives, end.other, self._weights.run(protocol, header), size, rate)
        for message in end.queued.pop(header.id):
            self._say(end, message)
        self._free(end, header.cost)

    def _free(self, end: End, cost: int) -> None:
        """The line has written so much: the node is told of the room, if it may be owed no more."""
        end.freed += cost
        if end.open and end.taken > self._grain:
            freed, end.freed = end.freed, 0
            end.taken -= freed
            self.feed(end.here, Room(end.name, freed, self.now))

    def _small_arrives(self, end: End, message: Message) -> None:
        if self._stalled(end, self._small_arrives, end, message):
            return
        if end.reads_at > self.now:
            self.agenda.at(end.reads_at, self._small_arrives, end, message)
        elif end.open:
            self.feed(end.here, Received(end.name, message, self.now))

    def _block_arrives(self, end: End, message: Message, size: int, rate: float) -> None:
        """Its last byte is here. It is read as fast as the way in allows, then checked and stored; whatever follows it
        on the connection waits."""
        if self._stalled(end, self._block_arrives, end, message, size, rate) or not end.here.alive:
            return
        read = end.here.downlink.arrive(self.now, size, rate) + self._work
        end.reads_at = max(end.reads_at, read)
        self.agenda.at(end.reads_at, self._take_block, end, message)

    def _take_block(self, end: End, message: Message) -> None:
        if end.open:
            self._source = end.other.here.index
            self.feed(end.here, Received(end.name, message, self.now))
            self._source = None

    def resume(self, connection: Connection) -> None:
        """A connection carries again: what was kept arrives now, in order."""
        kept, connection.stalled = connection.stalled, None
        for call, given in kept or ():
            call(*given)


def next_look(due: float, now: float, phase: float, every: float) -> float:
    """When a node that looks at its clock each ``every`` seconds, from ``phase`` on, first sees that ``due`` has come.
    What is not due now is seen later, however the numbers are rounded: else time would stand still."""
    looks = phase + every * ceil((max(now, due) - phase) / every)
    return looks if looks > now or due <= now else now + every
