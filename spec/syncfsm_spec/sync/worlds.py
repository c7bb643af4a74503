"""The worlds that show what sync promises: two nodes, three nodes, limits and liars. Write one of your own like these.

``kit/trees.py`` has the tree of blocks, ``kit/moves.py`` what may happen, ``settings.py`` all that may be chosen
besides.
"""

from collections.abc import Sequence
from typing import Final

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import SometimesStep, Wait, World, happen
from syncfsm.errors import Fault
from syncfsm.events import Garbled
from syncfsm.limits import Limits, Strategy
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Parting
from syncfsm.protocol import View
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Found, Give, Has, Hello, Want
from syncfsm.sync.protocol import TABLE
from syncfsm.sync.types import Event, Greet, Link, Serve, Switch, Turn
from syncfsm_spec.kit.alone import Comes, alone, over_is_over
from syncfsm_spec.kit.begun import begun
from syncfsm_spec.kit.moves import bans, blames, confirms, finalises, lies, makes
from syncfsm_spec.kit.trees import BLOCK, BODY, a1, a2, a3, a4, b1, b2, b3, c2, c3, d3, g, h1, h2, k2
from syncfsm_spec.peer.promises import ONE_DISCONNECT, Parts
from syncfsm_spec.settings import LOCATOR, Setting, reaches_compound_states

A_B, B_C, A_C = ("A", "B"), ("B", "C"), ("A", "C")
WRONG: Final = Blocks((Header(3, b"x3", a1.id, a1.score, 0, b""),))
"""A block that does not follow from its parent."""
FULL: Final = "A peer that gives more than fits is told so."
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


def refused(strategy: Strategy) -> World:
    moves = [*finalises("A", a1), *makes("B", b2, b3), *finalises("B", b2, b3)]
    sentence = "Peers with contradicting final points part once, saying why."
    setting = Setting(strategy=strategy, retention=0, overtaking=True, partings=(CONTRADICTION, PRUNED, OUT_OF_STEP))
    return setting.two(
        "refused", [g, a1], [g, b1], moves,
        extra=[SometimesStep("PartsContradicting", sentence, A_B, Parts(CONTRADICTION))],
        doc="Two sources of truth that contradict each other, and B drops what would show it; A refuses what B calls "
        "final.",
    )  # fmt: skip


def recant(strategy: Strategy) -> World:
    moves = [*makes("A", a1), *finalises("A", a1), *makes("B", b2, a2, b3)]
    return Setting(strategy=strategy, overtaking=True, partings=(OUT_OF_STEP,)).two(
        "recant", [g, b1], [g], moves,
        doc="A gives B a block, and then overrules it; B goes on where it was, turns to the final branch, and back.",
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


def confirmed(strategy: Strategy) -> World:
    moves = [*confirms("A", (b1,), (a1,)), *confirms("B", (b1, b2)), *makes("A", a3), *makes("B", b3)]
    return Setting(strategy=strategy, partings=(OUT_OF_STEP,)).two(
        "confirmed", [g, a1, a2], [g, b1], moves,
        doc="What the source of truth has confirmed moves to the worse branch, and back; it brings blocks, too.",
    )  # fmt: skip


def confirmed_final(strategy: Strategy) -> World:
    moves = [*confirms("A", (c2,), (a1,)), *finalises("A", a1, c2), *confirms("B", (a1, a2)), *makes("B", a3)]
    setting = Setting(strategy=strategy, overtaking=True, partings=(CONTRADICTION, OUT_OF_STEP))
    return setting.two(
        "confirmed-final", [g, a1, a2], [g, a1, c2], moves,
        doc="What is final is confirmed; what is confirmed stands while other things become final, or gives way.",
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


def tired(strategy: Strategy) -> World:
    """Time passes unnoticed once: something else comes before the tick."""
    return Setting(strategy=strategy).three(
        "tired", ([g, a1], [g, a1, a2], [g]), [A_B, A_C], [happen("A", "does not notice 1 s", Wait(1.0, late=True))],
        doc="A's leader takes too long, and the next may turn out to be harmless before the tick comes.",
    )  # fmt: skip


def impatient(strategy: Strategy) -> World:
    return Setting(strategy=strategy).three(
        "impatient", ([g, a1], [g, a1, a2], [g]), [A_B, A_C], [happen("A", "waits for 0.5 s", Wait(0.5))], cuts=1,
        doc="Half of A's patience passes, and its leader goes, or has nothing: the next one has the other half.",
    )  # fmt: skip


def next_parts(strategy: Strategy) -> World:
    return Setting(strategy=strategy, partings=(CONTRADICTION, OUT_OF_STEP)).three(
        "next-parts", ([g, a1], [g, a1, a2], [g, b1]), [A_B, A_C], [*finalises("A", a1), *finalises("C", b1)],
        doc="A's leader takes too long, and the next parts as soon as it is greeted.",
    )  # fmt: skip


def slow_feed(strategy: Strategy) -> World:
    return Setting(strategy=strategy).three(
        "slow-feed", ([g], [g, a1, a2], [g, a1]), [A_B, A_C], [],
        doc="A's feed has more than another, and is late: who brings the first is the feed, and the old one has more.",
    )  # fmt: skip


def busy_final(strategy: Strategy) -> World:
    """B has one gate, and keeps it for its feed, which is C."""
    setting = Setting(strategy=strategy, bound=1, limits={"gates": 1})
    world = setting.three(
        "busy-final", ([g, b1], [g, a1], [g, a1]), [B_C, A_B, A_C], finalises("B", a1),
        doc="A has the better head, and lacks what B calls final: B, which A has for its feed at first, is busy.",
    )  # fmt: skip
    return begun(world, ("B finalises a1", "connect B-C"))


def ban_beside(strategy: Strategy) -> World:
    return Setting(strategy=strategy).three(
        "ban-beside", ([g, a1, a2, a3], [g, b1, b2], [g]), [A_B, A_C], bans("A", a1),
        doc="A falls behind, by an operator, while it greets one that was worse till then, beside its feed.",
    )  # fmt: skip


# Limits and liars -----------------------------------------------------------------------------------------------


def meter(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, timed=True, limits={"hello_burst": 8, "hello_rate": 8.0})
    return setting.two(
        "meter", [g, a1], [g, b1, b2], makes("A", b1, a2, a3, a4), connects=1, cuts=0,
        doc="More forks than the rate limit allows hellos: the newest is put off, and never dropped.",
    )  # fmt: skip


def full(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, partings=(Parting.FULL,), limits={"unfinal": 3})
    return setting.two(
        "full", [g, a1, a2], [g, b1, b2], [*makes("A", a3)], connects=1, cuts=0,
        doc="No more than three blocks above the final point are held.",
    )  # fmt: skip


def heavy(strategy: Strategy) -> World:
    """The blocks have bodies: the one of ``h1`` and one beside it, or above it, fit."""
    setting = Setting(strategy=strategy, partings=(Parting.FULL,), limits={"unfinal_bytes": 2 * BODY})
    return setting.two(
        "heavy", [g, h1, h2], [g, h1, k2], [*finalises("A", h1), *finalises("B", h1)], connects=2, cuts=0,
        extra=[SometimesStep("PartsFull", FULL, A_B, Parts(Parting.FULL))],
        doc="No more than two bodies of blocks that are not final are held; then one is final, and there is room.",
    )  # fmt: skip


def aside(strategy: Strategy) -> World:
    setting = Setting(strategy=strategy, partings=(Parting.FULL,), limits={"aside": BLOCK})
    return setting.two(
        "aside", [g, a1, a2, a3], [g, a1, c2], [*makes("A", a4), *finalises("A", a1), *makes("B", c3)], cuts=0,
        extra=[SometimesStep("PartsFull", FULL, A_B, Parts(Parting.FULL))],
        doc="Of what a peer gives beside the best chain one block is taken; two, if the second makes them the best or "
        "finality comes between.",
    )  # fmt: skip


def spoil(strategy: Strategy) -> World:
    """B is none of ours: it says a block of A's own between two that are good for nothing."""
    given = [lies("B", "A", f"sends {block.id.decode()}", Blocks((block,))) for block in (b1, a3, c2)]
    setting = Setting(strategy=strategy, liars=("B",), bound=2, partings=(Parting.FULL,), limits={"aside": BLOCK})
    return setting.two(
        "spoil", [g, a1, a2, a3], [g, a1, a2, a3], given, connects=1, cuts=0,
        extra=[SometimesStep("PartsFull", FULL, ("A",), Parts(Parting.FULL))],
        doc="B gives blocks of two branches beside the best chain, and what makes up for none of them.",
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


def noise(strategy: Strategy) -> World:
    """B's words are sync's messages, and no blocks that could be."""
    moves = [
        lies("B", "A", "sends a broken run", Blocks((a2, b2))),
        happen("A", "gets noise of sync", Garbled("B", Fault("noise", "no block"), 0.0, ProtocolNumber.SYNC)),
    ]  # fmt: skip
    setting = Setting(strategy=strategy, liars=("B",), bound=2)
    return setting.two(
        "noise", [g, a1], [g, a1, a2], moves, connects=1, cuts=0, extra=blames("A", "broken-run", "noise"),
        doc="What B sends as blocks is none: the fault is sync's, and ends the link.",
    )  # fmt: skip


def early_liar(strategy: Strategy) -> World:
    """C says what nobody says before the common ancestor is known."""
    has = Has(b1.point, b1.score)
    moves = [
        lies("C", "A", "finds", Found(g.point)), lies("C", "A", "has b1", has),
        lies("C", "A", "sends a wrong block", WRONG),
    ]  # fmt: skip
    setting = Setting(strategy=strategy, liars=("C",), bound=2)
    return setting.three(
        "early-liar", ([g], [g, a1], [g, b1]), [A_B, A_C], moves,
        extra=blames("A", "head-before-common"), doc="C ends a search that A has not begun, and tells its head in it.",
    )  # fmt: skip


def by_itself() -> World:
    """A link to which anything happens at any time."""
    view = View(Chain.start(g).extend([a1])[0], 0, 0.0, Limits(), LOCATOR)
    given = [
        *(Comes(Event.GREET, Greet(relays, True), str(relays)) for relays in (True, False)),
        Comes(Event.WANT, Want()), Comes(Event.DO_NOT_WANT, DoNotWant()), Comes(Event.GIVE, Give()),
        Comes(Event.BUSY, Busy()), Comes(Event.ASK, Want()), Comes(Event.SHUT), Comes(Event.SERVE, Serve(True)),
        Comes(Event.REFUSE, Busy()), *(Comes(Event.SWITCH, Switch(off, 0.0), str(off)) for off in (True, False)),
        Comes(Event.TURN, Turn()), Comes(Event.TICK), Comes(Event.ENDED),
    ]  # fmt: skip
    return alone(TABLE, Link("peer"), given, view, over_is_over(TABLE, ONE_DISCONNECT, Event.GREET, Event.ENDED))
