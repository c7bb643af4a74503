"""A feed among several peers: worlds of the feed's table alone, which listens to what happens to its node, and the same
in the terms of ``Peers.tla``.

Of each peer it is known whether it says that it has more. In ``worlds.py`` and ``relay.py`` the links say so; here the
environment does, in any order, whether links would or not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from model_tests.tla import Value, record
from model_tests.translation import row_name
from syncfsm.chain import Chain
from syncfsm.check import Choice, Environment, Move, Step, Wait, World
from syncfsm.limits import Limits, Strategy
from syncfsm.machine import Rule, Table
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Joined, Poke, Said, View
from syncfsm.sync.feed.guards import MOST_LOST, PRESSED, ROUNDING
from syncfsm.sync.feed.protocol import FEED, TABLE
from syncfsm.sync.feed.types import Event, Feed, State, Waits
from syncfsm.sync.messages import Busy, Has, Want
from syncfsm.sync.types import Event as LinkEvent
from syncfsm.sync.types import Greet, Link
from syncfsm_spec.kit.trees import a1, g
from syncfsm_spec.sync.feed import ONE_FEED, coherent

PEERS: Final = "abc"
LIMITS: Final = Limits(rival=1, gates=2)


@attrs.frozen
class Happens:
    """Something happens to the node, by one of its peers."""

    kind: str
    peer: str


@attrs.frozen
class Local:
    """The feed; who says that it has more; and what was done last: the first row, and what was said to whom."""

    feed: Feed
    more: frozenset[str] = frozenset()
    row: Rule | None = None
    pokes: tuple[Poke, ...] = ()


@attrs.frozen
class Among:
    """A feed among its peers."""

    start: Local
    name: str = "feed"
    tables: Mapping[str, Table[Feed]] = attrs.field(factory=lambda: {TABLE.name: TABLE}, hash=False)

    def step(self, local: Local, given: Happens | Wait) -> Step | None:
        if isinstance(given, Wait):
            return self._late(local, given.seconds)
        feed, peer, kind, more = local.feed, given.peer, given.kind, local.more
        here = (feed.peer, *feed.others) if feed.peer else ()
        if ((peer in here) is (kind == "join") and kind != "made") or (not here and kind != "join"):
            return None
        more = {"left": more - {peer}, "ahead": more | {peer}, "all": frozenset[str]()}.get(kind, more)
        event, carried = {
            "join": (Event.JOINED, Joined(peer, 2)),
            "left": (Event.LEFT, peer),
            "ahead": (Event.AHEAD, Said(peer)),
            "all": (Event.GAINED, peer),
            "some": (Event.GAINED, peer),
            "made": (Event.MADE, None),
            "given": (Event.GIVEN, Said(peer)),
            "busy": (Event.REFUSED, Said(peer, Busy())),
            "off": (Event.REFUSED, Said(peer, Busy(off=True))),
            "wanted": (Event.WANTED, Said(peer, False)),
            "insists": (Event.WANTED, Said(peer, True)),
            "unwanted": (Event.UNWANTED, Said(peer)),
        }[kind]
        done = self.tables[TABLE.name].step(feed, event, carried, self._view(more))
        return Step(Local(done.value, more, done.rule, tuple(done.outputs)), rules=(done.rule,))

    def _late(self, local: Local, seconds: float) -> Step:
        """As a node does, until no deadline has come. Two that come at once do, whatever floating point makes of it."""
        feed, rules, pokes = FEED.aged(local.feed, seconds), list[Rule](), list[Poke]()
        while (due := FEED.deadline(feed, LIMITS)) is not None and due <= ROUNDING:
            done = self.tables[TABLE.name].step(feed, Event.LATE, None, self._view(local.more))
            feed = done.value
            rules.append(done.rule)
            pokes += done.outputs
        return Step(Local(feed, local.more, rules[0], tuple(pokes)), rules=tuple(rules))

    def _view(self, more: frozenset[str]) -> View:
        def at(peer: str, number: int) -> Link | None:
            says = Has(a1.point, a1.score) if peer in more else None
            return Link(peer, final=g.point, says=says) if number == ProtocolNumber.SYNC else None

        return View(Chain.start(g), 0, 0.0, LIMITS, Strategy.LOCATOR, connections=at)

    def choices(self, local: Local) -> Sequence[Choice]:
        return [Choice(label, Wait(seconds)) for label, seconds, _ in FEED.due(local.feed, LIMITS)]

    def show(self, local: Local) -> str:
        return f"{local.feed.peer} of {'-'.join(local.feed.others)}"


# The worlds -------------------------------------------------------------------------------------------------------


def among(name: str, *happens: str) -> World:
    """The world of a feed with three peers, the first of whom feeds it, where each of these happens once, or twice:
    ``a ahead``, ``b busy twice``."""
    moves = []
    for words in happens:
        peer, kind, *twice = words.split()
        moves.append(Move(f"{peer} {kind}", (("feed", Happens(kind, peer)),), 1 + len(twice)))
    start = Local(Feed(state=State.FED, peer="a", others=("b", "c")))
    claims = (ONE_FEED.always(("feed",), lambda local: coherent(local.feed)),)
    doc = "A feed among three peers, to which this happens in any order."
    return World(name, (Among(start), Environment(tuple(moves))), claims, doc, TABLE.rules)


USUAL: Final = (
    among("late", "b ahead", "c ahead", "b all", "c some", "a left"),
    among("served", "b wanted", "c wanted", "c insists", "b unwanted", "a made", "b made", "a left", "a join"),
    among("given", "b given", "b ahead", "c given", "b all", "c some", "b left"),
    among("alone", "b left", "c left", "a left", "b join", "c join", "b ahead", "a busy"),
)
SMALL: Final = (
    *USUAL,
    among("refused", "a busy", "b ahead", "b busy", "c off", "c ahead", "a all"),
    among("rivals", "b ahead", "c ahead", "a all twice", "a some", "b busy"),
    among("off", "a off", "b ahead", "c off", "a ahead", "b off", "c left", "c join", "a busy"),
)
"""``USUAL`` are for every test run, the others for the night."""
MANY: Final = among("many", "b ahead", "c ahead", "a all", "b some", "b busy", "c given", "a left", "a made", "a join")


# In TLA+ ----------------------------------------------------------------------------------------------------------


def thousandths(seconds: float) -> int:
    return round(1000 * seconds)


def feed_limits(limits: Limits) -> dict[str, Value]:
    """The constants of ``Feeds.tla``."""
    return {
        "Graft": thousandths(limits.graft),
        "GraftMost": thousandths(limits.graft_most),
        "Early": thousandths(limits.early),
        "Rival": limits.rival,
        "Patience": thousandths(limits.patience),
        "Lead": thousandths(limits.lead),
        "Gates": limits.gates,
        "Pressed": PRESSED,
        "MostLost": MOST_LOST,
    }


def feed_value(feed: Feed, number: Callable[[str], int]) -> Value:
    """A feed in the terms of ``Feeds.tla``, its peers by their numbers."""

    def numbers(names: Sequence[str]) -> tuple[int, ...]:
        return tuple(map(number, names))

    asked = tuple(
        record(peer=number(each.peer), why=str(each.why), since=thousandths(each.since)) for each in feed.asked
    )
    rival = (number(feed.rival.peer), feed.rival.times) if feed.rival is not None else (0, 0)
    return record(
        peer=number(feed.peer),
        proven=feed.proven,
        others=numbers(feed.others),
        ahead=numbers(feed.ahead),
        asked=asked,
        worn=numbers(feed.worn),
        refused=numbers(feed.refused),
        off=numbers(feed.off),
        waits=_waits(feed.waits),
        lag=thousandths(feed.lag),
        rival=record(peer=rival[0], times=rival[1]),
        lost=feed.lost,
        beaten=numbers(feed.beaten),
        makes=feed.makes,
        served=numbers(feed.served),
    )


def _waits(waits: Waits | None) -> tuple[Value, ...]:
    if waits is None:
        return ()
    return (record(began=thousandths(waits.began), helped=thousandths(waits.helped)),)


@attrs.frozen
class Peers:
    """A world of a feed in the terms of ``Peers.tla``. Peers are numbers from 1; 0 is none."""

    world: World

    def constants(self) -> dict[str, Value]:
        """The constants of ``Peers.tla``."""
        environment = self.world.components[1]
        assert isinstance(environment, Environment)
        happens: list[Any] = [move.emissions[0][1] for move in environment.moves]
        return {
            "Start": self.state(self.world.start)[0],
            **feed_limits(LIMITS),
            "Moves": tuple(record(kind=each.kind, peer=self._peer(each.peer)) for each in happens),
            "Times": tuple(move.times for move in environment.moves),
        }

    def _peer(self, name: str) -> int:
        return PEERS.index(name) + 1 if name else 0

    def state(self, state: tuple[Any, ...]) -> tuple[Value, ...]:
        """The values of the variables of ``Peers.tla``."""
        local, left = state
        row = "" if local.row is None else row_name(local.row)
        pokes = tuple(record(peer=self._peer(poke.peer), what=self._what(poke)) for poke in local.pokes)
        more = frozenset(map(self._peer, local.more))
        return (feed_value(local.feed, self._peer), more, record(row=row, pokes=pokes), left)

    def _what(self, poke: Poke) -> str:
        match poke.event, poke.carried:
            case LinkEvent.GREET, Greet(wanted=wanted):
                return "greet" if wanted else "greet beside"
            case LinkEvent.ASK, Want(insist=insist):
                return "insist" if insist else "ask"
            case LinkEvent.SERVE, serve:
                return "serve" if serve.asked else "give"
        return str(poke.event)

    def name(self, moments: object) -> str:
        """An edge has no name: its row is in the state after it."""
        return ""
