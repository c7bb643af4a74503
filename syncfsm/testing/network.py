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
* a node accepts a block once, and not before its parent ("no gap, no duplicate");
* a node's head is a block it accepted, it moves from where it was, and never below its final point;
* a node that starts again from what it accepted has the head it had;
* a node sends only what can be encoded and decoded;
* a step raises nothing but ``LocalError``, and that only for what the environment asks;
* the messages come to an end.

Watchers see every step, and may raise ``AssertionError`` for more.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Final, NoReturn

import attrs

from syncfsm.blocks import Header
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Event, Finalised, Garbled, Lost, Produced, Received, Room, Tick, Verdict
from syncfsm.node.node import Node, Rules
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Accepted, Disconnect, FinalMoved, HeadMoved, Misbehaviour, Output, Send, SendBlocks
from syncfsm.registry import Registry
from syncfsm.testing.faults import Faults
from syncfsm.testing.lines import Carried, Line, Way
from syncfsm.testing.luck import Luck
from syncfsm.testing.member import Member
from syncfsm.testing.protocol import SyncNode
from syncfsm.testing.story import tell
from syncfsm.testing.trees import GENESIS

TOLD: Final = 30
"""How many of the last happenings an error tells. Ticks and room that change nothing are left out."""
TICK_APART: Final = 0.001
"""Least seconds between two ticks of a node: rounding may leave a deadline just not reached when it is due."""


class PromiseError(AssertionError):
    """A promise is broken. The text has the network, seed and faults as it was made, and what happened last."""


@attrs.frozen
class Happened:
    """One step of one node."""

    name: str
    before: SyncNode
    event: Event
    after: SyncNode
    outputs: tuple[Output, ...]


Watcher = Callable[[Happened], None]


class SimNetwork:
    """Nodes, and the lines between them. The same seed and the same calls give the same run.

    ``codec``: every message travels as real bytes. ``rules`` move the values of all nodes that are ``syncfsm.Node``s
    instead of the tables of those names: a ``RowCount``, or changed tables. ``root`` is the block with which all nodes
    begin. More than ``messages`` of them are taken for a storm that never ends. ``registry`` has the protocols whose
    messages travel here. ``LocalError`` for a name that is not in the network.
    """

    def __init__(
        self,
        seed: int = 0,
        faults: Faults = Faults(),  # noqa: B008  a frozen value
        *,
        codec: bool = True,
        rules: Mapping[str, Rules] | None = None,
        root: Header = GENESIS,
        messages: int = 50_000,
        registry: Registry = STANDARD,
    ) -> None:
        self.faults, self.now, self.luck = faults, 0.0, Luck(seed)
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
        self.root, self.registry = root, registry
        self.delivered = 0
        """How many messages have arrived."""
        self._codec, self._rules, self._most = codec, rules, messages
        self._made_as = f"SimNetwork({seed}, {faults})"
        self._last: deque[tuple[float, str, Event | None, tuple[Output, ...]]] = deque(maxlen=TOLD)

    # Building -----------------------------------------------------------------------------------------------------

    def add(self, name: str, start: Callable[[], SyncNode], correct: bool = True) -> None:
        """Add a node. ``start`` makes it anew, holding the root alone; after a restart it is told again what it
        accepted. Nothing is promised for a node that is not correct."""
        if name in self.members:
            raise LocalError(f"node {name!r} is in the network already; give every node a name of its own")
        self.members[name] = Member(name, start, correct, start(), self.root.point, self.root.point, {self.root.id})

    def join(self, a: str, b: str, way: Way | None = None) -> None:
        """From now on these two may be linked. ``LocalError`` if they may be already, or are one.

        With a ``way``, both directions carry by it, and not as the network's faults say.
        """
        if self._member(a) is self._member(b) or (a, b) in self.lines:
            raise LocalError(f"{a!r} and {b!r} are joined already, or are one; join two nodes once")
        self.pairs.append((a, b))
        for source, target in ((a, b), (b, a)):
            self.lines[source, target] = Line(source, target, self._codec, self.registry, way=way)

    def join_all(self) -> None:
        """Let any two nodes be linked."""
        for a, b in combinations(self.members, 2):
            if (a, b) not in self.lines:
                self.join(a, b)

    # Asking -------------------------------------------------------------------------------------------------------

    @property
    def correct(self) -> list[str]:
        """The names of the correct nodes."""
        return [name for name, member in self.members.items() if member.correct]

    def node(self, name: str) -> SyncNode:
        """The node as it is now."""
        return self._member(name).node

    def head(self, name: str) -> Header:
        """The head of a node, as it said."""
        return self.blocks[self._member(name).head.id]

    def final(self, name: str) -> Header:
        """The final block of a node, as it said."""
        return self.blocks[self._member(name).final.id]

    def ancestors(self, header: Header) -> Iterator[Header]:
        """The block and all below it, newest first."""
        found: Header | None = header
        while found is not None:
            yield found
            found = self.blocks.get(found.parent)

    def linked(self, a: str, b: str) -> bool:
        """Is there a connection that neither end has left?"""
        return self._line(a, b).open and self._line(b, a).open

    def over(self, a: str, b: str) -> bool:
        """Have both ends left the last connection, if there was one?"""
        return not self._line(a, b).open and not self._line(b, a).open

    def busy(self) -> list[Line]:
        """The lines that have something under way and carry."""
        return [line for line in self.lines.values() if line.load and not line.cut]

    def _member(self, name: str) -> Member:
        if name not in self.members:
            raise LocalError(f"there is no node {name!r} in the network; add it, or take one of {[*self.members]}")
        return self.members[name]

    def _line(self, source: str, target: str) -> Line:
        if (source, target) not in self.lines:
            raise LocalError(f"{source!r} and {target!r} are not joined; call join or join_all once both are added")
        return self.lines[source, target]

    # What happens -------------------------------------------------------------------------------------------------

    def feed(self, name: str, event: Event) -> tuple[Output, ...]:
        """Give one node an event, and put what it sends under way. ``LocalError`` if it rejects it."""
        member = self._member(name)
        asked = isinstance(event, Produced | Finalised | Verdict)
        after, outputs = self._step(name, member.node, event, asked)
        before, member.node = member.node, after
        if outputs or not isinstance(event, Room | Tick):
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

    def _step(self, name: str, node: SyncNode, event: Event, asked: bool) -> tuple[SyncNode, tuple[Output, ...]]:
        """``asked``: the environment asks for something that may be impossible."""
        try:
            after, outputs = node.step(event, self._rules) if isinstance(node, Node) else node.step(event)
        except LocalError as error:
            if asked:
                raise
            self.broken(f"{name} rejected {tell(event, self.registry)}, which was not its caller's mistake: {error}")
        except Exception as error:
            self._last.append((self.now, name, event, ()))
            self.broken(f"{name} raised {type(error).__name__}: {error}")
        return after, tuple(outputs)

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
            case SendBlocks(peer, headers, protocol):
                for header in headers:
                    self._put(name, peer, self.registry.run(protocol, (header,)))
            case Disconnect(peer):
                if not self._has_link(name, peer):
                    self.broken(f"OneDisconnect: {name} ended its link to {peer}, which was over")
                self._end(name, peer)
            case Misbehaviour(peer, fault):
                self._accuse(name, peer, fault)
            case Accepted() | HeadMoved() | FinalMoved():
                try:
                    member.note(output, self.now, self.blocks)
                except AssertionError as error:
                    self.broken(str(error))
            case _:
                pass

    def _has_link(self, name: str, peer: str) -> bool:
        return (name, peer) in self.lines and self.lines[name, peer].open

    def _accuse(self, name: str, peer: str, fault: Fault) -> None:
        if name in self.correct and peer in self.correct:
            self.broken(f"NoPunishHonest: {name} accuses {peer} of {fault.rule}: {fault.detail}")
        self.accusations.append((name, peer, fault))
        self.pairs = [pair for pair in self.pairs if {*pair} != {name, peer}]

    def _put(self, name: str, peer: str, message: Carried) -> None:
        if not self._has_link(name, peer):
            self.broken(f"OneDisconnect: {name} sent {tell(message, self.registry)} to {peer} without a link")
        if self.lines[peer, name].open:  # else it is lost: nobody is there to receive it
            self.lines[name, peer].put(message, self.now, self._due())

    def _due(self) -> float:
        return self.now + self.faults.latency + self.faults.jitter * self.luck.share()

    def _end(self, name: str, peer: str) -> None:
        """This end has left: what is under way to it is lost, the other end will learn of it."""
        line, back = self.lines[name, peer], self.lines[peer, name]
        line.open = False
        back.drop()
        if back.open:
            line.put(None, self.now, self._due())
        else:
            line.drop()

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
        """Let the next message arrive; its room comes back to the source, unless it came back once it was written.

        Nothing happens if nothing is under way.
        """
        line = self._line(source, target)
        if not line.under_way:
            return
        self.delivered += 1
        if self.delivered > self._most:
            self.broken(f"Bounded: more than {self._most} messages arrived; a network that needs them says so")
        try:
            message = line.take(overtake)
        except LocalError as error:
            self.broken(f"{source} sent {target} what cannot be encoded: {error}")
        if message is None:
            self.feed(target, Lost(source, self.now))
            return
        if isinstance(message, tuple):
            fault, protocol = message
            if self._member(source).correct:
                self.broken(f"{source} sent {target} what cannot be decoded: {fault.detail}")
            self.feed(target, Garbled(source, fault, self.now, protocol))
            return
        self.feed(target, Received(source, message, self.now))
        if line.way is None:
            self._free(line, message)

    def write(self, source: str, target: str) -> None:
        """What a line with a way of its own was writing has been written: its room comes back to the source."""
        line = self._line(source, target)
        if line.writing is not None and (message := line.written(self.now)) is not None:
            self._free(line, message)

    def _free(self, line: Line, message: Carried) -> None:
        room = self.registry.cost(message)
        if room and line.open:
            self.feed(line.source, Room(line.target, room, self.now))

    def end(self, a: str, b: str) -> None:
        """The connection ends without a word, and what is under way is lost; both ends are told at once."""
        for name, peer in ((a, b), (b, a)):
            if self._line(name, peer).open:
                self.feed(name, Lost(peer, self.now))

    def cut(self, source: str, target: str) -> None:
        """From now on nothing of the source's reaches the target; nothing is lost, and neither is told."""
        self._line(source, target).cut = True

    def mend(self, source: str, target: str) -> None:
        """The line carries again, at full speed."""
        self._line(source, target).mend()

    def restart(self, name: str) -> None:
        """The node dies; what it sent before still arrives. It starts again from what it accepted, without links."""
        member = self._member(name)
        for source, peer in self.lines:
            if source == name and self.lines[name, peer].open:
                self._end(name, peer)
        self._last.append((self.now, name, None, ()))
        member.node, head = member.start(), self.root.point
        for event in member.journal:
            member.node, outputs = self._step(name, member.node, event, asked=False)
            head = next((output.new for output in reversed(outputs) if isinstance(output, HeadMoved)), head)
        if member.correct and head != member.head:
            self.broken(f"{name} restarted from all it accepted: its head is {head}; it was {member.head}")

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
        story = "\n".join(
            f"{now:9.3f}  {name}: {_told(event, outputs, self.registry)}" for now, name, event, outputs in self._last
        )
        raise PromiseError(f"{what}\n{self._made_as}\nwhat happened last:\n{story}")


def _told(event: Event | None, outputs: tuple[Output, ...], registry: Registry) -> str:
    if event is None:
        return "restarts"
    return f"{tell(event, registry)} -> {', '.join(tell(output, registry) for output in outputs) or 'nothing'}"
