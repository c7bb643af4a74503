"""The chain against a plain model of it, the costs it promises, and each outcome and error by name."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Entry, Outcome
from syncfsm.errors import LocalError
from syncfsm.limits import Limits

if TYPE_CHECKING:
    from immutables import Map

T = TypeVar("T")
INDEX = st.integers(0, 10_000)


def block(parent: Header, name: str = "", gain: int = 1, rise: int = 1) -> Header:
    """A child: ``gain`` is added to the score, ``rise`` to the height. The name tells siblings apart."""
    height, score = parent.height + rise, int.from_bytes(parent.score) + gain
    id = hashlib.sha256(f"{parent.id.hex()} {name} {height} {score}".encode()).digest()[:8]
    return Header(height, id, parent.id, score.to_bytes(8), 100, b"")


def branch(parent: Header, length: int, name: str = "") -> list[Header]:
    found = [parent]
    for _ in range(length):
        found.append(block(found[-1], name))
    return found[1:]


def root(height: int = 0) -> Header:
    return Header(height, b"root", b"before the root", (100).to_bytes(8), 0, b"")


def grown(headers: Iterable[Header], start: Header | None = None, limits: Limits = Limits()) -> Chain:  # noqa: B008
    """The chain of headers that all must be new."""
    chain, outcomes = Chain.start(start or root(), limits).extend(tuple(headers))
    assert set(outcomes) <= {Outcome.NEW}
    return chain


def only(chain: Chain, header: Header) -> Outcome:
    return chain.extend((header,))[1][0]


# The model --------------------------------------------------------------------------------------------------------


class Model:
    """What the chain must do, written the slow way: dicts, sets, and walks from parent to parent."""

    def __init__(self, start: Header, limits: Limits) -> None:
        self.limits = limits
        self.held = {start.id: start}
        self.banned: set[bytes] = set()
        self.final = self.base = start

    def line(self, id: bytes) -> list[Header]:
        """The block and its ancestors, from the base up."""
        found = [self.held[id]]
        while found[-1] != self.base:
            found.append(self.held[found[-1].parent])
        return found[::-1]

    def tips(self) -> set[bytes]:
        return set(self.held) - {header.parent for header in self.held.values() if header != self.base}

    def barred(self, id: bytes) -> bool:
        return any(header.id in self.banned for header in self.line(id))

    def best(self) -> list[Header]:
        open_lines = [line for line in map(self.line, self.held) if self.final in line and not self.barred(line[-1].id)]
        return max(open_lines, key=lambda line: line[-1].rank)

    def insert(self, header: Header) -> Outcome:
        if header.id in self.held:
            return Outcome.KNOWN
        parent = self.held.get(header.parent)
        if parent and (header.height != parent.height + 1 or header.score <= parent.score):
            return Outcome.INVALID
        if header.height <= self.final.height or (parent and self.final not in self.line(parent.id)):
            return Outcome.BELOW_FINAL
        if not parent:
            return Outcome.UNLINKABLE
        final_chain = self.final.height - self.base.height + 1
        if len(self.held) - final_chain >= self.limits.unfinal:
            return Outcome.FULL
        if parent.id not in self.tips() and len(self.tips()) >= self.limits.tips:
            return Outcome.FULL
        self.held[header.id] = header
        return Outcome.BANNED if self.barred(header.id) else Outcome.NEW

    def finalise(self, point: Point) -> None:
        header = self.held.get(point.id)
        if header is None or header.height != point.height:
            raise LocalError
        if header in self.line(self.final.id):
            return
        if self.final not in self.line(point.id) or self.barred(point.id):
            raise LocalError
        self.final = header

    def prune(self) -> tuple[Header, ...]:
        line = self.line(self.final.id)
        keep = {header.id: header for header in line[-(self.limits.retention + 1) :]}
        keep |= {id: header for id, header in self.held.items() if self.final in self.line(id)}
        dropped = [header for id, header in self.held.items() if id not in keep]
        self.base = line[-(self.limits.retention + 1) :][0]
        self.held = keep
        self.banned -= {header.id for header in dropped}
        return tuple(sorted(dropped, key=lambda header: (header.height, header.id)))

    def ban(self, id: bytes) -> None:
        if id in self.banned:
            return
        waiting = self.banned - set(self.held)
        if id in self.held and self.held[id] in self.line(self.final.id):
            raise LocalError
        if id not in self.held and len(waiting) >= self.limits.tips:
            raise LocalError
        self.banned.add(id)


def rebuilt(model: Model) -> Chain:
    """The same content in the plainest order: all blocks from the bottom up, then the bans, then the final point."""
    chain = Chain.start(model.base)
    chain, _ = chain.extend(sorted(model.held.values(), key=lambda header: (header.height, header.id)))
    for id in sorted(model.banned):
        chain = chain.ban(id)
    return attrs.evolve(chain.finalise(model.final.point), limits=model.limits)


class Comparison(RuleBasedStateMachine):
    """Any sequence of changes leaves chain and model in agreement, whatever is asked."""

    @initialize(height=st.sampled_from([0, 1, 6, 1_000_003]), retention=st.integers(0, 6), tight=st.booleans())
    def begin(self, height: int, retention: int, tight: bool) -> None:
        limits = Limits(retention=retention, unfinal=12 if tight else 1000, tips=4 if tight else 1000)
        self.pool = [root(height)]  # every header ever made, be it held, refused, dropped or never fed
        self.chain = Chain.start(self.pool[0], limits)
        self.model = Model(self.pool[0], limits)
        self.first = self.chain, dict(self.chain.blocks.items())

    def pick(self, index: int) -> Header:
        return self.pool[-1 - index % len(self.pool)]

    def pick_held(self, index: int) -> Header:
        """A held block; the low indices are the blocks at and above the final one, from the bottom up."""
        held = sorted(self.model.held.values(), key=lambda h: (h.height < self.model.final.height, h.height, h.id))
        return held[index % len(held)]

    def feed(self, headers: Sequence[Header]) -> None:
        self.chain, outcomes = self.chain.extend(headers)
        assert outcomes == tuple(self.model.insert(header) for header in headers)

    def both(self, ours: Callable[[], Chain], theirs: Callable[[], None]) -> None:
        """Apply a change to both, or see both refuse it."""
        try:
            theirs()
        except LocalError:
            with pytest.raises(LocalError):
                ours()
        else:
            self.chain = ours()

    @rule(parent=INDEX, length=st.integers(1, 8), name=st.sampled_from("ab"), gain=st.integers(1, 4))
    def grow(self, parent: int, length: int, name: str, gain: int) -> None:
        made = [block(self.pick(parent), name, gain)]
        made += branch(made[0], length - 1, name)
        self.pool += [header for header in made if header not in self.pool]
        self.feed(made)

    @rule(length=st.integers(1, 8), gain=st.integers(1, 4))
    def grow_head(self, length: int, gain: int) -> None:
        made = [block(self.chain.head, "c", gain)]
        made += branch(made[0], length - 1, "c")
        self.pool += [header for header in made if header not in self.pool]
        self.feed(made)

    @rule(parent=INDEX, length=st.integers(1, 4), gain=st.integers(1, 4))
    def make_unfed(self, parent: int, length: int, gain: int) -> None:
        made = [block(self.pick(parent), "late", gain)]
        self.pool += made + branch(made[0], length - 1, "late")

    @rule(picks=st.lists(INDEX, max_size=8))
    def feed_any(self, picks: list[int]) -> None:
        self.feed([self.pick(index) for index in picks])

    @rule(parent=INDEX, gain=st.integers(-1, 1), rise=st.integers(-1, 3))
    def feed_odd(self, parent: int, gain: int, rise: int) -> None:
        above = self.pick(parent)
        self.feed([block(above, "odd", gain, max(rise, -above.height))])

    @rule(index=INDEX, held=st.booleans())
    def ban(self, index: int, held: bool) -> None:
        id = (self.pick_held(index) if held else self.pick(index)).id
        self.both(lambda: self.chain.ban(id), lambda: self.model.ban(id))

    @precondition(lambda self: self.model.banned)
    @rule(index=INDEX)
    def unban(self, index: int) -> None:
        id = sorted(self.model.banned)[index % len(self.model.banned)]
        self.chain = self.chain.unban(id)
        self.model.banned.remove(id)

    @rule(index=INDEX, off=st.sampled_from([0, 0, 0, 1]))
    def finalise(self, index: int, off: int) -> None:
        header = self.pick(index)
        point = Point(header.height + off, header.id)
        self.both(lambda: self.chain.finalise(point), lambda: self.model.finalise(point))

    @rule(index=st.integers(0, 12))
    def finalise_held(self, index: int) -> None:
        point = self.pick_held(index).point
        self.both(lambda: self.chain.finalise(point), lambda: self.model.finalise(point))

    @rule()
    def prune(self) -> None:
        self.chain, dropped = self.chain.pruned()
        assert dropped == self.model.prune()

    @invariant()
    def same_content(self) -> None:
        chain, model, best = self.chain, self.model, self.model.best()
        assert {id: entry.header for id, entry in chain.blocks.items()} == model.held
        assert (chain.base, chain.final, chain.head) == (model.base, model.final, best[-1])
        assert (set(chain.tips), set(chain.banned)) == (model.tips(), model.banned)
        for header in self.pool:
            assert (header.id in chain) == (header.id in model.held)
            assert chain.get(header.id) == model.held.get(header.id)
            assert chain.on_best(header.point) == (header in best)

    @invariant()
    def same_value_in_any_order(self) -> None:
        plain = rebuilt(self.model)
        assert self.chain == plain
        assert hash(self.chain) == hash(plain)

    @invariant()
    def same_best_chain(self) -> None:
        best = self.model.best()
        for height in range(self.model.base.height - 2, best[-1].height + 3):
            at = height - self.model.base.height
            assert self.chain.best_at(height) == (best[at] if 0 <= at < len(best) else None)
        for at, after in enumerate(best):
            for count in (0, 1, 3, 1000):
                assert self.chain.path(after, count) == tuple(best[at + 1 : at + 1 + count])

    @invariant()
    def same_ancestry(self) -> None:
        lines = {id: self.model.line(id) for id in self.model.held}
        for a, ours in lines.items():
            assert [self.chain.ancestor(a, header.height) for header in ours] == ours
            for b, theirs in lines.items():
                shared = [x for x, y in zip(ours, theirs, strict=False) if x is y]
                assert self.chain.common(a, b) == shared[-1]
                assert self.chain.is_ancestor(a, b) == (ours[-1] in theirs)

    def teardown(self) -> None:
        if hasattr(self, "first"):
            chain, blocks = self.first
            assert dict(chain.blocks.items()) == blocks


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


# What it costs ----------------------------------------------------------------------------------------------------


class Counted(dict[bytes, Entry]):
    """Stands in for the map of blocks, and counts look-ups and removals."""

    used = 0

    def __getitem__(self, id: bytes) -> Entry:
        self.used += 1
        return super().__getitem__(id)

    def get(self, id: bytes, default: Any = None) -> Any:
        self.used += 1
        return super().get(id, default)

    def pop(self, id: bytes, *default: Any) -> Any:
        self.used += 1
        return super().pop(id, *default)

    def mutate(self) -> "Counted":
        self.child = Counted(self)
        return self.child

    def finish(self) -> Self:
        return self


def counted(chain: Chain) -> tuple[Chain, Counted]:
    blocks = Counted(chain.blocks)
    return attrs.evolve(chain, blocks=cast("Map[bytes, Entry]", blocks)), blocks


def hops(chain: Chain, call: Callable[[Chain], T]) -> tuple[T, int]:
    """The answer, and how many blocks were looked up for it."""
    chain, blocks = counted(chain)
    before = blocks.used
    return call(chain), blocks.used - before


def bound(height: int) -> int:
    """Myers' bound on the steps from ``height`` to any ancestor, in skew-binary jumps."""
    return 3 * (height + 1).bit_length()


def long_fork(start: Header) -> tuple[Chain, list[Header], list[Header]]:
    """Two branches of 3,000 blocks on a trunk of 1,500, as whole chains, and the tree that holds them."""
    trunk = [start, *branch(start, 1500)]
    left, right = trunk + branch(trunk[-1], 3000, "left"), trunk + branch(trunk[-1], 3000, "right")
    return grown([*left[1:], *right[1501:]], start), left, right


@pytest.mark.parametrize("height", [0, 1, 12_345, 2**40 + 7])
def test_ancestors_are_a_logarithm_away(height: int) -> None:
    chain, left, _ = long_fork(root(height))
    for top in left[-1], left[-2], left[2500], left[700]:
        for low in range(height, top.height + 1, 37):
            found, used = hops(chain, methodcaller("ancestor", top.id, low))
            assert found == left[low - height]
            assert used <= 1 + bound(top.height)


@pytest.mark.parametrize("height", [0, 1, 12_345, 2**40 + 7])
def test_common_ancestors_are_a_logarithm_away(height: int) -> None:
    chain, left, right = long_fork(root(height))
    for i in range(0, 4501, 391):
        for j in range(0, 4501, 173):
            found, used = hops(chain, methodcaller("common", left[i].id, right[j].id))
            assert found == left[min(i, j, 1500)]
            assert used <= 2 + 3 * bound(height + 4500)


def test_ancestors_stay_exact_and_near_after_pruning() -> None:
    chain, left, right = long_fork(root())
    chain = attrs.evolve(chain, limits=Limits(retention=100)).finalise(left[1400].point)
    chain, dropped = chain.pruned()
    assert list(dropped) == left[:1300]
    for i in range(1300, 4501, 179):
        for j in range(1300, 4501, 113):
            found, used = hops(chain, methodcaller("common", left[i].id, right[j].id))
            assert found == left[min(i, j, 1500)]
            assert used <= 2 + 3 * bound(4500)
        found, used = hops(chain, methodcaller("ancestor", left[i].id, 1300))
        assert found == left[1300]
        assert used <= 1 + bound(4500)


def test_a_block_costs_the_same_at_any_height() -> None:
    headers = branch(root(), 6000)
    costs = []
    for depth in 10, 5000:
        chain, blocks = counted(grown(headers[:depth]))
        chain.extend(headers[depth : depth + 500])
        costs.append(blocks.child.used)
    assert costs[0] == costs[1] <= 3 * 500


def test_pruning_costs_what_it_removes() -> None:
    headers = branch(root(), 6000)
    side = branch(headers[5000], 30, "side")
    chain = attrs.evolve(grown([*headers, *side]), limits=Limits(retention=1000)).finalise(headers[5000].point)
    chain = chain.pruned()[0].finalise(headers[5010].point)
    chain, blocks = counted(chain)
    _, dropped = chain.pruned()
    assert set(dropped) == {*side, *headers[4000:4010]}
    assert blocks.used + blocks.child.used <= len(dropped) + 10 * bound(6000)


def test_a_ban_costs_the_blocks_it_bars() -> None:
    headers = branch(root(), 6000)
    branches = [header for name in "abcd" for header in branch(headers[5899], 10, name)]
    chain, blocks = counted(grown([*headers, *branches]))
    banned = chain.ban(headers[5800].id)
    assert banned.head == headers[5799]
    assert blocks.used + blocks.child.used <= 5 * (200 + 40) + 5 * 4 * bound(6000)


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
    content = dict(first.blocks.items())
    second = grown([*side, *headers])
    assert first.extend(side)[0] == second
    assert hash(first.extend(side)[0]) == hash(second)
    assert first != second
    assert dict(first.blocks.items()) == content
    assert (first.head, set(first.tips)) == (headers[-1], {headers[-1].id})


def test_a_pruned_chain_equals_one_started_at_its_base() -> None:
    headers = branch(root(), 300)
    forks = [fork for i in range(100, 300, 7) for fork in branch(headers[i], 20, "fork")]
    limits = Limits(retention=0)
    old, _ = attrs.evolve(grown([*headers, *forks]), limits=limits).finalise(headers[99].point).pruned()
    assert old == grown([*headers[100:], *forks], headers[99], limits)
