"""Ctrl-C ends every command with one line and exit code 130: real processes, interrupted as a terminal does it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from syncfsm import signed
from syncfsm.errors import LocalError
from syncfsm_adapters.__main__ import INTERRUPTED
from syncfsm_adapters.command import keys
from syncfsm_adapters.store.file import FileStore

SECONDS = 60
SAID = b"syncfsm: interrupted\n"


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a session of its own, which is interrupted as a whole, as by a terminal."""
    with subprocess.Popen(
        [sys.executable, "-m", "syncfsm_adapters", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[bytes]) -> bytes:
    """What is said after Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)
    rest, words = process.communicate(timeout=SECONDS)
    assert (process.returncode, words) == (INTERRUPTED, SAID)
    return rest


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def wait_for_reader(fifo: Path, process: subprocess.Popen[bytes]) -> int:
    """The other end of ``fifo``, once the command has opened it and waits for what it never gets."""
    while process.poll() is None:
        with suppress(OSError):
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.01)
    raise AssertionError(f"it ended before it read {fifo}: {process.communicate()}")


def test_a_node_stops_in_order_before_it_ends(tmp_path: Path) -> None:
    store, key = tmp_path / "s.store", tmp_path / "s.key"
    keys.generate(key, "demo")
    flags = ("--store", str(store), "--key", str(key), "--interval", "0.01", "--log", "json")
    with running("node", "--name", "s", *flags) as process:
        while json.loads(line(process))["event"] != "head":
            pass
        *_, last = interrupt(process).splitlines()
    said = json.loads(last)
    assert said["event"] == "stopped"
    opened = FileStore.open(store, signed.genesis(b"demo"), b"demo")
    assert str(list(opened.best_chain())[-1]) == said["head"]
    opened.close()


def test_a_story_ends_with_its_processes(tmp_path: Path) -> None:
    with running("outage", "--followers", "2", "--keep", str(tmp_path)) as process:
        while b"in step" not in line(process):
            pass
        interrupt(process)
    assert not locked(tmp_path)


def locked(folder: Path) -> list[Path]:
    """The stores in this folder that a process has open."""
    stores = sorted(folder.glob("*.store"))
    assert stores
    found = []
    for path in stores:
        try:
            FileStore.open(path, signed.genesis(b"outage"), b"outage").close()
        except LocalError:
            found.append(path)
    return found


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A story that holds one of its processes."""
    with running(
        "outage", "--mode", "feed-stops", "--followers", "3", "--interval", "0.05", "--keep", str(folder)
    ) as story:
        while b"is held" not in line(story):
            pass
        assert len(locked(folder)) == 4
        yield story


def test_a_story_leaves_no_process_that_it_held(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        interrupt(process)
    assert not locked(tmp_path)


def test_a_story_that_is_killed_leaves_no_process_either(tmp_path: Path) -> None:
    """It can not end them itself. Nobody reads what the others write, and the system ends the one that is held."""
    with holding(tmp_path) as process:
        process.kill()
    until = time.monotonic() + SECONDS
    while locked(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_story_that_is_killed_leaves_no_layer_either(tmp_path: Path) -> None:
    """A layer that nobody asks writes nothing, so it would not notice. All processes of a story are of one session."""
    with running("outage", "--da", "--followers", "2", "--keep", str(tmp_path)) as story:
        while b"in step" not in line(story):
            pass
        assert len(of_session(story.pid)) >= 5, "the story, a layer, a sequencer, two followers"
        story.kill()
        story.wait(SECONDS)
        wait_until_gone(story.pid)


def wait_until_gone(session: int) -> None:
    """Until no process of this session runs."""
    until = time.monotonic() + SECONDS
    while of_session(session):
        assert time.monotonic() < until
        time.sleep(0.05)


def of_session(session: int) -> list[int]:
    """The processes of this session that run."""
    listed = subprocess.run(("ps", "-o", "pid=", "-s", str(session)), stdout=subprocess.PIPE, check=False)
    return [int(number) for number in listed.stdout.split()]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_exploration(jobs: str) -> None:
    with running("check", "--jobs", jobs) as process:
        line(process)
        assert b"HOLDS" not in interrupt(process)
        wait_until_gone(process.pid)


def test_an_exploration_that_is_killed_leaves_no_process() -> None:
    with running("check", "--jobs", "2") as process:
        line(process)
        assert len(of_session(process.pid)) >= 3
        process.kill()
        process.wait(SECONDS)
        wait_until_gone(process.pid)


def test_a_replay_that_waits_for_its_file(tmp_path: Path) -> None:
    story = tmp_path / "story.ndjson"
    os.mkfifo(story)
    with running("replay", str(story)) as process:
        end = wait_for_reader(story, process)
        interrupt(process)
        os.close(end)


def test_a_command_that_is_still_being_loaded(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    os.mkfifo(slow)
    (tmp_path / "argparse.py").write_text(f"open({str(slow)!r}).read()")
    with running("table", "sync", PYTHONPATH=str(tmp_path)) as process:
        end = wait_for_reader(slow, process)
        interrupt(process)
        os.close(end)
