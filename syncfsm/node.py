"""A node: many links and one chain. Events in, a new node and outputs out; nothing else.

    node, outputs = node.step(event)

The node owns what no single link can decide: the chain, which peer to greet next, and when something is due. It keeps
the order that makes links safe: a block enters the tree, the links look at the new chain, and only then is anything
pruned. A mistake of the caller raises ``LocalError`` and the old node is still good; a mistake of a peer is an output.

A node that is behind greets one better peer at a time (the leader) and lets the others wait, so that one peer sends
what is missing and not all of them. It waits no longer than ``Limits.patience`` without progress.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import attrs
from immutables import Map
from msgspec.structs import replace

from syncfsm import limits as bounds
from syncfsm.blocks import Header, HeaderCheck, broken, flaw
from syncfsm.chain import Chain, Outcome
from syncfsm.errors import Fault, LocalError
from syncfsm.events import (
    Connected,
    Event,
    Finalised,
    Garbled,
    Leave,
    Lost,
    Produced,
    Received,
    Room,
    Say,
    Tick,
    Verdict,
)
from syncfsm.limits import Limits
from syncfsm.link import TABLE, Freed, Heard, Link, Moved, Receipt, State, Strategy, View, assess
from syncfsm.link import Event as LinkEvent
from syncfsm.link.timers import deadline
from syncfsm.link.tracking import after, batch, rebased
from syncfsm.link.types import GREETING
from syncfsm.machine import Step
from syncfsm.messages import Blocks, Bye, Finality, Found, Hello, Note, Parting, Ping, Pong
from syncfsm.outputs import Accepted, Disconnect, Dropped, FinalMoved, HeadMoved, Output, Send

HELD = (Outcome.NEW, Outcome.KNOWN, Outcome.BANNED)
"""Outcomes after which a block is in the tree."""


@attrs.frozen
class Config:
    """A node's choices, the same for its whole life."""

    check: HeaderCheck
    strategy: Strategy = Strategy.LOCATOR
    limits: Limits = attrs.field(factory=Limits)


class Rules(Protocol):
    """What moves a link: ``link.TABLE``, or something that stands in for it."""

    def step(self, value: Link, event: LinkEvent, message: object, view: View) -> Step[Link]: ...


@attrs.frozen
class Leader:
    """The peer a node that is behind has turned to. ``goal`` is its hello, ``None`` until it came."""

    peer: str
    goal: Hello | None
    began: float
    """When we greeted it."""
    helped: float
    """When it last gave us something new."""

    def deadline(self, limits: Limits) -> float:
        """When the others are greeted too, unless the goal is reached before."""
        return min(self.helped + limits.patience, self.began + limits.lead)


@attrs.frozen
class Node:
    """One node, as a value. Make one with ``Node.start``, move it with ``step``."""

    config: Config
    chain: Chain
    links: Map[str, Link] = attrs.field(factory=Map)
    waiting: tuple[str, ...] = ()
    """Connections that are not greeted yet, oldest first."""
    leader: Leader | None = None

    @classmethod
    def start(cls, config: Config, chain: Chain) -> "Node":
        """A node without links. ``chain`` is ``Chain.start(genesis, limits)``, or what a store loaded.

        ``LocalError`` if the chain was made with other limits than ``config`` has: one node, one set of limits.
        """
        if chain.limits != config.limits:
            raise LocalError("the chain and the configuration have different limits; make both with the same Limits")
        return cls(config, chain)

    def step(self, event: Event, rules: Rules = TABLE) -> "tuple[Node, tuple[Output, ...]]":
        """Apply one event. Raises ``LocalError`` for a caller's mistake; the old value stays valid.

        ``rules`` decide for every link. Give others only to watch which of them fire, or to learn what breaks if one
        is changed: that is what the checker does.
        """
        return _Step(self, event.now, rules).run(event)

    @property
    def next_deadline(self) -> float | None:
        """When ``Tick`` is due, on the clock of ``now``; ``None`` while nothing waits for time."""
        due = [deadline(link, self.config.limits) for link in self.links.values()]
        if self.leader is not None and self.waiting:
            due.append(self.leader.deadline(self.config.limits))
        return min(due, default=None)


class _Step:
    """One step under way: the only mutable thing in the core, and it lives for one call."""

    __slots__ = ("chain", "leader", "links", "node", "now", "out", "rules", "view", "waiting")

    def __init__(self, node: Node, now: float, rules: Rules) -> None:
        self.node, self.now, self.rules = node, now, rules
        self.chain, self.links, self.waiting, self.leader = node.chain, node.links, node.waiting, node.leader
        self.out: list[Output] = []
        self.view = self._look(node.chain)

    def run(self, event: Event) -> tuple[Node, tuple[Output, ...]]:
        self.HANDLERS[type(event)](self, event)
        if self.waiting:
            self._greet()
        node = self.node
        return Node(node.config, self.chain, self.links, self.waiting, self.leader), tuple(self.out)

    def _look(self, chain: Chain, floor: int | None = None) -> View:
        config = self.node.config
        floor = chain.base.height if floor is None else floor
        return View(chain, floor, self.now, config.limits, config.strategy)

    # Links --------------------------------------------------------------------------------------------------------

    def _link(self, peer: str, event: LinkEvent, message: object = None) -> None:
        """Move one link, and let it use what room it has. Events for links that have ended are late, and ignored."""
        link = self.links.get(peer)
        if link is None:
            return
        link = self._move(link, event, message)
        while link.room > 0 and link.state in (State.INIT, State.SYNCING):
            before, link = link, self._write(link, 0)
            if link is before:
                break
        if link.state is State.CLOSED:
            self._forget(peer)
        else:
            self.links = self.links.set(peer, link)

    def _move(self, link: Link, event: LinkEvent, message: object) -> Link:
        step = self.rules.step(link, event, message, self.view)
        self.out += step.outputs
        return step.value

    def _write(self, link: Link, freed: int) -> Link:
        """Let the link use ``freed`` bytes and the room it has; the same link if there is nothing to send."""
        blocks = batch(link, link.room + freed, self.view) if link.state is State.SYNCING else ()
        return self._move(link, LinkEvent.ROOM, Freed(freed, blocks))

    def _forget(self, peer: str) -> None:
        self.links = self.links.delete(peer)
        self.waiting = tuple(name for name in self.waiting if name != peer)
        if self.leader is not None and self.leader.peer == peer:
            self.leader = None

    def connected(self, event: Connected) -> None:
        if len(self.links) >= self.node.config.limits.links and event.peer not in self.links:
            detail = f"{len(self.links)} links are open; raise Limits.links or try another node"
            self.out += (Send(event.peer, Bye(Parting.FULL)), Disconnect(event.peer, Parting.FULL, detail))
            return
        link = self._move(self.links.get(event.peer) or Link(event.peer), LinkEvent.CONNECT, None)
        self.links = self.links.set(event.peer, link)
        self.waiting = (*self.waiting, event.peer)

    def lost(self, event: Lost) -> None:
        self._link(event.peer, LinkEvent.LOST)

    def leave(self, event: Leave) -> None:
        self._link(event.peer, LinkEvent.LEAVE, Bye(event.reason))

    def garbled(self, event: Garbled) -> None:
        self._link(event.peer, LinkEvent.FAULT, event.fault)

    def room(self, event: Room) -> None:
        link = self.links.get(event.peer)
        if link is not None:
            blocks = batch(link, link.room + event.freed, self.view) if link.state is State.SYNCING else ()
            self._link(event.peer, LinkEvent.ROOM, Freed(event.freed, blocks))

    def say(self, event: Say) -> None:
        if len(event.note.payload) > bounds.NOTE_BYTES:
            size = len(event.note.payload)
            raise LocalError(f"a payload of {size} bytes is over {bounds.NOTE_BYTES}; send it in parts")
        for peer in sorted(self.links) if event.peers is None else event.peers:
            self._link(peer, LinkEvent.SAY, event.note)

    def tick(self, event: Tick) -> None:
        for peer in sorted(self.links):
            self._link(peer, LinkEvent.TICK)

    # Messages -----------------------------------------------------------------------------------------------------

    def received(self, event: Received) -> None:
        link = self.links.get(event.peer)
        if link is None:
            return
        self.links = self.links.set(event.peer, replace(link, heard_at=self.now))
        self.MESSAGES[type(event.message)](self, event.peer, event.message)

    def _hello(self, peer: str, hello: Hello) -> None:
        link = self.links[peer]
        if self.leader is not None and self.leader.peer == peer:
            self.leader = attrs.evolve(self.leader, goal=hello)
        self._link(peer, LinkEvent.HELLO, Heard(hello, assess(hello, link.said, self.chain)))

    def _found(self, peer: str, found: Found) -> None:
        self._link(peer, LinkEvent.FOUND, self.chain.get(found.common.id))

    def _blocks(self, peer: str, blocks: Blocks) -> None:
        """Judge a run as a whole, then take it as a whole: nothing of it is adopted unless all of it may be."""
        headers = blocks.headers
        fault = broken(headers) or self._judge(headers)
        if fault is not None:
            self._link(peer, LinkEvent.FAULT, fault)
            return
        newest = headers[-1]
        if newest.id in self.chain:  # all held already: another peer was faster
            self._take(peer, newest, Outcome.KNOWN)
            return
        chain, outcomes = self.chain.extend(headers)
        refused = next((outcome for outcome in outcomes if outcome not in HELD), None)
        fresh = tuple(header for header, outcome in zip(headers, outcomes, strict=True) if outcome in FRESH)
        if fresh and self.leader is not None and self.leader.peer == peer:
            self.leader = attrs.evolve(self.leader, helped=self.now)
        self._adopt(chain, fresh, lambda: self._take(peer, newest, refused or outcomes[-1]), peer)

    def _take(self, peer: str, newest: Header, outcome: Outcome) -> None:
        """Tell the link that brought them what became of the blocks."""
        self._link(peer, LinkEvent.BLOCKS, Receipt(newest, outcome, after(self.links[peer], newest, self.view)))

    def _judge(self, headers: Sequence[Header]) -> Fault | None:
        """The integrator's check, for what could be adopted: blocks not held yet whose parent is."""
        first = next((at for at, header in enumerate(headers) if header.id not in self.chain), len(headers))
        fresh = headers[first:]
        if not fresh or fresh[0].parent not in self.chain:
            return None
        return self.node.config.check.run(fresh)

    def _finality(self, peer: str, final: Finality) -> None:
        self._link(peer, LinkEvent.FINAL, final)

    def _note(self, peer: str, note: Note) -> None:
        self._link(peer, LinkEvent.NOTE, note)

    def _ping(self, peer: str, ping: Ping) -> None:
        self._link(peer, LinkEvent.PING)

    def _pong(self, peer: str, pong: Pong) -> None:
        self._link(peer, LinkEvent.PONG)

    def _bye(self, peer: str, bye: Bye) -> None:
        self._link(peer, LinkEvent.BYE, bye)

    # The chain ----------------------------------------------------------------------------------------------------

    def produced(self, event: Produced) -> None:
        headers = event.headers
        for header in headers:
            if (wrong := flaw(header)) is not None:
                raise LocalError(f"block {header.point} is out of bounds: {wrong}; see syncfsm.limits")
        fault = broken(headers) or self._judge(headers)
        if fault is not None:
            raise LocalError(f"these blocks are not accepted ({fault.rule}): {fault.detail}")
        chain, outcomes = self.chain.extend(headers)
        for header, outcome in zip(headers, outcomes, strict=True):
            if outcome not in HELD:
                stand = f"the chain ends at {self.chain.head.point}, final is {self.chain.final.point}"
                raise LocalError(f"block {header.point} cannot be added: {outcome.value}; {stand}")
        fresh = tuple(header for header, outcome in zip(headers, outcomes, strict=True) if outcome in FRESH)
        self._adopt(chain, fresh)

    def finalised(self, event: Finalised) -> None:
        self._adopt(self.chain.finalise(event.point))

    def verdict(self, event: Verdict) -> None:
        self._adopt(self.chain.unban(event.id) if event.valid else self.chain.ban(event.id))

    def _adopt(
        self,
        chain: Chain,
        fresh: tuple[Header, ...] = (),
        take: Callable[[], None] = lambda: None,
        source: str | None = None,
    ) -> None:
        """The chain changed: say so, let every link look at it, and only then prune."""
        old, head = self.chain, chain.head
        pruned, dropped = chain.pruned()
        extends = head.id == old.head.id or chain.is_ancestor(old.head.id, head.id)
        if fresh:
            self.out.append(Accepted(fresh))
        if head.id != old.head.id:
            common = old.head if extends else chain.common(old.head.id, head.id)
            self.out.append(HeadMoved(old.head.point, head.point, common.point))
        if chain.final.id != old.final.id:
            self.out.append(FinalMoved(old.final.point, chain.final.point))
        self.chain, self.view = chain, self._look(chain, pruned.base.height)
        take()
        if chain is not old:
            final = chain.final.id != old.final.id
            if final:
                for peer in sorted(self.links):
                    self._link(peer, LinkEvent.FINALISED)
            self._tell_links(final or head.id != old.head.id, extends, source)
        if pruned is not chain:
            self.chain, self.view = pruned, self._look(pruned)
        if dropped:
            self.out.append(Dropped(dropped, pruned.base.point))

    def _tell_links(self, moved: bool, extends: bool, source: str | None) -> None:
        """A link in step cares for the best chain; who searches, or was told of blocks, may know a new one by name."""
        for peer, link in sorted(self.links.items()):
            searching = link.state in GREETING
            if peer != source and (moved or searching or link.claims):
                heard = assess(link.heard, link.said, self.chain) if searching and link.heard is not None else None
                sent = None if searching else rebased(link, self.view)
                self._link(peer, LinkEvent.MOVED, Moved(extends, heard, sent))

    # Whom to greet ------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Greet whoever cannot flood us with what another peer is sending already; see the module's docstring."""
        leader = self.leader
        if leader is not None and leader.goal is not None and self._harmless(leader.goal):
            self.leader = None
        tired = leader is not None and self.now >= leader.deadline(self.node.config.limits)
        for peer in self.waiting:
            heard = self.links[peer].heard if peer in self.links else None
            harmless = heard is not None and self._harmless(heard)
            if peer not in self.links or not (harmless or tired or self.leader is None):
                continue
            self.waiting = tuple(name for name in self.waiting if name != peer)
            if not harmless:
                self.leader = Leader(peer, heard, self.now, self.now)
            self._link(peer, LinkEvent.GREET)
            if heard is not None and peer in self.links:
                found = assess(heard, self.links[peer].said, self.chain)
                self._link(peer, LinkEvent.HELLO, Heard(heard, found, kept=True))

    def _harmless(self, hello: Hello) -> bool:
        """Will this peer send us nothing, because we hold its head or have a better one?"""
        return hello.head.id in self.chain or hello.rank < self.chain.head.rank

    HANDLERS: ClassVar[dict[type, Callable[["_Step", Any], None]]] = {
        Connected: connected,
        Received: received,
        Garbled: garbled,
        Room: room,
        Lost: lost,
        Leave: leave,
        Produced: produced,
        Finalised: finalised,
        Verdict: verdict,
        Say: say,
        Tick: tick,
    }
    MESSAGES: ClassVar[dict[type, Callable[["_Step", str, Any], None]]] = {
        Hello: _hello,
        Found: _found,
        Finality: _finality,
        Blocks: _blocks,
        Note: _note,
        Ping: _ping,
        Pong: _pong,
        Bye: _bye,
    }


FRESH = (Outcome.NEW, Outcome.BANNED)
"""Outcomes that add a block to the tree."""
