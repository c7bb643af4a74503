"""An outage as a value: who was lost, when and how, in which network, and what happened meanwhile.

Every number means something in every story: it is taken modulo what there is to choose from. So stories can be made
smaller number by number, and written to a file as one line of JSON each:

    {"nodes": 2, "losses": [{"gap": 100}]}
"""

import json
from collections.abc import Iterator
from itertools import combinations, pairwise
from math import ceil
from typing import Any, Final, Self

import attrs
import msgspec

from syncfsm import limits
from syncfsm.errors import LocalError
from syncfsm.limits import HELLO_POINTS, Limits
from syncfsm.testing.lines import Way

HOW: Final = ("cut", "killed", "silent", "deaf", "mute")
"""How a node is lost. Its connections end, and both ends are told; it dies, and the others are told; nothing is carried
any more and nobody is told; nothing is carried to it; nothing is carried from it."""
TOPOLOGIES: Final = ("line", "star", "ring", "mesh")
"""The sequencer is the first of the line, and the middle of the star."""
TURNS: Final = ("fork", "ban")
LIARS: Final = ("", "HeightLiar", "StalePeer", "Equivocator", "SilentPeer", "Flooder")
"""Nobody, or the class of ``syncfsm.testing`` that is linked to every node."""
NAMES: Final = ("seq", "a", "b", "c", "d", "e")
LIAR: Final = "liar"
HELLO: Final = 1536
"""Bytes of a hello, at most: see ``limits.HELLO_POINTS``."""
Pair = tuple[str, str]


@attrs.frozen
class Loss:
    """One node is out of reach for a while."""

    who: int = 1
    """The number of the node; 0 is the sequencer."""
    how: str = "cut"
    """One of ``HOW``."""
    gap: int = 1
    """How many blocks the sequencer makes meanwhile; if it is the one that is dead, for as long as that would take."""
    after: int = 0
    """How many blocks after ``Outage.start`` it is lost."""
    into: int = 50
    """At which instant between two blocks it is lost, and is back: percent of a block time."""


@attrs.frozen
class Turn:
    """The chain takes another way, at block ``at`` after ``Outage.start``."""

    kind: str = "fork"
    """``fork``: node ``by`` makes ``count`` blocks, ``depth`` blocks below its head, that make a better branch than the
    one it leaves. ``ban``: execution finds the block ``depth`` below the sequencer's head to be bad, in all nodes."""
    at: int = 1
    by: int = 0
    depth: int = 1
    count: int = 1


@attrs.frozen(kw_only=True)
class Outage:
    """The whole story. Links are numbered as ``pairs`` has them; of shorter lists, the items are taken in turn."""

    nodes: int = 2
    """Correct ones, the sequencer among them."""
    topology: str = "line"
    interval: int = 200
    """Milliseconds from one block of the sequencer to the next."""
    size: int = 1024
    """Bytes of a block's body."""
    latency: tuple[int, ...] = (1,)
    """Milliseconds, of each link."""
    load: tuple[int, ...] = (1,)
    """Of each link, how much of what it can carry the live chain takes: 1 to 50 percent. That is its bandwidth."""
    start: int = 1
    """X: how many blocks there are when the first node may be lost."""
    losses: tuple[Loss, ...] = (Loss(),)
    turns: tuple[Turn, ...] = ()
    tail: int = 3
    """How many blocks the sequencer makes after the last return."""
    final: int = 0
    """A block is final when this many are above it; 0: nothing is ever final."""
    retention: int = 100_000
    """``Limits.retention`` of all nodes: what they keep below the final point. It is at least ``least_retention``."""
    room: int = 1024
    """``Limits.room`` of all nodes, in KiB."""
    points: int = HELLO_POINTS
    """``Limits.points`` of all nodes: with few, a fork is found in more steps."""
    liar: str = ""
    """Nobody, or one of ``LIARS``, linked to every node."""
    dial: int = 50
    """Milliseconds, at most, until a link that is over and could carry is dialled; half of it at least."""
    seed: int = 0
    """Of what is left to chance: when exactly which link is dialled."""

    # As a line ------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """One line of JSON, without what is as usual."""
        usual, mine = attrs.asdict(Outage()), attrs.asdict(self)
        told = {name: value for name, value in mine.items() if value != usual[name]}
        for name, like in (("losses", Loss()), ("turns", Turn())):
            if name in told:
                plain = attrs.asdict(like)
                told[name] = [{key: item[key] for key in item if item[key] != plain[key]} for item in told[name]]
        return json.dumps(told)

    @classmethod
    def read(cls, line: str) -> Self:
        """The outage of such a line. ``LocalError`` if it is none."""
        try:
            told: dict[str, Any] = msgspec.convert(json.loads(line), dict[str, Any])
            for name, kind in (("losses", Loss), ("turns", Turn)):
                if name in told:
                    told[name] = tuple(kind(**item) for item in told[name])
            for name in ("latency", "load"):
                if name in told:
                    told[name] = tuple(told[name])
            return cls(**told)
        except (ValueError, TypeError) as error:
            raise LocalError(f"this is no outage, as str() writes it on one line: {error}") from None

    # The network ----------------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The correct nodes, the sequencer first."""
        return NAMES[: max(2, min(self.nodes, len(NAMES)))]

    def name(self, number: int) -> str:
        return self.names[number % len(self.names)]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The correct nodes that are linked."""
        names = self.names
        match self.topology:
            case "star":
                return tuple((names[0], name) for name in names[1:])
            case "mesh":
                return tuple(combinations(names, 2))
            case "ring" if len(names) > 2:
                return tuple(zip(names, (*names[1:], names[0]), strict=True))
            case _:
                return tuple(pairwise(names))

    @property
    def weight(self) -> int:
        """Bytes of a block on the way."""
        return self.size + limits.BLOCK_OVERHEAD

    @property
    def every(self) -> float:
        """Block time, in seconds."""
        return self.interval / 1000

    def ways(self) -> Iterator[tuple[Pair, Way]]:
        """Every link between correct nodes, and how it carries."""
        for at, pair in enumerate(self.pairs):
            share = max(1, min(self.load[at % len(self.load)], 50)) / 100
            yield pair, Way(self.latency[at % len(self.latency)] / 1000, self.weight / (self.every * share))

    @property
    def least_retention(self) -> int:
        """As many blocks as are made while a link is dialled and its ends greet, twice: who fetched what is final from
        elsewhere would find the next blocks dropped again, for ever, at nodes that keep less."""
        greet = max(4 * (way.latency + (self.weight + HELLO) / way.rate) for _, way in self.ways())
        return ceil(2 * (self.dial / 1000 + greet) / self.every)

    @property
    def limits(self) -> Limits:
        """What the nodes are to be made with."""
        points = max(2, min(self.points, HELLO_POINTS))
        retention = max(self.retention, self.least_retention)
        return Limits(retention=retention, room=max(1, self.room) * 1024, points=points)

    # When -----------------------------------------------------------------------------------------------------------

    def begins(self, loss: Loss) -> float:
        """Seconds from the moment at which the sequencer makes its first block."""
        return (self.start + loss.after - 1 + loss.into % 100 / 100) * self.every

    def ends(self, loss: Loss) -> float:
        return self.begins(loss) + max(1, loss.gap) * self.every

    @property
    def blocks(self) -> int:
        """How many blocks the sequencer makes in all, if it is never dead."""
        last = max((loss.after + max(1, loss.gap) for loss in self.losses), default=0)
        return self.start + last + self.tail
