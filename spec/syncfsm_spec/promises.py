"""Every promise of the house about the nodes of a world, with its properties."""

from collections.abc import Iterable, Sequence

from syncfsm.check import Property, channel
from syncfsm.peer.messages import Parting
from syncfsm_spec.kit.moments import (
    Tree,
    blocks_arrive,
    ends_link,
    hello_from_below,
    link_states,
    payload_arrives,
    room_and_way,
    search_ends,
    sends_blocks,
)
from syncfsm_spec.notes.promises import PAYLOADS, InTime, payloads
from syncfsm_spec.peer.promises import (
    ONE_DISCONNECT,
    PARTS_ONLY_FOR,
    SIGNS_OF_LIFE,
    OnlyFor,
    one_disconnect,
    signs_of_life,
)
from syncfsm_spec.routing.promises import AT_MOST_ONCE, JUDGED_FIRST, REACHES_ALL, ROUTES_CONVERGE
from syncfsm_spec.sync.between import Between, Conserved
from syncfsm_spec.sync.feed import (
    ALL_HEARD,
    BACKUP_SENDS_IDS,
    NEVER_DARK,
    NOT_STARVED,
    OFF_IS_MANUAL,
    ONCE_PER_NODE,
    ONE_FEED,
    SENTRIES_FIRST,
    TREE_SPANS,
    UNDERSTOOD,
    all_heard,
    backup_sends_ids,
    off_is_manual,
    one_feed,
    understood,
)
from syncfsm_spec.sync.promises import (
    ANCESTOR_EXACT,
    BOUNDED,
    COMPOUND_STATES,
    CONFIRMED_ON_BEST,
    FINAL_ADVANCES,
    INIT_IFF_WORSE,
    NEVER_BELOW_FINAL,
    NO_ECHO,
    NO_PUNISH_HONEST,
    ONLY_BEST_CHAIN,
    ONLY_CHILD,
    PARENT_KNOWN,
    PRUNED_IS_SAID,
    SETTLES,
    TRACKED,
    Along,
    bounded,
    charged,
    counts_aside,
    init_iff_worse,
    only_best_chain,
    told_pruned,
    tracked,
)

ALL = (
    ONLY_BEST_CHAIN, ONLY_CHILD, PARENT_KNOWN, NO_ECHO, TRACKED, INIT_IFF_WORSE, ANCESTOR_EXACT, COMPOUND_STATES,
    SETTLES, FINAL_ADVANCES, NEVER_BELOW_FINAL, CONFIRMED_ON_BEST, PRUNED_IS_SAID, NO_PUNISH_HONEST, BOUNDED,
    ONE_DISCONNECT, SIGNS_OF_LIFE, PARTS_ONLY_FOR, PAYLOADS, OFF_IS_MANUAL, BACKUP_SENDS_IDS, ONE_FEED, TREE_SPANS,
    ONCE_PER_NODE, NEVER_DARK, NOT_STARVED, ALL_HEARD, SENTRIES_FIRST, UNDERSTOOD, AT_MOST_ONCE, JUDGED_FIRST,
    REACHES_ALL, ROUTES_CONVERGE,
)  # fmt: skip
"""Each promise of the house."""


def promises(
    nodes: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    tree: Tree,
    partings: Iterable[Parting] = (),
    heads_may_worsen: bool = False,
    liars: Sequence[str] = (),
    room: int | None = None,
    timed: bool = False,
    counted: bool = False,
) -> tuple[Property, ...]:
    """Every promise about these nodes. ``partings`` are the reasons for which links between correct nodes may end in
    this world, ``heads_may_worsen`` tells that bans or finality can do that. Nothing is promised to ``liars``, and
    nothing of them. If ``room`` is what each link has, and the nodes are joined by channels of the checker, what is
    under way is looked at too; if the links are ``timed``, so is what hellos cost; and if
    what peers give beside the best chain is ``counted``, so is that."""
    honest = tuple(name for name in nodes if name not in liars)
    friends = [pair for pair in pairs if not set(pair) & set(liars)]
    fools = frozenset(liars)
    along = Along(tree, fools)

    found: list[Property] = [
        ONLY_BEST_CHAIN.steps(honest, only_best_chain, sends_blocks),
        ONLY_CHILD.steps(honest, along.only_child),
        PARENT_KNOWN.steps(honest, along.parent_known, blocks_arrive),
        NO_ECHO.steps(honest, along.no_echo, sends_blocks),
        ANCESTOR_EXACT.steps(honest, along.ancestor_exact, search_ends),
        NEVER_BELOW_FINAL.steps(honest, along.never_below_final),
        CONFIRMED_ON_BEST.steps(honest, along.confirmed_on_best),
        PRUNED_IS_SAID.steps(honest, told_pruned, hello_from_below),
        ONE_DISCONNECT.steps(honest, one_disconnect),
        OFF_IS_MANUAL.steps(honest, off_is_manual),
        BACKUP_SENDS_IDS.steps(honest, backup_sends_ids),
        UNDERSTOOD.steps(honest, understood),
        NO_PUNISH_HONEST.steps(honest, along.only_liars_punished),
        BOUNDED.steps(honest, bounded),
        PAYLOADS.steps(honest, payloads),
        PAYLOADS.steps(honest, InTime(tree, fools), payload_arrives),
        SIGNS_OF_LIFE.steps(honest, signs_of_life),
        PARTS_ONLY_FOR.steps(honest, OnlyFor(frozenset(partings), fools), ends_link),
        SETTLES.settles(),
    ]
    if timed:
        found.append(BOUNDED.steps(honest, charged))
    if counted:
        found.append(BOUNDED.steps(honest, counts_aside))
    for name in honest:
        found.append(INIT_IFF_WORSE.always((name,), init_iff_worse))
        found.append(TRACKED.always((name,), tracked))
        found.append(ONE_FEED.always((name,), one_feed))
        found.append(ALL_HEARD.always((name,), all_heard))
    for a, b in friends:
        found += between(a, b, tree, heads_may_worsen)
        if room is not None:
            found += bounded_ways(a, b, room)
    return tuple(found)


def between(a: str, b: str, tree: Tree, heads_may_worsen: bool) -> list[Property]:
    """The promises about two correct nodes that may be linked."""
    two, back = Between(a, b, tree, heads_may_worsen), Between(b, a, tree, heads_may_worsen)
    ends = {SETTLES: two.settled, FINAL_ADVANCES: two.final_advances, NEVER_BELOW_FINAL: two.no_contradiction}
    return [
        COMPOUND_STATES.always((a, b), two.compound, link_states),
        NEVER_BELOW_FINAL.steps((a,), two.parts_rightly, ends_link, (b,)),
        NEVER_BELOW_FINAL.steps((b,), back.parts_rightly, ends_link, (a,)),
        *(promise.ends((a, b), holds) for promise, holds in ends.items()),
    ]


def bounded_ways(a: str, b: str, room: int) -> list[Property]:
    """``Bounded`` for the lines between two correct nodes whose links have this much room."""
    return [
        BOUNDED.always((here, channel(here, there)), Conserved(there, room), room_and_way)
        for here, there in ((a, b), (b, a))
    ]
