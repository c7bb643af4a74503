"""What only a store in a file can suffer: restarts, other processes, other chains, full disks, damage."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm_adapters.store.base import Change, load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.index import Index
from syncfsm_adapters.store.repair import verify

CHAIN = b"test-chain"
GENESIS = Header(0, b"genesis", b"", b"", 0, b"")
Block = tuple[Header, bytes]


class Small(FileStore):
    """Its segments are soon full."""

    segment_bytes = 20_000


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


def reopen(path: Path) -> FileStore:
    return FileStore.open(path, GENESIS, CHAIN)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.store"


@pytest.mark.parametrize("promise", Promise)
def test_all_is_there_after_reopening(path: Path, promise: Promise) -> None:
    main, side = branch(GENESIS, 2000), branch(GENESIS, 2, "side", size=100_000)
    with_body = [*main, *side]
    store = FileStore.open(path, GENESIS, CHAIN, promise=promise)
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
    before = contents(path)
    with pytest.raises(LocalError, match=r"belongs to chain b'test-chain'.*b'other'.*Give the path of that chain"):
        FileStore.open(path, GENESIS, b"other")
    with pytest.raises(LocalError, match=r"with genesis 0:67326732.* was asked for"):
        FileStore.open(path, Header(0, b"g2g2", b"", b"", 0, b""), CHAIN)
    assert contents(path) == before


def test_a_file_in_use_is_refused(path: Path) -> None:
    store = reopen(path)
    with pytest.raises(LocalError, match=r"node.store is in use by another process. Stop that one"):
        reopen(path)
    script = (
        "import sys; from syncfsm.blocks import Header; from syncfsm_adapters.store.file import FileStore\n"
        "FileStore.open(sys.argv[1], Header(0, b'genesis', b'', b'', 0, b''), b'test-chain')"
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
        reopen(tmp_path / "nowhere" / "node.store")


def test_nothing_is_left_beside_the_folder(path: Path) -> None:
    reopen(path).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert set(contents(path)) == {"00000001.blocks", "lock", "mark"}


def test_an_empty_folder_is_taken(path: Path) -> None:
    path.mkdir()
    reopen(path).close()
    assert "00000001.blocks" in contents(path)


def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    for content in (b"", b"These are not blocks at all. " * 1000):
        path.write_bytes(content)
        with pytest.raises(LocalError, match=r"node.store is a file and no block store.*Give another path"):
            reopen(path)
        assert path.read_bytes() == content


def test_a_folder_of_something_else_is_refused(path: Path) -> None:
    path.mkdir()
    (path / "letter").write_text("Dear all")
    with pytest.raises(LocalError, match="is damaged: it has no segment"):
        reopen(path)
    assert (path / "letter").read_text() == "Dear all"


def test_a_store_of_format_1_is_refused_with_the_way_out(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(LocalError, match=r"has format 1.*Run `syncfsm store migrate .*node.store`"):
        reopen(path)


def test_a_full_disk_loses_nothing(path: Path) -> None:
    store = reopen(path)
    blocks = branch(GENESIS, 3)
    store.append(blocks, blocks[2][0].point)
    (big,) = branch(blocks[2][0], 1, size=1_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(LocalError, match=r"can not be read or written: .* Look at the free space"):
            store.append([big], big[0].point)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.standing.head == blocks[2][0].point
    (small,) = branch(blocks[2][0], 1, "small")
    store.append([small], small[0].point)
    store.close()
    again = reopen(path)
    assert not again.report.lines
    assert list(again.best_chain()) == [GENESIS.point, *points(blocks), small[0].point]
    again.close()


def test_full_segments_are_found_again(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main, side = branch(GENESIS, 300, size=500), branch(GENESIS, 150, "side", size=400)
    for start in range(0, 300, 7):
        store.append(main[start : start + 7], main[min(299, start + 6)][0].point)
        if start < 150:
            store.append(side[start : start + 7], store.standing.head)
    for _ in range(2):
        assert store.bodies(points([*main, *side])) == [body for _, body in [*main, *side]]
        assert [store.header(header.point) for header, _ in main] == [header for header, _ in main]
        assert list(store.best_chain()) == [GENESIS.point, *points(main)]
        assert store.bodies([Point(150, b"unknown"), Point(999, b"x")]) == [None, None]
        with pytest.raises(LocalError, match="held already"):
            store.append([main[5]], store.standing.head)
        store.close()
        assert len(list(path.glob("*.index"))) > 5
        store = Small.open(path, GENESIS, CHAIN)
        assert not store.report.lines
    store.close()


def test_open_files_do_not_grow_with_the_segments(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main = branch(GENESIS, 400, size=1000)
    for block in main:
        store.append([block], block[0].point)
    assert store.bodies(points(main)) == [body for _, body in main]
    ours = [file for file in Path("/proc/self/fd").iterdir() if file.exists() and path in file.resolve().parents]
    assert 0 < len(ours) <= 12
    store.close()


def test_a_replaced_file_is_noticed_though_it_is_not_open_any_more(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main = branch(GENESIS, 400, size=1000)
    for block in main[:399]:
        store.append([block], block[0].point)
    store._log.settle()
    for point in points(main):  # many segments, so the last one is closed meanwhile
        store.body(point)
    store.bodies(points(main[:300]))
    last = max(path.glob("*.blocks"))
    content = last.read_bytes()
    last.unlink()
    last.write_bytes(content)
    with pytest.raises(LocalError, match="was removed, replaced or changed"):
        store.append(main[399:], main[399][0].point)
    store.close()


@pytest.mark.parametrize("how", ["removed", "replaced", "longer", "folder removed"])
def test_a_file_that_is_removed_or_replaced_under_a_node_is_noticed(path: Path, how: str) -> None:
    store = reopen(path)
    blocks = branch(GENESIS, 2)
    store.append(blocks[:1], blocks[0][0].point)
    log = path / "00000001.blocks"
    copy = log.read_bytes()
    if how == "longer":
        with log.open("ab") as file:
            file.write(b"x")
    elif how == "folder removed":
        path.rename(path.with_name("elsewhere"))
    else:
        log.unlink()
        if how == "replaced":
            log.write_bytes(copy)
    for _ in range(2):
        with pytest.raises(LocalError, match=r"00000001.blocks was removed, replaced or changed by somebody else"):
            store.append(blocks[1:], blocks[1][0].point)
    store.close()


def test_large_drops_go_in_portions(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main, junk = branch(GENESIS, 5), [block for n in range(900) for block in branch(GENESIS, 5, f"j{n}-")]
    store.append([*main, *junk], main[-1][0].point)
    dropped = sorted((header for header, _ in junk), key=lambda header: (header.height, header.id))
    store.commit(Change(final=main[2][0].point, base=main[1][0].point, dropped=[GENESIS, main[0][0], *dropped]))
    assert store.standing.final == main[2][0].point
    assert store.standing.base == GENESIS.point
    left = [len(list(store.headers_from_base()))]
    store.append([*branch(main[-1][0], 1, "new")], main[-1][0].point)
    while store.tidy():
        left.append(len(list(store.headers_from_base())))
    assert left == sorted(left, reverse=True)
    assert len(left) > 1
    assert store.standing.base == main[1][0].point
    assert store.body(main[0][0].point) == main[0][1]
    assert store.bodies(points(junk)) == [None] * len(junk)
    store.close()
    again = reopen(path)
    assert again.bodies(points(junk)) == [None] * len(junk)
    assert len(list(again.headers_from_base())) == 5
    again.close()


def test_a_drop_that_a_crash_cut_short_is_finished_on_loading(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main, junk = branch(GENESIS, 5), [block for n in range(500) for block in branch(GENESIS, 5, f"j{n}-")]
    store.append([*main, *junk], main[-1][0].point)
    dropped = sorted((header for header, _ in junk), key=lambda header: (header.height, header.id))
    store.commit(Change(final=main[2][0].point, base=main[1][0].point, dropped=[GENESIS, main[0][0], *dropped]))
    store.close()  # as if it had been killed: nothing of the rest is on disk
    again = reopen(path)
    chain = load_chain(again, Limits(retention=1))
    while again.tidy():
        pass
    assert (chain.base, again.standing.base) == (main[1][0], main[1][0].point)
    assert again.bodies(points(junk)) == [None] * len(junk)
    again.close()


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def tidied(store: FileStore) -> None:
    store._log.settle()
    while store.tidy():
        pass
    store._log.settle()


def test_dropped_branches_give_their_space_back(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main, junk = branch(GENESIS, 60, size=500), branch(GENESIS, 59, "junk", size=5000)
    for own, other in zip(main, junk, strict=False):
        store.append([own, other], own[0].point)
    store.append(main[59:], main[59][0].point)
    full = size(path)
    dropped = [header for header, _ in junk]
    store.commit(Change(final=main[58][0].point, dropped=dropped, base=GENESIS.point))
    tidied(store)
    store.close()
    assert size(path) < full / 3
    again = Small.open(path, GENESIS, CHAIN)
    assert not again.report.lines
    assert again.bodies(points(main)) == [body for _, body in main]
    assert again.bodies(points(junk)) == [None] * len(junk)
    assert list(again.best_chain()) == [GENESIS.point, *points(main)]
    again.close()


def test_history_that_is_not_kept_gives_its_space_back(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN, keep_history=False)
    main = branch(GENESIS, 400, size=1000)
    sizes = []
    for number, block in enumerate(main):
        store.append([block], block[0].point)
        if number % 50 == 49:
            store.finalise(main[number - 5][0].point)
            store.prune([header for header, _ in main[: number - 10]], main[number - 10][0].point)
            tidied(store)
            sizes.append(size(path))
    assert max(sizes) < 100_000  # of 400,000
    store.close()
    again = Small.open(path, GENESIS, CHAIN, keep_history=False)
    assert list(again.best_chain()) == points(main[389:])
    again.close()


def test_compacting_gives_all_space_back(path: Path) -> None:
    store = FileStore.open(path, GENESIS, CHAIN)
    main, junk = branch(GENESIS, 20, size=5000), branch(GENESIS, 5, "junk", size=4000)
    store.append([*main, *junk], main[-1][0].point)
    store.commit(Change(final=main[10][0].point, dropped=[header for header, _ in junk], base=GENESIS.point))
    full = size(path)
    tidied(store)
    assert size(path) == full  # it is not worth it
    store.compact()
    assert size(path) < full - 4 * 5000 + 2 * 20 * 300
    assert store.bodies(points(main)) == [body for _, body in main]
    store.close()


def test_the_scrub_finds_what_has_rotted_and_what_is_gone(path: Path) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    store = Small.open(path, GENESIS, CHAIN, tell=lambda event, **fields: told.append((event, fields)))
    main = branch(GENESIS, 200, size=1000)
    for start in range(0, 200, 10):
        store.append(main[start : start + 10], main[start + 9][0].point)
    store._log.settle()

    def scrubbed() -> tuple[int, int]:
        store.scrub(10**9)  # ends the pass that is under way, if there is one
        for _ in range(1000):
            if (done := store.scrub(3000)) is not None:
                return done.blocks, done.lost
        raise AssertionError("no end")

    whole, lost = scrubbed()
    assert whole > 150
    assert (lost, told) == (0, [])
    victim = path / "00000002.blocks"
    content = bytearray(victim.read_bytes())
    content[content.index(main[35][1])] ^= 4
    with victim.open("r+b") as file:
        file.write(content)
    assert scrubbed() == (whole, 1)
    assert [(event, fields["height"]) for event, fields in told] == [("store-damaged", 36)]
    victim.unlink()
    assert scrubbed()[1] > 10
    assert any("00000002.blocks was removed" in str(fields.get("reason")) for _, fields in told)
    assert store.body(main[-1][0].point) == main[-1][1]
    store.close()


def test_a_segment_that_rotted_together_with_its_index_costs_its_own_blocks(path: Path) -> None:
    store = Small.open(path, GENESIS, CHAIN)
    main = branch(GENESIS, 200, size=1000)
    for start in range(0, 200, 5):
        store.append(main[start : start + 5], main[start + 4][0].point)
    store.close()
    for name, place in (("00000002.index", 600), ("00000002.blocks", 300)):
        file = path / name
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)
    told: list[str] = []
    store = Small.open(path, GENESIS, CHAIN, tell=lambda event, **fields: told.append(event))
    found = store.bodies(points(main))
    lost = [header.point for (header, _), body in zip(main, found, strict=True) if body is None]
    assert 5 < len(lost) < 30
    assert set(lost) == set(store.lost)
    assert [body for body in found if body is not None] == [body for header, body in main if header.point not in lost]
    assert told.count("store-damaged") == len(lost)
    store.append(branch(main[-1][0], 1, "more"), store.standing.head)
    store.scrub_all()
    assert told.count("store-trouble") == 1
    store.close()
    flaws = verify(path).flaws
    assert any("the index of segment 2 is damaged, and the segment has a flaw at byte" in flaw for flaw in flaws)


def test_headers_come_in_order_and_few_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = branch(GENESIS, 6000)
    side = branch(main[99][0], 3000, "side")
    store = Small.open(path, GENESIS, CHAIN)
    written = [*main[:4000], *side, *main[4000:]]
    for start in range(0, len(written), 50):
        blocks = written[start : start + 50]
        store.append(blocks, blocks[-1][0].point)
    store.close()
    store = Small.open(path, GENESIS, CHAIN)
    read: list[int] = []
    chunk = Index.chunk

    def counted(index: Index, number: int) -> list[Header]:
        read.append(number)
        return chunk(index, number)

    monkeypatch.setattr(Index, "chunk", counted)
    headers = store.headers_from_base()
    some = [next(headers) for _ in range(90)]
    assert len(read) <= 3
    found = [*some, *headers]
    assert [header.height for header in found] == sorted(header.height for header in found)
    assert set(found) == {GENESIS, *(header for header, _ in (*main, *side))}
    assert len(read) > 20
    store.close()
