"""The power fails, at every write of a run: what a store had promised is there, and nothing that it never held."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import attrs
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm_adapters.store.base import Change, Standing, load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.folder import lay_out
from syncfsm_adapters.store.memory import MemoryStore
from tests.adapters.simulated_disk import SimulatedDisk, Survives, sectors

GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
CHAIN = b"power"
PATH = Path("simulated")


LIMITS = Limits(retention=3)


class SmallStore(FileStore):
    """Its segments are soon full."""

    segment_bytes = 6000


@attrs.frozen
class State:
    """What a store held at some time."""

    standing: Standing
    bodies: dict[Point, bytes | None]


@attrs.frozen
class Run:
    """What a store did to its disk, what it held after each change, and how far the disk's record was then."""

    disk: SimulatedDisk
    states: list[State]
    done: list[int]

    def acknowledged(self, end: int) -> int:
        """The number of the last state that had been acknowledged by the first ``end`` operations."""
        return max(number for number, done in enumerate(self.done) if done <= end or number == 0)


def opened(disk: SimulatedDisk, promise: Promise, keep_history: bool) -> FileStore:
    return SmallStore.on(disk, PATH, GENESIS, CHAIN, promise=promise, keep_history=keep_history)


def changes(chance: Random, count: int) -> Iterator[Change]:
    """Blocks, branches, final points, what is dropped, bans."""
    chain = Chain.start(GENESIS, LIMITS)
    for number in range(count):
        back = chance.choice((0, 0, 0, 1, 2))
        parent = chain.ancestor(chain.head.id, max(chain.final.height, chain.head.height - back))
        blocks = []
        for nth in range(chance.randint(1, 4)):
            id = chance.randbytes(16)
            body = chance.randbytes(chance.choice((0, 30, 700, 1500)))
            rank = int.from_bytes(chain.head.score, "big") + nth + 1
            parent = Header(parent.height + 1, id, parent.id, rank.to_bytes(8, "big"), len(body), b"proof")
            blocks.append((parent, body))
        chain = chain.extend([header for header, _ in blocks])[0]
        ban = (b"banned %d" % number,) if number % 7 == 3 else ()
        if number % 4 == 3:
            final = chain.ancestor(chain.head.id, max(chain.final.height, chain.head.height - 2)).point
            chain, dropped = chain.finalise(final).pruned()
            yield Change(
                blocks=blocks, dropped=dropped, head=chain.head.point, final=final, base=chain.base.point, ban=ban
            )
        else:
            yield Change(blocks=blocks, head=chain.head.point, ban=ban)


def run(seed: int, promise: Promise, keep_history: bool, count: int = 24) -> Run:
    disk = SimulatedDisk(slow=seed % 3)
    lay_out(disk, Standing.start(GENESIS, CHAIN))
    begun = len(disk.done)
    store = opened(disk, promise, keep_history)
    model = MemoryStore(GENESIS, CHAIN, keep_history=keep_history)
    states, done = [held(model)], [begun]
    for number, change in enumerate(changes(Random(seed), count)):
        store.commit(change)
        model.commit(change)
        while store.tidy() or (number % 6 == 5 and store._reclaim.step(0.0)):
            pass
        states.append(held(model))
        done.append(len(disk.done))
    return Run(disk, states, done)


def held(store: MemoryStore | FileStore) -> State:
    points = [*store.best_chain(), *(header.point for header in store.headers_from_base())]
    return State(store.standing, dict(zip(points, store.bodies(points), strict=True)))


def failures(disk: SimulatedDisk, end: int, chance: Random) -> Iterator[SimulatedDisk]:
    """Disks that a power failure after so many operations may leave."""
    writes, names = disk.open_writes(end), len(disk.open_names(end))
    yield disk.after_failure(end, lambda write, sector: False, 0)
    yield disk.after_failure(end, lambda write, sector: False)
    for lost in writes[-6:]:
        yield disk.after_failure(end, all_but(lost, set()))
    if writes:
        count = len(sectors(disk.done[writes[-1]]))
        for torn in {0, 1, count // 2, count - 1} & set(range(count)):
            yield disk.after_failure(end, all_but(writes[-1], set(range(torn))))
            yield disk.after_failure(end, all_but(writes[-1], set(range(torn + 1, count))))
    for _ in range(3):
        yield disk.after_failure(
            end, some_of_all(chance.random(), chance.choice((0.1, 0.5, 0.9))), chance.randint(0, names)
        )


def all_but(lost: int, kept: set[int]) -> Survives:
    """Of one write only these sectors."""
    return lambda write, sector: write != lost or sector in kept


def some_of_all(seed: float, share: float) -> Survives:
    """Any sectors."""
    return lambda write, sector: Random(f"{seed} {write} {sector}").random() < share


def check(found: FileStore, told: Run, end: int, promise: Promise) -> None:
    """The store is what it was at some time, and at the last acknowledged one if that was promised."""
    state = held(found)
    acknowledged = told.acknowledged(end)
    candidates = [
        number for number, each in enumerate(told.states[: acknowledged + 2]) if each.standing == state.standing
    ]
    assert candidates
    number = max(candidates)
    for point, body in told.states[number].bodies.items():
        assert state.bodies[point] == body
    assert not found.lost
    if promise is Promise.POWER:
        assert number >= acknowledged
    assert found.owed is not None or not found.report.behind
    chain = load_chain(found, LIMITS)
    block = (Header(chain.head.height + 1, b"more", chain.head.id, chain.head.score + b"1", 4, b""), b"more")
    found.append([block], block[0].point)
    assert found.body(block[0].point) == b"more"


CASES = [(promise, keep) for promise in Promise for keep in (True, False)]


@pytest.mark.parametrize(("promise", "keep_history"), CASES)
@pytest.mark.parametrize("seed", [1, 9])
def test_a_power_failure_takes_nothing_that_was_promised(promise: Promise, keep_history: bool, seed: int) -> None:
    fail_everywhere(seed, promise, keep_history)


@pytest.mark.nightly
@pytest.mark.parametrize(("promise", "keep_history"), CASES)
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_power_failures(promise: Promise, keep_history: bool, seed: int) -> None:
    fail_everywhere(seed, promise, keep_history)


def fail_everywhere(seed: int, promise: Promise, keep_history: bool) -> None:
    told = run(seed, promise, keep_history)
    chance = Random(seed)
    assert any(operation.kind == "remove" and operation.old.endswith(".blocks") for operation in told.disk.done)
    assert len({operation.new for operation in told.disk.done if operation.kind == "create"}) > 5  # of segments too
    for end in range(told.done[0], len(told.disk.done) + 1):
        for disk in failures(told.disk, end, chance):
            check(opened(disk, promise, keep_history), told, end, promise)


@pytest.mark.parametrize("promise", Promise)
def test_a_second_failure_while_the_first_is_mended(promise: Promise) -> None:
    told = run(5, promise, True, 16)
    chance = Random(5)
    for end in range(told.done[0], len(told.disk.done) + 1, 3):
        disk = next(iter(list(failures(told.disk, end, chance))[-1:]))
        opened(disk, promise, True)
        for second in range(len(disk.done) + 1):
            for again in failures(disk, second, chance):
                check(opened(again, promise, True), told, end, promise)


def test_a_kill_takes_nothing_whatever_was_promised() -> None:
    told = run(3, Promise.KILL, True)
    for end in range(told.done[0], len(told.disk.done) + 1):
        disk = told.disk.after_failure(end, lambda write, sector: True)
        store = opened(disk, Promise.KILL, True)
        assert not store.report.behind
        check(store, told, end, Promise.POWER)  # as if that had been the promise


def test_a_live_block_is_one_sync_with_power_and_none_without() -> None:
    for promise, syncs in ((Promise.POWER, 1), (Promise.KILL, 0)):
        disk = SimulatedDisk()
        lay_out(disk, Standing.start(GENESIS, CHAIN))
        store = FileStore.on(disk, PATH, GENESIS, CHAIN, promise=promise)
        parent = GENESIS
        for _ in range(50):
            parent = Header(
                parent.height + 1, b"%032d" % parent.height, parent.id, b"%08d" % parent.height, 1024, bytes(96)
            )
            disk.synced = disk.written = 0
            store.append([(parent, bytes(1024))], parent.point)
            assert disk.synced == syncs
            assert disk.written < 1500


def test_a_full_disk_loses_nothing_at_any_write() -> None:
    whole = run(4, Promise.POWER, True, 12)
    for failing in range(whole.done[0], len(whole.disk.done)):
        disk = SimulatedDisk()
        lay_out(disk, Standing.start(GENESIS, CHAIN))
        store = opened(disk, Promise.POWER, True)
        disk.fail_at = failing
        model = MemoryStore(GENESIS, CHAIN)
        may_be = []
        for change in changes(Random(4), 12):
            try:
                store.commit(change)
            except LocalError:
                may_be.append(held(model))
                model.commit(change)  # it was written, and only to wait for the disk failed
                break
            model.commit(change)
        may_be.append(held(model))
        left = SimulatedDisk({name: bytes(file.data) for name, file in disk.files.items()})
        assert held(opened(left, Promise.POWER, True)) in may_be


def test_a_disk_that_does_not_take_what_it_is_given_is_not_asked_again() -> None:
    disk = SimulatedDisk()
    lay_out(disk, Standing.start(GENESIS, CHAIN))
    store = opened(disk, Promise.POWER, True)
    first, second, *_ = changes(Random(1), 9)
    store.commit(first)
    disk.fail_at = len(disk.done) + 1  # it takes the write, and not the sync
    with pytest.raises(LocalError, match="Look at the free space"):
        store.commit(second)
    disk.fail_at = None
    with pytest.raises(LocalError, match="the disk had not taken what was written"):
        store.commit(second)
    assert store.standing.head == first.head
