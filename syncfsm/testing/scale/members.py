"""What a large network is made of: nodes, the edges between them, and the connections that come and go on an edge."""

from collections.abc import Callable
from math import inf
from typing import Any

from syncfsm.blocks import Header
from syncfsm.node.node import Node
from syncfsm.outputs import Output
from syncfsm.protocol import Message
from syncfsm.testing.scale.overlay import Place
from syncfsm.testing.scale.uplink import Downlink, Uplink

DIALS, TAKES = 0, 1
"""The two sides of an edge."""
Behaviour = Callable[[Output], float]
"""After how many seconds does a node do what it said it would? ``inf`` is never: its own node takes it for done."""
Queued = tuple["End", Header, int, Callable[["End", Header, int], None]]
"""A block in an uplink: for whom, which, the number of the protocol, and who is told that it has been written."""


class Member:
    """A node and its line, which is that of the one ``beside`` it, if there is one.

    ``ends`` are its open ends of connections, by the names that the node has for them. It looks at its clock at
    ``phase`` and in steps from there, and next at ``looks_at``, if that is planned.
    """

    __slots__ = (
        "alive",
        "behaviour",
        "downlink",
        "ends",
        "id",
        "index",
        "looks_at",
        "node",
        "phase",
        "place",
        "uplink",
    )

    def __init__(self, index: int, id: bytes, place: Place, node: Node, beside: "Member | None" = None) -> None:
        self.index, self.id, self.place, self.node = index, id, place, node
        self.uplink: Uplink[Queued] = Uplink(place.up, _wanted) if beside is None else beside.uplink
        self.downlink: Downlink = Downlink(place.down) if beside is None else beside.downlink
        self.ends: dict[str, End] = {}
        self.behaviour: Behaviour | None = None
        self.alive = True
        self.phase = 0.0
        self.looks_at = inf

    def kill(self) -> None:
        """Whatever waited to be written is lost."""
        self.alive = False
        self.uplink = Uplink(self.place.up, _wanted)
        self.ends.clear()


def _wanted(queued: Queued) -> bool:
    return queued[0].open


class Edge:
    """Two nodes that may be joined. ``up`` tells whether what one sends reaches the other; ``ends`` are the newest at
    either side, open or not. The rest is for dialling: what the pause is, and when the attempt began."""

    __slots__ = ("cut_at", "dialling", "ends", "latency", "members", "named", "pause", "started", "up")

    def __init__(self, dials: Member, takes: Member, latency: float, pause: float) -> None:
        self.members = (dials, takes)
        self.latency = latency
        self.up = True
        self.cut_at = 0.0
        self.ends: list[End | None] = [None, None]
        self.named = 0
        self.dialling = False
        self.pause, self.started = pause, 0.0

    def connection(self) -> "Connection":
        """A new connection, which neither side has entered."""
        self.named += 1
        return Connection(self)


class Connection:
    """One connection on an edge. While it is ``stalled``, what arrives is kept: the edge is cut, or was."""

    __slots__ = ("edge", "ends", "stalled")

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.stalled: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None if edge.up else []
        dials, takes = edge.members
        self.ends = (End(self, dials, takes.id, DIALS), End(self, takes, dials.id, TAKES))
        self.ends[DIALS].other, self.ends[TAKES].other = self.ends[TAKES], self.ends[DIALS]


class End:
    """One end of a connection, under the ``name`` that the node ``here`` has for it.

    ``queued`` has the ids of the blocks that wait to be written to it, each with the small messages that must not
    overtake it. ``taken`` is the room that the node believes taken, ``freed`` what of it has been written and the node
    was not told. Nothing is read here before ``reads_at``.
    """

    __slots__ = ("connection", "freed", "here", "name", "open", "other", "queued", "reads_at", "side", "taken")

    other: "End"

    def __init__(self, connection: Connection, here: Member, id: bytes, side: int) -> None:
        self.connection, self.here, self.side = connection, here, side
        self.name = f"{id[:8].hex()}#{connection.edge.named}"
        self.open = False
        self.queued: dict[bytes, list[Message]] = {}
        self.taken = self.freed = 0
        self.reads_at = 0.0
