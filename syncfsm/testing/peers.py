"""Peers that are not nodes: one that follows a script, and some that lie. Each can take a node's place in a network.

    network.add("liar", HeightLiar, correct=False)

They are values, as nodes are: a step gives a new one. They answer pings, unless being silent is their point, so that a
link to them ends only for what they do.
"""

from collections.abc import Callable
from typing import Final, Self

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.events import Connected, Event, Lost, Received
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Disconnect, Output, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.sync.messages import Blocks, Finality, Found, Hello
from syncfsm.testing.lines import Carried
from syncfsm.testing.story import tell
from syncfsm.testing.trees import GENESIS, branch, child

# A script -------------------------------------------------------------------------------------------------------


@attrs.frozen
class Expect:
    """The next message must be of this ``kind``; ``that`` looks closer."""

    kind: type[Carried]
    that: Callable[[Carried], bool] = lambda message: True


class UnexpectedError(AssertionError):
    """A node said something else than the script expects."""


@attrs.frozen
class ScriptedPeer:
    """Says what the script says, as soon as what stands before it has been heard. For one link at a time.

    Messages in ``skipped`` need not be expected. ``done`` tells that the script is played to its end; what comes after
    that is not looked at. A new connection starts the script anew. ``UnexpectedError`` if something else is heard than
    is expected.
    """

    script: tuple[Carried | Expect, ...]
    skipped: tuple[type[Carried], ...] = (Ping, Pong, Finality)
    at: int = 0
    next_deadline: None = None

    @property
    def done(self) -> bool:
        return self.at == len(self.script)

    def step(self, event: Event, /) -> tuple[Self, tuple[Output, ...]]:
        if isinstance(event, Connected):
            return attrs.evolve(self, at=0)._speak(event.peer)
        if isinstance(event, Lost):
            return self, (Disconnect(event.peer, Parting.LOST),)
        if not isinstance(event, Received):
            return self, ()
        farewell = _leave(event)
        if self.done or isinstance(event.message, self.skipped):
            return self, _alive(event) + farewell
        expected = self.script[self.at]
        assert isinstance(expected, Expect)
        if not isinstance(event.message, expected.kind) or not expected.that(event.message):
            kind = expected.kind.__name__.lower()
            raise UnexpectedError(f"place {self.at} of the script expects {kind}; what came is {tell(event.message)}")
        after, said = attrs.evolve(self, at=self.at + 1)._speak(event.peer)
        return after, farewell or said

    def _speak(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        """Say all that stands before the next ``Expect``."""
        at, said = self.at, list[Output]()
        while at < len(self.script) and not isinstance(line := self.script[at], Expect):
            said.append(_send(peer, line))
            at += 1
        return attrs.evolve(self, at=at), tuple(said)


# Byzantine peers ------------------------------------------------------------------------------------------------


@attrs.frozen
class Byzantine:
    """What lying peers share: they know to whom they are linked, answer pings, and end a link that the other ends.

    A peer of your own overrides ``greet`` and ``answer``. ``root`` is the block with which the network begins.
    """

    root: Header = GENESIS
    links: frozenset[str] = frozenset()
    next_deadline: float | None = None

    def greet(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        """What to say on a new connection."""
        return self, ()

    def answer(self, peer: str, message: Carried) -> tuple[Self, tuple[Output, ...]]:
        """What to say to a message that is neither a ping nor a bye."""
        return self, ()

    def hello(self, head: Point, score: bytes, about: Point | None = None) -> Hello:
        """The hello of a peer that offers its head and the root."""
        root = self.root.point
        points = (head, root) if head.height > root.height else (root,)
        return Hello(head, score, root, root, points, head.height + 1, about)

    def step(self, event: Event, /) -> tuple[Self, tuple[Output, ...]]:
        if isinstance(event, Connected):
            return attrs.evolve(self, links=self.links | {event.peer}).greet(event.peer)
        if isinstance(event, Lost):
            return attrs.evolve(self, links=self.links - {event.peer}), (Disconnect(event.peer, Parting.LOST),)
        if not isinstance(event, Received):
            return self, ()
        if isinstance(event.message, Bye):
            return attrs.evolve(self, links=self.links - {event.peer}), _leave(event)
        if isinstance(event.message, Ping):
            return self, _alive(event)
        return self.answer(event.peer, event.message)


class SilentPeer:
    """Takes connections and never says a word, not even to a ping."""

    next_deadline: None = None

    def step(self, event: Event, /) -> tuple[Self, tuple[Output, ...]]:
        if isinstance(event, Lost):
            return self, (Disconnect(event.peer, Parting.LOST),)
        return self, _leave(event) if isinstance(event, Received) else ()


@attrs.frozen
class HeightLiar(Byzantine):
    """Claims a head far above everyone's, agrees to any common ancestor, and then has no blocks to give."""

    height: int = 1_000_000

    def greet(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        return self, (Send(peer, self._hello()),)

    def answer(self, peer: str, message: Carried) -> tuple[Self, tuple[Output, ...]]:
        if not isinstance(message, Hello):
            return self, ()
        return self, (Send(peer, self._hello(message.head)), Send(peer, Found(message.points[-1])))

    def _hello(self, about: Point | None = None) -> Hello:
        head = Point(self.height, b"a head that is not there")
        return self.hello(head, b"\xff" * 8, about)


@attrs.frozen
class StalePeer(Byzantine):
    """Missed a reorganisation: it still offers and sends the ``branch`` that all others left, and takes nothing else.

    ``branch`` are blocks on the root, oldest first.
    """

    branch: tuple[Header, ...] = attrs.field(
        default=attrs.Factory(lambda self: tuple(branch(self.root, 8, "stale")), takes_self=True)
    )

    def greet(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        head = self.branch[-1]
        return self, (Send(peer, self.hello(head.point, head.score)),)

    def answer(self, peer: str, message: Carried) -> tuple[Self, tuple[Output, ...]]:
        if isinstance(message, Hello):
            return self, (Send(peer, Found(self.root.point)), SendBlocks(peer, self.branch))
        return self, (SendBlocks(peer, self.branch[-1:]),) if isinstance(message, Blocks) else ()


@attrs.frozen
class Equivocator(Byzantine):
    """For every block it is given it makes two on top of it, and gives one to some peers and the other to the rest.

    It stops after ``lies`` of them. Where ids must be signed, give it ``make``.
    """

    lies: int = 20
    make: Callable[[Header, str], Header] = child

    def greet(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        return self, (Send(peer, self.hello(self.root.point, self.root.score)),)

    def answer(self, peer: str, message: Carried) -> tuple[Self, tuple[Output, ...]]:
        if not isinstance(message, Blocks) or not self.lies:
            return self, ()
        side = sorted(self.links).index(peer) % 2
        lie = self.make(message.headers[-1], f"equivocation {side}")
        return attrs.evolve(self, lies=self.lies - 1), (SendBlocks(peer, (lie,)),)


@attrs.frozen
class Flooder(Byzantine):
    """Says hello, ``burst`` times whenever anything happens, each time with another head."""

    burst: int = 100
    said: int = 0

    def greet(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        return self._flood(peer)

    def answer(self, peer: str, message: Carried) -> tuple[Self, tuple[Output, ...]]:
        return self._flood(peer)

    def _flood(self, peer: str) -> tuple[Self, tuple[Output, ...]]:
        heads = [Point(self.root.height + 9, f"flood {self.said + at}".encode()) for at in range(self.burst)]
        hellos = tuple(Send(peer, self.hello(head, b"\xfe" * 8)) for head in heads)
        return attrs.evolve(self, said=self.said + self.burst), hellos


BYZANTINE: Final[tuple[type[Byzantine] | type[SilentPeer], ...]] = (
    HeightLiar,
    StalePeer,
    Equivocator,
    SilentPeer,
    Flooder,
)
"""All that lie; each can be made without arguments."""


def _send(peer: str, message: Carried) -> Output:
    headers = STANDARD.headers(message)
    return SendBlocks(peer, headers, STANDARD.number(message)) if headers else Send(peer, message)


def _alive(event: Received) -> tuple[Output, ...]:
    return (Send(event.peer, Pong()),) if isinstance(event.message, Ping) else ()


def _leave(event: Received) -> tuple[Output, ...]:
    """Who is told bye ends the link too."""
    return (Disconnect(event.peer, Parting.PEER_LEFT),) if isinstance(event.message, Bye) else ()
