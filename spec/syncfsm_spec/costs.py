"""What a message costs us, what it earns the peer, and what bounds it: one row for each kind of every protocol.

A liar says what it likes, as often as it likes, with every field as it likes. So for each kind there is an answer to
four questions: what does one of them make us say, to that peer and to others; what does it make us keep; how much
work is it; and how much can any number of them earn. ``tests/test_costs.py`` floods real nodes and holds them to it; a
protocol of your own adds its rows beside its promises.

``docs.generate`` makes ``COSTS.md`` of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs
from msgspec.msgpack import encode

from syncfsm.blocks import Header, Point
from syncfsm.limits import BLOCK_OVERHEAD, FETCHED, Limits
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.peer.messages import Bye, Ping, Pong
from syncfsm.registry import Registry
from syncfsm.routing.messages import Fetch, Have, PacketId, Pass
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want
from syncfsm_spec.kit.bounds import at_bounds, largest


@attrs.frozen(kw_only=True)
class Flood:
    """What a peer did: so many messages of one kind in so many ``seconds``, in which our own head moved ``moves``
    times. The highest head that we said was at height ``top``."""

    count: int
    seconds: float
    moves: int
    top: int
    limits: Limits
    streaming: bool = False


@attrs.frozen(kw_only=True)
class Cost:
    """A row. ``answers`` is what one message can make us say to its sender at most, at once or later; ``elsewhere``
    what to each other peer. ``most`` is how many answers a flood can earn in all: ``bound`` says why. ``keeps`` names
    parts of what we remember (``KEPT``). ``steps`` is how often a table is moved for one message at most, and ``each``
    how often more for each connection."""

    kind: type[Any]
    earns: str
    answers: tuple[type[Any], ...] = ()
    elsewhere: tuple[type[Any], ...] = ()
    most: Callable[[Flood], float]
    bound: str
    keeps: tuple[str, ...] = ()
    work: str
    steps: int = 16
    each: int = 0


# How many ---------------------------------------------------------------------------------------------------------


def none(flood: Flood) -> float:
    return 0


def once(flood: Flood) -> float:
    """What a connection, or its search, does once."""
    return min(flood.count, 4)


def one_for_one(flood: Flood) -> float:
    return flood.count


def hellos(flood: Flood) -> float:
    """The burst and what refills it, and the one that is too many; after each, the steps of a search that are free and
    answered, each of which leaves half."""
    limits = flood.limits
    counted = limits.hello_burst + limits.hello_rate * flood.seconds + 1
    each = min(flood.top + 1, limits.room // BLOCK_OVERHEAD + 1) if flood.streaming else 1
    return min(flood.count, counted * (2 + flood.top.bit_length())) * each + 4


def claims(flood: Flood) -> float:
    """Asked, told what we have, and shut: once, and once more whenever that is settled."""
    settled = flood.seconds / flood.limits.patience + flood.moves
    return 4 * min(flood.count, 1 + settled)


def refusals(flood: Flood) -> float:
    """No, with what our head is."""
    limits = flood.limits
    return min(2 * flood.count, 2 + limits.refusal_burst + limits.refusal_rate * flood.seconds + 2 * flood.moves)


def gifts(flood: Flood) -> float:
    """Not wanted, with what our head is."""
    limits = flood.limits
    return 2 * min(flood.count, 1 + limits.refusal_burst + limits.refusal_rate * flood.seconds)


# The table --------------------------------------------------------------------------------------------------------

FLAT: Final = "a few steps of tables; O(log n) in the chain, O(connections) in the feed"
COSTS: Final = (
    # ---- The connection ----
    Cost(
        kind=Bye, earns="The end of its connection.", elsewhere=(Want, Has), most=none, each=4,
        bound="once for a connection; if it was the feed, another is asked",
        work="what waits for it is given back: `Limits.notes`",
    ),
    Cost(
        kind=Ping, earns="A sign of life.", answers=(Pong,), most=one_for_one,
        bound="one for one, and no larger; what it does not read is bounded by `Limits.control`", work=FLAT,
    ),
    Cost(kind=Pong, earns="Nothing.", most=none, bound="it is not answered", work=FLAT),

    # ---- Sync ----
    Cost(
        kind=Hello, earns="A search, and what we have.",
        answers=(Hello, Found, Busy, Has, Want, DoNotWant, Has, Bye), most=hellos,
        keeps=("heard", "claims", "left", "says", "final"),
        bound="`Limits.hello_burst`, refilled by `hello_rate`; one more is a fault. Beside it the steps of an orderly "
        "search are free: those of a streaming one, below the highest head that we said, which are not answered; and "
        "such as leave no more than half. A streaming search of ours steps back, a hello a block, within `Limits.room`",
        work="its points are looked up: `HELLO_POINTS`",
    ),
    Cost(
        kind=Found, earns="Blocks above what it has: each once, within `Limits.room`.",
        answers=(Has, Bye), most=once, keeps=("left", "received"), bound="the search ends once", work=FLAT,
    ),
    Cost(
        kind=Finality, earns="To be asked for a block that it calls final and we lack.",
        answers=(Has, Want, DoNotWant, Has, Bye), most=claims, keeps=("final",),
        bound="who is asked is not asked again; who brings nothing in `Limits.patience` is worn, and waited for no "
        "more",
        work=FLAT,
    ),
    Cost(
        kind=Blocks, earns="If they are good and first: to be the feed.",
        answers=(Hello, Found, DoNotWant, Has, Finality, Bye), elsewhere=(Hello, Found, DoNotWant, Has, Give),
        most=lambda flood: 6 * flood.moves + 6, keeps=("received", "left", "claims"), each=8,
        bound="each is checked; a bad one ends the connection. Beside our best chain: `Limits.aside`, `unfinal`, "
        "`unfinal_bytes`, `tips`. A held one is not answered",
        work="one check of a run of `Limits.run`; a new head is shown to every connection",
    ),
    Cost(
        kind=Has, earns="To be asked, if its head is better and the feed is late.",
        answers=(Has, Want, DoNotWant, Has, Bye), most=claims, keeps=("claims", "left", "received", "says"),
        bound="who is asked is not asked again, whatever else it claims: until it is settled, by a block of the feed "
        "or after `Limits.patience`",
        work=FLAT,
    ),
    Cost(
        kind=Want, earns="Our blocks, each once, within `Limits.room`; or the names of others that may have a gate.",
        answers=(Busy, Has), most=refusals, keeps=("served",),
        bound="`Limits.gates`, and who insists: at most all, `Limits.links`. A refusal costs it one of "
        "`Limits.refusal_burst`, refilled by `refusal_rate`; then it hears nothing",
        work=FLAT,
    ),
    Cost(
        kind=DoNotWant, earns="What our head is.", answers=(Has,), most=one_for_one,
        bound="once after each time that it was served", work=FLAT,
    ),
    Cost(
        kind=Give, earns="To be wanted, for `Limits.patience`; if it brings something first, to be the feed.",
        answers=(DoNotWant, Has), most=gifts, keeps=("asked",),
        bound="to say it again changes nothing; each costs it one of `Limits.refusal_burst`", work=FLAT,
    ),
    Cost(
        kind=Busy, earns="Not to be asked, unless there is nobody else.",
        answers=(Has, Want), elsewhere=(Has, Want), most=one_for_one, keeps=("refused",),
        bound="one for one: another is asked in its place, or, without one, itself", work=FLAT,
    ),

    # ---- Notes ----
    Cost(
        kind=Note, earns="To be heard by the integrator.", most=none,
        bound="it is not answered, nor passed on; `NOTE_BYTES`", work="the integrator's own, for each",
    ),

    # ---- Routing ----
    Cost(
        kind=Pass, earns="If it is new, signed and found valid: to be passed on.", most=none, keeps=("brought",),
        elsewhere=(Pass, Have), each=4,
        bound="nothing is said before it is judged. `Limits.judging_one` wait for that; one that comes again, or is "
        "not signed by its origin, ends the protocol",
        work="one check of a signature; the integrator's own, for each",
    ),
    Cost(
        kind=Have, earns="To be asked for what nobody else brings, once.", answers=(Fetch,), most=one_for_one,
        keeps=("has", "missing"), bound="`Limits.missing`, and `FETCHED` at a time", work="`PACKET_IDS` are looked up",
    ),
    Cost(
        kind=Fetch, earns="What it was told of, each once.", answers=(Pass,) * FETCHED, most=one_for_one,
        bound="`Limits.kept`: all that it can be told of", work="`FETCHED` are looked up",
    ),
)  # fmt: skip
"""Of every kind of the standard protocols. ``moves`` are said to all whatever a peer does, so a flood may hear of them
too."""

ROWS: Final[Mapping[type[Any], Cost]] = {row.kind: row for row in COSTS}

# What is kept -----------------------------------------------------------------------------------------------------


def _size(type_: type[Any]) -> int:
    return max(len(encode(value)) for value in at_bounds(type_))


NAME: Final = 128
"""Bytes of a connection's name, with what stands beside it, in the feed's lists."""
KEPT: Final[Mapping[str, Callable[[Limits], float]]] = {
    "heard": lambda limits: _size(Hello),
    "claims": lambda limits: limits.claims * _size(Point),
    "left": lambda limits: limits.branches * _size(Header),
    "received": lambda limits: 2 * _size(Header),
    "says": lambda limits: _size(Has) + NAME,
    "final": lambda limits: _size(Point) + NAME,
    "served": lambda limits: NAME,
    "asked": lambda limits: NAME,
    "refused": lambda limits: NAME,
    "brought": lambda limits: limits.kept * _size(PacketId),
    "has": lambda limits: limits.kept * _size(PacketId),
    "missing": lambda limits: limits.missing * (_size(PacketId) + NAME),
}
"""Parts of what is remembered of one connection, and how many bytes each may take; packed, not as objects."""
SLACK: Final = 64
"""Bytes by which numbers may grow: heights, times, credits."""


def kept(row: Cost, limits: Limits) -> float:
    """Bytes that any number of such messages can make us keep of their sender."""
    return SLACK + sum(KEPT[part](limits) for part in row.keeps)


def answer_bytes(row: Cost, registry: Registry = STANDARD) -> int:
    """Bytes that one such message can make us say to its sender, blocks aside."""
    return sum(largest(registry.kinds[kind][1]) for kind in row.answers)


# For people -------------------------------------------------------------------------------------------------------


def page(registry: Registry = STANDARD, rows: Mapping[type[Any], Cost] = ROWS) -> str:
    """The table in Markdown."""
    limits = Limits()
    lines = [
        "| message | earns its sender | we answer at most | bytes | to each other peer | we keep of it at most | what "
        "bounds it | work |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for type_, (_, kind) in registry.kinds.items():
        row = rows[type_]
        cells = (
            f"`{type_.__name__}`, {largest(kind):,} bytes" if not kind.blocks else f"`{type_.__name__}`",
            row.earns, _names(row.answers), f"{answer_bytes(row, registry):,}" if row.answers else "0",
            _names(row.elsewhere), f"{kept(row, limits) - SLACK:,.0f} bytes" if row.keeps else "nothing", row.bound,
            row.work,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(kinds: Iterable[type[Any]]) -> str:
    kinds = tuple(kinds)
    found = Counter(kinds)
    few = [f"`{kind.__name__}`" for kind in kinds if found[kind] <= 2]
    many = [f"{count} times `{kind.__name__}`" for kind, count in found.items() if count > 2]
    return ", ".join([*few, *many]) or "nothing"
