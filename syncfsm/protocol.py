"""What a protocol is to the rest of the house: it registers itself here, and nothing else names it.

A room (a folder such as ``sync/``) has a table that moves one value for each connection. A ``Protocol`` says all that
the others must know of it: its number, its messages, which of its events stand for what happens to a connection, what
it does with time, how it reads for people. Node, codec, lanes, checker, kit and documentation learn it from here; so a
protocol of your own, in a folder of your own, is one more ``Protocol`` in a ``Registry``.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Generic, TypeAlias, TypeVar

import attrs
import msgspec

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.limits import Limits, Strategy
from syncfsm.machine import Table

V = TypeVar("V")
W = TypeVar("W")
PEER_PLACE: Final = 0
"""The connection itself is the first of the protocols."""
Message: TypeAlias = msgspec.Struct
"""What travels between two nodes: a frozen struct, of a type that a protocol registers as a ``Kind``."""


class View(msgspec.Struct, frozen=True, gc=False):
    """What a table may look at besides its value: the node's chain before anything is pruned, its choices, and what
    else there is on this connection.

    ``floor`` is the height of the oldest block that will be held after this step; blocks from there up can be served.
    ``values`` are those of the protocols on this connection, to be read: one's own is given beside the view.
    """

    chain: Chain
    floor: int
    now: float
    limits: Limits
    strategy: Strategy
    values: Sequence[Any] = ()
    places: Mapping[int, int] = {}
    connections: "Callable[[str, int], Any] | None" = None
    """For what is decided across peers: the value of a protocol on a connection; see ``at``."""
    sentries: frozenset[bytes] = frozenset()
    """For what is decided across peers: to whom the node's operator wants blocks to go first, by node id."""

    @property
    def room(self) -> int:
        """How many bytes of blocks the transport will still take, whichever protocol sends them."""
        return int(self.values[PEER_PLACE].room) if self.values else 0

    def at(self, peer: str, number: int) -> Any:
        """For what is decided across peers: the value of a protocol on this connection, to be read; ``None`` if there
        is no such connection, or the peer does not speak it."""
        return self.connections(peer, number) if self.connections is not None else None

    def beside(self, number: int) -> Any:
        """The value of another protocol on this connection, to be read; ``None`` if the peer does not speak it."""
        place = self.places.get(number)
        return None if place is None else self.values[place]


class Hook(StrEnum):
    """What happens to a connection, whatever the protocol."""

    OPENED = "opened"
    """The transport is up, and the peer speaks this protocol too."""
    MOVED = "moved"
    """Our own chain changed (``Change``)."""
    FINALISED = "finalised"
    """Our own final point advanced."""
    TURN = "turn"
    """There is room for blocks, and it is this protocol's turn to use it. Told only in states in which it acts."""
    TICK = "tick"
    """Time has passed."""
    FAULT = "fault"
    """What the peer sent in this protocol is no message, or no valid block (``Fault``)."""
    ENDED = "ended"
    """The connection is over."""


class Change(msgspec.Struct, frozen=True):
    """With ``Hook.MOVED`` and ``Hook.FINALISED``: does the new head descend from the old one, did the best chain or its
    final point move (if not, some other block came), and does that final point overrule blocks that were held?"""

    extends: bool
    best: bool
    overrules: bool


class Brought(msgspec.Struct, frozen=True):
    """With the event of a kind that brings blocks: a run, and what the chain made of it: of the newest block, or of the
    first that was refused. ``FULL`` goes before, as more may be held later. ``fresh``: what of it is held now, and was
    not before."""

    run: tuple[Header, ...]
    outcome: Outcome
    fresh: tuple[Header, ...] = ()


# What a table may say to its own node, beside outputs -----------------------------------------------------------


class Notice(StrEnum):
    """What one protocol learns that another on the same connection needs; drained before the next peer is looked at."""

    PEER_HAS_MORE = "peer-has-more"
    """What the peer is known to have has changed."""


class Part(msgspec.Struct, frozen=True):
    """End the connection. From a protocol that is not essential: end that protocol alone.

    ``reason`` is a ``Parting``, ``point`` supports it, ``detail`` is for people.
    """

    reason: str
    point: Any = None
    detail: str = ""


class Poke(msgspec.Struct, frozen=True):
    """From what a protocol decides across peers: give its value on that connection this event."""

    peer: str
    event: StrEnum
    carried: Any = None


class Report(msgspec.Struct, frozen=True):
    """From a connection's value to what its protocol decides across peers: ``event`` is told of it at the end of the
    step, with a ``Said``."""

    event: StrEnum
    carried: Any = None


# Messages -------------------------------------------------------------------------------------------------------


def _sound(message: Any) -> str | None:
    return None


def _waits_for_nothing(message: Any) -> bytes | None:
    return None


def _named(message: Any) -> str:
    return type(message).__name__.lower()


@attrs.frozen
class Kind:
    """A kind of message.

    ``number`` is unique in its protocol, 1 to 255. ``event`` is what its arrival is in the table. ``flaw`` says why no
    correct peer sends this one, though each field is within its bounds; ``cost`` is what it counts against the room of
    a connection; ``waits_for`` is the id of the block that it must not overtake. ``since`` is the version of the
    protocol that knows it: to a peer of an older one it is not sent. A kind with ``blocks`` brings blocks: they travel
    on the protocol's lane, and the node takes them into the chain before the table is told. A ``last`` one is the last
    message of a connection.
    """

    number: int
    type: type[Any]
    event: StrEnum
    flaw: Callable[[Any], str | None] = _sound
    cost: int = 0
    waits_for: Callable[[Any], bytes | None] = _waits_for_nothing
    words: Callable[[Any], str] = _named
    since: int = 1
    blocks: bool = False
    last: bool = False


# What an operator wants to know ---------------------------------------------------------------------------------


class Stage(StrEnum):
    """How far a node is with one peer that has, or may have, more than it."""

    GREETING = "greeting"
    """Not both have said hello."""
    SEARCHING = "searching"
    """Both have, and the common ancestor is not known."""
    FETCHING = "fetching"
    """In step, and the peer has named blocks that are not held here."""
    IN_STEP = "in-step"
    """In step, and the peer is not known to have more."""


class Standing(msgspec.Struct, frozen=True):
    """How a node stands with one peer, as a protocol knows it.

    ``head`` is the newest block that the peer is known or said to have, ``has`` the newest of our best chain that it
    has, ``lacks`` how many of our best chain it lacks (``None`` while that is not known), ``ahead`` by how many blocks
    its head is above ours. ``waits_for`` says in words what is waited for, empty if nothing is; ``since`` when that
    began.
    """

    state: str
    stage: Stage
    head: Point | None
    has: Point | None
    lacks: int | None
    ahead: int
    better: bool
    """Is its head known to be better than ours?"""
    waits_for: str
    since: float


# A protocol -----------------------------------------------------------------------------------------------------


def _as_it_is(value: Any, *given: Any) -> Any:
    return value


def _never_due(value: Any, limits: Limits) -> float | None:
    return None


def _nothing(value: Any, limits: Limits) -> Sequence[Any]:
    return ()


def _state(value: Any) -> str:
    return str(value.state.value)


def _no_standing(value: Any, view: View) -> Standing | None:
    return None


def _no_status(value: Any) -> Mapping[str, Any]:
    return {}


Reader = Callable[[Any, Any, View], Any]
"""(value, what came, view) -> what the event carries. What an event means is worked out here, once; guards ask it and
actions use it."""
Due = tuple[str, float, bool]
"""For the checker: what only needs time, how many seconds, and whether they pass for all linked peers too."""


@attrs.frozen(kw_only=True, eq=False)
class Across(Generic[W]):
    """What a protocol decides across the peers of a node: a table that moves one value of the node.

    It is told at the end of a step, in the order in which things happened; it says ``Poke``, or outputs of its own.
    Each event named here may be ``None``, if it does not matter.

    * ``joined``: a connection began (``Joined``). ``left``: it is over.
    * ``gained``: a peer brought blocks that are new, in this protocol. ``made``: blocks came from a source of this
      node's own. ``taken``: new blocks, in whatever protocol, or from such a source (``Taken``).
    * ``late``: the ``deadline`` has come; asked for again and again, until it lies ahead.
    * What the protocol's values report (``Report``) comes as the event that they name, with a ``Said``.
    * ``requests``: what the integrator may ask of the node, by type; no connection is named.

    ``left`` and ``gained`` carry the connection's name, ``made`` and ``late`` nothing. ``view.at`` reads the values of
    any connection.
    """

    table: Table[Any]
    start: W
    joined: StrEnum | None = None
    left: StrEnum | None = None
    gained: StrEnum | None = None
    made: StrEnum | None = None
    taken: StrEnum | None = None
    late: StrEnum | None = None
    requests: Mapping[type[Any], StrEnum] = attrs.field(factory=dict)
    deadline: Callable[[W, Limits], float | None] = _never_due
    aged: Callable[[W, float], W] = _as_it_is
    due: Callable[[W, Limits], Sequence[Due]] = _nothing
    status: Callable[[W], Mapping[str, Any]] = _no_status


class Joined(msgspec.Struct, frozen=True):
    """With ``Across.joined``: the connection, and the version of the protocol that both ends speak."""

    peer: str
    version: int


class Taken(msgspec.Struct, frozen=True):
    """With ``Across.taken``: the connection that brought blocks, ``None`` if it was none; and those that are new."""

    peer: str | None
    headers: tuple[Header, ...]


class Said(msgspec.Struct, frozen=True):
    """With what a connection's value reports: whose it is, and what it says."""

    peer: str
    what: Any = None


@attrs.frozen(kw_only=True, eq=False)
class Protocol(Generic[V]):
    """A protocol on a connection.

    * ``number``, ``version``: how peers announce it to each other; ``name`` is for people.
    * ``table``: what it does, moving the value that ``begin`` makes of the connection's name.
    * ``kinds``: its messages. ``requests``: what the integrator may ask of it, by type. ``notices``: what it wants to
      know of the protocols before it.
    * ``hooks``: which of its events stands for what happens to a connection; what is missing it is not told.
      ``heeds`` asks, cheaply, whether that can matter to a value now.
    * ``readers``: what its events mean, worked out once.
    * ``deadline``: when a tick can do something. ``aged``: the same value, all that it remembers of time so many
      seconds longer ago; ``timeless``: as if it had all the time in the world; ``uncounted``: as if the peer had
      given nothing beside our best chain; ``due``: what only needs time. The checker needs these four.
    * ``quiet``: events that say so little that a story leaves them out.
    * ``essential``: its failure ends the connection; one that is not, ends alone.
    * ``limits``: its own bounds, for its guards and for the documentation.
    * ``status``: what an operator wants to know; ``standing``: how the node stands with the peer; ``show``: one word or
      two.
    """

    number: int
    name: str
    doc: str = ""
    version: int = 1
    table: Table[Any]
    kinds: tuple[Kind, ...] = ()
    begin: Callable[[str], V]
    hooks: Mapping[Hook, StrEnum] = attrs.field(factory=dict)
    heeds: Mapping[Any, Callable[[Any, Any], bool]] = attrs.field(factory=dict)
    readers: Mapping[Any, Reader] = attrs.field(factory=dict)
    requests: Mapping[type[Any], StrEnum] = attrs.field(factory=dict)
    notices: Mapping[Notice, StrEnum] = attrs.field(factory=dict)
    deadline: Callable[[V, Limits], float | None] = _never_due
    aged: Callable[[V, float], V] = _as_it_is
    timeless: Callable[[V, Limits], V] = _as_it_is
    uncounted: Callable[[V, Limits], V] = _as_it_is
    due: Callable[[V, Limits], Sequence[Due]] = _nothing
    show: Callable[[V], str] = _state
    status: Callable[[V], Mapping[str, Any]] = _no_status
    standing: Callable[[V, View], Standing | None] = _no_standing
    quiet: frozenset[StrEnum] = frozenset()
    essential: bool = False
    across: Across[Any] | None = None
    limits: Any = None


def short(id: bytes) -> str:
    """An id for people: the text that it is, if it is one."""
    return id.decode() if id.isascii() and id.decode().isprintable() else id[:4].hex()
