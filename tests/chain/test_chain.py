"""What the chain costs, and each outcome and error by name."""

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

import attrs
import msgspec
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.chain.runs import Run
from syncfsm.chain.tree import GROUP
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from tests.chains import block, branch, grown, only, root

if TYPE_CHECKING:
    from immutables import Map

T = TypeVar("T")

# What it costs ----------------------------------------------------------------------------------------------------


SHORT: Final = 4
"""A span so short that a few thousand blocks have a thousand of them."""


class Counted(dict[int, tuple[Run, ...]]):
    """Stands in for the map of spans, and counts look-ups."""

    used = 0

    def __getitem__(self, number: int) -> tuple[Run, ...]:
        self.used += 1
        return super().__getitem__(number)

    def get(self, number: int, default: Any = None) -> Any:
        self.used += 1
        return super().get(number, default)

    def mutate(self) -> "Counted":
        self.child = Counted(self)
        return self.child

    def finish(self) -> Self:
        return self


def counted(chain: Chain) -> tuple[Chain, Counted]:
    spans = Counted(chain.blocks.spans)
    blocks = msgspec.structs.replace(chain.blocks, spans=cast("Map[int, tuple[Run, ...]]", spans))
    return attrs.evolve(chain, blocks=blocks), spans


def hops(chain: Chain, call: Callable[[Chain], T]) -> tuple[T, int]:
    """The answer, and how many runs were looked up for it."""
    chain, spans = counted(chain)
    before = spans.used
    return call(chain), spans.used - before


def bound(height: int) -> int:
    """Myers' bound on the steps from ``height`` to any ancestor, in skew-binary jumps from span to span; and what it
    takes to find the block, of which the index knows about where it is."""
    return 3 * (height // SHORT + 1).bit_length() + GROUP // SHORT + 1


def long_fork(start: Header) -> tuple[Chain, list[Header], list[Header]]:
    """Two branches of 3,000 blocks on a trunk of 1,500, as whole chains, and the tree that holds them."""
    trunk = [start, *branch(start, 1500)]
    left, right = trunk + branch(trunk[-1], 3000, "left"), trunk + branch(trunk[-1], 3000, "right")
    return grown([*left[1:], *right[1501:]], start, span=SHORT), left, right


@pytest.mark.parametrize("height", [0, 1, 12_345, 2**40 + 7])
def test_ancestors_are_a_logarithm_away(height: int) -> None:
    chain, left, _ = long_fork(root(height))
    for top in left[-1], left[-2], left[2500], left[700]:
        for low in range(height, top.height + 1, 37):
            found, used = hops(chain, methodcaller("ancestor", top.id, low))
            assert found == left[low - height]
            assert used <= bound(top.height)


@pytest.mark.parametrize("height", [0, 1, 12_345, 2**40 + 7])
def test_common_ancestors_are_a_logarithm_away(height: int) -> None:
    chain, left, right = long_fork(root(height))
    for i in range(0, 4501, 391):
        for j in range(0, 4501, 173):
            found, used = hops(chain, methodcaller("common", left[i].id, right[j].id))
            assert found == left[min(i, j, 1500)]
            assert used <= 3 * bound(height + 4500)


def test_ancestors_stay_exact_and_near_after_pruning() -> None:
    chain, left, right = long_fork(root())
    chain = attrs.evolve(chain, limits=Limits(retention=100)).finalise(left[1400].point)
    chain, dropped = chain.pruned()
    assert list(dropped) == left[:1300]
    for i in range(1300, 4501, 179):
        for j in range(1300, 4501, 113):
            found, used = hops(chain, methodcaller("common", left[i].id, right[j].id))
            assert found == left[min(i, j, 1500)]
            assert used <= 3 * bound(4500)
        found, used = hops(chain, methodcaller("ancestor", left[i].id, 1300))
        assert found == left[1300]
        assert used <= bound(4500)


def test_a_block_costs_the_same_at_any_height() -> None:
    headers = branch(root(), 6000)
    for depth in 10, 5000:
        chain, spans = counted(grown(headers[:depth], span=SHORT))
        chain.extend(headers[depth : depth + 500])
        assert spans.child.used <= 5 * 500 / SHORT


def test_pruning_costs_what_it_removes() -> None:
    headers = branch(root(), 6000)
    side = branch(headers[5000], 30, "side")
    whole = grown([*headers, *side], span=SHORT)
    chain = attrs.evolve(whole, limits=Limits(retention=1000)).finalise(headers[5000].point)
    chain = chain.pruned()[0].finalise(headers[5010].point)
    chain, spans = counted(chain)
    _, dropped = chain.pruned()
    assert set(dropped) == {*side, *headers[4000:4010]}
    assert spans.used + spans.child.used <= len(dropped) + 10 * bound(6000)


def test_a_ban_costs_the_blocks_it_bars() -> None:
    headers = branch(root(), 6000)
    branches = [header for name in "abcd" for header in branch(headers[5899], 10, name)]
    chain, spans = counted(grown([*headers, *branches], span=SHORT))
    banned = chain.ban(headers[5800].id)
    assert banned.head == headers[5799]
    assert spans.used + spans.child.used <= 5 * (200 + 40) / SHORT + 5 * 4 * bound(6000)


# Each outcome -----------------------------------------------------------------------------------------------------


def test_a_run_of_children_is_new_and_moves_the_head() -> None:
    headers = branch(root(), 5)
    chain, outcomes = Chain.start(root()).extend(headers)
    assert outcomes == (Outcome.NEW,) * 5
    assert chain.head == headers[-1]
    assert chain.base == chain.final == root()


def test_a_better_branch_takes_the_head_and_a_worse_one_does_not() -> None:
    headers = branch(root(), 5)
    chain = grown(headers)
    chain, _ = chain.extend(branch(root(), 4, "worse"))
    assert chain.head == headers[-1]
    chain, _ = chain.extend([better := block(root(), "better", gain=6)])
    assert chain.head == better


def test_of_equal_scores_the_greater_id_is_best_in_either_order() -> None:
    a, b = sorted([block(root(), "a"), block(root(), "b")], key=lambda header: header.id)
    assert grown([a, b]).head == grown([b, a]).head == b


def test_known() -> None:
    header = block(root())
    chain = grown([header])
    again, outcomes = chain.extend([header, root()])
    assert outcomes == (Outcome.KNOWN, Outcome.KNOWN)
    assert again is chain


def test_unlinkable_until_the_parent_is_there() -> None:
    a, b = branch(root(), 2)
    chain, outcomes = Chain.start(root()).extend([b, a, b])
    assert outcomes == (Outcome.UNLINKABLE, Outcome.NEW, Outcome.NEW)
    assert chain.head == b


@pytest.mark.parametrize(("gain", "rise"), [(0, 1), (-1, 1), (1, 0), (1, 2), (1, -1)])
def test_invalid(gain: int, rise: int) -> None:
    chain = grown(branch(root(), 3))
    assert only(chain, block(chain.head, gain=gain, rise=rise)) is Outcome.INVALID


def test_below_final_by_height() -> None:
    headers = branch(root(), 5)
    chain = grown(headers).finalise(headers[2].point)
    assert only(chain, block(root(), "side")) is Outcome.BELOW_FINAL
    assert only(chain, Header(3, b"stray", b"unknown", b"\xff" * 8, 0, b"")) is Outcome.BELOW_FINAL


def test_below_final_by_a_parent_that_conflicts_and_is_not_yet_pruned() -> None:
    headers, side = branch(root(), 5), branch(root(), 5, "side")
    chain = grown([*headers, *side]).finalise(headers[2].point)
    assert only(chain, block(side[-1])) is Outcome.BELOW_FINAL
    assert only(chain, block(headers[2], "fork")) is Outcome.NEW


def test_banned_before_it_arrives() -> None:
    headers = branch(root(), 5)
    chain = Chain.start(root()).ban(headers[2].id)
    chain, outcomes = chain.extend(headers)
    assert outcomes == (Outcome.NEW, Outcome.NEW, Outcome.BANNED, Outcome.BANNED, Outcome.BANNED)
    assert headers[4].id in chain
    assert chain.head == headers[1]


def test_full_of_unfinal_blocks_until_something_is_final() -> None:
    headers = branch(root(), 4)
    chain, outcomes = Chain.start(root(), Limits(unfinal=3)).extend(headers)
    assert outcomes == (Outcome.NEW,) * 3 + (Outcome.FULL,)
    assert only(chain.finalise(headers[0].point), headers[3]) is Outcome.NEW


def test_full_of_bytes_until_something_is_final_or_is_dropped() -> None:
    headers, side = branch(root(), 4), branch(root(), 2, "side")
    size = headers[0].size
    chain, outcomes = Chain.start(root(), Limits(unfinal_bytes=4 * size)).extend([*headers[:3], *side])
    assert outcomes == (Outcome.NEW,) * 4 + (Outcome.FULL,)
    chain = chain.finalise(headers[0].point)
    assert chain.unfinal_bytes == 3 * size
    chain, dropped = chain.pruned()
    assert dropped == (side[0],)
    assert chain.unfinal_bytes == 2 * size
    assert only(chain, headers[3]) is Outcome.NEW


def test_full_of_branches_still_lets_a_branch_grow() -> None:
    a, b, c = (block(root(), name) for name in "abc")
    chain, outcomes = Chain.start(root(), Limits(tips=2)).extend([a, b, c, block(a)])
    assert outcomes == (Outcome.NEW, Outcome.NEW, Outcome.FULL, Outcome.NEW)
    assert c.id not in chain


# Bans -------------------------------------------------------------------------------------------------------------


def test_a_ban_moves_the_head_to_the_best_block_left_and_unban_brings_it_back() -> None:
    headers, side = branch(root(), 5), branch(root(), 4, "side")
    chain = grown([*headers, *side])
    banned = chain.ban(headers[1].id)
    assert banned.head == side[-1]
    assert banned.ban(side[0].id).head == headers[0]
    assert banned.unban(headers[1].id) == chain


def test_unban_leaves_what_another_ban_bars() -> None:
    headers = branch(root(), 6)
    chain = grown(headers).ban(headers[4].id).ban(headers[1].id).unban(headers[1].id)
    assert chain.head == headers[3]


def test_banning_twice_or_unbanning_nothing_changes_nothing() -> None:
    chain = grown(branch(root(), 2)).ban(b"some id")
    assert chain.ban(b"some id") is chain
    assert chain.unban(b"another id") is chain


def test_what_is_final_can_not_be_banned() -> None:
    headers = branch(root(), 3)
    chain = grown(headers).finalise(headers[1].point)
    for header in root(), headers[0], headers[1]:
        with pytest.raises(LocalError, match="it is final"):
            chain.ban(header.id)
    assert chain.ban(headers[2].id).head == headers[1]


def test_bans_that_wait_for_their_block_are_bounded() -> None:
    header = block(root())
    chain = grown([header], limits=Limits(bans=2)).ban(b"one").ban(b"two")
    with pytest.raises(LocalError, match="unban one first"):
        chain.ban(b"three")
    assert set(chain.ban(header.id).unban(b"one").ban(b"three").banned) == {header.id, b"two", b"three"}


# Finality ---------------------------------------------------------------------------------------------------------


def test_finalising_off_the_best_chain_moves_the_head_and_drops_nothing() -> None:
    headers, side = branch(root(), 5), branch(root(), 3, "side")
    chain = grown([*headers, *side])
    switched = chain.finalise(side[1].point)
    assert (switched.head, switched.final) == (side[2], side[1])
    assert switched.common(chain.head.id, switched.head.id) == root()
    pruned, dropped = switched.pruned()
    assert dropped == tuple(headers)
    assert pruned == grown(side).finalise(side[1].point)


def test_finalising_at_or_below_final_changes_nothing() -> None:
    headers = branch(root(), 5)
    chain = grown(headers).finalise(headers[2].point)
    assert chain.finalise(headers[2].point) is chain
    assert chain.finalise(root().point) is chain


def test_what_can_not_be_made_final() -> None:
    headers, side = branch(root(), 5), branch(root(), 5, "side")
    chain = grown([*headers, *side]).finalise(headers[1].point)
    for point in side[0].point, side[1].point, side[4].point:
        with pytest.raises(LocalError, match="contradicts"):
            chain.finalise(point)
    with pytest.raises(LocalError, match="unban that first"):
        chain.ban(headers[3].id).finalise(headers[4].point)
    for point in block(headers[4]).point, Point(4, headers[4].id):
        with pytest.raises(LocalError, match="feed the block first"):
            chain.finalise(point)
    low, _ = attrs.evolve(chain, limits=Limits(retention=0)).pruned()
    with pytest.raises(LocalError, match="below the base"):
        low.finalise(headers[0].point)


def test_pruning_keeps_the_retention_and_says_what_it_dropped() -> None:
    headers = branch(root(), 10)
    chain = attrs.evolve(grown(headers), limits=Limits(retention=2)).finalise(headers[6].point)
    pruned, dropped = chain.pruned()
    assert dropped == (root(), *headers[:4])
    assert (pruned.base, pruned.final, pruned.head) == (headers[4], headers[6], headers[9])
    assert pruned.pruned()[0] is pruned
    assert root().id in chain


def test_pruning_forgets_bans_of_what_it_drops_and_keeps_the_others() -> None:
    headers, side = branch(root(), 5), branch(root(), 5, "side")
    chain = grown([*headers, *side]).ban(side[0].id).ban(headers[4].id).ban(b"to come")
    chain, _ = chain.finalise(headers[2].point).pruned()
    assert set(chain.banned) == {headers[4].id, b"to come"}


def test_an_id_that_comes_again_after_pruning_confuses_nothing() -> None:
    headers = branch(root(), 40)
    chain = attrs.evolve(grown(headers), limits=Limits(retention=0)).finalise(headers[20].point)
    chain, dropped = chain.pruned()
    for old in dropped:
        reused = Header(chain.head.height + 1, old.id, chain.head.id, block(chain.head).score, 0, b"")
        chain, outcomes = chain.extend([reused])
        assert outcomes == (Outcome.NEW,)
    best = [*headers[20:], *(cast(Header, chain.get(header.id)) for header in dropped)]
    chain, again = chain.finalise(chain.head.point).pruned()
    assert list(again) == best[:-1]


# Misuse and value -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.ancestor(b"nobody", 0), "not held"),
        (lambda c: c.common(b"nobody", b"root"), "not held"),
        (lambda c: c.is_ancestor(b"root", b"nobody"), "not held"),
        (lambda c: c.ancestor(b"root", 11), "no held ancestor"),
        (lambda c: c.ancestor(b"root", 9), "no held ancestor"),
        (lambda c: c.path(root(10), -1), "no path"),
        (lambda c: c.path(block(root(10), "elsewhere"), 1), "no path"),
        (lambda c: c.path(root(9), 1), "no path"),
    ],
)
def test_misuse_is_told(ask: Callable[[Chain], object], message: str) -> None:
    chain = grown(branch(root(10), 5), root(10))
    with pytest.raises(LocalError, match=message):
        ask(chain)


def test_a_chain_is_a_value() -> None:
    headers, side = branch(root(), 5), branch(root(), 5, "side")
    first = grown(headers)
    content = set(first.blocks.headers())
    second = grown([*side, *headers])
    assert first.extend(side)[0] == second
    assert hash(first.extend(side)[0]) == hash(second)
    assert first != second
    assert set(first.blocks.headers()) == content
    assert (first.head, set(first.tips)) == (headers[-1], {headers[-1].id})


def test_a_pruned_chain_equals_one_started_at_its_base() -> None:
    headers = branch(root(), 300)
    forks = [fork for i in range(100, 300, 7) for fork in branch(headers[i], 20, "fork")]
    limits = Limits(retention=0)
    old, _ = attrs.evolve(grown([*headers, *forks]), limits=limits).finalise(headers[99].point).pruned()
    assert old == grown([*headers[100:], *forks], headers[99], limits)


# Confirmed ------------------------------------------------------------------------------------------------------


def test_confirmed_pins_the_best_chain_and_may_move_back_to_another_branch() -> None:
    headers, side = branch(root(), 4), branch(root(), 2, "side")
    chain = grown([*headers, *side])
    pinned = chain.confirm(side[0].point)
    assert (pinned.head, pinned.confirmed, pinned.final) == (side[1], side[0], root())
    assert pinned.pruned() == (pinned, ())  # the other branch may be right after all
    longer, _ = pinned.extend(branch(headers[3], 3))
    assert longer.head == side[1]
    back = longer.confirm(headers[1].point)
    assert (back.head.height, back.confirmed) == (7, headers[1])
    assert back.confirm(root().point) == longer.confirm(root().point)


def test_what_became_final_is_confirmed() -> None:
    headers, side = branch(root(), 4), branch(root(), 2, "side")
    chain = grown([*headers, *side]).confirm(side[0].point).finalise(headers[1].point)
    assert (chain.confirmed, chain.head) == (headers[1], headers[3])
    assert chain.confirm(headers[2].point).finalise(headers[1].point).confirmed == headers[2]


def test_at_or_below_final_no_more_than_that_is_confirmed() -> None:
    headers = branch(root(), 9)
    chain = attrs.evolve(grown(headers), limits=Limits(retention=2)).finalise(headers[6].point).pruned()[0]
    for point in (headers[6].point, headers[5].point, headers[0].point):  # the last one is not held any more
        assert chain.confirm(headers[7].point).confirm(point) == chain


def test_what_can_not_be_confirmed() -> None:
    headers, side = branch(root(), 4), branch(root(), 4, "side")
    chain = grown([*headers, *side]).finalise(headers[1].point).ban(headers[3].id)
    wrongs = [
        (side[0].point, "contradicts"),
        (side[3].point, "contradicts"),
        (headers[3].point, "banned"),
        (Point(4, b"nowhere"), "feed the block first"),
    ]
    for point, word in wrongs:
        with pytest.raises(LocalError, match=word):
            chain.confirm(point)
    with pytest.raises(LocalError, match="it is confirmed"):
        chain.confirm(headers[2].point).ban(headers[2].id)
