"""The journal: what stands in a line, how often it is repeated, and that nobody who reads it holds up the node."""

import io
import json
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from syncfsm.blocks import Point
from syncfsm_adapters.host.journal import BURST, EACH, Journal, LogWrite
from syncfsm_adapters.host.unhurried import Unhurried
from syncfsm_adapters.look.control import ask, socket_of
from syncfsm_adapters.look.record import KEPT, TEXT, Incidents
from tests.adapters.guard_nodes import CHAIN, Place


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_both_clocks_its_level_and_its_fields() -> None:
    stream = io.StringIO()
    journal = Journal("n", "json", stream, clock=lambda: 12.3456789)
    journal("head", head=Point(7, b"\xab"), fed_by="")
    journal("no-link", address="h:1")
    journal("twin")
    told = lines(stream)
    assert told[0] | {"time": ""} == {
        "t": 12.345679, "time": "", "level": "info", "event": "head", "node": "n", "head": "7:ab", "fed_by": "",
    }  # fmt: skip
    assert datetime.fromisoformat(told[0]["time"]).utcoffset() is not None
    assert [line["level"] for line in told] == ["info", "warning", "error"]


def test_for_people_a_mark_stands_where_something_is_wrong() -> None:
    stream = io.StringIO()
    journal = Journal("n", "text", stream)
    journal("head", height=1, fed_by="")
    journal("no-link", address="h:1")
    journal("twin")
    assert [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()] == [
        "n head height=1", "n ~ no-link address=h:1", "n ! twin",
    ]  # fmt: skip


def test_what_others_can_cause_is_written_so_often_and_then_counted() -> None:
    stream, now = io.StringIO(), [0.0]
    journal = Journal("n", "json", stream, clock=lambda: now[0])
    for _ in range(BURST + 5):
        journal("no-link", address="h:1")
        journal("head", height=1)
    now[0] = EACH
    journal("head", height=2)  # the next line tells, whichever it is: there may be no other of that kind
    told = [line for line in lines(stream) if line["event"] != "head"]
    assert [line["event"] for line in told] == ["no-link"] * BURST + ["repeated"]
    assert (told[-1]["of"], told[-1]["more"]) == ("no-link", 5)
    journal("no-link", address="h:1")
    now[0] = 3 * EACH
    journal("head", height=3)
    assert [line["event"] for line in lines(stream)][-3:] == ["head", "no-link", "head"], "nothing was left out"


def test_a_reader_that_does_not_read_loses_lines_and_is_told_how_many() -> None:
    reads = Event()

    class Stuck(io.StringIO):
        def write(self, line: str, /) -> int:
            reads.wait(30)
            return super().write(line)

    stream = Stuck()
    waiting = Unhurried(stream, most=4)
    journal = Journal("n", "json", waiting)
    for height in range(20):
        journal("head", height=height)
    assert waiting.lost > 0
    reads.set()
    end = time.monotonic() + 30
    while "lines-lost" not in stream.getvalue() and time.monotonic() < end:
        journal("head", height=99)
    waiting.close()
    told = lines(stream)
    lost = sum(line["lines"] for line in told if line["event"] == "lines-lost")
    heights = [line["height"] for line in told if line["event"] == "head" and line["height"] < 20]
    assert heights == sorted(heights)
    assert lost >= 20 - len(heights) > 0


def test_a_reader_that_has_left_ends_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    with pytest.raises(BrokenPipeError):
        write_until(time.monotonic() + 30, Unhurried(stream))
    with suppress(BrokenPipeError):
        stream.close()


def write_until(end: float, stream: Unhurried) -> None:
    while time.monotonic() < end:
        stream.write("line\n")


def test_a_node_goes_on_and_stops_in_order_though_nobody_reads_its_lines(tmp_path: Path) -> None:
    place = Place(tmp_path)
    flags = place.sequencer("--interval", "0.001")
    command = (sys.executable, "-m", "syncfsm_adapters", "node", "--chain", CHAIN, "--log", "json", *flags)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline()
            path, end, height = socket_of(str(place.store / "blocks")), time.monotonic() + 60, 0
            while height < 1000 and time.monotonic() < end:  # some 300 kB of lines: a pipe takes 64
                time.sleep(0.05)
                if path.exists():
                    height = ask(path, {"ask": "status"})["heads"]["soft"]["height"]
            assert height >= 1000
            process.terminate()
            assert process.wait(30) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()


def test_logging_gets_each_line_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "a-node")
    write = LogWrite(logging.getLogger("a-node"))
    write("head", height=3, id=b"\xab")
    write("overruled", tip=Point(1, b"\x01"))
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("INFO", "head height=3 id=ab"), ("ERROR", "overruled tip=1:01"),
    ]  # fmt: skip
    assert caplog.records[0].syncfsm == {"event": "head", "height": 3, "id": b"\xab"}  # type: ignore[attr-defined]


def test_incidents_are_kept_once_each_and_noise_does_not_drive_out_what_matters() -> None:
    incidents = Incidents()
    incidents.note(0.0, "twin", "two of them")
    for at in range(3 * KEPT):
        incidents.note(float(at + 1), "misbehaviour", f"peer {at}")
        incidents.note(float(at + 1), "broken", "the same " + "x" * 2 * TEXT)
    found = incidents.latest()
    assert len(found) == KEPT + 1
    assert (found[0].event, found[0].level) == ("twin", "error")
    (same,) = (each for each in found if each.event == "broken")
    assert (same.count, len(same.text), same.level) == (3 * KEPT, TEXT, "warning")
    assert [each.at for each in found] == sorted(each.at for each in found)
