"""The worlds that are explored: write one of your own like these, put it into ``STANDARD``, and run ``syncfsm check``.

``building.py`` has the tree of blocks and what a world can be made of; what is promised of each is in
``invariants.py``.
"""

from collections.abc import Sequence
from typing import Final

from spec.alone import alone
from spec.building import (
    BLOCK,
    LOCATOR,
    STREAMING,
    TREE,
    Setting,
    a1,
    a2,
    a3,
    a4,
    b1,
    b2,
    b3,
    bans,
    blames,
    c2,
    c3,
    d3,
    finalises,
    g,
    lies,
    makes,
    reaches_compound_states,
    says,
    time_passes,
)
from spec.invariants import Parts
from spec.memory import with_ledgers
from spec.traffic import brings_early_payload, brings_payload
from syncfsm.blocks import Header
from syncfsm.check import SometimesStep, World, happen
from syncfsm.errors import Fault
from syncfsm.events import Garbled, Leave
from syncfsm.link import Strategy
from syncfsm.messages import Blocks, Found, Hello, Parting

BOTH: Final = (LOCATOR, STREAMING)
A_B, B_C, A_C = ("A", "B"), ("B", "C"), ("A", "C")
WRONG: Final = Blocks((Header(3, b"x3", a1.id, a1.score, 0, b""),))
"""A block that does not follow from its parent."""
CONTRADICTION, PRUNED, OUT_OF_STEP = Parting.CONTRADICTION, Parting.PRUNED, Parting.OUT_OF_STEP

# Two nodes ------------------------------------------------------------------------------------------------------


def forks(strategy: Strategy) -> World:
    return Setting(strategy=strategy).two(
        "forks", [g, a1, a2], [g, a1, c2, c3], [*makes("A", c2, a3, b1, b2), *makes("B", a2, a3)],
        extra=reaches_compound_states(),
        doc="Two branches, and a third that comes: A switches twice while they meet, and they meet again.",
    )  # fmt: skip


def race(strategy: Strategy) -> World:
    return Setting(strategy=strategy, room=2 * BLOCK + 1).two(
        "race", [g, a1, a2, a3], [g, a1, c2], [*makes("A", b1, b2, b3, a4), *makes("B", a2, a3, d3)],
        doc="On a tree with three forks, each overtakes the other again and again; up to three blocks are under way.",
    )  # fmt: skip


def ahead(strategy: Strategy) -> World:
    return Setting(strategy=strategy).two(
        "ahead", [g, a1], [g, a1, a2, a3], [*makes("B", a4), *makes("A", a2, a3)], connects=3, cuts=2,
        doc="The outage: A is behind B on one branch, gets the same blocks elsewhere too, and loses the link twice.",
    )  # fmt: skip


def finals(strategy: Strategy) -> World:
    moves = [*finalises("A", a1, a2), *finalises("B", a2), *makes("A", a3), *makes("B", a2, a3)]
    setting = Setting(strategy=strategy, overtaking=True, partings=(CONTRADICTION, OUT_OF_STEP))
    return setting.two(
        "finals", [g, a1, a2], [g, a1, c2, c3], moves,
        doc="Finality overrules the branch of the other node; small messages overtake blocks.",
    )  # fmt: skip


def contradiction(strategy: Strategy) -> World:
    moves = [*finalises("A", a2), *finalises("B", b1), *makes("B", b3), *makes("A", a4)]
    sentence = "Peers with contradicting final points part once, saying why."
    setting = Setting(strategy=strategy, overtaking=True, partings=(CONTRADICTION, OUT_OF_STEP))
    return setting.two(
        "contradiction", [g, a1, a2, a3], [g, b1, b2], moves,
        extra=[SometimesStep("PartsContradicting", sentence, A_B, Parts(CONTRADICTION))],
        doc="Two sources of truth that contradict each other.",
    )  # fmt: skip


def prune(strategy: Strategy) -> World:
    moves = [*finalises("B", a1, a2, a3), *makes("B", a4), *makes("A", a2), *finalises("A", a1)]
    sentence = "A peer whose head is below what we still hold is told so at once."
    setting = Setting(strategy=strategy, retention=0, overtaking=True, partings=(PRUNED, OUT_OF_STEP))
    return setting.two(
        "prune", [g, a1], [g, a1, a2, a3], moves, extra=[SometimesStep("PartsPruned", sentence, A_B, Parts(PRUNED))],
        doc="B keeps nothing below its final point, while A is behind.",
    )  # fmt: skip


def prune_fork(strategy: Strategy) -> World:
    moves = [*finalises("A", a2), *finalises("B", a1), *makes("A", a3), *makes("B", a2)]
    reasons = (PRUNED, OUT_OF_STEP, CONTRADICTION)
    setting = Setting(strategy=strategy, retention=0, overtaking=True, partings=reasons)
    return setting.two(
        "prune-fork", [g, a1, a2], [g, a1, c2, c3], moves, doc="A drops the branch that B is on.",
    )  # fmt: skip


def prune_away(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, retention=0, overtaking=True, partings=(PRUNED,))
    return setting.two(
        "prune-away", [g, b1], [g, a1, a2, a3], [*finalises("B", a1, a2, a3), *makes("B", a4), *makes("A", b2)],
        doc="B drops all that it shared with A, while they still search.",
    )  # fmt: skip


def ban(strategy: Strategy) -> World:
    return Setting(strategy=strategy).two(
        "ban", [g, a1, a2], [g, a1, c2, c3], [*bans("A", c2), *bans("B", c3), *makes("B", a2), *makes("A", a3)],
        doc="Operators ban blocks of the better branch, before or after they come.",
    )  # fmt: skip


# Three nodes ----------------------------------------------------------------------------------------------------


def line(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy)
    return setting.three(
        "line", ([g, a1, a2], [g, a1], [g, b1]), [A_B, B_C], [*makes("A", a3)],
        doc="B stands between two nodes on different branches, and passes on what it gets.",
    )  # fmt: skip


def triangle(strategy: Strategy, cuts: int = 0) -> World:
    return Setting(strategy=strategy).three(
        "cut-triangle" if cuts else "triangle", ([g, a1], [g, a1, a2], [g, b1]), [A_B, B_C, A_C], [], cuts=cuts,
        doc="Each has two peers to hear from.",
    )  # fmt: skip


def long_line(strategy: Strategy, name: str = "long-line", more: Sequence[Header] = ()) -> World:
    moves = [*makes("A", a3), *makes("B", c2), *makes("C", b2, *more)]
    return Setting(strategy=strategy).three(
        name, ([g, a1, a2], [g, a1], [g, b1]), [A_B, B_C], moves, cuts=1,
        doc="The line, where each node makes blocks, and one connection breaks and comes back.",
    )  # fmt: skip


def line_finals(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, partings=(OUT_OF_STEP, CONTRADICTION))
    return setting.three(
        "line-finals", ([g, a1, a2], [g], [g, b1]), [A_B, B_C], [*finalises("B", a1), *finalises("C", a1)],
        doc="B follows one peer and lets the other wait, while its final point rises.",
    )  # fmt: skip


# Time, payloads, limits, liars ----------------------------------------------------------------------------------


def clock(strategy: Strategy) -> World:
    partings = (Parting.SILENT, Parting.SEARCH_TIMEOUT)
    setting = Setting(strategy=strategy, timed=True, partings=partings, limits={"search": 2.0, "silence": 3.0})
    return setting.two(
        "clock", [g, a1], [g, b1, b2], [time_passes(1.0, *A_B, times=3), *makes("A", a2)],
        connects=1, cuts=0, doc="Time passes: signs of life, and searches that take too long.",
    )  # fmt: skip


def meter(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, timed=True, limits={"hello_burst": 8, "hello_rate": 8.0})
    return setting.two(
        "meter", [g, a1], [g, b1, b2], makes("A", b1, a2, a3, a4), connects=1, cuts=0,
        doc="More forks than the rate limit allows hellos: the newest is put off, and never dropped.",
    )  # fmt: skip


def talk(strategy: Strategy) -> World:
    moves = [
        says("A", g), says("A", c3), says("A", None), says("B", a2), *makes("B", a3), *finalises("B", a2),
        happen("B", "leaves", Leave("A", Parting.SHUTDOWN, 0.0)),
    ]  # fmt: skip
    partings = (OUT_OF_STEP, CONTRADICTION, Parting.SHUTDOWN)
    setting = Setting(strategy=strategy, partings=partings, limits={"notes": 1})
    return setting.two(
        "talk",
        [g, a1, c2, c3],
        [g, a1, a2],
        moves,
        connects=1,
        cuts=0,
        extra=[
            SometimesStep("PartsShutdown", "A node may leave.", A_B, Parts(Parting.SHUTDOWN)),
            SometimesStep("PayloadsArrive", "A payload about a block is delivered.", A_B, brings_payload),
            SometimesStep("PayloadsComeEarly", "A payload comes whose block is not there.", A_B, brings_early_payload),
        ],
        doc="Payloads travel with the blocks they are about.",
    )


def full(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, partings=(Parting.FULL,), limits={"unfinal": 3})
    return setting.two(
        "full", [g, a1, a2], [g, b1, b2], [*makes("A", a3)], connects=1, cuts=0,
        doc="No more than three blocks above the final point are held.",
    )  # fmt: skip


def liar(strategy: Strategy) -> World:
    """B is none of ours: what it says is put on its line by the environment."""
    one = Hello(b3.point, b3.score, g.point, g.point, (b3.point,), 4)
    other = Hello(c3.point, c3.score, g.point, g.point, (c3.point,), 4)
    moves = [
        lies("B", "A", "says hello", one, 2), lies("B", "A", "says another hello", other, 2),
        lies("B", "A", "sends a wrong block", WRONG),
        happen("A", "gets noise", Garbled("B", Fault("noise", "no message"), 0.0)),
    ]  # fmt: skip
    setting = Setting(strategy=strategy, timed=True, liars=("B",), bound=2, limits={"hello_burst": 4})
    return setting.two(
        "liar", [g, a1], [g, a1, a2], moves, connects=1, cuts=0,
        extra=blames("A", "hello-flood", "invalid-block", "noise"), doc="B breaks every rule, A none.",
    )  # fmt: skip


def early_liar(strategy: Strategy) -> World:
    """C answers a hello that A, busy with B, has not sent."""
    moves = [lies("C", "A", "finds", Found(g.point)), lies("C", "A", "sends a wrong block", WRONG)]
    setting = Setting(strategy=strategy, liars=("C",), bound=2)
    return setting.three(
        "early-liar", ([g], [g, a1], [g, b1]), [A_B, A_C], moves,
        extra=blames("A", "found-before-hello", "block-before-hello"), doc="C answers a hello that was not sent.",
    )  # fmt: skip


KINDS_OF_TWO: Final = (forks, race, ahead, finals, contradiction, prune, prune_fork, prune_away, ban)
KINDS_OF_THREE: Final = (line, line_finals)
KINDS_OF_THEIR_OWN: Final = (clock, meter, talk, full, liar, early_liar)
KINDS_WITH_LEDGERS: Final = (forks, race, ahead, finals, prune, ban, line)
STANDARD: Final = (
    *(kind(strategy) for kind in (*KINDS_OF_TWO, *KINDS_OF_THREE, *KINDS_OF_THEIR_OWN) for strategy in BOTH),
    triangle(LOCATOR),
    alone(),
    *(with_ledgers(kind(strategy), TREE) for kind in KINDS_WITH_LEDGERS for strategy in BOTH),
)
"""What ``syncfsm check`` explores when no world is named."""
LARGE: Final = (
    *(long_line(strategy) for strategy in BOTH),
    long_line(LOCATOR, "longest-line", [b3]),
    *(triangle(strategy, cuts=1) for strategy in BOTH),
)
"""For the night: the largest of three nodes that are done in ten minutes, with 10 GB of memory."""
