"""A node over HTTP: what is answered, what is not; the page in a real browser, and Prometheus, where there are such."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Final

import pytest

from syncfsm.errors import LocalError
from syncfsm_adapters.look.http import CLIENTS, REQUEST_BYTES, Site
from syncfsm_adapters.look.metrics import COUNTERS, GAUGES, LABELLED, RECOVERY, STATE
from tests.adapters.browser import INSTALLED, browser
from tests.adapters.guard_nodes import Place, process
from tests.pages import ROOT

PATIENCE: Final = 30.0
PROMETHEUS = shutil.which("prometheus")


@contextmanager
def node(folder: Path, *flags: str) -> Iterator[int]:
    """A sequencer with a site; the port."""
    with process(*Place(folder).sequencer("--interval", "0.05", "--http", "127.0.0.1:0", *flags)) as running:
        port = int(running.until("http")["port"])
        running.at(2)
        yield port


def get(
    port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response, content


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
    return found


def test_health_status_metrics_and_the_page(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        status, _, said = get(port, "/healthz")
        assert (status, said.startswith(b"It has no peer")) == (503, True)
        status, response, said = get(port, "/status")
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(said)["heads"]["soft"]["height"] >= 2
        _, response, said = get(port, "/metrics", Accept="application/openmetrics-text")
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        found = set(re.findall(r"^# TYPE (\w+)", said.decode(), re.MULTILINE))
        of_layer = {name for name in GAUGES if "da_up" in name or "confirmation" in name}
        assert found == {*GAUGES, *COUNTERS, *LABELLED, RECOVERY, STATE} - of_layer
        assert not re.search(r'="[0-9a-f]{16}', said.decode()), "no peer is a label"
        for path, kind in {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"}.items():
            status, response, said = get(port, path)
            assert (status, response.headers.get_content_type()) == (200, kind)
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert get(port, "/favicon.ico")[0] == 200
        status, _, said = get(port, "/", "HEAD")
        assert (status, said) == (200, b"")


def test_what_is_not_answered(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        assert get(port, "/nowhere")[0] == 404
        assert get(port, "/status", "POST", b"{}")[0] == 405
        assert get(port, "/status", Host="evil.example")[0] == 421
        assert get(port, "/status", Host="evil.example:80")[0] == 421
        assert get(port, "/events", Host="evil.example")[0] == 421
        assert get(port, "/status", Host=f"localhost:{port}")[0] == 200
        for noise in (
            b"\x16\x03\x01\x00",
            b"GET / HTTP/1.1\r\nA: " + b"x" * 2 * REQUEST_BYTES,
            b"POST / HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                try:
                    client.sendall(noise)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except ConnectionError:
                    pass
        held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(CLIENTS)]
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


def test_events_bring_what_is_newest(tmp_path: Path) -> None:
    with node(tmp_path) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "text/event-stream"
        heights: list[int] = []
        while len(heights) < 3:
            line = response.readline()
            if line.startswith(b"data: "):
                heights.append(json.loads(line[6:])["heads"]["soft"]["height"])
        assert heights[0] < heights[1] < heights[2]
        connection.close()


def test_not_everybody_may_look() -> None:
    with pytest.raises(LocalError, match="--http-anywhere"):
        Site("0.0.0.0:9464", None)  # type: ignore[arg-type]


@pytest.mark.skipif(
    not INSTALLED, reason="Debian's chromium and chromium-driver are not installed: no page is looked at"
)
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    with node(tmp_path) as port, browser(tmp_path) as window:
        window.open(f"http://127.0.0.1:{port}/")
        first = int(until(lambda: window.text("soft").strip("–")))
        assert first >= 2
        until(lambda: int(window.text("soft")) > first + 10)
        assert window.text("word") == "alone"
        assert window.run("return document.getElementById('word').className") == "word bad"
        assert "so nobody can tell it of blocks" in window.text("sentence")
        assert window.text("live") == "live"
        points = window.run("return document.querySelector('#chart .one').getAttribute('points')")
        assert len(points.split()) >= 2
        wide = "return [document.documentElement.scrollWidth, window.innerWidth]"
        assert len(set(window.run(wide))) == 1, "nothing sticks out"
        assert window.console() == []


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


def test_the_dashboard_names_metrics_that_there_are() -> None:
    board = (ROOT / "docs" / "grafana.json").read_text(encoding="utf-8")
    known = {*GAUGES, STATE, *(f"{name}_total" for name in (*COUNTERS, *LABELLED)), f"{RECOVERY}_bucket"}
    named = set(re.findall(r"syncfsm_\w+", board))
    assert named <= known, named - known
    assert len(named) >= 12
