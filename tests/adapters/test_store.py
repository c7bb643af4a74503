"""What both block stores do alike, and the chain that is loaded from them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain, Outcome
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm_adapters.store.base import BlockStore, Change, Standing, load_chain
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.store.memory import MemoryStore

CHAIN = b"test-chain"
GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
Block = tuple[Header, bytes]


def child(parent: Header, name: str = "", size: int = 20) -> Block:
    """A block on ``parent``; blocks of different names are siblings."""
    height = parent.height + 1
    id = f"{name}{height}".encode()
    body = (id * size)[:size]
    return Header(height, id, parent.id, height.to_bytes(8, "big") + name.encode(), size, b"proof"), body


def branch(parent: Header, count: int, name: str = "", size: int = 20) -> list[Block]:
    blocks: list[Block] = []
    for _ in range(count):
        blocks.append(child(blocks[-1][0] if blocks else parent, name, size))
    return blocks


def points(blocks: list[Block]) -> list[Point]:
    return [header.point for header, _ in blocks]


def headers(blocks: list[Block]) -> list[Header]:
    return [header for header, _ in blocks]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[BlockStore]:
    made: BlockStore = MemoryStore(GENESIS, CHAIN) if request.param == "memory" else reopen(path)
    yield made
    made.close()


def reopen(path: Path, keep_history: bool = True) -> FileStore:
    return FileStore.open(path, GENESIS, CHAIN, keep_history=keep_history)


# What both do ---------------------------------------------------------------------------------------------------


def test_a_new_store_stands_at_genesis(store: BlockStore) -> None:
    assert store.standing == Standing(CHAIN, GENESIS, GENESIS.point, GENESIS.point, GENESIS.point)
    assert list(store.headers_from_base()) == [GENESIS]
    assert list(store.best_chain()) == [GENESIS.point]
    assert store.header(GENESIS.point) == GENESIS
    assert store.body(GENESIS.point) is None


def test_appended_blocks_are_there(store: BlockStore) -> None:
    blocks = branch(GENESIS, 5)
    store.append(blocks[:3], blocks[2][0].point)
    store.append(blocks[3:], blocks[4][0].point)
    assert store.standing.head == blocks[4][0].point
    assert store.bodies(points(blocks)) == [body for _, body in blocks]
    assert store.header(blocks[3][0].point) == blocks[3][0]
    assert list(store.headers_from_base()) == [GENESIS, *headers(blocks)]
    assert list(store.best_chain()) == [GENESIS.point, *points(blocks)]


def test_bodies_come_in_the_order_asked_for(store: BlockStore) -> None:
    main, side = branch(GENESIS, 4), branch(GENESIS, 4, "side")
    store.append([*main, *side], main[-1][0].point)
    asked = [side[3], main[0], main[1], side[2], main[0]]
    assert store.bodies([*points(asked), Point(2, b"unknown"), Point(9, b"above")]) == [
        *[body for _, body in asked],
        None,
        None,
    ]
    assert store.bodies([]) == []


def test_blocks_of_one_height_are_kept_apart(store: BlockStore) -> None:
    first = branch(GENESIS, 1)
    store.append(first, first[0][0].point)
    siblings = [child(GENESIS, name) for name in "abc"]
    store.append(siblings[:2], siblings[1][0].point)
    store.append(siblings[2:], siblings[2][0].point)
    assert list(store.headers_from_base()) == [GENESIS, *headers(first), *headers(siblings)]
    assert [store.body(point) for point in points(siblings)] == [body for _, body in siblings]
    assert list(store.best_chain()) == [GENESIS.point, siblings[2][0].point]


def test_a_switch_of_branches_changes_the_best_chain(store: BlockStore) -> None:
    main, side = branch(GENESIS, 4), branch(GENESIS, 3, "side")
    store.append([*main, *side], main[3][0].point)
    store.set_head(side[2][0].point)
    assert list(store.best_chain()) == [GENESIS.point, *points(side)]
    store.set_head(main[1][0].point)
    assert list(store.best_chain()) == [GENESIS.point, *points(main[:2])]
    assert store.body(main[3][0].point) == main[3][1]


def test_pruning_drops_lost_branches_and_keeps_history(store: BlockStore) -> None:
    main, side = branch(GENESIS, 6), branch(GENESIS, 3, "side")
    store.append([*main, *side], main[5][0].point)
    store.finalise(main[4][0].point)
    store.prune([GENESIS, *headers(main[:2]), *headers(side)], main[2][0].point)
    assert store.standing.base == main[2][0].point
    assert list(store.headers_from_base()) == headers(main[2:])
    assert [store.header(point) for point in points(side)] == [None, None, None]
    assert store.bodies(points(side)) == [None, None, None]
    assert store.bodies(points(main)) == [body for _, body in main]
    assert list(store.best_chain()) == [GENESIS.point, *points(main)]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_history_can_be_dropped(kind: str, path: Path) -> None:
    store: BlockStore = (
        MemoryStore(GENESIS, CHAIN, keep_history=False) if kind == "memory" else reopen(path, keep_history=False)
    )
    main = branch(GENESIS, 6)
    store.append(main, main[5][0].point)
    store.finalise(main[4][0].point)
    store.prune([GENESIS, *headers(main[:2])], main[2][0].point)
    assert store.body(main[1][0].point) is None
    assert list(store.best_chain()) == points(main[2:])
    assert load_chain(store, Limits()).base == main[2][0]
    store.close()


def test_bans_are_remembered_and_forgotten(store: BlockStore) -> None:
    for id in (b"x", b"a", b"x"):
        store.ban(id)
    banned = [store.standing.banned]
    store.unban(b"a")
    store.unban(b"never banned")
    banned.append(store.standing.banned)
    assert banned == [(b"a", b"x"), (b"x",)]


def test_the_ban_of_a_dropped_block_goes_with_it(store: BlockStore) -> None:
    main, side = branch(GENESIS, 2), branch(GENESIS, 1, "side")
    store.append([*main, *side], main[1][0].point)
    store.ban(side[0][0].id)
    store.commit(Change(final=main[0][0].point, dropped=headers(side), base=GENESIS.point))
    assert store.standing.banned == ()


def test_one_change_can_carry_all(store: BlockStore) -> None:
    main, side = branch(GENESIS, 3), branch(GENESIS, 2, "side")
    store.append([*main[:1], *side], side[1][0].point)
    store.commit(
        Change(
            blocks=main[1:],
            dropped=headers(side),
            head=main[2][0].point,
            final=main[1][0].point,
            base=main[0][0].point,
            ban=[b"bad"],
        )
    )
    expected = Standing(CHAIN, GENESIS, main[2][0].point, main[1][0].point, main[0][0].point, (b"bad",))
    assert store.standing == expected
    assert list(store.headers_from_base()) == headers(main)


MAIN = branch(GENESIS, 4)
SIDE = branch(GENESIS, 3, "side")
WRONG = {
    "body of another size": (Change(blocks=[(child(MAIN[3][0])[0], b"short")]), "body has 5 bytes, its header says 20"),
    "parent not held": (Change(blocks=[child(child(MAIN[3][0])[0])]), "its parent is not held"),
    "second genesis": (Change(blocks=[(Header(0, b"g2", b"", b"", 0, b""), b"")]), "its parent is not held"),
    "held already": (Change(blocks=[MAIN[2]]), "it is held already"),
    "given twice": (Change(blocks=[child(MAIN[3][0]), child(MAIN[3][0])]), "it is held already"),
    "good then bad": (Change(blocks=[child(MAIN[3][0]), MAIN[2]], head=Point(5, b"5")), "it is held already"),
    "unknown head": (Change(head=Point(9, b"9")), "can not be the head"),
    "head at another height": (Change(head=Point(3, b"4")), "can not be the head"),
    "unknown final": (Change(final=Point(3, b"?")), "can not be the final block"),
    "unknown base": (Change(base=Point(1, b"?")), "can not be the base"),
    "final moves back": (Change(final=MAIN[0][0].point), "only advance"),
    "final above head": (Change(head=MAIN[2][0].point, final=MAIN[3][0].point), "only advance"),
    "base above final": (Change(base=MAIN[2][0].point), "only advance"),
    "dropped head": (Change(dropped=[MAIN[3][0]]), "can not be the head"),
    "dropped unknown": (Change(dropped=[child(MAIN[3][0])[0]]), "it is not held"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_change_is_refused_and_changes_nothing(store: BlockStore, name: str) -> None:
    store.append([*MAIN, *SIDE], MAIN[3][0].point)
    store.finalise(MAIN[1][0].point)
    before = store.standing
    change, message = WRONG[name]
    with pytest.raises(LocalError, match=message):
        store.commit(change)
    assert store.standing == before
    assert sorted(store.headers_from_base(), key=lambda header: header.rank) == [
        GENESIS,
        *sorted(headers([*MAIN, *SIDE]), key=lambda header: header.rank),
    ]
    assert store.body(Point(5, b"5")) is None


# The chain from the store ---------------------------------------------------------------------------------------


def test_the_chain_is_as_it_was(store: BlockStore) -> None:
    main, side = branch(GENESIS, 8), branch(GENESIS, 3, "side")
    fork = branch(main[5][0], 3, "fork")
    limits = Limits(retention=2)
    chain = Chain.start(GENESIS, limits).extend(headers([*main, *side, *fork]))[0].ban(fork[1][0].id)
    store.commit(Change(blocks=[*main, *side, *fork], head=chain.head.point, ban=[fork[1][0].id]))
    assert load_chain(store, limits) == chain
    chain, dropped = chain.finalise(main[4][0].point).pruned()
    store.commit(Change(final=chain.final.point, dropped=dropped, base=chain.base.point))
    assert load_chain(store, limits) == chain
    assert chain.head == main[7][0]


def test_loading_finishes_what_a_crash_cut_short(store: BlockStore) -> None:
    main, side = branch(GENESIS, 5), branch(GENESIS, 2, "side")
    store.append([*main, *side], main[3][0].point)
    store.finalise(main[2][0].point)
    chain = load_chain(store, Limits(retention=1))
    assert store.standing.head == chain.head.point == main[4][0].point
    assert store.standing.base == chain.base.point == main[1][0].point
    assert [store.header(point) for point in points(side)] == [None, None]


def test_more_is_loaded_than_tighter_limits_allow(store: BlockStore) -> None:
    blocks = [*branch(GENESIS, 9), *branch(GENESIS, 2, "a"), *branch(GENESIS, 2, "b")]
    store.commit(Change(blocks=blocks, head=blocks[8][0].point, ban=[b"x", b"y"]))
    chain = load_chain(store, Limits(unfinal=3, tips=1))
    assert chain.head == blocks[8][0]
    assert chain.extend([child(blocks[8][0])[0]])[1] == (Outcome.FULL,)


def test_a_score_that_does_not_rise_is_told(store: BlockStore) -> None:
    header, body = child(GENESIS)
    worse = msgspec.structs.replace(header, score=b"")
    store.append([(worse, body)], worse.point)
    with pytest.raises(LocalError, match=r"is damaged: block 1:31 does not fit its parent \(invalid\)"):
        load_chain(store, Limits())


# The two against each other -------------------------------------------------------------------------------------


class SmallStore(FileStore):
    """Its segments are soon full."""

    segment_bytes = 3000


class TwoStores(RuleBasedStateMachine):
    """Whatever is done, file and memory hold the same, also over a restart, and the chain is loaded as it was."""

    @initialize(keep_history=st.booleans(), retention=st.integers(0, 3))
    def begin(self, keep_history: bool, retention: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.keep_history = keep_history
        self.names = 0
        self.chain = Chain.start(GENESIS, Limits(retention=retention))
        self.model = MemoryStore(GENESIS, CHAIN, keep_history=keep_history)
        self.file = self.open()

    def open(self) -> FileStore:
        return SmallStore.open(self.folder / "node.store", GENESIS, CHAIN, keep_history=self.keep_history)

    def teardown(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
            shutil.rmtree(self.folder)

    def both(self, change: Change) -> None:
        answers = []
        for store in (self.model, self.file):
            try:
                store.commit(change)
                answers.append("done")
            except LocalError as error:
                answers.append(str(error))
        assert answers[0] == answers[1]

    def held(self, data: st.DataObject) -> Header:
        return data.draw(st.sampled_from(sorted(self.model.headers_from_base(), key=lambda header: header.rank)))

    @rule(data=st.data(), count=st.integers(1, 5), size=st.sampled_from([0, 1, 40_000]))
    def extend(self, data: st.DataObject, count: int, size: int) -> None:
        self.names += 1
        blocks = branch(self.held(data), count, f"n{self.names}-", size)
        self.chain, outcomes = self.chain.extend(headers(blocks))
        taken = [block for block, outcome in zip(blocks, outcomes, strict=True) if outcome.name in ("NEW", "BANNED")]
        self.both(Change(blocks=taken, head=self.chain.head.point))

    @rule(data=st.data())
    def finalise_and_prune(self, data: st.DataObject) -> None:
        height = data.draw(st.integers(self.chain.final.height, self.chain.head.height))
        final = self.chain.ancestor(self.chain.head.id, height).point
        self.chain, dropped = self.chain.finalise(final).pruned()
        self.both(Change(final=final, dropped=dropped, base=self.chain.base.point))

    @precondition(lambda self: self.chain.head != self.chain.final)
    @rule(data=st.data())
    def ban(self, data: st.DataObject) -> None:
        height = data.draw(st.integers(self.chain.final.height + 1, self.chain.head.height))
        id = self.chain.ancestor(self.chain.head.id, height).id
        self.chain = self.chain.ban(id)
        self.both(Change(ban=[id], head=self.chain.head.point))

    @precondition(lambda self: self.chain.banned)
    @rule(data=st.data())
    def unban(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.chain.banned)))
        self.chain = self.chain.unban(id)
        self.both(Change(unban=[id], head=self.chain.head.point))

    @rule(data=st.data())
    def try_what_may_be_wrong(self, data: st.DataObject) -> None:
        a, b = self.held(data), self.held(data)
        kind = data.draw(st.sampled_from(["again", "orphan", "dropped twice"]))
        if kind == "again":
            self.both(Change(blocks=[(a, b"")], head=b.point))
        elif kind == "orphan":
            self.both(Change(blocks=[child(child(a, "o")[0], "o")], head=b.point))
        else:
            self.both(Change(dropped=[child(a, "never")[0]], base=self.chain.base.point))

    @rule()
    def compact(self) -> None:
        self.file.compact()

    @rule()
    def tidy(self) -> None:
        while self.file.tidy():
            pass

    @rule()
    def restart(self) -> None:
        self.file.close()
        self.file = self.open()
        assert self.file.report.lines == []

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "file"):
            return
        assert self.file.standing == self.model.standing
        held = list(self.model.headers_from_base())
        found = list(self.file.headers_from_base())
        assert sorted(found, key=lambda header: header.rank) == sorted(held, key=lambda header: header.rank)
        assert [header.height for header in found] == sorted(header.height for header in found)
        best = list(self.model.best_chain())
        assert list(self.file.best_chain()) == best
        asked = [*best, *(header.point for header in held)]
        assert self.file.bodies(asked) == self.model.bodies(asked)
        assert load_chain(self.file, self.chain.limits) == self.chain


TwoStores.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestTwoStores = TwoStores.TestCase
