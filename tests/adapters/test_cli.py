"""The command line as a person uses it: real processes, exit codes, and errors that say what to do."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from syncfsm import signed
from syncfsm.node.registry import STANDARD
from syncfsm_adapters.command import keys
from syncfsm_adapters.command.cli import PIPE_CLOSED
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.store.records import MARK


def run(*arguments: str, given: bytes = b"", seconds: float = 60) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "syncfsm_adapters", *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=False)


def sequencer(folder: Path, *flags: str) -> tuple[str, ...]:
    key, store = folder / "key", str(folder / "s.store")
    if not key.exists():
        keys.generate(key, "demo")
    return ("node", "--name", "s", "--key", str(key), "--store", store, "--log", "json", *flags)


def made_of(folder: Path, payloads: str, blocks: int, given: bytes = b"") -> list[bytes]:
    """The bodies of the chain that a sequencer makes of ``payloads``."""
    flags = sequencer(folder, "--payloads", payloads, "--interval", "0.01", "--blocks", str(blocks))
    with subprocess.Popen(
        [sys.executable, "-m", "syncfsm_adapters", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.flush()
        for line in process.stdout:
            if json.loads(line)["event"] == "payloads-end":
                break
        process.terminate()
        process.communicate()
        assert process.returncode == 0
    store = FileStore.open(folder / "s.store", signed.genesis(b"demo"), b"demo")
    bodies = [store.body(point) or b"" for point in store.best_chain()]
    store.close()
    return bodies[1:]


def test_the_table_command_prints_the_rules() -> None:
    for name, table in STANDARD.tables.items():
        assert run("table", name).stdout.decode() == table.markdown()
        assert run("table", name, "--format", "mermaid").stdout.decode() == table.mermaid()


@pytest.mark.parametrize("command", ["table sync", "check --list", "check --world full-locator", "node", "outage"])
def test_a_reader_that_leaves_ends_the_command_quietly(command: str, tmp_path: Path) -> None:
    """Also when the line that nobody reads is written in the middle of a network."""
    arguments = sequencer(tmp_path) if command == "node" else command.split()
    with subprocess.Popen(
        [sys.executable, "-m", "syncfsm_adapters", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (PIPE_CLOSED, b"")


@pytest.mark.parametrize("command", [(), ("node",), ("outage",), ("table",)])
def test_help_explains_every_flag(command: tuple[str, ...]) -> None:
    text = run(*command, "--help").stdout.decode()
    flags = re.findall(r"^  (--[a-z-]+[^\n]*(?:\n {10,}[^\n]+)*)", text, re.MULTILINE)
    assert "usage: syncfsm" in text
    for flag in flags:
        assert re.search(r"\s{2,}\w.{5,}", flag), f"{flag!r} is not explained"


def test_payloads_from_a_file_a_directory_and_standard_input(tmp_path: Path) -> None:
    words = [b"one", b"two", b"three"]
    for folder in ("file", "directory", "stdin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lines").write_bytes(b"\n".join(words))
    (tmp_path / "files").mkdir()
    for number, word in enumerate(words):
        (tmp_path / "files" / f"{number:03}").write_bytes(word)
    assert made_of(tmp_path / "file", str(tmp_path / "lines"), 3) == words
    assert made_of(tmp_path / "directory", str(tmp_path / "files"), 3) == words
    assert made_of(tmp_path / "stdin", "-", 3, b"one\ntwo\nthree\n") == words


def test_settings_come_from_a_file_and_flags_win(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(
        f'name = "toml"\nstore = "{tmp_path / "n.store"}"\nkey = "{tmp_path / "new.key"}"\ninterval = -1\n'
    )
    refused = run("node", "--config", str(config))
    assert refused.returncode == 2
    assert "interval is a number of seconds above 0" in refused.stderr.decode()
    assert not (tmp_path / "n.store").exists()


def mistakes(folder: Path) -> dict[str, tuple[tuple[str, ...], str]]:
    """What can be asked wrongly, and words that the answer must have."""
    (folder / "no.key").write_text("not a key")
    (folder / "g.key").write_text("0b" * 32)
    (folder / "broken.toml").write_text("name = ")
    (folder / "odd.toml").write_text('nmae = "x"')
    (folder / "no.store").write_bytes(b"this is no database, but somebody's only copy of something" * 100)
    follower = ("node", "--name", "f", "--store", str(folder / "f.store"), "--public-key", "ab" * 32)
    return {
        "no role": (("node", "--name", "f", "--store", "x"), "--key FILE to be the sequencer, or --public-key"),
        "no name": (("node", "--store", "x"), "missing: name"),
        "bad public key": ((*follower[:-1], "xyz"), "64 hexadecimal digits"),
        "bad key file": (("node", "--name", "s", "--store", "x", "--key", str(folder / "no.key")), "is not a key file"),
        "broken settings": (("node", "--config", str(folder / "broken.toml")), "must be a TOML file"),
        "unknown setting": (("node", "--config", str(folder / "odd.toml")), "unknown setting 'nmae'"),
        "no payloads": (sequencer(folder, "--payloads", str(folder / "nowhere")), "cannot read payloads from"),
        "no gates": ((*follower, "--gates", "0"), "gates is a number of peers, 1 or more, not 0"),
        "no links": ((*follower, "--links", "0"), "links is a number of peers, 1 or more, not 0"),
        "none unconfirmed": ((*follower, "--unconfirmed", "0"), "unconfirmed is a number of blocks, 1 or more, not 0"),
        "an off that is no name": ((*follower, "--off", "seq"), "'seq' is no node id"),
        "an off that is not dialled": ((*follower, "--off", "127.0.0.1:7009"), "is none of the peers that are dialled"),
        "payloads of a follower": ((*follower, "--blocks", "3"), "only a sequencer makes blocks"),
        "a guard of a follower": ((*follower, "--guard", str(folder)), "only a sequencer signs"),
        "a key without its guard": (
            ("node", "--name", "s", "--store", str(folder / "g.store"), "--key", str(folder / "g.key")),
            "there is no guard in",
        ),
        "bad address": ((*follower, "--peer", "nowhere"), "nowhere"),
        "silence": ((*follower, "--silence", "0.5"), "must be longer than keepalive"),
        "not a database": ((*follower[:4], str(folder / "no.store"), *follower[5:]), "no.store"),
        "no followers": (("outage", "--followers", "0"), "followers"),
        "nobody to turn to": (("outage", "--mode", "feed", "--followers", "2"), "give 3 followers or more"),
        "a single link": (("outage", "--degree", "1"), "degree"),
        "a kept folder": (("outage", "--keep", str(folder)), "is not empty"),
    }


def test_mistakes_get_one_line_that_says_what_to_do_and_lose_nothing(tmp_path: Path) -> None:
    before = {}
    for name, (arguments, words) in mistakes(tmp_path).items():
        before[name] = (tmp_path / "no.store").read_bytes()
        result = run(*arguments)
        said = result.stderr.decode()
        assert result.returncode == 2, (name, said)
        assert words in said, (name, said)
        assert said.startswith("syncfsm: "), (name, said)
        assert said.count("\n") == 1, (name, said)
    assert set(before.values()) == {(tmp_path / "no.store").read_bytes()}


def test_unknown_flags_are_refused_with_the_usage() -> None:
    result = run("node", "--wrong")
    assert result.returncode == 2
    assert "usage: syncfsm" in result.stderr.decode()


def test_a_port_in_use_is_a_mistake_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(*sequencer(tmp_path, "--listen", f"127.0.0.1:{port}"))
    assert result.returncode == 2
    assert "take another port" in result.stderr.decode()


def test_two_nodes_cannot_share_a_file(tmp_path: Path) -> None:
    FileStore.open(tmp_path / "s.store", signed.genesis(b"demo"), b"demo").close()
    store = FileStore.open(tmp_path / "s.store", signed.genesis(b"demo"), b"demo")
    try:
        result = run(*sequencer(tmp_path))
    finally:
        store.close()
    assert result.returncode == 2
    assert "s.store" in result.stderr.decode()


def test_a_sequencer_whose_store_lost_its_last_block_has_it_again_from_its_guard(tmp_path: Path) -> None:
    made_of(tmp_path, "-", 5, b"a\nb\nc\nd\ne\n")
    path = tmp_path / "s.store"
    log = path / "00000001.blocks"
    content = log.read_bytes()
    log.write_bytes(content[: content.rindex(MARK)])
    refused = run(*sequencer(tmp_path))
    assert refused.returncode == 2
    assert "its log ends too early: 1 changes that were on the disk are gone" in refused.stderr.decode()
    assert len(refused.stderr.splitlines()) == 1
    assert run("store", "repair", str(path)).returncode == 0
    assert made_of(tmp_path, "-", 1, b"f\n") == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_a_node_whose_store_is_removed_notices_without_a_block_to_store(tmp_path: Path) -> None:
    flags = ("node", "--name", "f", "--store", str(tmp_path / "f.store"), "--public-key", "ab" * 32, "--log", "json")
    with subprocess.Popen(
        [sys.executable, "-m", "syncfsm_adapters", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "started"
        shutil.rmtree(tmp_path / "f.store")
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "00000001.blocks was removed, replaced or changed by somebody else" in said.decode()
    assert len(said.splitlines()) == 1
