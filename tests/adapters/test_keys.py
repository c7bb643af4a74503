"""Keys as a person deals with them: made once, never by mistake, and never two of one kind at work unnoticed."""

import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm_adapters.command import keys
from syncfsm_adapters.command.cli import MISTAKE, OK, main
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.store.file import FileStore
from tests.adapters.guard_nodes import Place, process

OTHER = bytes(SigningKey(bytes(32)).verify_key).hex()


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of a command that asks for what can not be."""
    assert main(arguments) == MISTAKE
    said = capsys.readouterr().err
    assert said.startswith("syncfsm: ")
    assert said.count("\n") == 1
    return said


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_key_is_made_for_its_owner_and_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.key"
    assert main(("keygen", str(path))) == OK
    public = capsys.readouterr().out.strip()
    assert public == bytes(keys.load(path).verify_key).hex()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = files(tmp_path)
    assert set(before) == {path}, "a node's own key has no guard"
    assert "never written over" in mistake(capsys, "keygen", str(path))
    assert "never written over" in mistake(capsys, "keygen", "--chain", "demo", str(path))
    assert files(tmp_path) == before


def test_the_key_of_a_sequencer_comes_with_its_guard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("keygen", "--chain", "demo", str(tmp_path / "s.key"))) == OK
    assert main(("keygen", "--chain", "demo", "--guard", str(tmp_path / "g"), str(tmp_path / "t.key"))) == OK
    assert {path.name for path in tmp_path.iterdir()} == {"s.key", "s.key.guard", "t.key", "g"}
    assert "give --chain too" in mistake(capsys, "keygen", "--guard", str(tmp_path / "h"), str(tmp_path / "u.key"))
    assert not (tmp_path / "u.key").exists()


def test_a_key_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = ("node", "--name", "n", "--chain", "c", "--store", str(tmp_path / "n.store"))
    said = mistake(capsys, *node, "--key", str(tmp_path / "s.kye"))
    assert f"make a key: syncfsm keygen --chain c {tmp_path / 's.kye'}" in said
    said = mistake(capsys, *node, "--public-key", OTHER, "--node-key", str(tmp_path / "n.kye"))
    assert f"make a key: syncfsm keygen {tmp_path / 'n.kye'}" in said
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_opened_under_another_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys.generate(tmp_path / "b.key", "demo")
    key, head = SigningKey.generate(), signed.genesis(b"demo")
    store = FileStore.open(tmp_path / "n.store", head, b"demo")
    for body in (b"1", b"2"):
        head = Producer(key, b"demo").seal(head, body)
        store.append([(head, body)], head.point)
    store.close()
    node = ("node", "--name", "n", "--store", str(tmp_path / "n.store"), "--node-key", str(tmp_path / "b.key"))
    for role in (("--public-key", OTHER), ("--key", str(tmp_path / "b.key"))):
        said = mistake(capsys, *node, *role)
        assert "are not signed by" in said
        assert "give the key with which the store was made" in said
    store = FileStore.open(tmp_path / "n.store", signed.genesis(b"demo"), b"demo")
    assert list(store.best_chain())[-1] == head.point
    store.close()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--plain", "--allow", OTHER), "without TLS nobody proves an id"),
        (("--plain", "--peer", f"{OTHER}@127.0.0.1:1"), "without TLS nobody proves an id"),
        (("--plain", "--sentry", OTHER), "without TLS nobody proves an id"),
        (("--allow", "me"), "'me' is no node id"),
        (("--sentry", "me"), "'me' is no node id"),
        (("--peer", "me@127.0.0.1:1"), "'me' is no node id"),
        (("--peer", f"{OTHER}@nowhere"), "'nowhere' is no address"),
    ],
)
def test_who_may_come_in_is_said_right_or_refused(
    flags: Sequence[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "n.store")
    assert words in mistake(capsys, "node", "--name", "n", "--store", store, "--public-key", OTHER, *flags)
    assert list(tmp_path.iterdir()) == []


def test_to_do_without_tls_is_written_down(tmp_path: Path) -> None:
    follower = Place(tmp_path).follower(OTHER)
    with process(*follower, "--plain") as plain:
        assert "nobody proves who they are" in plain.until("plain")["sentence"]
    with process(*follower, "--listen", "127.0.0.1:0") as secure:
        secure.until("listening")
        assert [line["event"] for line in secure.told] == ["started", "control", "listening"]


def test_two_sequencers_with_one_key_are_both_told(tmp_path: Path) -> None:
    """The key was copied with its guard, when it had signed nothing, to a machine with another disk."""
    place = Place(tmp_path / "one")
    copy = Place(tmp_path / "two")
    place.folder.mkdir()
    place.sequencer()  # makes its key
    shutil.copytree(place.folder, copy.folder, ignore=shutil.ignore_patterns("*.control"))
    (copy.folder / "s.id").unlink()
    with process(*place.sequencer("--listen", "127.0.0.1:0", "--interval", "0.1")) as first:
        address = first.until("listening")["address"]
        first.at(3)
        copy.starts = 100  # payloads of its own
        keys.load_or_make(copy.folder / "s.id")
        with process(*copy.sequencer("--peer", address, "--interval", "0.13")) as second:
            assert "stop one of the two" in second.until("twin-sequencer")["sentence"]
            assert "stop one of the two" in first.until("twin-sequencer")["sentence"]
