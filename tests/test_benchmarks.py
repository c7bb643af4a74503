"""The benchmarks run, and write what they promise. What the figures are is not for a test to say."""

import json
from pathlib import Path

import pytest

from benchmarks import catch_up, discovery, guard, report, secure, store
from benchmarks.__main__ import main


def test_quick_run_writes_the_promised_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "bench.json"
    main(["--quick", "--only", "link,discovery", "--json", str(out)])
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert set(figures) == {"environment", "quick", "notes", "link", "discovery"}
    link = figures["link"]
    assert link["steps_per_second"]["dispatch"] > 0
    assert link["steps_per_second"]["transitions"] > 0
    assert 0 < link["bytes_idle"] < link["bytes_transitions_machine_per_peer"]
    for strategy in ("streaming", "locator"):
        assert set(figures["discovery"][strategy]) == {"1", "10", "100", "1000"}
        for found in figures["discovery"][strategy].values():
            assert found.keys() >= {"round_trips", "messages", "bytes"}
    assert "bytes of an idle link" in capsys.readouterr().out


def test_streaming_needs_a_hello_a_block_and_a_locator_does_not() -> None:
    """What is counted is what was sent, so the counts follow from the protocol, and not from the machine."""
    found = discovery.run(quick=True)
    streaming, locator = found["streaming"], found["locator"]
    assert isinstance(streaming, dict)
    assert isinstance(locator, dict)
    # Two opening hellos, and a hello for each block from the one below the head down to the fork.
    assert [streaming[depth]["messages"] - streaming[depth]["under_way"] for depth in ("10", "1000")] == [12, 1002]
    assert locator["1000"]["messages"] < 10


def test_the_same_blocks_are_caught_up_and_looped_over() -> None:
    found = catch_up.run(quick=True)["1KiB"]
    assert isinstance(found, dict)
    assert found["blocks"] == 2500
    assert found["ratio_to_bare_loop"] == pytest.approx(
        found["blocks_per_second"] / found["bare_loop_blocks_per_second"], rel=0.01
    )


def test_what_tls_costs_is_measured_beside_none() -> None:
    found = secure.run(quick=True)
    assert isinstance(found["64KiB"], dict)
    assert found["64KiB"].keys() >= {"ratio_to_plain", "tls_connecting_milliseconds", "plain_megabytes_per_second"}
    assert found["handshake_processor_milliseconds"] > 0  # type: ignore[operator]


def test_a_guard_writes_little_more_than_the_block() -> None:
    assert 1024 < guard.run(quick=True)["bytes_written_per_block"] < 1536  # type: ignore[operator]


def test_a_live_block_is_written_once() -> None:
    """What is counted follows from the code, and not from the machine."""
    found = store.run(quick=True)
    assert isinstance(found["live"], dict)
    assert found["live_bytes_written_per_block"] == found["live"]["ours"]["bytes_written"] < 2048
    assert found["live"]["sqlite"]["bytes_written"] > 16 * 1024
    assert (found["live"]["ours_kill"], found["live"]["ours_power"]) == ({"syncs_per_block": 0}, {"syncs_per_block": 1})
    assert found.keys() >= {"open_seconds_1e6", "rss_per_header"}


def test_unknown_topic_is_a_mistake_that_names_the_topics(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "links"])
    assert "there are link, node" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "verdict"), [(49_999, "NOT MET"), (50_000, "met"), (75_000, "met, aim too")])
def test_table_says_whether_a_floor_is_met(value: float, verdict: str) -> None:
    line = report.table({"catch_up": {"1KiB": {"blocks_per_second": value}}}).splitlines()[-1]
    assert line.endswith(f"  {verdict}")
