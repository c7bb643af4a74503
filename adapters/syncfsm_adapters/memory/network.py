"""A network in memory: real nodes, real stores, virtual time. The same seed gives the same run, event for event.

    network = MemoryNetwork(seed=1)
    for name in ("a", "b", "c"):
        network.add(name, config, MemoryStore(genesis, b"demo"))
    network.join(line(("a", "b", "c")), Path(latency=0.05))
    Producer(network, "a", 0.2, PlainBlocks())
    network.run(60.0)

Links behave as TCP connections do. They keep order; a cut path holds messages back and loses none; a link that ended
is dialled again after a back-off, and a dial over a cut path completes as soon as the path carries again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from random import Random
from typing import Any, Final

import attrs

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Finalised, Garbled, Leave, Lost, Received, Room, Tick
from syncfsm.node.node import Config, Node
from syncfsm.outputs import HeadMoved, Output
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Message
from syncfsm.sync.messages import Hello
from syncfsm.sync.types import Switch
from syncfsm.wire.codec import Bad
from syncfsm.wire.inbox import Arrived
from syncfsm_adapters.host.host import Host, Tally
from syncfsm_adapters.memory.pipes import ByteLane, Clock, Edge, End, Path, Pipe, Traffic, ValueLane, Way
from syncfsm_adapters.store.base import BlockStore, load_chain

BACK_OFF: Final = 0.05
"""Seconds until a link that ended is dialled again, more or less by half; doubled each time it ends soon again."""
LONGEST_BACK_OFF: Final = 5.0
ROOM_REPORTS: Final = 4
"""A link hears of freed room in portions of a fourth of ``Limits.room``: fewer events, and it never runs dry."""
TICK_APART: Final = 1e-6
"""Least time between two ticks of a node: rounding may leave a deadline just not reached when it is due."""

Probe = Callable[[str, Event], None]
"""Shown every event, and the node it goes to, before the node has it."""


@attrs.define(eq=False)
class _Member:
    """A node's place in the network; it outlives the node."""

    config: Config
    store: BlockStore
    host: Host | None = None
    edges: list[Edge] = attrs.Factory(list)
    ends: dict[str, End] = attrs.Factory(dict)
    traffic: Traffic = attrs.Factory(Traffic)
    past: Tally = attrs.Factory(Tally)
    """What was counted before the last crash."""
    tick_at: float | None = None
    off: set[str] = attrs.Factory(set)
    """Nodes to which its operator lets no blocks go."""


@attrs.frozen
class _Carrier:
    """What one host hands its messages to."""

    network: "MemoryNetwork"
    member: _Member

    def send(self, peer: str, message: Message) -> None:
        traffic = self.member.traffic
        traffic.messages += 1
        traffic.hellos += isinstance(message, Hello)
        end = self.member.ends[peer]
        if not end.out.message(message):
            self.network.later(partial(self.network.feed_end, end, Leave(peer, Parting.SLOW, self.network.now)))

    def send_blocks(self, peer: str, protocol: int, blocks: Sequence[tuple[Header, bytes]]) -> None:
        self.member.traffic.messages += len(blocks)
        self.member.traffic.blocks += len(blocks)
        self.member.ends[peer].out.blocks(protocol, blocks)

    def disconnect(self, peer: str, reason: str, detail: str) -> None:
        self.network.close_end(self.member.ends[peer])


class MemoryNetwork:
    """Nodes and the links between them, driven by one clock. All randomness comes from ``seed``.

    With ``codec`` every message travels as real bytes. With ``final_after`` each node makes final what lies that many
    blocks below its head, in batches of as many.
    """

    def __init__(self, seed: int, *, codec: bool = False, final_after: int | None = None) -> None:
        self.clock = Clock()
        self._random = Random(seed)
        self._codec = codec
        self._final_after = final_after
        self._members: dict[str, _Member] = {}
        self._edges: dict[frozenset[str], Edge] = {}
        self._probes: list[Probe] = []
        self._watchers: list[Callable[[str, Output], None]] = []

    # Building -----------------------------------------------------------------------------------------------------

    def add(self, name: str, config: Config, store: BlockStore, off: Iterable[str] = ()) -> None:
        """Start a node from what ``store`` holds. To nodes that ``off`` names it sends no blocks, nor word of new ones;
        see ``switch``."""
        if name in self._members:
            raise LocalError(f"node {name!r} is in the network already; give every node a name of its own")
        self._members[name] = _Member(config, store, off=set(off))
        self._start(name)

    def join(self, pairs: Iterable[tuple[str, str]], path: Path = Path()) -> None:  # noqa: B008  a frozen value
        """Link these pairs of nodes, with ``path`` in both directions, for as long as the network runs."""
        for a, b in pairs:
            if frozenset((a, b)) in self._edges or a == b:
                raise LocalError(f"can not join {a!r} and {b!r}: one link joins two different nodes; join them once")
            members = self._member(a), self._member(b)
            edge = self._edges[frozenset((a, b))] = Edge((a, b), {a: Way(path), b: Way(path)})
            for member in members:
                member.edges.append(edge)
            self._dial(edge)

    def probe(self, probe: Probe) -> None:
        """Show ``probe`` every event from now on, before the node has it."""
        self._probes.append(probe)

    def watch(self, watcher: Callable[[str, Output], None]) -> None:
        """Tell ``watcher`` of every output from now on, after it is carried out, with the node's name."""
        self._watchers.append(watcher)

    # Asking -------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual time in seconds since the network was made."""
        return self.clock.now

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def up(self, name: str) -> bool:
        return self._member(name).host is not None

    def host(self, name: str) -> Host:
        """The running node. ``LocalError`` while it is down."""
        host = self._member(name).host
        if host is None:
            raise LocalError(f"node {name!r} is down; restart it first")
        return host

    def store(self, name: str) -> BlockStore:
        return self._member(name).store

    def traffic(self, name: str) -> Traffic:
        """What the node has sent, over all its lives."""
        return self._member(name).traffic

    def tally(self, name: str) -> Tally:
        """What the node's host has counted, over all its lives."""
        member = self._member(name)
        return member.past if member.host is None else member.past + member.host.tally

    def neighbours(self, name: str) -> list[str]:
        """The nodes to which there is an open connection that carries both ways."""
        return [edge.other(name) for edge in self._member(name).edges if edge.whole]

    def agreed(self) -> bool:
        """Whether all stores hold the same best chain, from genesis, id for id."""
        chains = [list(member.store.best_chain()) for member in self._members.values()]
        return chains[0][0].height == 0 and all(chain == chains[0] for chain in chains)

    # Running ------------------------------------------------------------------------------------------------------

    def run(self, until: float) -> None:
        """Let everything happen that is due by ``until``."""
        while self.clock.advance(until):
            pass

    def run_until(self, done: Callable[[], bool], within: float) -> bool:
        """Let things happen until ``done()``, for at most ``within`` seconds. Says whether it came to that."""
        until = self.now + within
        while not done():
            if not self.clock.advance(until):
                return done()
        return True

    def later(self, action: Callable[[], object]) -> None:
        """Have ``action`` called at this instant, after what is under way."""
        self.clock.at(self.now, action)

    def feed(self, name: str, event: Event) -> None:
        """Give a node an event, as its host would have it from elsewhere: a block produced, a verdict, a payload."""
        for probe in self._probes:
            probe(name, event)
        self.host(name).feed(event)

    def switch(self, name: str, peer: str, off: bool) -> None:
        """The operator of a node turns blocks to another, and word of new ones, off or on: now, and on every connection
        to come, also if one of them restarts."""
        member, _ = self._member(name), self._edge(name, peer)
        (member.off.add if off else member.off.discard)(peer)
        for end in tuple(member.ends.values()):
            if end.edge.other(name) == peer:
                self.feed_end(end, Switch(off, self.now, (end.peer,)))

    # Mishaps ------------------------------------------------------------------------------------------------------

    def cut(self, sender: str, receiver: str) -> None:
        """From now on nothing ``sender`` says reaches ``receiver``, and neither is told. One direction only."""
        self._edge(sender, receiver).ways[sender].cut = True

    def mend(self, sender: str, receiver: str) -> None:
        """The direction carries again: first what was held back, and a dial that waits completes."""
        edge = self._edge(sender, receiver)
        edge.ways[sender].cut = False
        for end in edge.ends:
            if end.owner == sender:
                end.out.mended()
        self._dial(edge)

    def partition(self, group: Collection[str]) -> None:
        """Cut all links between ``group`` and the rest, in both directions."""
        for edge in self._edges.values():
            a, b = edge.nodes
            if (a in group) != (b in group):
                edge.ways[a].cut = edge.ways[b].cut = True

    def heal(self) -> None:
        """Mend all that is cut."""
        for edge in self._edges.values():
            for sender in edge.nodes:
                if edge.ways[sender].cut:
                    self.mend(sender, edge.other(sender))

    def disconnect(self, a: str, b: str) -> None:
        """End the connection between two nodes as if the transport had failed. It is dialled again."""
        for end in self._edge(a, b).ends:
            self.feed_end(end, Lost(end.peer, self.now))

    def crash(self, name: str) -> None:
        """The node's process dies: all that is not in its store is gone, and its peers lose the connection."""
        member = self._members[name]
        member.past += self.host(name).tally
        member.host = member.tick_at = None
        for end in list(member.ends.values()):
            end.out.abort()
            self.close_end(end)

    def restart(self, name: str) -> None:
        """Start the node again from its store; it dials all its peers at once."""
        if self.up(name):
            raise LocalError(f"node {name!r} is up; crash it first")
        self._start(name)
        for edge in self._members[name].edges:
            edge.retry_at = self.now
            self._dial(edge)

    # Nodes --------------------------------------------------------------------------------------------------------

    def _member(self, name: str) -> _Member:
        if name not in self._members:
            raise LocalError(f"there is no node {name!r} in this network; add it first")
        return self._members[name]

    def _start(self, name: str) -> None:
        member = self._members[name]
        node = Node.start(member.config, load_chain(member.store, member.config.limits))
        member.host = Host(node, member.store, _Carrier(self, member))
        member.host.watch(partial(self._observe, name))

    def _observe(self, name: str, output: Output, now: float) -> None:
        depth = self._final_after
        if depth is not None and isinstance(output, HeadMoved):
            chain = self.host(name).node.chain
            if chain.head.height - chain.final.height >= 2 * depth:
                self.later(partial(self._finalise, name, depth))
        for watcher in self._watchers:
            watcher(name, output)

    def _finalise(self, name: str, depth: int) -> None:
        if self.up(name):
            chain = self.host(name).node.chain
            header = chain.best_at(chain.head.height - depth)
            if header is not None and header.height > chain.final.height:
                self.feed(name, Finalised(header.point, self.now))

    def _arm(self, name: str, earliest: float = 0.0) -> None:
        """Ask for a tick. Deadlines mostly move later, so this is asked when a link opens and when a tick has come."""
        member = self._members[name]
        deadline = self.host(name).node.next_deadline
        if deadline is not None and (member.tick_at is None or deadline < member.tick_at):
            member.tick_at = max(deadline, earliest)
            self.clock.at(member.tick_at, partial(self._tick, name, member.tick_at))

    def _tick(self, name: str, due: float) -> None:
        member = self._members[name]
        if member.tick_at == due:  # else an earlier one was asked for since, or the node has crashed
            self.feed(name, Tick(self.now))
            member.tick_at = None
            self._arm(name, self.now + TICK_APART)

    # Links --------------------------------------------------------------------------------------------------------

    def _edge(self, a: str, b: str) -> Edge:
        edge = self._edges.get(frozenset((a, b)))
        if edge is None:
            raise LocalError(f"there is no link between {a!r} and {b!r}; join them first")
        return edge

    def _dial(self, edge: Edge) -> None:
        """Start to connect if that is due and possible; what hinders it now asks again when it is over."""
        ready = self.now >= edge.retry_at and all(self.up(name) for name in edge.nodes) and edge.carries
        if ready and not edge.ends and not edge.opening:
            edge.opening = True
            round_trip = sum(way.path.latency for way in edge.ways.values())
            self.clock.at(self.now + round_trip, partial(self._open, edge))

    def _open(self, edge: Edge) -> None:
        edge.opening = False
        if not (edge.carries and all(self.up(name) for name in edge.nodes)):
            return
        edge.connections += 1
        edge.opened_at = self.now
        edge.ends = tuple(End(edge, name, f"{edge.other(name)}#{edge.connections}") for name in edge.nodes)
        for near, far in (edge.ends, edge.ends[::-1]):
            near.out = self._pipe(edge, near, far)
            self._members[near.owner].ends[near.peer] = near
        for end in edge.ends:
            if end.open:
                self.feed(end.owner, Connected(end.peer, self.now))
                if edge.other(end.owner) in self._members[end.owner].off:
                    self.feed_end(end, Switch(True, self.now, (end.peer,)))
                self._arm(end.owner)

    def _pipe(self, edge: Edge, near: End, far: End) -> Pipe[Any]:
        sender, receiver = self._members[near.owner], self._members[far.owner].config
        limits = sender.config.limits
        lane = ByteLane(limits, receiver) if self._codec else ValueLane(limits, receiver)
        return Pipe[Any](
            self.clock,
            self._random,
            edge.ways[near.owner],
            lane,
            sender.traffic,
            max(1, limits.room // ROOM_REPORTS),
            lambda freed: self.feed_end(near, Room(near.peer, freed, self.now)),
            partial(self._arrived, far),
            lambda: self.feed_end(far, Lost(far.peer, self.now)),
        )

    def feed_end(self, end: End, event: Event) -> None:
        """Give an event to the node at this end, unless the end is closed: then it is late."""
        if end.open:
            self.feed(end.owner, event)

    def _arrived(self, end: End, arrived: Arrived) -> None:
        if isinstance(arrived, Bad):
            self.feed_end(end, Garbled(end.peer, arrived.fault, self.now, arrived.protocol))
        else:
            self.feed_end(end, Received(end.peer, arrived, self.now))

    def close_end(self, end: End) -> None:
        """This end is over. When the other is too, the link is dialled again."""
        end.open = False
        end.out.close()
        del self._members[end.owner].ends[end.peer]
        edge = end.edge
        if any(other.open for other in edge.ends):
            self._back_off(edge)
        else:
            edge.ends = ()
            self.clock.at(edge.retry_at, partial(self._dial, edge))

    def _back_off(self, edge: Edge) -> None:
        lasted = self.now - edge.opened_at > LONGEST_BACK_OFF
        edge.back_off = BACK_OFF if lasted else min(LONGEST_BACK_OFF, max(BACK_OFF, 2 * edge.back_off))
        edge.retry_at = self.now + edge.back_off * (0.5 + self._random.random())
