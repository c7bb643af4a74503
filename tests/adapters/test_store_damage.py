"""Files that rot, are cut, mixed up, or come from a backup: a store has what it promised, or says what it lacks, or
does not open and says why. It never gives a wrong block."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import attrs
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store.base import Standing
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.records import MARK, TITLE_BYTES, Link, Record, encode, walk
from tests.adapters.test_store_power import CHAIN, GENESIS, SmallStore, changes


@attrs.frozen
class Truth:
    """What a store held after each of its changes: where it stood, and all bodies there ever were."""

    folder: Path
    backup: Path
    standings: list[Standing]
    bodies: dict[Point, bytes]


def made(folder: Path, promise: Promise, seed: int = 1) -> Truth:
    """A store whose process was killed, and a backup of it from some time before."""
    path, backup = folder / "node.store", folder / "backup"
    store = SmallStore.open(path, GENESIS, CHAIN, promise=promise)
    standings = [store.standing]
    bodies: dict[Point, bytes] = {}
    for number, change in enumerate(changes(Random(seed), 43)):
        if number == 25:
            store._log.settle()  # what is copied is to stand still
            shutil.copytree(path, backup)
        store.commit(change)
        standings.append(store.standing)
        bodies |= {header.point: body for header, body in change.blocks}
    store._log.settle()
    shutil.copytree(path, folder / "killed")
    store.close()
    return Truth(folder / "killed", backup, standings, bodies)


Damage = Callable[[Path, Truth, Random], None]


def flip(file: Path, truth: Truth, chance: Random) -> None:
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def truncate(file: Path, truth: Truth, chance: Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: chance.randrange(len(content))])


def swap(file: Path, truth: Truth, chance: Random) -> None:
    """Two sectors change places."""
    content = bytearray(file.read_bytes())
    one, other = (512 * chance.randrange((len(content) + 511) // 512) for _ in range(2))
    content[one : one + 512], content[other : other + 512] = content[other : other + 512], content[one : one + 512]
    file.write_bytes(content)


def blank(file: Path, truth: Truth, chance: Random) -> None:
    content = bytearray(file.read_bytes())
    at = chance.randrange(len(content))
    size = min(len(content) - at, chance.choice((1, 100, 512, 3000)))
    content[at : at + size] = bytes(size)
    file.write_bytes(content)


def remove(file: Path, truth: Truth, chance: Random) -> None:
    file.unlink()


def from_backup(file: Path, truth: Truth, chance: Random) -> None:
    old = truth.backup / file.name
    if old.exists():
        shutil.copy(old, file)
    else:
        file.unlink()


def copied(file: Path, truth: Truth, chance: Random) -> None:
    """A file takes the place of another."""
    shutil.copy(
        chance.choice([other for other in file.parent.iterdir() if other.name not in ("lock", file.name)]), file
    )


DAMAGE: tuple[Damage, ...] = (flip, truncate, swap, blank, remove, from_backup, copied)


def held_up(path: Path, truth: Truth, promise: Promise) -> str:
    """Open a damaged store and look at all of it; which way it came out."""
    before = {file.name: file.read_bytes() for file in path.glob("*.blocks")}
    try:
        store = FileStore.open(path, GENESIS, CHAIN, promise=promise)
        try:
            assert store.standing in truth.standings
            points = [*store.best_chain(), *(header.point for header in store.headers_from_base())]
            assert points
            for point, body in zip(points, store.bodies(points), strict=True):
                if point != GENESIS.point:
                    assert body == truth.bodies[point] if body is not None else point in store.lost
            if store.standing != truth.standings[-1]:
                assert store.report.lines
                assert store.report.behind
                assert store.owed is not None
                return "behind, and says so"
            return "lost bodies" if store.lost else "whole"
        finally:
            store.close()
    except LocalError as error:
        said = str(error)
    assert "\n" not in said
    assert str(path) in said
    assert {file.name: file.read_bytes() for file in path.glob("*.blocks")} == before
    return "refused"


def damage_often(folder: Path, promise: Promise, rounds: int) -> dict[str, int]:
    chance = Random(rounds)
    truth = made(folder, promise)
    came_out: dict[str, int] = {}
    for number in range(rounds):
        path = folder / f"damaged-{number}"
        shutil.copytree(truth.folder, path)
        file = chance.choice([file for file in sorted(path.iterdir()) if file.name != "lock"])
        chance.choice(DAMAGE)(file, truth, chance)
        result = held_up(path, truth, promise)
        came_out[result] = came_out.get(result, 0) + 1
        shutil.rmtree(path)
    return came_out


@pytest.mark.parametrize("promise", Promise)
def test_damage_is_never_silent(tmp_path: Path, promise: Promise) -> None:
    came_out = damage_often(tmp_path, promise, 150)
    worst = "refused" if promise is Promise.POWER else "behind, and says so"
    assert set(came_out) == {"whole", "lost bodies", worst}


@pytest.mark.nightly
@pytest.mark.parametrize("promise", Promise)
def test_a_thousand_damages_are_not_either(tmp_path: Path, promise: Promise) -> None:
    damage_often(tmp_path, promise, 1000)


def test_a_whole_backup_opens_where_it_stood(tmp_path: Path) -> None:
    truth = made(tmp_path, Promise.POWER)
    store = FileStore.open(truth.backup, GENESIS, CHAIN)
    assert store.standing == truth.standings[25]
    store.close()


# The log of a killed node -----------------------------------------------------------------------------------------


def one_segment(folder: Path, promise: Promise) -> tuple[Path, list[tuple[Header, bytes]]]:
    """A killed node's store with 50 live blocks, all in the log's last segment."""
    store = FileStore.open(folder / "running", GENESIS, CHAIN, promise=promise)
    blocks: list[tuple[Header, bytes]] = []
    parent = GENESIS
    for height in range(1, 51):
        parent = Header(height, b"block %d" % height, parent.id, b"%08d" % height, 300, b"proof")
        blocks.append((parent, b"%03d" % height * 100))
        store.append(blocks[-1:], parent.point)
    shutil.copytree(folder / "running", folder / "killed")
    store.close()
    return folder / "killed", blocks


def flip_in_header(path: Path, height: int) -> None:
    log = path / "00000001.blocks"
    content = bytearray(log.read_bytes())
    content[content.index(b"block %d" % height)] ^= 1
    log.write_bytes(content)


def test_a_bit_in_the_log_of_a_killed_full_node_is_reported_with_what_it_costs(tmp_path: Path) -> None:
    path, blocks = one_segment(tmp_path, Promise.KILL)
    size = (path / "00000001.blocks").stat().st_size
    flip_in_header(path, 30)
    told: list[tuple[str, dict[str, object]]] = []
    store = FileStore.open(path, GENESIS, CHAIN, tell=lambda event, **fields: told.append((event, fields)))
    assert store.standing.head == blocks[28][0].point
    assert (store.report.behind, store.report.cut_records, store.owed) == (21, 20, 50)
    assert store.report.cut_bytes == size - (path / "00000001.blocks").stat().st_size
    assert told[0][0] == "store-opened"
    assert "21 changes that it had acknowledged are gone" in str(told[0][1]["noticed"])
    assert (told[0][1]["behind"], told[0][1]["owed"]) == (21, 50)
    store.append(blocks[29:40], blocks[39][0].point)
    store.close()
    again = FileStore.open(path, GENESIS, CHAIN, tell=lambda event, **fields: told.append((event, fields)))
    assert (again.report.behind, again.owed) == (0, 50)  # until it has caught up, it remembers
    again.append(blocks[40:], blocks[49][0].point)
    assert again.owed is None
    assert told[-1] == ("store-caught-up", {"height": 50, "owed": 50})
    again.close()
    whole = FileStore.open(path, GENESIS, CHAIN)
    assert whole.owed is None
    assert list(whole.best_chain()) == [GENESIS.point, *(header.point for header, _ in blocks)]
    whole.close()


def test_a_bit_in_the_log_of_a_killed_sequencer_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path, _ = one_segment(tmp_path, Promise.POWER)
    flip_in_header(path, 30)
    before = (path / "00000001.blocks").read_bytes()
    with pytest.raises(LocalError, match=r"segment 1 has a flaw at byte .*: 21 changes that were on the disk are gone"):
        FileStore.open(path, GENESIS, CHAIN, promise=Promise.POWER)
    assert (path / "00000001.blocks").read_bytes() == before


@pytest.mark.parametrize("promise", Promise)
def test_a_log_cut_between_two_records_is_noticed(tmp_path: Path, promise: Promise) -> None:
    path, blocks = one_segment(tmp_path, promise)
    log = path / "00000001.blocks"
    content = log.read_bytes()
    log.write_bytes(content[: content.rindex(MARK)])
    if promise is Promise.POWER:
        with pytest.raises(LocalError, match=r"its log ends too early: 1 changes that were on the disk are gone"):
            FileStore.open(path, GENESIS, CHAIN, promise=promise)
    else:
        store = FileStore.open(path, GENESIS, CHAIN, promise=promise)
        assert (store.standing.head, store.report.behind, store.owed) == (blocks[48][0].point, 1, 50)
        store.close()


def test_half_a_record_at_the_end_was_promised_to_nobody(tmp_path: Path) -> None:
    path, blocks = one_segment(tmp_path, Promise.POWER)
    with (path / "00000001.blocks").open("ab") as log:
        log.write(MARK + bytes(100))
    store = FileStore.open(path, GENESIS, CHAIN, promise=Promise.POWER)
    assert (store.report.cut_bytes, store.report.behind, store.owed) == (104, 0, None)
    assert store.standing.head == blocks[-1][0].point
    store.close()


def test_records_in_a_body_of_a_peer_are_none(tmp_path: Path) -> None:
    """Whoever knows the format can put records into a body; without the secret they do not count."""
    (tmp_path / "one").mkdir()
    path, _ = one_segment(tmp_path / "one", Promise.POWER)
    forged = (path / "00000001.blocks").read_bytes()[36:]
    store = FileStore.open(tmp_path / "two", GENESIS, CHAIN)
    header = Header(1, b"evil", GENESIS.id, b"1", len(forged), b"")
    store.append([(header, forged)], header.point)
    shutil.copytree(tmp_path / "two", tmp_path / "killed")
    store.close()
    log = tmp_path / "killed" / "00000001.blocks"
    content = bytearray(log.read_bytes())
    content[content.index(b"evil")] ^= 1
    log.write_bytes(content)
    again = FileStore.open(tmp_path / "killed", GENESIS, CHAIN)
    assert again.report.cut_records == 0
    again.close()


def test_a_record_left_over_from_before_is_not_taken_for_the_next() -> None:
    """The log was cut behind the first record, and went on with another second one of the same size."""
    first, start = encode(Record(ban=[b"a"]), (), Link(), 0, 7)
    old, then = encode(Record(ban=[b"b"]), (), start, 0, 7)
    left, _ = encode(Record(ban=[b"c"]), (), then, 0, 7)
    new, _ = encode(Record(ban=[b"d"]), (), start, 0, 7)
    assert len(old) == len(new)
    bans = [found.record.ban for found in walk(bytes(TITLE_BYTES) + first + new + left, Link(), 7)]
    assert bans == [[b"a"], [b"d"]]
    assert len(list(walk(bytes(TITLE_BYTES) + first + old + left, Link(), 7))) == 3
    assert list(walk(bytes(TITLE_BYTES) + first, Link(), 8)) == []
