"""``syncfsm mark`` and ``syncfsm node --mark``, with real processes, before a layer that has pruned."""

import json
from pathlib import Path
from typing import Any

import trio

from syncfsm_adapters.look.control import ask
from syncfsm_adapters.look.why import Word
from tests.adapters.da_process import DaProcess, store
from tests.adapters.guard_nodes import Place, process
from tests.adapters.test_look import command, control, is_word, public_key, until


def mark_of(*where: str) -> dict[str, Any]:
    """The mark that the command prints."""
    code, said, error = command("mark", *where)
    assert code == 0, error
    found: dict[str, Any] = json.loads(said)
    return found


def refused(*flags: str) -> str:
    with process(*flags) as node:
        return node.refused()


def test_a_node_begins_at_the_mark_of_another_where_the_layer_has_pruned(tmp_path: Path) -> None:
    place, stranger = Place(tmp_path), Place(tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.sequencer()  # it has a key
    with DaProcess(*store(tmp_path), "--block-time", "0.1", "--finality", "2") as da:
        truth = ("--da", da.url, "--batch-seconds", "0.3", "--da-finality", "2")
        with process(*place.sequencer("--listen", "127.0.0.1:0", *truth, "--interval", "0.1")) as sequencer:
            address = sequencer.until("listening")["address"]
            sequencer.until("final")
            sequencer.until("final")
            mark = mark_of("--store", str(place.store / "blocks"))
            height = mark["block"]["height"]
            (tmp_path / "mark").write_text(json.dumps(mark))
            trio.run(da.call, "local.Prune", mark["layer"]["height"])
            flags = place.follower(public_key(place), "--peer", address, *truth)
            given, path = ("--mark", str(tmp_path / "mark")), control(tmp_path / "f.store")
            with process(*flags) as lost:
                lost.until("da-pruned")
                report = until(path, is_word(Word.CUT_OFF))
                assert "syncfsm mark there, --mark here" in report["sentence"]
                assert report["heads"]["confirmed"]["height"] == 0
                lost.at(height)
                code, _, error = command("mark", "--control", str(path))
                assert (code, "there is no mark: try again later" in error) == (2, True)
            for damaged in (mark | {"sum": "00"}, {"mark": 1}):
                (tmp_path / "bad").write_text(json.dumps(damaged))
                assert "damaged" in refused(*flags, "--mark", str(tmp_path / "bad"))
            wrong = stranger.follower(public_key(stranger), *truth, *given)
            assert "is not signed with the key that this node follows" in refused(*wrong)
            with process(*flags, *given) as node:
                batch = node.until("batch")
                assert batch["first"] == height + 1
                reached = next(line for line in node.told if line["event"] == "mark-reached")
                assert reached["layer"] == mark["layer"]["height"]
                final = node.until("final")["height"]
                assert final > height
                report = until(path, is_word(Word.IN_STEP))
                assert report["truth"]["mark"].startswith(f"{height}:")
                assert "trusts a mark that was given" in command("status", "--control", str(path))[1]
                assert shown(path, final)["batch"]["last"] >= final
                assert (shown(path, 1)["stand"], shown(path, 1)["batch"]) == ("final", None)
                running = mark_of("--control", str(path))
                node.terminate()
                assert node.wait() == 0
            fresh = ("--name", "g", "--store", str(tmp_path / "g.store"), "--public-key", public_key(place))
            with process(*fresh, *truth, *given) as node:
                node.until("mark-awaited")
                node.until("control")
                path = control(tmp_path / "g.store")
                report = until(path, is_word(Word.ALONE))
                assert report["truth"]["awaits_mark"]
                assert "which peers have not brought yet" in " ".join(
                    command("status", "--control", str(path))[1].split()
                )
                ask(path, {"ask": "peers add", "peer": address})
                node.until("mark-reached")
                assert node.until("batch")["first"] == height + 1
                until(path, is_word(Word.IN_STEP))
            stopped = mark_of("--store", str(tmp_path / "f.store"))
            assert stopped["block"]["height"] >= running["block"]["height"] > height
            (tmp_path / "newer").write_text(json.dumps(stopped))
            assert "comes too late" in refused(*flags, "--mark", str(tmp_path / "newer"))
            with process(*flags, *given) as node:  # the flag may stay where it is
                assert node.until("batch")["first"] > height + 1


def shown(path: Path, height: int) -> dict[str, Any]:
    """What the node says of a block."""
    found: dict[str, Any] = ask(path, {"ask": "block show", "block": str(height)})
    return found


def test_what_can_not_be_a_mark_is_said_with_the_exit_code(tmp_path: Path) -> None:
    code, _, error = command("mark", "--store", str(tmp_path / "none"))
    assert (code, "there is no block store at" in error) == (2, True)
    place = Place(tmp_path)
    flags = place.sequencer("--blocks", "1")
    with process(*flags) as node:
        node.at(1)
        code, _, error = command("mark", "--store", str(place.store / "blocks"))
        assert (code, "follows no data-availability layer" in error) == (2, True)
        node.terminate()
        node.wait()
    code, _, error = command("mark", "--store", str(place.store / "blocks"))
    assert (code, "there is no mark" in error) == (2, True)
    follower = place.follower("ab" * 32, "--mark", "m")
    assert "--mark goes with --da" in refused(*follower)
    assert "leave out --da-start" in refused(*follower, "--da", "http://127.0.0.1:1", "--da-start", "7")
