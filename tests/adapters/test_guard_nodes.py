"""Sequencers as processes: killed, their stores ruined, started twice, restored. Never two blocks at one height."""

import shutil
from pathlib import Path
from random import Random

import pytest

from tests.adapters.guard_nodes import (
    Line,
    Place,
    flip,
    point,
    process,
    replace,
    signed_twice,
    truncate,
    wipe,
)


def grown(place: Place, height: int, *flags: str) -> list[Line]:
    """The journal of a sequencer that was stopped in order at this height or above."""
    with process(*place.sequencer(*flags)) as sequencer:
        sequencer.at(height)
        sequencer.terminate()
        assert sequencer.wait() == 0
        return sequencer.told


def key_of(journal: list[Line]) -> str:
    return str(next(line["public_key"] for line in journal if line["event"] == "started"))


def last(journal: list[Line]) -> Line:
    return [line for line in journal if line["event"] == "head"][-1]


# Refused ------------------------------------------------------------------------------------------------------------


def test_a_sequencer_whose_store_was_wiped_does_not_start_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    head = point(last(grown(place, 5)))
    wipe(place.store)
    for _ in range(2):
        with process(*place.sequencer()) as sequencer:
            said = sequencer.refused()
        assert said.count("\n") == 1
        assert f"Block {head} was signed" in said
        assert f"start once with --sign-anew {head}" in said
        assert "--peer" in said
    with process(*place.sequencer("--sign-anew", f"{head.height - 1}:00000000")) as sequencer:
        assert f"says that {head} was signed last" in sequencer.refused()


def test_who_knows_better_names_what_is_to_be_forgotten(tmp_path: Path) -> None:
    place = Place(tmp_path)
    before = grown(place, 5)
    wipe(place.store)
    after = grown(place, 3, "--sign-anew", str(point(last(before))))
    assert signed_twice(before, after), "that is what was asked for"
    again = grown(place, last(after)["height"] + 2)
    assert not signed_twice(after, again)


def test_a_second_sequencer_with_the_key_is_kept_out(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer()) as first:
        first.at(2)
        with process(*place.sequencer("--store", str(tmp_path / "other"))) as second:
            assert "in use by another process" in second.refused()
        first.at(first.told[-1].get("height", 2) + 2)


def test_a_guard_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    grown(place, 3)
    shutil.rmtree(place.guard)
    with process(*place.sequencer()) as sequencer:
        assert "there is no guard in" in sequencer.refused()


# Fetched ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who_dials", ["the sequencer", "the follower"])
def test_what_the_store_lacks_is_fetched_and_it_goes_on_by_itself(tmp_path: Path, who_dials: str) -> None:
    place = Place(tmp_path)
    before = grown(place, 1)
    with process(*place.follower(key_of(before), "--listen", "127.0.0.1:0")) as follower:
        address = follower.until("listening")["address"]
        with process(*place.sequencer("--peer", address)) as sequencer:
            follower.at(6)
            sequencer.kill()
            sequencer.wait()
            before += sequencer.told
        signed = last(before)["height"]
        wipe(place.store)
        dials = ("--peer", address) if who_dials == "the sequencer" else ("--listen", "127.0.0.1:0")
        with process(*place.sequencer(*dials)) as sequencer:
            if who_dials == "the follower":
                listens = sequencer.until("listening")["address"]
                follower.terminate()
                follower.wait()
                with process(*place.follower(key_of(before), "--peer", listens)) as again:
                    again.at(signed + 5)
            else:
                follower.at(signed + 5)
            sequencer.terminate()
            sequencer.wait()
            assert not signed_twice(before, sequencer.told, follower.told)
            assert "behind" in {line.get("state") for line in sequencer.told}
            ready = next(at for at, line in enumerate(sequencer.told) if line.get("state") == "ready")
            heads = [line["height"] for line in sequencer.told[:ready] if line["event"] == "head"]
            assert heads[-1] >= signed


def test_a_guard_that_was_restored_with_everything_else_asks_the_peers_first(tmp_path: Path) -> None:
    place = Place(tmp_path / "s")
    place.folder.mkdir()
    before = grown(place, 3)
    shutil.copytree(place.folder, tmp_path / "backup", ignore=shutil.ignore_patterns("*.control"))
    with process(*Place(tmp_path).follower(key_of(before), "--listen", "127.0.0.1:0")) as follower:
        peer = ("--peer", follower.until("listening")["address"])
        before += grown(place, last(before)["height"] + 5, *peer)
        newest = last(before)["height"]
        follower.at(newest)
        shutil.rmtree(place.folder)
        shutil.copytree(tmp_path / "backup", place.folder)
        after = grown(place, newest + 3, *peer)
        assert not signed_twice(before, after, follower.told)
        assert [line["state"] for line in after if line["event"] == "guard"] == ["opened", "asking", "ready"]


# Killed ---------------------------------------------------------------------------------------------------------------


def newest_of(journals: list[list[Line]]) -> int:
    """How high the highest head was."""
    return max(int(line["height"]) for journal in journals for line in journal if line["event"] == "head")


def run_kills(folder: Path, kills: int) -> None:
    """Between two starts of a sequencer, which is killed at any instant, its store stays, is wiped, replaced by an
    older copy, or damaged. A follower writes down all that it ever sent. If that lacks some blocks that were signed, as
    the kill came too soon, the sequencer waits until somebody puts the whole store back."""
    chance = Random(kills)
    place, copy, whole = Place(folder), folder / "copy", folder / "whole"
    journals = [grown(place, 1)]
    for kept in (copy, whole):
        shutil.copytree(place.store, kept, ignore=shutil.ignore_patterns("*.control"))
    states: set[str] = set()
    with process(*place.follower(key_of(journals[0]), "--listen", "127.0.0.1:0")) as follower:
        peer = ("--peer", follower.until("listening")["address"], "--interval", "0.001")
        killed = 0
        while killed < kills or (newest_of(journals) <= 2 * kills and killed < 3 * kills):  # how far one comes is luck
            missing = False
            with process(*place.sequencer(*peer)) as sequencer:
                lines = chance.choice((1, 2, 3, chance.randint(4, 30), chance.randint(10, 60)))
                for number, line in enumerate(sequencer.lines(), 1):
                    missing |= line.get("state") == "missing"
                    if number == lines or missing:
                        sequencer.kill()
                code = sequencer.wait()
                journals.append(sequencer.told)
                states |= {line["state"] for line in sequencer.told if line["event"] == "guard"}
            if missing:
                replace(place.store, whole)
                continue
            if code == 2:  # the store says that it is damaged: that is what an operator does
                wipe(place.store)
                continue
            killed += 1
            if any(line.get("state") == "ready" for line in sequencer.told):
                replace(whole, place.store)
            match chance.choice(("keep", "copy", "wipe", "replace", "flip", "truncate")):
                case "copy":
                    replace(copy, place.store)
                case "wipe":
                    wipe(place.store)
                case "replace":
                    replace(place.store, copy)
                case "flip":
                    flip(place.store, chance)
                case "truncate":
                    truncate(place.store, chance)
        replace(place.store, whole)
        newest = newest_of(journals)
        journals.append(grown(place, newest + 3, *peer))
        end = last(journals[-1])
        while (head := follower.at(end["height"]))["height"] > end["height"]:
            pass
        assert head["id"] == end["id"]
        assert not signed_twice(*journals, follower.told)
    assert {"opened", "asking", "behind", "ready"} <= states
    assert newest > 2 * kills


def test_a_sequencer_that_is_killed_and_loses_its_store_never_signs_twice(tmp_path: Path) -> None:
    run_kills(tmp_path, 10)


@pytest.mark.nightly
def test_two_hundred_kills_of_a_sequencer(tmp_path: Path) -> None:
    run_kills(tmp_path, 200)
