"""Worlds small enough for every edge to be replayed: one of each kind, for both strategies.

Together they fire every row that the specification has.
"""

from typing import Final

import attrs

from syncfsm.check import Move, World, happen
from syncfsm.events import Leave
from syncfsm.limits import Strategy
from syncfsm.peer.messages import Parting
from syncfsm_spec.kit.moves import bans, confirms, finalises, makes, switches
from syncfsm_spec.kit.trees import BLOCK, a1, a2, a3, a4, b1, b2, b3, c2, c3, d3, g
from syncfsm_spec.settings import LOCATOR, STREAMING, Setting

LEAVES: Final = happen("B", "leaves", Leave("A", Parting.SHUTDOWN, 0.0))
PARTINGS: Final = (Parting.CONTRADICTION, Parting.OUT_OF_STEP)


def off_and_on(times: int) -> tuple[Move, ...]:
    """A turns blocks to B off and on again."""
    return switches("A", True, times), switches("A", False)


def growing(strategy: Strategy) -> tuple[World, ...]:
    """Nodes that make blocks, meet, and part."""
    here = Setting(strategy=strategy, partings=(Parting.SHUTDOWN,))
    little = Setting(strategy=strategy, partings=(Parting.FULL,), limits={"aside": BLOCK})
    return (
        here.two("behind", [g, a1, a2, a3], [g], [*makes("A", a4), LEAVES], connects=1, cuts=0),
        here.two("fork", [g, a1, a2, a3], [g, b1, b2], makes("B", b3), connects=1, cuts=0),
        here.two("learn-more", [g, a1, a2], [g, b1], makes("B", a1, a2), connects=1, cuts=0),
        here.two("learn", [g, a1], [g, b1], makes("B", a1), connects=1, cuts=0),
        here.two("switch", [g, a1, a2], [g, a1, c2], [*makes("A", c2), *makes("B", c3)], connects=1, cuts=0),
        here.two("overtake", [g, a1, a2], [g, b1], [*makes("A", c2), *makes("B", b2)], connects=1, cuts=0),
        here.two("cut", [g, a1, a2], [g, b1], makes("B", b2)),
        here.two("switch-off", [g, a1], [g], [*makes("A", a2), *off_and_on(1)], connects=1, cuts=0),
        here.two("switch-again", [g, a1], [g], off_and_on(2), connects=1, cuts=0),
        here.two("switch-idle", [g], [g], [*makes("A", a1), *makes("B", a1), *off_and_on(1)], connects=1, cuts=0),
        here.two("switch-late", [g, a1], [g, b1], [*makes("B", b2), *off_and_on(1)], connects=1, cuts=0),
        little.two("aside", [g, a1, a2, a3], [g, a1, c2], [*makes("B", c3), *finalises("A", a1)], connects=1, cuts=0),
    )


def shrinking(strategy: Strategy) -> tuple[World, ...]:
    """Nodes that lose blocks to a ban or to finality."""
    ban = Setting(strategy=strategy)
    final = Setting(strategy=strategy, overtaking=True, partings=PARTINGS)
    prune = attrs.evolve(final, retention=0, overtaking=False, partings=(*PARTINGS, Parting.PRUNED))
    drop = attrs.evolve(prune, overtaking=True)
    a_then_b = [*finalises("A", a1), *finalises("B", b1)]
    refused = [*finalises("A", a1), *makes("B", b2, b3), *finalises("B", b3)]
    return (
        ban.two("ban", [g, a1, a2], [g, a1, c2], [*bans("A", a2), *bans("B", c2)], connects=1, cuts=0),
        ban.two("worsen", [g, a1, a2, a3], [g, b1, b2, b3], bans("B", b3), connects=1, cuts=0),
        ban.two("confirm", [g, a1, a2], [g, b1], [*confirms("A", (b1,), (a1,)), *makes("B", b2)], connects=1, cuts=0),
        final.two(
            "settle", [g, a1, a2], [g, a1, c2], [*confirms("A", (c2,)), *finalises("A", a1, a2)], connects=1, cuts=0
        ),
        final.two("final", [g, a1, a2], [g, a1, c2], [*finalises("A", a2), *makes("A", a3)], connects=1, cuts=0),
        final.two("overrule", [g, a1], [g, b1], [*makes("A", b2), *finalises("B", a1)], connects=1, cuts=0),
        final.two("recant", [g, b1], [g], [*makes("A", a1), *finalises("A", a1), *makes("B", b2)], connects=1, cuts=0),
        final.two("contradiction", [g, a1, a2], [g, b1], a_then_b, connects=1, cuts=0),
        drop.two("refused", [g, a1], [g, b1], refused, connects=1, cuts=0),
        prune.two("prune", [g, a1, a2, d3], [g], [*finalises("A", a1, a2), *makes("B", a1)], connects=1, cuts=0),
        drop.two("forget", [g, a1], [g, b1], finalises("A", a1), connects=1, cuts=0),
        drop.two("drop", [g, a1, a2], [g, b1], [*makes("A", a3), *finalises("A", a1, a2)], connects=1, cuts=0),
    )


SMALL: Final = (*growing(LOCATOR), *shrinking(LOCATOR), *growing(STREAMING), *shrinking(STREAMING))
LATER: Final = ("confirm", "settle", "refused", "switch-idle")
"""What takes TLC longest."""
USUAL: Final = tuple(
    world
    for world in (*growing(LOCATOR), *shrinking(LOCATOR), *growing(STREAMING)[:4])
    if world.name.removesuffix("-locator") not in LATER
)
"""For every test run; the rest is for the nightly one."""
