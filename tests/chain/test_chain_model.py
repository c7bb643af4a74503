"""The chain against a plain model of it: whatever is done to it, in any order."""

from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.chain.tree import SPAN
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from tests.chains import block, branch, root, spanned

INDEX = st.integers(0, 10_000)


class Model:
    """What the chain must do, written the slow way: dicts, sets, and walks from parent to parent."""

    def __init__(self, start: Header, limits: Limits) -> None:
        self.limits = limits
        self.held = {start.id: start}
        self.banned: set[bytes] = set()
        self.final = self.confirmed = self.base = start

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
        lines = [line for line in map(self.line, self.held) if self.confirmed in line and not self.barred(line[-1].id)]
        return max(lines, key=lambda line: line[-1].rank)

    def unfinal_bytes(self) -> int:
        final = self.line(self.final.id)
        return sum(header.size for header in self.held.values() if header not in final)

    def insert(self, header: Header, bounded: bool = True) -> Outcome:
        if header.id in self.held:
            return Outcome.KNOWN
        parent = self.held.get(header.parent)
        if parent and (header.height != parent.height + 1 or header.score <= parent.score):
            return Outcome.INVALID
        if header.height <= self.final.height or (parent and self.final not in self.line(parent.id)):
            return Outcome.BELOW_FINAL
        if not parent:
            return Outcome.UNLINKABLE
        if bounded and self.is_full(header, parent):
            return Outcome.FULL
        self.held[header.id] = header
        return Outcome.BANNED if self.barred(header.id) else Outcome.NEW

    def is_full(self, header: Header, parent: Header) -> bool:
        final_chain = self.final.height - self.base.height + 1
        if len(self.held) - final_chain >= self.limits.unfinal:
            return True
        if self.unfinal_bytes() + header.size > self.limits.unfinal_bytes:
            return True
        return parent.id not in self.tips() and len(self.tips()) >= self.limits.tips

    def clean(self, point: Point) -> Header:
        """The block, if it may be made final or confirmed."""
        header = self.held.get(point.id)
        if header is None or header.height != point.height:
            raise LocalError
        if self.final not in self.line(point.id) or self.barred(point.id):
            raise LocalError
        return header

    def finalise(self, point: Point) -> None:
        if point in [header.point for header in self.line(self.final.id)]:
            return
        self.final = self.clean(point)
        if self.final not in self.line(self.confirmed.id):
            self.confirmed = self.final

    def confirm(self, point: Point) -> None:
        if point.height <= self.final.height:
            final = [header.point for header in self.line(self.final.id)]
            if point.height >= self.base.height and point not in final:
                raise LocalError
            point = self.final.point
        self.confirmed = self.clean(point)

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
        if id in self.held and self.held[id] in self.line(self.confirmed.id):
            raise LocalError
        if id not in self.held and len(waiting) >= self.limits.bans:
            raise LocalError
        self.banned.add(id)


def rebuilt(model: Model) -> Chain:
    """The same content in the plainest order: all blocks from the bottom up, the bans, what is final, and confirmed."""
    chain = Chain.start(model.base)
    chain, _ = chain.extend(sorted(model.held.values(), key=lambda header: (header.height, header.id)))
    for id in sorted(model.banned):
        chain = chain.ban(id)
    chain = chain.finalise(model.final.point).confirm(model.confirmed.point)
    return attrs.evolve(chain, limits=model.limits)


class Comparison(RuleBasedStateMachine):
    """Any sequence of changes leaves chain and model in agreement, whatever is asked."""

    @initialize(
        height=st.sampled_from([0, 1, 6, 1_000_003]),
        retention=st.integers(0, 6),
        tight=st.booleans(),
        span=st.sampled_from([1, 2, 3, 5, SPAN]),
    )
    def begin(self, height: int, retention: int, tight: bool, span: int) -> None:
        unfinal, size, tips, bans = (12, 1700, 4, 2) if tight else (1000, 10**9, 1000, 1000)
        limits = Limits(retention=retention, unfinal=unfinal, unfinal_bytes=size, tips=tips, bans=bans)
        self.pool = [root(height)]  # every header ever made, be it held, refused, dropped or never fed
        self.chain = spanned(self.pool[0], span, limits)
        self.model = Model(self.pool[0], limits)
        self.first = self.chain, set(self.chain.blocks.headers())

    def pick(self, index: int) -> Header:
        return self.pool[-1 - index % len(self.pool)]

    def pick_held(self, index: int) -> Header:
        """A held block; the low indices are the blocks at and above the final one, from the bottom up."""
        held = sorted(self.model.held.values(), key=lambda h: (h.height < self.model.final.height, h.height, h.id))
        return held[index % len(held)]

    def feed(self, headers: Sequence[Header], bounded: bool = True) -> None:
        self.chain, outcomes = self.chain.extend(headers, bounded)
        assert outcomes == tuple(self.model.insert(header, bounded) for header in headers)

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

    @rule(picks=st.lists(INDEX, max_size=4))
    def feed_unbounded(self, picks: list[int]) -> None:
        self.feed([self.pick(index) for index in picks], bounded=False)

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

    @rule(index=INDEX, off=st.sampled_from([0, 0, 0, 1]))
    def confirm(self, index: int, off: int) -> None:
        header = self.pick(index)
        point = Point(header.height + off, header.id)
        self.both(lambda: self.chain.confirm(point), lambda: self.model.confirm(point))

    @rule(index=st.integers(0, 12))
    def confirm_held(self, index: int) -> None:
        point = self.pick_held(index).point
        self.both(lambda: self.chain.confirm(point), lambda: self.model.confirm(point))

    @rule()
    def prune(self) -> None:
        self.chain, dropped = self.chain.pruned()
        assert dropped == self.model.prune()

    @invariant()
    def same_content(self) -> None:
        chain, model, best = self.chain, self.model, self.model.best()
        assert {header.id: header for header in chain.blocks.headers()} == model.held
        assert (chain.base, chain.final, chain.confirmed) == (model.base, model.final, model.confirmed)
        assert chain.head == best[-1]
        assert (set(chain.tips), set(chain.banned)) == (model.tips(), model.banned)
        held = [model.held[header.id] for header in self.pool if header.id in model.held]
        assert chain.those_held([header.point for header in self.pool]) == held
        assert [chain.barred(header.id) for header in held] == [model.barred(header.id) for header in held]
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
                assert self.chain.descends(theirs[-1], ours[-1]) == (ours[-1] in theirs)

    def teardown(self) -> None:
        if hasattr(self, "first"):
            chain, blocks = self.first
            assert set(chain.blocks.headers()) == blocks


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
