"""A simulated network of nodes as values: no event loop, no stores, no clock but a number.

    network = SimNetwork(seed=1)
    for name in ("a", "b", "c"):
        network.add(name, lambda: Node.start(config, chain))
    network.join_all()
    network.connect("a", "b")
    network.feed("a", Produced((block,), network.now))
    network.deliver("a", "b")

Move it by hand as above, or let ``syncfsm.testing.simulation`` drive it. A node's peers have the names of the nodes;
a connection begins only after both ends know that the one before is over. Whatever the nodes, this must hold, and
``PromiseError`` is raised if it does not:

* nothing is sent to a peer without a link ("a link ends exactly once, and nothing is sent on it afterwards");
* correct nodes are not accused ("no sequence of correct peers' messages yields a misbehaviour");
* a node's head is a block it accepted, it moves from where it was, and never below its final point;
* a step raises nothing but ``LocalError``, and that only for what the environment asks.

Watchers see every step, and may raise ``AssertionError`` for more.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Final, NoReturn

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Event, Finalised, Garbled, Lost, Produced, Received, Room, Tick, Verdict
from syncfsm.link import TABLE
from syncfsm.messages import Blocks
from syncfsm.node import Node, Rules
from syncfsm.outputs import Accepted, Disconnect, FinalMoved, HeadMoved, Misbehaviour, Output, Send, SendBlocks
from syncfsm.testing.faults import Faults
from syncfsm.testing.lines import Carried, Line, room_of
from syncfsm.testing.luck import Luck
from syncfsm.testing.protocol import SyncNode
from syncfsm.testing.story import tell
from syncfsm.testing.trees import GENESIS

TOLD: Final = 30
"""How many of the last happenings an error tells."""
TICK_APART: Final = 0.001
"""Least seconds between two ticks of a node: rounding may leave a deadline just not reached when it is due."""


class PromiseError(AssertionError):
    """A promise is broken. The text has the seed, the faults, and what happened last."""


@attrs.frozen
class Happened:
    """One step of one node."""

    name: str
    before: SyncNode
    event: Event
    after: SyncNode
    outputs: tuple[Output, ...]


Watcher = Callable[[Happened], None]


@attrs.define(eq=False)
class Member:
    """A node's place in the network, and what is known of it from outside. ``journal`` outlives a restart."""

    start: Callable[[], SyncNode]
    correct: bool
    node: SyncNode
    head: Point
    final: Point
    journal: list[Event] = attrs.Factory(list)
    held: set[bytes] = attrs.Factory(set)
    ticked_at: float = -1.0


class SimNetwork:
    """Nodes, and the lines between them. The same seed and the same calls give the same run.

    ``codec``: every message travels as real bytes. ``rules`` move the links of all nodes that are ``syncfsm.Node``s:
    a ``RowCount``, or a changed table. ``root`` is the block with which all nodes begin.
    """

    def __init__(
        self,
        seed: int = 0,
        faults: Faults = Faults(),  # noqa: B008  a frozen value
        *,
        codec: bool = True,
        rules: Rules = TABLE,
        root: Header = GENESIS,
    ) -> None:
        self.seed, self.faults, self.now, self.luck = seed, faults, 0.0, Luck(seed)
        self.members: dict[str, Member] = {}
        self.pairs: list[tuple[str, str]] = []
        """The nodes that may be linked; a pair of which one accused the other is taken out."""
        self.lines: dict[tuple[str, str], Line] = {}
        """By (source, target)."""
        self.blocks: dict[bytes, Header] = {root.id: root}
        """Every block that a node ever accepted."""
        self.accusations: list[tuple[str, str, Fault]] = []
        """(accuser, accused, what for), of Byzantine peers."""
        self.watchers: list[Watcher] = []
        self.root = root
        self._codec, self._rules = codec, rules
        self._last: deque[tuple[float, str, Event | None, tuple[Output, ...]]] = deque(maxlen=TOLD)

    # Building -----------------------------------------------------------------------------------------------------

    def add(self, name: str, start: Callable[[], SyncNode], correct: bool = True) -> None:
        """Add a node. ``start`` makes it anew, holding the root alone; after a restart it is told again what it
        accepted. Nothing is promised for a node that is not correct."""
        if name in self.members:
            raise LocalError(f"node {name!r} is in the network already; give every node a name of its own")
        self.members[name] = Member(start, correct, start(), self.root.point, self.root.point, held={self.root.id})

    def join(self, a: str, b: str) -> None:
        """From now on these two may be linked."""
        self.pairs.append((a, b))
        for source, target in ((a, b), (b, a)):
            self.lines[source, target] = Line(source, target, self._codec)

    def join_all(self) -> None:
        """Let any two nodes be linked."""
        for a, b in combinations(self.members, 2):
            self.join(a, b)

    # Asking -------------------------------------------------------------------------------------------------------

    @property
    def correct(self) -> list[str]:
        """The names of the correct nodes."""
        return [name for name, member in self.members.items() if member.correct]

    def node(self, name: str) -> SyncNode:
        """The node as it is now."""
        return self.members[name].node

    def head(self, name: str) -> Header:
        """The head of a node, as it said."""
        return self.blocks[self.members[name].head.id]

    def final(self, name: str) -> Header:
        """The final block of a node, as it said."""
        return self.blocks[self.members[name].final.id]

    def ancestors(self, header: Header) -> Iterator[Header]:
        """The block and all below it, newest first."""
        found: Header | None = header
        while found is not None:
            yield found
            found = self.blocks.get(found.parent)

    def linked(self, a: str, b: str) -> bool:
        """Is there a connection that neither end has left?"""
        return self.lines[a, b].open and self.lines[b, a].open

    def over(self, a: str, b: str) -> bool:
        """Have both ends left the last connection, if there was one?"""
        return not self.lines[a, b].open and not self.lines[b, a].open

    def busy(self) -> list[Line]:
        """The lines that have something under way and carry."""
        return [line for line in self.lines.values() if line.under_way and not line.cut]

    # What happens -------------------------------------------------------------------------------------------------

    def feed(self, name: str, event: Event) -> tuple[Output, ...]:
        """Give one node an event, and put what it sends under way. ``LocalError`` if it rejects it."""
        member = self.members[name]
        try:
            after, outputs = self._step(member.node, event)
        except LocalError:
            if isinstance(event, Produced | Finalised | Verdict):
                raise
            self.broken(f"{name} rejected {tell(event)}, which was not its caller's mistake")
        except Exception as error:
            self._last.append((self.now, name, event, ()))
            self.broken(f"{name} raised {type(error).__name__}: {error}")
        before, member.node = member.node, after
        self._last.append((self.now, name, event, outputs))
        if isinstance(event, Verdict):
            member.journal.append(event)
        for output in outputs:
            self._note(name, member, output)
        try:
            for watcher in self.watchers:
                watcher(Happened(name, before, event, after, outputs))
        except AssertionError as error:
            self.broken(str(error))
        return outputs

    def _step(self, node: SyncNode, event: Event) -> tuple[SyncNode, tuple[Output, ...]]:
        return node.step(event, self._rules) if isinstance(node, Node) else node.step(event)

    def attempt(self, name: str, event: Event) -> bool:
        """Let the environment ask for something that may be impossible. Says whether it was not."""
        try:
            self.feed(name, event)
        except LocalError:
            return False
        return True

    def _note(self, name: str, member: Member, output: Output) -> None:
        """Carry out one output, and see that it is sound."""
        match output:
            case Send(peer, message):
                self._put(name, peer, message)
            case SendBlocks(peer, headers):
                for header in headers:
                    self._put(name, peer, Blocks((header,)))
            case Disconnect(peer):
                if not self.lines[name, peer].open:
                    self.broken(f"OneDisconnect: {name} ended its link to {peer} twice")
                self._end(name, peer)
            case Misbehaviour(peer, fault):
                self._accuse(name, peer, fault)
            case Accepted(headers):
                self.blocks |= {header.id: header for header in headers}
                member.held |= {header.id for header in headers}
                member.journal.append(Produced(headers, self.now))
            case HeadMoved(old, new) if member.correct:
                if old != member.head or new.id not in member.held:
                    self.broken(f"{name} moved its head from {old} to {new}; it was {member.head}")
                member.head = new
                self._check_final(name, member)
            case FinalMoved(_, new) if member.correct:
                if new.height <= member.final.height:
                    self.broken(f"NeverBelowFinal: {name} moved its final point from {member.final} to {new}")
                member.final = new
                member.journal.append(Finalised(new, self.now))
                self._check_final(name, member)
            case _:
                pass

    def _check_final(self, name: str, member: Member) -> None:
        if self.blocks[member.final.id] not in self.ancestors(self.blocks[member.head.id]):
            self.broken(f"NeverBelowFinal: the head of {name}, {member.head}, is not above {member.final}")

    def _accuse(self, name: str, peer: str, fault: Fault) -> None:
        if self.members[name].correct and self.members[peer].correct:
            self.broken(f"NoPunishHonest: {name} accuses {peer} of {fault.rule}: {fault.detail}")
        self.accusations.append((name, peer, fault))
        self.pairs = [pair for pair in self.pairs if {*pair} != {name, peer}]

    def _put(self, name: str, peer: str, message: Carried) -> None:
        line = self.lines.get((name, peer))
        if line is None or not line.open:
            self.broken(f"OneDisconnect: {name} sent {tell(message)} to {peer} without a link")
        if self.lines[peer, name].open:  # else it is lost: nobody is there to receive it
            line.put(message, self._due())

    def _due(self) -> float:
        return self.now + self.faults.latency + self.faults.jitter * self.luck.share()

    def _end(self, name: str, peer: str) -> None:
        """This end has left: what is under way to it is lost, the other end will learn of it."""
        line, back = self.lines[name, peer], self.lines[peer, name]
        line.open = False
        back.under_way.clear()
        if back.open:
            line.put(None, self._due())
        else:
            line.under_way.clear()

    def connect(self, a: str, b: str) -> None:
        """Open a connection. ``LocalError`` unless the one before is over at both ends."""
        if not self.over(a, b):
            raise LocalError(f"{a!r} and {b!r} are still connected at one end; end that connection first")
        for name, peer in ((a, b), (b, a)):
            self.lines[name, peer].begin()
        for name, peer in ((a, b), (b, a)):
            if self.lines[name, peer].open:
                self.feed(name, Connected(peer, self.now))

    def deliver(self, source: str, target: str, overtake: bool = False) -> None:
        """Let the next message arrive; its room comes back to the source. Nothing happens on an empty line."""
        line = self.lines[source, target]
        if not line.under_way:
            return
        message = line.take(overtake)
        if message is None:
            self.feed(target, Lost(source, self.now))
            return
        if isinstance(message, Fault):
            self.feed(target, Garbled(source, message, self.now))
            return
        self.feed(target, Received(source, message, self.now))
        room = room_of(message)
        if room and line.open:
            self.feed(source, Room(target, room, self.now))

    def end(self, a: str, b: str) -> None:
        """The connection ends without a word, and what is under way is lost; both ends are told at once."""
        for name, peer in ((a, b), (b, a)):
            if self.lines[name, peer].open:
                self.feed(name, Lost(peer, self.now))

    def cut(self, source: str, target: str) -> None:
        """From now on nothing of the source's reaches the target; nothing is lost, and neither is told."""
        self.lines[source, target].cut = True

    def mend(self, source: str, target: str) -> None:
        """The line carries again, at full speed."""
        self.lines[source, target].mend()

    def restart(self, name: str) -> None:
        """The node dies; what it sent before still arrives. It starts again from what it accepted, without links."""
        member = self.members[name]
        for source, peer in self.lines:
            if source == name and self.lines[name, peer].open:
                self._end(name, peer)
        member.node = member.start()
        for event in member.journal:
            member.node, _ = member.node.step(event)
        self._last.append((self.now, name, None, ()))

    def wait(self, seconds: float) -> None:
        """Time passes, and every node whose deadline has come is told."""
        self.now += seconds
        for name in self.members:
            if (due := self.tick_due(name)) is not None and due <= self.now:
                self.tick(name)

    def tick_due(self, name: str) -> float | None:
        """When the node is to be told the time."""
        deadline = self.node(name).next_deadline
        return None if deadline is None else max(deadline, self.members[name].ticked_at + TICK_APART)

    def tick(self, name: str) -> None:
        """Tell a node the time."""
        self.members[name].ticked_at = self.now
        self.feed(name, Tick(self.now))

    def broken(self, what: str) -> NoReturn:
        """Raise ``PromiseError``, with all that is needed to see it again."""
        story = "\n".join(f"{now:9.3f}  {name}: {_told(event, outputs)}" for now, name, event, outputs in self._last)
        raise PromiseError(f"{what}\nseed {self.seed}, {self.faults}\nwhat happened last:\n{story}")


def _told(event: Event | None, outputs: tuple[Output, ...]) -> str:
    if event is None:
        return "restarts"
    return f"{tell(event)} -> {', '.join(map(tell, outputs)) or 'nothing'}"
