"""Looking at a running node, with real processes: why it is not in step, where its socket is, and the commands."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.node.status import Why
from syncfsm.peer.messages import Bye
from syncfsm.sync.messages import Has
from syncfsm_adapters.command import keys
from syncfsm_adapters.connect.connector import silent
from syncfsm_adapters.connect.target import SHUNNED
from syncfsm_adapters.look.control import PATH_BYTES, ask, socket_of
from syncfsm_adapters.look.metrics import Metrics
from syncfsm_adapters.look.record import KEPT, KINDS, Record
from syncfsm_adapters.look.report import Reporter
from syncfsm_adapters.look.why import STALL, Word
from tests.adapters.da_process import DaProcess, store
from tests.adapters.guard_nodes import Place, process
from tests.adapters.tcp_nodes import Carriers, Running, grow, hello, in_trio, raw, start

PATIENCE: Final = 20.0
"""Seconds in which a node must be as a test expects it."""


def until(path: Path, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first report of which this is so."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        report: dict[str, Any] = ask(path, {"ask": "status"})
        if true(report):
            return report
        time.sleep(0.05)
    raise AssertionError(f"it is {report['word']}: {report['sentence']}")


def is_word(word: Word) -> Callable[[dict[str, Any]], bool]:
    return lambda report: report["word"] == word


def command(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "syncfsm_adapters", *arguments], capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def public_key(place: Place) -> str:
    return keys.load(place.folder / "key").verify_key.encode().hex()


def follower_id(report: dict[str, Any]) -> str:
    return str(report["id"])


def control(path: Path) -> Path:
    return socket_of(str(path))


# Why it is not in step ----------------------------------------------------------------------------------------------


def test_in_step_alone_and_back(tmp_path: Path) -> None:
    place = Place(tmp_path)
    flags = place.sequencer("--listen", "127.0.0.1:0", "--interval", "0.1")
    with process(*place.follower(public_key(place), "--peer", "127.0.0.1:9")) as follower:
        follower.until("control")
        path = control(tmp_path / "f.store")
        report = until(path, lambda report: report["word"] == Word.ALONE and bool(report["attempts"]))
        assert "It has tried 127.0.0.1:9 (unreachable)" in report["sentence"]
        assert not report["fine"]
        with process(*flags) as sequencer:
            address = sequencer.until("listening")["address"]
            assert address in ask(path, {"ask": "peers add", "peer": address})
            report = until(path, is_word(Word.IN_STEP))
            (peer,) = report["peers"]
            assert peer["address"] == address
            assert peer["dialled"]
            assert until(path, lambda report: report["heads"]["soft"]["height"] > 3)["peers"][0]["feeds_us"]
            assert report["recovery_seconds"] is not None
            with pytest.raises(LocalError, match="is a peer already"):
                ask(path, {"ask": "peers add", "peer": address})
            ask(path, {"ask": "peers remove", "peer": address})
            assert until(path, is_word(Word.ALONE))["peers"] == []


@in_trio
async def test_catching_up(carriers: Carriers) -> None:
    """A peer has a hundred blocks more, and pauses after forty."""
    blocks = grow(b"%d" % number for number in range(100))
    node = Running(carriers, b"node")
    reporter = Reporter("n", node.tcp, Record(silent, trio.current_time), None, trio.current_time)
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as peer:
            await peer.say(hello(blocks[-1][0]))
            await peer.send(blocks[:40])
            await node.at(blocks[39][0].point)
            found = reporter.reason()
            assert found.word is Word.CATCHING_UP
            assert found.sentence.startswith("It is 60 blocks behind. ")
            assert found.is_fine
            await peer.send(blocks[40:])
            await node.at(blocks[-1][0].point)
            await node.until(lambda: reporter.reason().word is Word.IN_STEP)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_node_whose_peer_claims_what_it_does_not_give(carriers: Carriers) -> None:
    (first,) = grow([b"1"])
    now = [1000.0]
    record = Record(silent, lambda: now[0])
    node = Running(carriers, b"node")
    record.follow(node.host)
    reporter = Reporter("n", node.tcp, record, None, lambda: now[0])
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address) as liar:
            await liar.say(hello(), Has(first[0].point, first[0].score))
            await node.until(lambda: node.host.node.status().why is Why.FETCHING)
            record("status", why=Why.FETCHING.value)
            now[0] += STALL - 1
            assert reporter.reason().is_fine
            now[0] += 1
            found = reporter.reason()
            assert (found.word, found.is_fine) == (Word.STALLED, False)
            assert found.sentence.startswith("It is 1 block behind. It has known of better blocks for 60 s")
            assert reporter.report()["waits_seconds"] == STALL
            await liar.send([first])  # it was no liar
            await node.at(first[0].point)
            assert reporter.reason().word is Word.IN_STEP
        nursery.cancel_scope.cancel()


def test_refused_by_all_its_peers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--listen", "127.0.0.1:0")) as sequencer:
        address = sequencer.until("listening")["address"]
        with process(*place.follower(public_key(place), "--peer", address, "--chain", "another")) as follower:
            follower.until("no-link")
            report = until(control(tmp_path / "f.store"), is_word(Word.REFUSED))
            assert f"Nobody whom it dials takes it, or is taken by it ({address}: chain-id" in report["sentence"]
            assert "Compare --chain" in report["sentence"]


def test_who_follows_with_another_key_is_told_so_and_blames_nobody(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--listen", "127.0.0.1:0")) as sequencer:
        address = sequencer.until("listening")["address"]
        with process(*place.follower("ab" * 32, "--peer", address)) as follower:
            follower.until("no-link", reason="key")
            report = until(control(tmp_path / "f.store"), is_word(Word.REFUSED))
            assert f"({address}: key, " in report["sentence"]
            assert f"yours with {public_key(place)[:16]}" in report["sentence"]
            assert not report["misbehaviours"]


def test_on_a_lost_fork(tmp_path: Path) -> None:
    """Two sequencers with one key, and without a layer: each has called its own blocks final."""
    places = [Place(tmp_path / name) for name in ("one", "two")]
    for place in places:
        place.folder.mkdir()
    flags = [place.sequencer("--interval", "0.01", "--final-after", "5", "--listen", "127.0.0.1:0") for place in places]
    (places[1].folder / "key").write_bytes((places[0].folder / "key").read_bytes())
    shutil.copytree(places[0].guard, places[1].guard, dirs_exist_ok=True)
    with process(*flags[0]) as one, process(*flags[1], "--payload-bytes", "7") as two:
        two.until("final")
        one.until("final")
        address = next(line for line in one.told if line["event"] == "listening")["address"]
        path = control(places[1].store / "blocks")
        ask(path, {"ask": "peers add", "peer": address})
        report = until(path, is_word(Word.LOST_FORK))
        assert "contradicts what is final at 1 of its peers" in report["sentence"]
        assert "move its store away" in report["sentence"]


def test_with_the_layer_alone_and_one_that_is_out_for_a_moment(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with DaProcess(*store(tmp_path), "--block-time", "0.1") as da:
        truth = ("--da", da.url, "--batch-seconds", "0.3")
        with process(*place.sequencer("--listen", "127.0.0.1:0", "--interval", "0.1", *truth)) as sequencer:
            address = sequencer.until("listening")["address"]
            with process(*place.follower(public_key(place), *truth)) as follower:
                follower.until("confirmed")
                path = control(tmp_path / "f.store")
                report = until(path, is_word(Word.LAYER_ALONE))
                assert report["fine"]
                assert report["sources"]["da"] > 0
                ask(path, {"ask": "peers add", "peer": address})
                until(path, is_word(Word.IN_STEP))
                trio.run(da.call, "local.Out", True)
                report = until(path, lambda report: bool(report["truth"]["trouble"]))
                assert report["fine"]
                confirmed = report["heads"]["confirmed"]["height"]
                trio.run(da.call, "local.Out", False)
                until(path, lambda report: report["heads"]["confirmed"]["height"] > confirmed)


def test_what_comes_from_outside_is_not_said_of_its_peers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--listen", "127.0.0.1:0", "--blocks", "1")) as node:
        host, port = node.until("listening")["address"].split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n")
            node.until("no-link", reason="no-tls")
        report = ask(control(place.store / "blocks"), {"ask": "status"})
        assert report["attempts"] == []
        assert "it dials no peer" in report["sentence"]


def test_reorganisations_and_partings_are_told_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--listen", "127.0.0.1:0", "--interval", "0.1")) as sequencer:
        address = sequencer.until("listening")["address"]
        with process(*place.follower(public_key(place), "--peer", address)) as follower:
            head = follower.at(2)
            path = control(tmp_path / "f.store")
            ask(path, {"ask": "block ban", "id": head["id"]})
            report = until(path, lambda report: report["reorganisations"] > 0)
            assert any(
                each["event"] == "reorganised" and "undone: from" in each["text"] for each in report["incidents"]
            )
            assert report["undone_blocks"] > 0
            ask(path, {"ask": "block unban", "id": head["id"]})
            (peer,) = until(path, is_word(Word.IN_STEP))["peers"]
            assert (peer["blocks_to"], peer["mode_from"]) in {("backup", "active"), ("active", "active")}
            assert peer["linked_seconds"] >= 0
            ask(control(place.store / "blocks"), {"ask": "peers mode", "peer": follower_id(report), "mode": "off"})
            until(path, lambda report: report["peers"][0]["mode_from"] == "off")
            sequencer.kill()
            report = until(path, is_word(Word.ALONE))
            assert any(each["event"] == "parted" and "lost" in each["text"] for each in report["incidents"])


@in_trio
async def test_a_node_that_has_just_begun_and_one_that_shuns_all_its_peers(carriers: Carriers) -> None:
    record = Record(silent, time.time)
    one, two = Running(carriers, b"one"), Running(carriers, b"two")
    reporter = Reporter("two", two.tcp, record, None)
    assert "nobody: it dials no peer" in reporter.reason().sentence
    async with trio.open_nursery() as nursery:
        await start(nursery, one)
        silent_one = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]  # takes connections, and says nothing
        host, port = silent_one.socket.getsockname()
        await start(nursery, two, f"{host}:{port}")
        assert "does not know yet what comes of it" in reporter.reason().sentence
        two.tcp.remove(f"{host}:{port}")
        two.tcp.add(one.address)
        await two.until(lambda: two.tcp.links)
        two.tcp.ban(one.address, None, "too loud")
        found = reporter.reason()
        assert found.word is Word.REFUSED
        assert f"({one.address}: shunned, too loud)" in found.sentence
        (attempt,) = reporter.report()["attempts"]
        assert (attempt["reason"], attempt["again_seconds"]) == (SHUNNED, None)
        assert b"syncfsm_unreachable_addresses 0.0" in Metrics(reporter.report, record).page("")[0]
        two.tcp.pardon(one.address)
        await two.until(lambda: two.tcp.links)
        assert reporter.report()["attempts"] == []
        await silent_one.aclose()
        nursery.cancel_scope.cancel()


@in_trio
async def test_what_peers_say_does_not_grow(carriers: Carriers) -> None:
    """They may say in their own words why they leave, and come again and again, also as one too many."""
    node, record = Running(carriers, b"node"), Record(silent, time.time)
    record.follow(node.host)
    reporter = Reporter("n", node.tcp, record, None)
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        for number in range(2 * KINDS):
            async with raw(node.address) as peer:
                await peer.say(hello(), Bye(f"word-{number}"))
                await peer.heard()
        await node.until(lambda: record.partings.total() == 2 * KINDS)
        report = reporter.report()
        assert len(report["partings"]) == KINDS + 1
        assert report["partings"]["other"] == KINDS
        assert len(report["incidents"]) <= 2 * KEPT
        assert report["peers"] == []
        nursery.cancel_scope.cancel()


def test_the_socket_is_at_one_place_from_wherever_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (deep := tmp_path / ("d" * 90)).mkdir()
    for folder in (tmp_path, deep):
        monkeypatch.chdir(folder)
        assert socket_of("s") == socket_of(str(folder / "s"))
        assert len(os.fsencode(socket_of("s"))) <= PATH_BYTES


# The commands ---------------------------------------------------------------------------------------------------------


def test_status_peers_and_block(tmp_path: Path) -> None:
    place = Place(tmp_path)
    where = ("--store", str(place.store / "blocks"))
    with process(*place.sequencer("--listen", "127.0.0.1:0", "--blocks", "5")) as sequencer:
        sequencer.at(5)
        code, said, _ = command("status", *where)
        assert code == 1
        assert "alone" in said
        code, said, _ = command("status", *where, "--json")
        report = json.loads(said)
        assert report["heads"]["soft"]["height"] == 5
        code, said, _ = command("block", "ban", report["heads"]["soft"]["id"], *where)
        assert (code, "and is 4:" in said) == (0, True)
        code, said, _ = command("block", "unban", report["heads"]["soft"]["id"], *where)
        assert (code, "no longer banned" in said) == (0, True)
        for wrong in ("xyz", "ab" * 65):
            code, _, error = command("block", "ban", wrong, *where)
            assert (code, "is no id of a block" in error) == (2, True)
        code, said, _ = command("block", "ban", "ab", *where)
        assert (code, "it is not held" in said) == (0, True)
        code, _, error = command("peers", "mode", "127.0.0.1:1", "off", *where)
        assert (code, "none of the peers that are dialled" in error) == (2, True)
        code, _, error = command("peers", "add", "\udcff:1", *where)
        assert (code, "is no name of a host" in error) == (2, True)
        assert command("peers", "list", *where)[1] == "no peers\n"
        code, _, error = command("peers", "mode", "127.0.0.1:1", "off", "--store", str(tmp_path / "none"))
        assert (code, "is it running" in error) == (2, True)
        code, _, error = command("peers", "remove", "127.0.0.1:1", *where)
        assert (code, "none of the peers that are dialled" in error) == (2, True)
        path = control(place.store / "blocks")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        sequencer.terminate()
        sequencer.wait()
    assert not path.exists()


def test_watching_goes_on_until_the_node_ends(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--blocks", "3")) as sequencer:
        sequencer.at(3)
        watching = (sys.executable, "-m", "syncfsm_adapters", "status", "--store", str(place.store / "blocks"))
        with subprocess.Popen(
            [*watching, "--json", "--watch", "0.05"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as watch:
            assert watch.stdout is not None
            assert watch.stderr is not None
            reports = [json.loads(watch.stdout.readline()) for _ in range(3)]
            assert [report["heads"]["soft"]["height"] for report in reports] == [3, 3, 3]
            assert reports[0]["at"] < reports[1]["at"] < reports[2]["at"]
            sequencer.kill()
            assert watch.wait(PATIENCE) == 2
            said = watch.stderr.read()
            assert b"does not run any more" in said or b"has ended while it was asked" in said
        assert command("status", "--store", str(place.store / "blocks"), "--watch", "0")[0] == 2
