"""What only a store in a file can suffer: restarts, other processes, other chains, full disks, damage."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm_adapters.store import sqlite
from syncfsm_adapters.store.sqlite import ORDINAL_BITS, Promise, SqliteStore

CHAIN = b"test-chain"
GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
Block = tuple[Header, bytes]


def branch(parent: Header, count: int, name: str = "", size: int = 20) -> list[Block]:
    """Blocks on ``parent``, one on the other; branches of different names have no block in common."""
    blocks: list[Block] = []
    for height in range(parent.height + 1, parent.height + 1 + count):
        id = f"{name}{height}".encode()
        parent = Header(height, id, parent.id, height.to_bytes(8, "big") + name.encode(), size, b"proof")
        blocks.append((parent, (id * size)[:size]))
    return blocks


def points(blocks: list[Block]) -> list[Point]:
    return [header.point for header, _ in blocks]


def reopen(path: Path) -> SqliteStore:
    return SqliteStore.open(path, GENESIS, CHAIN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.mark.parametrize("promise", Promise)
def test_all_is_there_after_reopening(path: Path, promise: Promise) -> None:
    main, side = branch(GENESIS, 2000), branch(GENESIS, 2, "side", size=100_000)
    with_body = [*main, *side]
    store = SqliteStore.open(path, GENESIS, CHAIN, promise=promise)
    store.append(with_body, main[-1][0].point)
    store.finalise(main[4][0].point)
    store.ban(b"bad")
    standing = store.standing
    store.close()
    store.close()
    again = reopen(path)
    assert again.standing == standing
    assert again.bodies(points(with_body)) == [body for _, body in with_body]
    assert list(again.best_chain()) == [GENESIS.point, *points(main)]
    assert set(again.headers_from_base()) == {GENESIS, *(header for header, _ in with_body)}
    again.append(branch(side[1][0], 1, "side"), again.standing.head)
    again.close()


def test_another_chain_is_refused(path: Path) -> None:
    reopen(path).close()
    before = path.read_bytes()
    with pytest.raises(LocalError, match=r"belongs to chain b'test-chain'.*b'other'.*Give the path of that chain"):
        SqliteStore.open(path, GENESIS, b"other")
    with pytest.raises(LocalError, match=r"with genesis 0:67326732.* was asked for"):
        SqliteStore.open(path, Header(0, b"g2g2", b"", b"", 0, b""), CHAIN)
    assert path.read_bytes() == before


def test_a_file_in_use_is_refused(path: Path) -> None:
    store = reopen(path)
    with pytest.raises(LocalError, match=r"node.db is in use by another process. Stop that one"):
        reopen(path)
    script = (
        "import sys; from syncfsm.blocks import Header; from syncfsm_adapters.store.sqlite import SqliteStore\n"
        "SqliteStore.open(sys.argv[1], Header(0, b'genesis', b'', b'', 0, b''), b'test-chain')"
    )
    other = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert "LocalError" in other.stderr
    assert "is in use by another process" in other.stderr
    blocks = branch(GENESIS, 2)
    store.append(blocks, blocks[1][0].point)
    store.close()
    assert list(reopen(path).best_chain()) == [GENESIS.point, *points(blocks)]


def test_a_closed_store_says_so(path: Path) -> None:
    store = reopen(path)
    store.close()
    with pytest.raises(LocalError, match=r"can not be used.*Open it anew"):
        store.ban(b"x")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"can not make the block store .*Give a path in a folder that exists"):
        reopen(tmp_path / "nowhere" / "node.db")


def test_nothing_is_left_beside_the_file_but_its_index(path: Path) -> None:
    reopen(path).close()
    assert {file.name for file in path.parent.iterdir()} <= {"node.db", "node.db-shm"}


def test_the_log_of_a_lost_store_is_not_mixed_into_a_new_one(path: Path) -> None:
    log = path.with_name("node.db-wal")
    log.write_bytes(b"blocks of a store that was here")
    with pytest.raises(LocalError, match=r"node.db-wal is the log of a store that was there before"):
        reopen(path)
    assert log.read_bytes() == b"blocks of a store that was here"
    assert not path.exists()


def test_a_full_disk_loses_nothing(path: Path) -> None:
    store = reopen(path)
    blocks = branch(GENESIS, 3)
    store.append(blocks, blocks[2][0].point)
    (used,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {used + 4}")
    (big,) = branch(blocks[2][0], 1, size=1_000_000)
    with pytest.raises(LocalError, match=r"can not be read or written: .*full.* Look at the free space"):
        store.append([big], big[0].point)
    assert store.standing.head == blocks[2][0].point
    (small,) = branch(blocks[2][0], 1, "small")
    store.append([small], small[0].point)
    store.close()
    assert list(reopen(path).best_chain()) == [GENESIS.point, *points(blocks), small[0].point]


# Damage ---------------------------------------------------------------------------------------------------------

KEY = {height: height << ORDINAL_BITS for height in range(8)}


def sql(statement: str, *values: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    return damage


def truncate(size: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:size])

    return damage


def overwrite(path: Path) -> None:
    path.write_bytes(b"These are not blocks at all. " * 1000)


def flip(path: Path) -> None:
    """Flip one bit in the proof of one header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"proof", content.index(b"genesis"))
    content[at] ^= 1
    path.write_bytes(content)


def zero_page(path: Path) -> None:
    """Lose a page in the middle, which holds headers."""
    content = bytearray(path.read_bytes())
    page = content.index(b"proof") // sqlite.PAGE_BYTES
    content[page * sqlite.PAGE_BYTES : (page + 1) * sqlite.PAGE_BYTES] = bytes(sqlite.PAGE_BYTES)
    path.write_bytes(content)


def summed(value: bytes) -> tuple[int, bytes]:
    return crc32(value), value


DAMAGE = {
    "not a database": (overwrite, "file is not a database"),
    "empty": (truncate(0), "it is not a block store, or its first page is lost"),
    "cut in the first page": (truncate(1000), "malformed|not a database|first page is lost"),
    "cut by a page": (truncate(-sqlite.PAGE_BYTES), "database disk image is malformed"),
    "lost page": (zero_page, "malformed"),
    "flipped bit": (flip, "the header at height 6 does not match its checksum"),
    "another program's": (sql("PRAGMA application_id = 77"), "it is not a block store"),
    "no table": (sql("DROP TABLE headers"), "no such table: headers"),
    "header that does not decode": (
        sql("UPDATE headers SET sum = ?, header = ? WHERE key = ?", *summed(b"\xc1"), KEY[3]),
        r"the header at height 3 does not decode \(",
    ),
    "header of another type": (
        sql("UPDATE headers SET header = 5 WHERE key = ?", KEY[3]),
        "the header at height 3 does not match its checksum",
    ),
    "header that is text": (
        sql("UPDATE headers SET header = CAST(x'ff41' AS TEXT) WHERE key = ?", KEY[3]),
        "the header at height 3 does not match its checksum",
    ),
    "header at another place": (
        sql("UPDATE headers SET key = ? WHERE key = ?", KEY[7], KEY[6]),
        "the header at height 7 is of height 6",
    ),
    "parent missing": (sql("DELETE FROM headers WHERE key = ?", KEY[3]), "block 4:34 is there, but not its parent"),
    "head missing": (sql("DELETE FROM headers WHERE key = ?", KEY[6]), "its head 6:36 is missing"),
    "base missing": (sql("DELETE FROM headers WHERE key = ?", KEY[0]), "block 1:31 is there, but not its parent"),
    "no standing": (sql("DELETE FROM standing"), "its record of head, final point and base is missing"),
    "standing flipped": (sql("UPDATE standing SET sum = sum + 1"), "its record of head, final point and base is"),
    "standing that does not decode": (
        sql("UPDATE standing SET sum = ?, value = ?", *summed(b"\x90")),
        r"its record of head, final point and base does not decode \(",
    ),
}


def damaged_store(path: Path, name: str) -> None:
    blocks = branch(GENESIS, 6)
    store = reopen(path)
    store.append(blocks, blocks[5][0].point)
    store.close()
    DAMAGE[name][0](path)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_told_and_nothing_is_touched(path: Path, name: str) -> None:
    damaged_store(path, name)
    before = path.read_bytes()
    with pytest.raises(LocalError, match=DAMAGE[name][1]) as error:
        reopen(path)
    assert f"the block store {path} is damaged: " in str(error.value)
    assert "Move it away and start again to sync anew, or restore a backup" in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["flipped bit", "parent missing", "standing flipped"])
def test_damage_after_a_kill_leaves_the_log_untouched_too(path: Path, name: str) -> None:
    damaged_store(path, name)
    leave_log(path)
    log = path.with_name("node.db-wal")
    before = path.read_bytes(), log.read_bytes()
    with pytest.raises(LocalError, match=DAMAGE[name][1]):
        reopen(path)
    assert (path.read_bytes(), log.read_bytes()) == before


def leave_log(path: Path) -> None:
    """Write to the file as a process that is then killed: the change stays in the log."""
    copy = path.with_name("copy.db")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE more (x)")
    connection.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    connection.close()
    for suffix in ("", "-wal"):
        shutil.move(f"{copy}{suffix}", f"{path}{suffix}")


def test_another_version_is_told(path: Path) -> None:
    reopen(path).close()
    sql("PRAGMA user_version = 9")(path)
    before = path.read_bytes()
    with pytest.raises(LocalError, match=r"has format 9, and this release reads format 1.*release that wrote it"):
        reopen(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", ["x'00'", "x''", "7"])
def test_a_damaged_body_is_not_handed_out(path: Path, value: str) -> None:
    blocks = branch(GENESIS, 3)
    store = reopen(path)
    store.append(blocks, blocks[2][0].point)
    store.close()
    sql(f"UPDATE bodies SET body = {value} WHERE key = ?", KEY[2])(path)
    store = reopen(path)
    assert store.body(blocks[0][0].point) == blocks[0][1]
    with pytest.raises(LocalError, match="is damaged: the body of block 2:32 does not match its checksum"):
        store.bodies(points(blocks))
    store.close()


def test_bodies_that_changed_places_are_not_handed_out(path: Path) -> None:
    blocks = branch(GENESIS, 2)
    store = reopen(path)
    store.append(blocks, blocks[1][0].point)
    store.close()
    for old, new in ((KEY[1], -1), (KEY[2], KEY[1]), (-1, KEY[2])):
        sql("UPDATE bodies SET key = ? WHERE key = ?", new, old)(path)
    store = reopen(path)
    with pytest.raises(LocalError, match="the body of block 1:31 does not match its checksum"):
        store.body(blocks[0][0].point)
    store.close()
