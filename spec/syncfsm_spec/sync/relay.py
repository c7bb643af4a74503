"""The worlds that show what relay promises: three nodes in a line and in a triangle, four in a ring, one that dies or
lies, limits, older releases and operators. A makes the blocks.

Most begin in step, by real steps of the nodes (``begun``): all that they can come to, the same world comes to from
nothing, and what is broken in step is broken from nothing. What they leave out is what happens while nodes meet. That
is for those of their kind that begin from nothing (``anew``), as far as these take seconds. ``model_tests/
test_in_step.py`` explores both, with the tables that ship and with those that break a promise.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.check import Move, Wait, World, connect, cut, happen
from syncfsm.limits import Strategy
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Give, Has, Hello, Want
from syncfsm_spec.kit.begun import begun
from syncfsm_spec.kit.moves import lies, makes, switches
from syncfsm_spec.kit.trees import a1, a2, a3, a4, g
from syncfsm_spec.settings import LOCATOR, STREAMING, Setting
from syncfsm_spec.sync.feed import ONE_FEED, fed, wins_race
from syncfsm_spec.sync.watched import Declining, coming_once, muted, outdated, punctual, watched, with_since

A_B, B_C, A_C = ("A", "B"), ("B", "C"), ("A", "C")
A_D, B_D, C_D = ("A", "D"), ("B", "D"), ("C", "D")
LINE: Final = (A_B, B_C)
TRIANGLE: Final = (A_B, A_C, B_C)
RING: Final = (A_B, A_C, B_D, C_D)
"""A square; the diamond has B-C too."""
DIAMOND: Final = (A_B, A_C, B_C, B_D, C_D)
Pairs = Sequence[tuple[str, str]]

# The worlds -----------------------------------------------------------------------------------------------------


STEADY: Final = Setting()
"""What a world is that says nothing of it."""


def relayed(
    name: str, pairs: Pairs, moves: Iterable[Move] = (), *, before: Sequence[Header] = (a1,),
    made: Sequence[Header] = (a2,), last: Sequence[Header] = (a3,), again: Pairs = (), broken: Pairs = (),
    setting: Setting = STEADY, anew: bool = False, liars: Sequence[str] = (), old: Sequence[str] = (),
    first: Sequence[str] = (), doc: str = "",
) -> World:  # fmt: skip
    """A makes these blocks, the ``last`` ones when nothing is under way. The nodes are linked in these pairs, in this
    order, and ``before`` is made, before the world begins (unless ``anew``); links ``again`` may break, and come back;
    those ``broken`` for good. ``liars`` are none of ours, and ``old`` of an older release. ``first`` is what happens
    before it begins, if that is something else."""
    names = sorted({each for pair in pairs for each in pair})
    ours, setting = [each for each in names if each not in liars], attrs.evolve(setting, liars=tuple(liars))
    links = [connect(a, b, 1 + again.count((a, b))) for a, b in pairs]
    cuts = [cut(a, b, again.count((a, b))) for a, b in dict.fromkeys(again)] + [cut(a, b) for a, b in broken]
    blocks = makes("A", *before, *made, *last)
    given = (*links, *cuts, *blocks, *moves)
    world = setting.world(
        f"{name}-anew" if anew else name, dict.fromkeys(names, (g,)), pairs, given,
        fed(ours, "A", bool(last), not liars), doc,
    )  # fmt: skip
    world = outdated(muted(world, liars), old)
    if last:
        world = with_since(world, [f"A makes {each.id.decode()}" for each in last])
    usual = [f"connect {a}-{b}" for a, b in pairs] + [f"A makes {each.id.decode()}" for each in before]
    return world if anew else begun(world, first or usual)


def closing(strategy: Strategy) -> World:
    return relayed(
        "closing", TRIANGLE, before=(), made=(a1, a2), last=(), first=("connect A-B", "connect A-C"),
        setting=Setting(strategy=strategy), doc="B and C, both in step with A, meet while it makes blocks.",
    )  # fmt: skip


def races(name: str = "races", more: Sequence[Header] = (), bound: int = 1) -> World:
    """It takes time for B to see that C is faster."""
    waits = happen("B", "waits for 20 ms", Wait(0.02), 2)
    world = relayed(
        name, TRIANGLE, [waits], made=(a2, a3, *more), last=(), setting=Setting(bound=bound, limits={"rival": 1}),
        doc="C tells of blocks before B's feed brings them, and is asked to race it.",
    )  # fmt: skip
    won = ONE_FEED.met("FasterFeeds", "B", wins_race)
    return attrs.evolve(world, properties=(*world.properties, won))


def late_comer() -> World:
    off = [switches("A", True), switches("A", False)]
    return relayed(
        "late-comer", TRIANGLE, off, made=(a2,), last=(), first=("connect A-B", "connect A-C", "A makes a1"),
        doc="B's only peer gives none; then another comes.",
    )  # fmt: skip


def busy_and_off(anew: bool = False) -> World:
    off = [switches("A", True), switches("A", False)]
    return relayed(
        "busy-and-off", (A_B, A_C), off, made=(a2,), last=(), old=("B",), setting=Setting(limits={"gates": 1}),
        anew=anew, doc="A has one gate, a peer of an older release, and an operator.",
    )  # fmt: skip


def steady() -> World:
    return relayed(
        "steady", TRIANGLE,
        doc="In step: blocks follow each other, and a feed may be late at any time; then two in peace.",
    )  # fmt: skip


def outage(anew: bool = False) -> World:
    return relayed(
        "outage", LINE, made=(a2,), last=(a3,), again=(A_B,), anew=anew,
        doc="B is cut off, and C behind it; and back.",
    )  # fmt: skip


def torn() -> World:
    return relayed(
        "torn", TRIANGLE, made=(), last=(a2,), again=(A_B,),
        doc="B loses its feed, has another, and its first is back.",
    )  # fmt: skip


def dies() -> World:
    return relayed(
        "dies", TRIANGLE, made=(a2,), last=(a3,), broken=(A_B,), doc="A node loses its feed for good.",
    )  # fmt: skip


def crowded() -> World:
    return relayed(
        "crowded", TRIANGLE, made=(a2,), last=(), setting=Setting(limits={"gates": 1}),
        doc="Each node sends blocks to one other, and names it to the rest.",
    )  # fmt: skip


def star() -> World:
    return relayed(
        "star", (A_B, A_C), made=(a2,), last=(a3,), setting=Setting(limits={"gates": 1}), anew=True, before=(a1,),
        doc="A sends blocks to one other, and both have nobody else: it yields.",
    )  # fmt: skip


# Nobody waits ---------------------------------------------------------------------------------------------------


def turned() -> World:
    pairs = (A_B, B_C, C_D)
    return coming_once(punctual(relayed(
        "turned", pairs, makes("D", a2), made=(), last=(),
        doc="Blocks come from the other end of the line now, and no feed must be late for that.",
    )))  # fmt: skip


def joined() -> World:
    return coming_once(punctual(relayed(
        "joined", (B_C, A_B), before=(), made=(a1,), last=(), first=("connect B-C",),
        doc="B's feed has nothing, and another comes that has: it is asked at once.",
    )))  # fmt: skip


def turned_away() -> World:
    return punctual(relayed(
        "turned-away", TRIANGLE, [switches("A", True, of="B")], made=(a2,), last=(),
        doc="B's feed is turned off, and B asks another at once.",
    ))  # fmt: skip


def declined() -> World:
    """That C was off for a while is how A has B for its feed, which has its blocks from C, and that one from A."""
    first = "connect A-B", "connect A-C", "connect B-C", "A makes a1", "cut A-B", "connect A-B"
    off = [switches("C", True, of="A"), switches("C", False, of="A")]
    world = relayed(
        "declined", TRIANGLE, off, again=(A_B,), made=(), last=(a2, a3, a4),
        first=(*first, *(move.label for move in off)),
        doc="A gives its blocks to its feed, which has them from another.",
    )  # fmt: skip
    return coming_once(punctual(world, Declining), after=3)


def gates() -> World:
    return relayed(
        "gates", (A_B, A_C), [switches("A", True, of="B")], made=(a2,), last=(), setting=Setting(limits={"gates": 1}),
        first=("connect A-B", "A makes a1"), doc="A has one gate, and gives to C before it has greeted it.",
    )  # fmt: skip


# Operators, and older releases ----------------------------------------------------------------------------------


def switched() -> World:
    off = switches("A", True, 2), switches("A", False)
    return relayed(
        "switched", TRIANGLE, off, made=(a2,), last=(), doc="A's operator turns blocks to all off, and on again."
    )


def switched_beside(anew: bool = False) -> World:
    off = switches("B", True), switches("B", False)
    return relayed(
        "switched-beside", LINE, off, made=(a2,), last=(a3,), anew=anew,
        doc="The node between two gives none for a while.",
    )  # fmt: skip


def off_beside() -> World:
    off = switches("C", True), switches("C", False)
    return relayed(
        "off-beside", TRIANGLE, off, made=(a2,), last=(), doc="One that has told of blocks gives none, and again some.",
    )  # fmt: skip


def both_switched(anew: bool = False) -> World:
    off = switches("A", True, 2), switches("A", False), switches("B", True), switches("B", False)
    return relayed(
        "both-switched", (A_B,), off, made=(a2,), last=(a3,), again=(A_B,), anew=anew,
        doc="Two nodes, whose operators turn blocks off and on again, and whose connection breaks and comes back.",
    )  # fmt: skip


def older() -> World:
    return relayed(
        "older", TRIANGLE, [switches("A", True), switches("A", False)], made=(a2,), last=(), old=("B",),
        doc="B is of a release that knows no modes: it gets every block, and nothing it has no word for.",
    )  # fmt: skip


# Liars ----------------------------------------------------------------------------------------------------------

SAME: Final = Hello(g.point, g.score, g.point, g.point, (g.point,), 1)
MORE: Final = Has(Point(5, b"x5"), b"\xff")
"""There is no such block."""
GIVES_A1: Final = Blocks((a1,))


def false_feed() -> World:
    """B's feed is L, none of ours. It says hello first, and gives a block: so it is trusted. What A makes, C has."""
    moves = [
        lies("L", "B", "says hello", SAME), lies("L", "B", "gives a1", GIVES_A1),
        lies("L", "B", "gives a2", Blocks((a2,))), lies("L", "B", "is busy", Busy()),
        lies("L", "B", "is off", Busy(True)),
    ]  # fmt: skip
    return relayed(
        "false-feed", (("B", "L"), A_C, B_C), moves, before=(), made=(a2,), last=(), liars=("L",),
        first=("connect B-L", "L says hello", "L gives a1", "connect A-C", "connect B-C"),
        doc="The feed lies: it gives nothing, or late, and is busy or off.",
    )  # fmt: skip


def false_feeds() -> World:
    """L is B's feed and M, none of ours either, is asked before A."""
    moves = [
        *(lies(each, "B", "says hello", SAME) for each in "LM"), lies("L", "B", "gives a1", GIVES_A1),
        lies("M", "B", "has more", MORE, 2),
        happen("B", "waits for 30 ms", Wait(0.03)),
    ]  # fmt: skip
    world = relayed(
        "false-feeds", (("B", "L"), ("B", "M"), A_C, B_C), moves, before=(), made=(a2,), last=(), liars=("L", "M"),
        setting=Setting(limits={"graft": 0.1, "graft_most": 0.1, "patience": 0.05}),
        first=(
            "connect B-L", "L says hello", "L gives a1", "connect B-M", "M says hello", "connect A-C", "connect B-C",
        ),
        doc="Liars take turns, and C has what B lacks.",
    )  # fmt: skip
    return watched(world, "B", "C")


def false_gates() -> World:
    """L is none of ours. It asks B for its only gate, insists and lets it go, and offers blocks that it does not
    give."""
    moves = [
        lies("L", "B", "gives", Give(), 2), lies("L", "B", "wants blocks", Want(True)),
        lies("L", "B", "wants no blocks", DoNotWant()), lies("L", "B", "has more", MORE),
        lies("L", "B", "gives a2", Blocks((a2,))),
    ]  # fmt: skip
    hello = lies("L", "B", "says hello", SAME)
    return relayed(
        "false-gates", (A_B, ("B", "L"), B_C), [hello, *moves], made=(a2,), last=(), liars=("L",),
        setting=Setting(limits={"gates": 1}),
        first=("connect A-B", "A makes a1", "connect B-L", "L says hello", "connect B-C"),
        doc="Who stands beside a feed wants blocks and none in turn, and offers what it does not give.",
    )  # fmt: skip


# Of four nodes, and more ------------------------------------------------------------------------------------------


def once(name: str, pairs: Pairs) -> World:
    return coming_once(
        punctual(relayed(name, pairs, made=(a2, a3), last=(), doc="Each block comes to each node once."))
    )


def four(name: str, pairs: Pairs, again: Pairs = (), made: Sequence[Header] = ()) -> World:
    after = (a2, a3)[len(made) :][:1]
    return relayed(
        name, pairs, made=made, last=after, again=again, doc="Four nodes: feeds are late, and a connection may break.",
    )  # fmt: skip


SMALL: Final = (
    *(once(name, pairs) for name, pairs in (("once-line", LINE), ("once-triangle", TRIANGLE), ("once-ring", RING))),
    once("once-diamond", DIAMOND), *(closing(strategy) for strategy in (LOCATOR, STREAMING)), turned(), joined(),
    turned_away(), declined(), gates(), outage(), dies(), crowded(), star(), switched(), switched_beside(),
    off_beside(), late_comer(), older(), busy_and_off(), races(), false_feed(), false_feeds(),
    false_gates(),
    steady(), torn(), four("ring", RING), four("ring-torn", RING, again=(A_B,)), four("diamond", DIAMOND),
    both_switched(anew=True), outage(anew=True), busy_and_off(anew=True),
)  # fmt: skip
"""All that is promised of relay, in worlds that take seconds. What relay does depends on no strategy of the search, so
but for the one where nodes meet there is one of each."""
LARGE: Final = (
    four("ring-behind", RING, made=(a2,)), four("diamond-torn", DIAMOND, again=(A_B,)), switched_beside(anew=True),
    races("races-on", more=(a4,), bound=2),
)  # fmt: skip
