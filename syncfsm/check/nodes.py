"""The components of a network: real nodes, the lines between them, and what the environment may do to both.

Time stands still at 0 in these worlds, and the hello meter is always full, as if much time passed between any two
actions. A ``Wait`` makes time pass for one node: all its time stamps move back. So a node's state does not grow with
the clock, and what depends on time is explored where a world asks for it (``timed``).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import attrs
from immutables import Map
from msgspec.structs import replace

from syncfsm import limits as bounds
from syncfsm.check.world import Choice, Component, Emission, Environment, Move, Step, World
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Finalised, Leave, Lost, Produced, Received, Room, Say, Tick, Verdict
from syncfsm.link import TABLE, Link, View
from syncfsm.link import Event as LinkEvent
from syncfsm.machine import Rule, Table
from syncfsm.machine import Step as RuleStep
from syncfsm.messages import Blocks, Bye, Control, Finality, Found, Hello, Note
from syncfsm.node import Node, Rules
from syncfsm.outputs import Disconnect, Output, Send, SendBlocks

CHOSEN: Final = (Produced, Finalised, Verdict, Leave, Say)
"""Events of the environment. One that a node rejects, or that changes nothing and says nothing, cannot happen."""

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


OPEN, END, SHUT, BREAK, CALM, DELIVER, OVERTAKE, GIVE_BACK = (
    Do("open"), Do("end"), Do("shut"), Do("break"), Do("calm"), Do("deliver"), Do("overtake"), Do("give back"),
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

    When its source ends the link, an end mark follows the last message. When its target ends the link, what is under
    way is lost. It can be opened again when it is shut and empty, and broken while it is open.
    """

    source: str
    target: str
    bound: int = 3
    overtaking: bool = False
    most: int = 24
    start: Line = Line()

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
            return self._deliver(line, 0 if stimulus is DELIVER else _first_small(line.under_way))
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
        return Step(Line(True)) if line == Line() else None

    def _deliver(self, line: Line, at: int) -> Step:
        message = line.under_way[at]
        if message == EOF:
            return Step(Line(), ((self.target, Lost(self.source, 0.0)),))
        rest = line.under_way[:at] + line.under_way[at + 1 :]
        owed = line.owed + cost(message) if EOF not in rest else 0
        return Step(Line(True, rest, owed), ((self.target, Received(self.source, message, 0.0)),))

    def choices(self, line: Line) -> Sequence[Choice]:
        found = [Choice("deliver", DELIVER)] if line.under_way else []
        if self.overtaking and _first_small(line.under_way) > 0:
            found.append(Choice("overtake", OVERTAKE))
        if line.owed:
            found.append(Choice("give back", GIVE_BACK))
        return found

    def show(self, line: Line) -> str:
        return " ".join(words(message) for message in line.under_way)


def _put(line: Line, items: tuple[Any, ...]) -> Line:
    """What is handed over after the end, or to a line that is shut, is lost."""
    if not line.open or EOF in line.under_way:
        return line
    return attrs.evolve(line, under_way=(*line.under_way, *items))


def channel(source: str, target: str) -> str:
    """The name of the channel between two nodes."""
    return f"{source}→{target}"


def _first_small(under_way: tuple[Any, ...]) -> int:
    """The place of the oldest small message, a bye included; 0 if there is none."""
    for at, message in enumerate(under_way):
        if message == EOF:
            return 0
        if not isinstance(message, Blocks):
            return at
    return 0


def cost(message: Any) -> int:
    """What a message counts against the room of its link."""
    if isinstance(message, Blocks):
        return sum(header.cost for header in message.headers)
    return bounds.BLOCK_OVERHEAD if isinstance(message, Hello) else 0


# Nodes ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wait:
    """``seconds`` pass, then comes a tick. If ``shared``, they pass for all linked peers too."""

    seconds: float
    shared: bool = False


@attrs.define
class Watch:
    """Rules that note what they did: (link, event, message, view) and the row that fired."""

    rules: Rules
    seen: list[tuple[Link, LinkEvent, object, View, Rule]] = attrs.field(factory=list)

    def step(self, value: Link, event: LinkEvent, message: object, view: View) -> RuleStep[Link]:
        step = self.rules.step(value, event, message, view)
        self.seen.append((value, event, message, view, step.rule))
        return step


@attrs.frozen
class NodeComponent:
    """A real node, in the state ``start``, moved by ``table``. Its peers are the nodes to which it has channels."""

    name: str
    start: Node
    table: Rules = TABLE
    timed: bool = False

    def step(self, node: Node, stimulus: Event | Wait) -> Step | None:
        event: Event = Tick(0.0) if isinstance(stimulus, Wait) else stimulus
        before = self._earlier(node, stimulus.seconds) if isinstance(stimulus, Wait) else node
        watch = Watch(self.table)
        try:
            after, outputs = before.step(event, watch)
        except LocalError:
            if isinstance(event, CHOSEN):
                return None
            raise
        if isinstance(event, CHOSEN) and not watch.seen and not outputs and after == node:
            return None
        after = after if self.timed else _timeless(after)
        emissions = self._emissions(outputs)
        if isinstance(stimulus, Wait) and stimulus.shared:
            emissions = (*((peer, Wait(stimulus.seconds)) for peer in sorted(node.links)), *emissions)
        return Step(after, emissions, outputs, tuple(seen[-1] for seen in watch.seen))

    def _emissions(self, outputs: Iterable[Output]) -> tuple[Emission, ...]:
        """One put for each peer, and the end of its connection."""
        put: dict[str, list[Control | Blocks]] = {}
        ended: list[str] = []
        for output in outputs:
            if isinstance(output, Send):
                put.setdefault(output.peer, []).append(output.message)
            elif isinstance(output, SendBlocks):
                put.setdefault(output.peer, []).extend(Blocks((header,)) for header in output.headers)
            elif isinstance(output, Disconnect):
                ended.append(output.peer)
        emissions: list[Emission] = [(channel(self.name, peer), Put(tuple(items))) for peer, items in put.items()]
        for peer in ended:
            emissions += ((channel(self.name, peer), END), (channel(peer, self.name), SHUT))
        return tuple(emissions)

    def _earlier(self, node: Node, seconds: float) -> Node:
        """The same node, everything that it remembers ``seconds`` longer ago; in timeless worlds, its leader only."""
        leader = node.leader
        if leader is not None:
            leader = attrs.evolve(leader, began=leader.began - seconds, helped=leader.helped - seconds)
        links = {peer: _aged(link, seconds) for peer, link in node.links.items()} if self.timed else node.links
        return attrs.evolve(node, links=Map(links), leader=leader)

    def choices(self, node: Node) -> Sequence[Choice]:
        """What only needs time: to stop waiting for a leader, and to send a hello that the rate limit put off."""
        leader, limits, found = node.leader, node.config.limits, list[Choice]()
        if leader is not None and node.waiting and leader.deadline(limits) > 0:
            found.append(Choice("patience ends", Wait(limits.patience)))
        if any(link.owes_hello for link in node.links.values()):
            found.append(Choice("a hello is due", Wait(bounds.HELLO_SHARE / limits.hello_rate, True)))
        return found

    def show(self, node: Node) -> str:
        return show_node(node)


def _aged(link: Link, seconds: float) -> Link:
    return replace(
        link,
        since=link.since - seconds,
        heard_at=link.heard_at - seconds,
        pinged_at=link.pinged_at - seconds,
        metered_at=link.metered_at - seconds,
    )


def _timeless(node: Node) -> Node:
    """The same node, as if its links had all the time in the world."""
    burst = float(node.config.limits.hello_burst)
    share = burst / bounds.HELLO_SHARE
    links = node.links
    for peer, link in node.links.items():
        if link.may_say != share or link.may_hear != burst or link.top:
            links = links.set(peer, replace(link, may_say=share, may_hear=burst, top=0))
    return node if links is node.links else attrs.evolve(node, links=links)


def with_rules(world: World, table: Table[Link]) -> World:
    """The same world, whatever has a ``table`` moved by this one: to learn what breaks if a rule is changed."""
    components = tuple(
        attrs.evolve(cast(Any, component), table=table) if hasattr(component, "table") else component
        for component in world.components
    )
    return attrs.evolve(world, components=components, rows=table.rules)


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
    lines = [Channel(source, target, bound, overtaking) for source, target in ends]
    names = {node.name for node in nodes}

    def calmly(move: Move) -> Move:
        happens = {target for target, stimulus in move.emissions if target in names}
        opens = any(stimulus in (OPEN, BREAK) for _, stimulus in move.emissions)
        calm = tuple((line.name, CALM) for line in lines if line.source in happens and not opens)
        return attrs.evolve(move, emissions=(*calm, *move.emissions))

    return (*nodes, *lines, Environment(tuple(calmly(move) for move in moves)))


# For people -----------------------------------------------------------------------------------------------------


def name_of(id: bytes) -> str:
    """An id for people: the text that it is, if it is one."""
    return id.decode() if id.isascii() and id.decode().isprintable() else id[:4].hex()


def words(message: Any) -> str:
    """A message in a few words."""
    match message:
        case Hello(head=head, points=points, about=about):
            answer = f" re {name_of(about.id)}" if about else ""
            return f"hello {name_of(head.id)}[{' '.join(name_of(point.id) for point in points)}]{answer}"
        case Found(common):
            return f"found {name_of(common.id)}"
        case Finality(point):
            return f"final {name_of(point.id)}"
        case Blocks(headers):
            return f"block {' '.join(name_of(header.id) for header in headers)}"
        case Bye(reason):
            return f"bye ({reason.value})"
        case Note(about=about):
            return f"note on {name_of(about.id)}" if about else "note"
        case str():
            return message
        case _:
            return type(message).__name__.lower()


def show_node(node: Node) -> str:
    """Head, final point, and each link: its state, and the block that the peer is known to have."""
    links = " ".join(
        f"{peer}:{link.state.value}{'@' + name_of(link.sent.id) if link.sent else ''}"
        for peer, link in sorted(node.links.items())
    )
    final = f" final {name_of(node.chain.final.id)}" if node.chain.final.height else ""
    return f"{name_of(node.chain.head.id)}{final} {links or 'no link'}"
