"""``syncfsm store``: what an operator sees of a store, and what can be mended."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm_adapters.command.cli import main
from syncfsm_adapters.store import migrate as migration
from syncfsm_adapters.store.base import Change, Standing
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.migrate import migrate
from tests.adapters.test_store_file import CHAIN, GENESIS, Block, Small, branch, points

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: object) -> tuple[int, dict[str, Any]]:
        code = main(["store", *map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return command


def filled(path: Path) -> list[Block]:
    store = Small.open(path, GENESIS, CHAIN, promise=Promise.POWER)
    main = branch(GENESIS, 100, size=1000)
    for start in range(0, 100, 5):
        store.append(main[start : start + 5], main[start + 4][0].point)
    store.close()
    return main


def spoil(path: Path, wanted: bytes) -> None:
    for file in path.glob("*.blocks"):
        content = bytearray(file.read_bytes())
        if wanted in content:
            content[content.index(wanted)] ^= 1
            file.write_bytes(content)


def test_a_whole_store(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "node.store"
    main = filled(path)
    code, said = run("info", path)
    assert (code, said["head"], said["blocks"], said["noticed"]) == (0, str(main[-1][0].point), 100, [])
    code, said = run("verify", path)
    assert (code, said["blocks"], said["lost"], said["noticed"]) == (0, 100, 0, [])
    assert run("compact", path)[0] == 0
    assert FileStore.open(path, GENESIS, CHAIN).bodies(points(main)) == [body for _, body in main]


def test_lost_bodies_are_found_and_taken_from_another_store(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = tmp_path / "node.store", tmp_path / "other.store"
    main_chain = filled(path)
    shutil.copytree(path, other)
    for height in (10, 50, 100):  # in full segments, and in the last
        spoil(path, main_chain[height - 1][1])
    code, said = run("verify", path)
    assert (code, said["lost"]) == (1, 3)
    assert any("3 bodies are damaged or missing" in line for line in said["noticed"])
    assert main(["store", "repair", str(path), "--from", str(other)]) == 0
    said_of_it = capsys.readouterr().out
    assert "3 of 3 bodies that were lost have been taken from the other store" in said_of_it
    code, said = run("verify", path)
    assert said["lost"] == 0
    store = FileStore.open(path, GENESIS, CHAIN)
    assert store.bodies(points(main_chain)) == [body for _, body in main_chain]
    store.close()


def test_a_log_that_can_not_be_opened_is_repaired_by_losing_the_rest(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "node.store"
    store = FileStore.open(path, GENESIS, CHAIN, promise=Promise.POWER)
    blocks = branch(GENESIS, 50)
    for block in blocks:
        store.append([block], block[0].point)
    store.close()
    log = path / "00000001.blocks"
    content = bytearray(log.read_bytes())
    content[content.rindex(b"proof")] ^= 1
    log.write_bytes(content)
    with pytest.raises(LocalError, match=r"1 changes that were on the disk are gone.*`syncfsm store repair`"):
        FileStore.open(path, GENESIS, CHAIN, promise=Promise.POWER)
    assert run("verify", path)[0] == 1
    assert main(["store", "repair", str(path)]) == 0
    assert "its head was at height 50 once" in capsys.readouterr().out
    (aside,) = path.glob("cut-*")
    assert bytes(content).endswith(aside.read_bytes())
    store = FileStore.open(path, GENESIS, CHAIN)
    assert (store.standing.head, store.owed) == (blocks[48][0].point, 50)  # a sequencer does not go on from there
    store.append(blocks[49:], blocks[49][0].point)
    assert store.owed is None
    store.close()


def test_segments_and_indexes_that_are_gone_are_told(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "node.store"
    filled(path)
    (path / "00000002.index").unlink()
    (path / "00000003.blocks").unlink()
    code, said = run("verify", path)
    assert code == 1
    assert "1 indexes were made again" in said["noticed"]
    assert any("segments 3 are cut short or gone" in line for line in said["noticed"])
    (path / "00000003.index").unlink()
    with pytest.raises(LocalError, match=r"segments 3 and their indexes are gone"):
        FileStore.open(path, GENESIS, CHAIN)


def test_what_is_no_store_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("info", "verify", "repair", "compact", "migrate"):
        assert main(["store", what, str(tmp_path / "nothing")]) == 2
        assert "nothing" in capsys.readouterr().err
    filled(tmp_path / "node.store")
    store = FileStore.open(tmp_path / "node.store", GENESIS, CHAIN)
    for what in ("info", "verify", "repair", "compact"):
        assert main(["store", what, str(tmp_path / "node.store")]) == 2
        assert "is in use by another process" in capsys.readouterr().err
    store.close()


# Format 1 ---------------------------------------------------------------------------------------------------------


def old_store(path: Path, blocks: list[Block], standing: Standing) -> None:
    """A store as the releases before wrote it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA application_id = {0x73796E63}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("CREATE TABLE standing (one INTEGER PRIMARY KEY, sum INTEGER NOT NULL, value BLOB NOT NULL)")
    connection.execute("CREATE TABLE headers (key INTEGER PRIMARY KEY, sum INTEGER NOT NULL, header BLOB NOT NULL)")
    connection.execute("CREATE TABLE bodies (key INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL)")
    taken: dict[int, int] = {}
    for header, body in [(GENESIS, None), *blocks]:
        key = (header.height << 15) + taken.get(header.height, 0)
        taken[header.height] = taken.get(header.height, 0) + 1
        encoded = msgspec.msgpack.encode(header)
        connection.execute("INSERT INTO headers VALUES (?, ?, ?)", (key, crc32(encoded), encoded))
        if body is not None:
            connection.execute("INSERT INTO bodies VALUES (?, ?, ?)", (key, crc32(body, crc32(encoded)), body))
    value = msgspec.msgpack.encode(standing)
    connection.execute("INSERT INTO standing VALUES (1, ?, ?)", (crc32(value), value))
    connection.commit()
    connection.close()


@pytest.fixture
def old(tmp_path: Path) -> tuple[Path, list[Block], Standing]:
    path = tmp_path / "node.sqlite"
    main_chain, side = branch(GENESIS, 1200, size=100), branch(GENESIS, 3, "side")
    blocks = sorted([*main_chain, *side], key=lambda block: block[0].height)
    head = main_chain[-1][0].point
    standing = Standing(CHAIN, GENESIS, head, GENESIS.point, GENESIS.point, (b"banned",))
    old_store(path, blocks, standing)
    return path, blocks, standing


Old = tuple[Path, list[Block], Standing]


def test_a_store_of_format_1_is_migrated(old: Old, run: Run) -> None:
    path, blocks, standing = old
    before = path.read_bytes()
    code, said = run("migrate", path)
    assert (code, said["blocks"], said["noticed"]) == (0, len(blocks), [])
    assert path.with_name("node.sqlite.format-1").read_bytes() == before
    store = FileStore.open(path, GENESIS, CHAIN)
    assert store.standing == standing
    assert store.bodies(points(blocks)) == [body for _, body in blocks]
    assert {header for header, _ in blocks} <= set(store.headers_from_base())
    store.commit(Change(final=blocks[10][0].point))
    store.close()
    assert {file.name.partition(".format-1")[0] for file in path.parent.iterdir()} == {"node.sqlite"}


def test_a_damaged_body_of_format_1_is_lost_alone(old: Old, run: Run) -> None:
    path, blocks, _ = old
    connection = sqlite3.connect(path)
    connection.execute("UPDATE bodies SET body = x'00' WHERE key = ?", (7 << 15,))
    connection.execute("DELETE FROM bodies WHERE key = ?", (9 << 15,))
    connection.commit()
    connection.close()
    code, said = run("migrate", path)
    assert (code, said["noticed"]) == (1, ["2 bodies were damaged, and are missing now"])
    store = FileStore.open(path, GENESIS, CHAIN)
    found = store.bodies(points(blocks))
    assert [header.height for (header, _), body in zip(blocks, found, strict=True) if body is None] == [7, 9]
    store.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE headers SET sum = 1 WHERE key = 0", "DROP TABLE headers", "DELETE FROM standing"]
)
def test_a_damaged_store_of_format_1_is_refused_and_left(old: Old, statement: str) -> None:
    path, _, _ = old
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LocalError, match=r"is damaged: .*Nothing was changed"):
        migrate(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if "migrat" in file.name] == []


@pytest.mark.parametrize("step", ["_copy", "_swap", "rename 1", "rename 2"])
def test_a_migration_that_is_cut_short_can_be_run_again(old: Old, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, blocks, standing = old
    with monkeypatch.context() as patch:
        if step.startswith("rename"):
            left = int(step[-1])
            rename = os.rename

            def dies(source: Path, target: Path) -> None:
                nonlocal left
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1
                rename(source, target)

            patch.setattr(os, "rename", dies)
        else:
            patch.setattr(migration, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            migrate(path)
    if not path.exists():
        with pytest.raises(LocalError, match="a store that is being migrated"):
            FileStore.open(path, GENESIS, CHAIN)
    assert migrate(path).blocks == len(blocks)
    store = FileStore.open(path, GENESIS, CHAIN)
    assert store.standing == standing
    store.close()


def interrupted(*given: object) -> None:
    raise KeyboardInterrupt


def test_headers_of_the_genesis_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    old_store(path, [], Standing.start(GENESIS, CHAIN))
    assert migrate(path).blocks == 0
    store = FileStore.open(path, GENESIS, CHAIN)
    assert list(store.headers_from_base()) == [GENESIS]
    assert isinstance(store.header(GENESIS.point), Header)
    store.close()
