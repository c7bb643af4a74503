"""Networks that are in TLA+ too: worlds of relay and of sync, and smaller ones of their kinds.

``EDGES`` are small enough for every edge to be compared. Of the others TLC finds as many states and steps as the
explorer: of ``COUNTS`` in every test run, of the ``LARGE`` ones in the nightly one.
"""

from typing import Final

from syncfsm.check import Wait, World, happen
from syncfsm.events import Verdict
from syncfsm.sync.messages import Busy
from syncfsm_spec.kit.begun import begun
from syncfsm_spec.kit.moves import bans, finalises, lies, makes
from syncfsm_spec.kit.trees import a1, a2, a3, c2, g
from syncfsm_spec.settings import STREAMING, Setting
from syncfsm_spec.sync.relay import A_B, A_C, B_C, GIVES_A1, LINE, MORE, SAME, STEADY, TRIANGLE, relayed
from syncfsm_spec.sync.watched import punctual, watched
from syncfsm_spec.worlds import NODES

B_L: Final = ("B", "L")
FEEDS: Final = ("connect B-L", "L says hello", "L gives a1")
"""L is B's feed, and trusted."""


def overtaken() -> World:
    return relayed(
        "overtaken", TRIANGLE, made=(a2,), last=(), setting=Setting(overtaking=True),
        doc="What is said goes ahead of blocks.",
    )  # fmt: skip


def dies_at_once() -> World:
    return relayed("dies-at-once", TRIANGLE, made=(a2,), last=(), broken=(A_B,), doc="A node loses its feed for good.")


def raced() -> World:
    """C is asked to race B's feed, and loses."""
    waits = happen("B", "waits for 20 ms", Wait(0.02))
    return punctual(relayed(
        "raced", TRIANGLE, [waits], made=(a2, a3), last=(), setting=Setting(bound=1, limits={"rival": 1}),
        doc="C tells of a block before B's feed brings it, and is asked to race it.",
    ))  # fmt: skip


def finals() -> World:
    moves = [*finalises("A", a1, a2), *finalises("B", a1), *finalises("C", a1)]
    return relayed(
        "finals", LINE, moves, made=(a2,), last=(), setting=Setting(retention=0),
        doc="Blocks become final, in any order, and what is below them goes.",
    )  # fmt: skip


def banned() -> World:
    """A makes blocks, and B refuses one of them for a while."""
    moves = [*makes("A", a1, a2), *makes("C", c2), *bans("B", a2), happen("B", "allows a2", Verdict(a2.id, True, 0.0))]
    world = STEADY.three("banned", [[g]] * 3, LINE, moves)
    return begun(world, ["connect A-B", "connect B-C", "A makes a1"])


def meets() -> World:
    return relayed(
        "meets", TRIANGLE, before=(), made=(a1,), last=(), first=("connect A-B", "connect A-C"),
        setting=Setting(strategy=STREAMING), doc="B and C, both in step with A, meet while it makes a block.",
    )  # fmt: skip


def line(anew: bool = True) -> World:
    return relayed("line", LINE, made=(), last=(a2,), anew=anew, doc="Three nodes in a line meet, and blocks come.")


def triangle(anew: bool = True) -> World:
    return relayed("triangle", TRIANGLE, before=(), made=(), last=(), anew=anew, doc="Three nodes meet.")


def lied() -> World:
    moves = [
        lies("L", "B", "says hello", SAME),
        lies("L", "B", "gives a1", GIVES_A1),
        lies("L", "B", "is busy", Busy()),
    ]
    return relayed(
        "lied", (B_L, A_C, B_C), moves, before=(), made=(a2,), last=(), liars=("L",),
        first=(*FEEDS, "connect A-C", "connect B-C"), doc="The feed lies: it gives nothing, and is busy.",
    )  # fmt: skip


def starved() -> World:
    moves = [
        *(lies(each, "B", "says hello", SAME) for each in "LM"), lies("L", "B", "gives a1", GIVES_A1),
        lies("M", "B", "has more", MORE), happen("B", "waits for 30 ms", Wait(0.03)),
    ]  # fmt: skip
    world = relayed(
        "starved", (B_L, ("B", "M"), A_B), moves, before=(), made=(a2,), last=(), liars=("L", "M"),
        setting=Setting(limits={"graft": 0.1, "graft_most": 0.1, "patience": 0.05}),
        first=(*FEEDS, "connect B-M", "M says hello", "connect A-B"),
        doc="Liars take turns, and A has what B lacks.",
    )  # fmt: skip
    return watched(world, "B", "A")


def _named(*names: str) -> tuple[World, ...]:
    """With the first strategy that there is: in these, what relay does depends on none."""
    worlds = {_plain(world): world for world in reversed(NODES)}
    return tuple(worlds[name] for name in names)


def _plain(world: World) -> str:
    """Its name without the strategy of its search."""
    return world.name.rsplit("-", 1)[0]


EDGES: Final = (
    *_named("once-line", "turned", "turned-away", "joined"), overtaken(), *_named("once-triangle", "crowded"),
    *_named("switched-beside"), dies_at_once(), *_named("gates", "ring"), raced(), *_named("once-ring"), finals(),
    *_named("outage"), meets(), lied(),
)  # fmt: skip
COUNTS: Final = _named("ring")
LARGE: Final = (
    banned(), starved(), *_named("tired", "off-beside", "declined", "slow-feed", "torn"), line(),
    *_named("once-diamond", "star-anew", "steady", "dies", "false-feed", "busy-final", "diamond", "ring-torn"),
)  # fmt: skip
BY_NAME: Final = {_plain(world): world for world in (*EDGES, *LARGE)}
