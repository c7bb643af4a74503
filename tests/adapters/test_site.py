"""A node over HTTP: what is answered, what is not; the page in a real browser, and Prometheus, where there are such."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.command import keys
from syncfsm_adapters.connect.connector import silent
from syncfsm_adapters.look.control import ask, socket_of
from syncfsm_adapters.look.http import BOUNDS, READERS
from syncfsm_adapters.look.metrics import METRICS, RECOVERY, WORDS, Metrics
from syncfsm_adapters.look.reach import check_reach, is_meant
from syncfsm_adapters.look.record import Record
from syncfsm_adapters.look.report import Reporter
from syncfsm_adapters.tcp.node import TcpNode
from tests.adapters.browser import INSTALLED, Browser, browser
from tests.adapters.guard_nodes import Place, process
from tests.adapters.tcp_nodes import Carriers, Running
from tests.pages import ROOT

PATIENCE: Final = 30.0
OF_LAYER = re.compile("_da_|_confirmation_")
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")


@contextmanager
def node(folder: Path, *flags: str) -> Iterator[int]:
    """A sequencer with a site; the port."""
    with process(*Place(folder).sequencer("--interval", "0.05", "--http", "127.0.0.1:0", *flags)) as running:
        port = int(running.until("http")["port"])
        running.at(2)
        yield port


def get(
    port: int, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, HTTPResponse, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response, response.read()


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
    return found


def test_health_status_metrics_and_the_page(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        status, _, said = get(port, "/healthz")
        assert (status, said.startswith(b"alone: It has no peer")) == (503, True)
        status, response, said = get(port, "/status")
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(said)["heads"]["soft"]["height"] >= 2
        _, response, said = get(port, "/metrics", headers={"Accept": "application/openmetrics-text"})
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        found = set(re.findall(r"^# TYPE (\w+)", said.decode(), re.MULTILINE))
        always = {each.name.removesuffix("_total") for each in METRICS if not OF_LAYER.search(each.name)}
        assert found == always
        assert not re.search(r'="[0-9a-f]{16}', said.decode()), "no peer is a label"
        for path, kind in {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"}.items():
            status, response, said = get(port, path)
            assert (status, response.headers.get_content_type()) == (200, kind)
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert get(port, "/favicon.ico")[0] == 200
        status, _, said = get(port, "/", "HEAD")
        assert (status, said) == (200, b"")


def test_a_node_in_step_is_well(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with process(*place.sequencer("--listen", "127.0.0.1:0")) as sequencer:
        peer = sequencer.until("listening")["address"]
        key = keys.load(place.folder / "key").verify_key.encode().hex()
        with process(*place.follower(key, "--peer", peer, "--http", "127.0.0.1:0")) as follower:
            port = int(follower.until("http")["port"])
            until(lambda: get(port, "/healthz")[0] == 200)
            metrics = scraped(port)
            assert "syncfsm_fine 1.0" in metrics
            assert "syncfsm_links 1.0" in metrics
            assert 'syncfsm_outgoing_links{mode="off"} 0.0' in metrics
            assert until(lambda: re.search(r"^syncfsm_recovery_seconds_count 1.0$", scraped(port), re.MULTILINE))


def scraped(port: int) -> str:
    return get(port, "/metrics")[2].decode()


def test_what_is_not_answered(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        assert get(port, "/nowhere")[0] == 404
        assert get(port, "/status", "POST", b"{}")[0] == 405
        assert get(port, "/status", headers={"Host": "evil.example"})[0] == 421
        assert get(port, "/status", headers={"Host": "evil.example:80"})[0] == 421
        assert get(port, "/events", headers={"Host": "evil.example"})[0] == 421
        assert get(port, "/status", headers={"Host": f"localhost:{port}"})[0] == 200
        script, way = ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode} for mode in ("no-cors", "navigate"))
        assert get(port, "/status", headers=script)[0] == 403
        assert get(port, "/", headers=way)[0] == 200
        held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(BOUNDS.connections)]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as beyond:
            assert beyond.recv(1) == b"", "so many at once, and no more"
        for client in held:
            client.close()
        until(lambda: _is_answered(port))


def _is_answered(port: int) -> bool:
    try:
        return get(port, "/status")[0] == 200
    except (OSError, EOFError):
        return False


@contextmanager
def events(port: int) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/events")
        with connection.getresponse() as response:
            yield response


def told(response: HTTPResponse, kind: str) -> Any:
    """What the next event of this kind brings."""
    while response.readline() != f"event: {kind}\n".encode():
        pass
    return json.loads(response.readline().removeprefix(b"data: "))


def trail(port: int) -> list[Any]:
    with events(port) as response:
        found: list[Any] = told(response, "trail")
    return found


def test_events_bring_what_has_been_and_then_what_is_newest(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        with events(port) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            heights = [told(response, "report")["heads"]["soft"]["height"] for _ in range(3)]
        assert heights[0] < heights[1] < heights[2]
        before = trail(port)
        assert all(len(sample) == 4 for sample in before)
        until(lambda: len(trail(port)) > len(before))


def test_readers_of_events_leave_room_for_others(tmp_path: Path) -> None:
    """Though none of them reads on, everybody else is answered, and the node makes its blocks."""

    def head() -> int:
        return int(json.loads(get(port, "/status")[2])["heads"]["soft"]["height"])

    def is_read() -> bool:
        with events(port) as response:
            return response.status == 200

    with node(tmp_path) as port:
        with ExitStack() as readers:
            for _ in range(READERS):
                assert told(readers.enter_context(events(port)), "report")
            with events(port) as beyond:
                assert (beyond.status, beyond.headers["Retry-After"]) == (503, "5")
            before = head()
            until(lambda: head() > before + 10)
        until(is_read)


def test_not_everybody_may_look() -> None:
    check_reach(None, ())
    check_reach("127.0.0.1:9464", ())
    check_reach("[::1]:0", ())
    check_reach("0.0.0.0:9464", ("node1.example", "192.0.2.1", "2001:db8::1"))
    for http, opened, says in (
        ("0.0.0.0:9464", (), "with --http-open"),
        ("192.0.2.1:9464", (), "whoever reaches 192.0.2.1"),
        ("nowhere", (), "is no address"),
        (None, ("node1",), "give --http"),
        ("0.0.0.0:9464", ("node1:9464",), "without a port"),
        ("0.0.0.0:9464", ("http://node1/",), "without a port"),
    ):
        with pytest.raises(LocalError, match=says):
            check_reach(http, opened)


def test_only_names_that_were_meant_are_answered() -> None:
    for host in (
        "127.0.0.1",
        "127.0.0.1:9464",
        "localhost:9464",
        "LOCALHOST",
        "[::1]:9464",
        "Node1:1",
        "[2001:db8::1]",
    ):
        assert is_meant(host, ("node1", "2001:db8::1")), host
    for host in (
        "",
        "evil.example",
        "evil.example:9464",
        "node1.evil.example",
        "localhost.evil.example",
        "192.0.2.1:80",
    ):
        assert not is_meant(host, ("node1",)), host


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with process(*Place(tmp_path).sequencer("--http", address)) as refused:
            said = refused.refused()
    assert f"can not listen on {address}" in said
    assert "Traceback" not in said


def pages_of(record: Record, times: int = 1) -> list[str]:
    """The metrics of a node that has not begun to run, asked for so often."""

    async def ask() -> list[str]:
        reporter = Reporter("n", Running(Carriers(TcpNode), b"n").tcp, record, None)
        metrics = Metrics(reporter.report, record)
        return [metrics.page("")[0].decode() for _ in range(times)]

    return trio.run(ask)


def test_words_of_peers_do_not_become_labels_without_end() -> None:
    record = Record(silent, time.time)
    record.partings.update({f"reason {number}": 1 for number in range(100)})
    (said,) = pages_of(record)
    found = re.findall(r'^syncfsm_partings_total\{reason="([^"]+)"\} (\S+)', said, re.MULTILINE)
    assert len(found) == WORDS + 1
    assert dict(found)["other"] == f"{100 - WORDS:.1f}"


def test_recoveries_are_counted_once() -> None:
    record = Record(silent, time.time)
    record.recoveries = [0.03, 3.0]
    for said in pages_of(record, times=2):
        assert f'{RECOVERY.name}_bucket{{le="0.05"}} 1.0' in said
        assert f"{RECOVERY.name}_count 2.0" in said


def test_what_there_is_not_is_absent() -> None:
    """A head that never moved has no age, and a node that follows no layer has nothing to tell of one."""
    (said,) = pages_of(Record(silent, time.time))
    assert "syncfsm_head_lag_blocks 0.0" in said
    assert "syncfsm_head_age_seconds" not in said
    assert "syncfsm_da_" not in said


@pytest.mark.skipif(
    not INSTALLED, reason="Debian's chromium and chromium-driver are not installed: no page is looked at"
)
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    place = Place(tmp_path)
    flags = ("--http", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    with process(*place.sequencer("--interval", "0.05", *flags)) as sequencer, browser(tmp_path) as window:
        lines = {event: sequencer.until(event) for event in ("http", "listening")}
        url = f"http://127.0.0.1:{lines['http']['port']}/"
        window.open(url)
        first = until(lambda: height(window))
        until(lambda: height(window) > first + 10)
        assert window.text("word") == "alone"
        assert window.run("return at('why').className") == "panel bad"
        assert "so nobody can tell it of blocks" in window.text("sentence")
        assert window.text("link") == "live"
        assert window.text("above") == "it makes the blocks itself"
        assert window.text("below") == "it feeds nobody"
        until(lambda: len(window.run("return document.querySelector('#gap-chart .line').getAttribute('d')")) > 10)
        key = keys.load(place.folder / "key").verify_key.encode().hex()
        with process(*place.follower(key, "--peer", lines["listening"]["address"])):
            until(lambda: window.text("word") == "in-step")
            until(lambda: window.text("below").startswith(window.run("return at('peers').tBodies[0].textContent")[:8]))
            assert window.run("return at('why').className") == "panel good"
            assert window.run("return at('peers').tBodies[0].rows.length") == 1
        until(lambda: window.text("word") == "alone")
        assert window.run("return at('bans').hidden") is True
        ask(socket_of(str(place.store / "blocks")), {"ask": "peers ban", "peer": "192.0.2.1", "why": "a test"})
        until(lambda: "192.0.2.1banned: a testfor good" in window.text("shunned"))
        for width in (1000, 390, 320):
            window.looks("dark", width)
            wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            assert len(set(window.run(wide))) == 1, f"something sticks out of {width} pixels"
        evil = "fetch('/status').then((r) => r.json()).then((r) => { r.name = '<i id=evil>'; show(r); })"
        window.run(f"return {evil}.then(() => 0)")
        assert window.run("return at('evil')") is None
        asked = window.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert all(each.startswith(url) for each in asked), "nothing is from elsewhere"
        assert window.console() == []
        sequencer.terminate()
        sequencer.wait()
        until(lambda: window.text("link").startswith("no answer from the node since"))


def height(window: Browser) -> int:
    return int(window.text("soft").replace(",", "") or 0)


@pytest.mark.skipif(PROMTOOL is None, reason="Debian's prometheus is not installed: nothing judges the metrics")
def test_the_metrics_follow_the_conventions(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        _, _, page = get(port, "/metrics")
    judged = subprocess.run([str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, check=False)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, b"", b"")


@pytest.mark.skipif(PROMETHEUS is None, reason="Debian's prometheus is not installed: nothing scrapes the metrics")
def test_prometheus_scrapes_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = probe.getsockname()[1]
    with node(tmp_path) as port:
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: syncfsm, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        )
        command = [
            str(PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{own}", "--log.level=error",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as prometheus:
            try:

                def asked() -> Any:
                    try:
                        _, _, said = get(own, "/api/v1/query?query=syncfsm_soft_height")
                        return json.loads(said)["data"]["result"]
                    except (OSError, KeyError, ValueError):
                        return None

                (found,) = until(asked)
                assert int(found["value"][1]) >= 2
            finally:
                prometheus.kill()


def names_in(text: str) -> set[str]:
    return set(re.findall(r"syncfsm_[a-z_]+", text))


def test_the_dashboard_names_metrics_that_there_are_with_their_labels() -> None:
    board = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    known = {each.name: set(each.labels) for each in METRICS if each is not RECOVERY}
    known |= {f"{RECOVERY.name}_{part}": {"le"} for part in ("bucket", "count", "sum")}
    named = {name for expression in asked for name in names_in(expression)}
    assert named <= known.keys(), named - known.keys()
    assert len(named) >= 12
    for expression in asked:
        by = {label for found in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", found)}
        assert by <= {"instance", "job"}.union(*(known[name] for name in names_in(expression))), expression


def test_the_page_of_metrics_names_those_that_there_are() -> None:
    assert names_in((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")) == {each.name for each in METRICS}
