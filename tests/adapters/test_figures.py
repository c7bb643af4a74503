"""What the story with real processes makes of the nodes' journals, and how it judges. The journals here are made up."""

from collections.abc import Iterator
from typing import Any

import pytest

from syncfsm_adapters.story.fields import FIELDS, OF_LAYER
from syncfsm_adapters.story.figures import Account, figures
from syncfsm_adapters.story.heads import Line
from syncfsm_adapters.story.plan import GRAFT, Mode
from syncfsm_adapters.story.screen import is_good, verdict

FOLLOWERS = ("A", "B", "C")
CUT, MENDED, END = 20, 50, 70
"""Blocks made by then; one a second, at the second of its height."""
DELAY = 0.01
"""Seconds that a block needs to a follower."""
IDS = {name: name.lower().encode().hex() * 32 for name in ("sequencer", *FOLLOWERS)}


def head(node: str, t: float, height: int, fed_by: str = "", **counted: int) -> Line:
    counts = {"received": 0, "repeated": 0, "hellos": 0, "sent_bytes": 0, "sent_blocks": 0, "sent_messages": 0}
    given = counts | {"sent_message_bytes": 0} | counted
    feed = f"{IDS[fed_by][:16]}#1" if fed_by else ""
    return {"t": t, "node": node, "event": "head", "height": height, "fed_by": feed, **given}


def started(node: str, t: float, height: int = 0) -> Line:
    return {"t": t, "node": node, "event": "started", "id": IDS[node], "head": f"{height}:00"}


def source() -> Iterator[Line]:
    """Each block goes to three peers, and two small messages of 25 bytes each go with it."""
    each = {"sent_bytes": 3050, "sent_blocks": 3, "sent_messages": 2, "sent_message_bytes": 50}
    yield started("sequencer", 0.0)
    for height in range(1, END + 1):
        yield head("sequencer", height, height, "", **{name: height * count for name, count in each.items()})


def follower(name: str, fed_by: str, heights: range, copies: int = 2, first: int = 0) -> Iterator[Line]:
    """It takes blocks as they are made, and ``copies`` of each. Counts from nought at block ``first``."""
    for height in heights:
        got = copies * (height - first)
        yield head(name, height + DELAY, height, fed_by, received=got, repeated=got - (height - first), hellos=3)


def back(
    name: str, fed_by: str, at: int = CUT, got: int = MENDED - CUT, had: int = 0, again: int = 0
) -> Iterator[Line]:
    """It is at the live head soon after ``MENDED``, in two steps, by ``got`` blocks, ``again`` of which it had. ``had``
    blocks were counted before."""
    counts = {"received": had + got // 2, "repeated": had // 2, "hellos": 4}
    yield head(name, MENDED + 0.2, at + (MENDED - at) // 2, fed_by, **counts)
    counts = {"received": had + got + again, "repeated": had // 2 + again, "hellos": 4}
    yield head(name, MENDED + 0.3, MENDED, fed_by, **counts)
    for height in range(MENDED + 1, END + 1):
        counts["received"] += 1
        yield head(name, height + DELAY, height, fed_by, **counts)


def told(mode: Mode, lost: str = "A", **changed: Any) -> dict[str, Any]:
    """The figures of a story in which B feeds A, and C takes its place."""
    lines = [*source(), *(started(name, 0.0) for name in FOLLOWERS)]
    others = {"A": "B", "B": "C", "C": "B"}
    for name in FOLLOWERS:
        if name != lost:
            lines += follower(name, others[name], range(1, CUT + 1))
            lines += follower(name, "C" if name == "A" else others[name], range(CUT + 1, END + 1))
    lines += follower(lost, others[lost], range(1, CUT + 1))
    had = 0 if mode.kills else 2 * CUT
    if mode.kills:
        lines += [started(lost, MENDED + 0.05, CUT), head_of_connection(lost)]
    lines += back(lost, others[lost], had=had, **changed)
    account = Account(mode, 1.0, None, "sequencer", lost, CUT + 0.5, MENDED + 0.01)
    return figures(account, sorted(lines, key=lambda line: float(line["t"])), FOLLOWERS, agreed=True)


def head_of_connection(node: str) -> Line:
    return {"t": MENDED + 0.1, "node": node, "event": "connected"}


def paths(shown: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in shown.items():
        yield from paths(value, f"{above}{name}.") if isinstance(value, dict) else (above + name,)


@pytest.mark.parametrize("mode", Mode)
def test_every_figure_is_explained_and_nothing_else(mode: Mode) -> None:
    shown = told(mode, "B" if mode.of_feed else "A")
    absent = (*OF_LAYER, *(() if mode.of_feed else ("feed.",)))
    assert set(paths(shown)) == {name for name in FIELDS if not name.startswith(absent)}


@pytest.mark.parametrize("mode", [Mode.NETWORK, Mode.CRASH])
def test_a_node_that_comes_back_whole(mode: Mode) -> None:
    shown = told(mode)
    assert shown["outage"] == {"lost_at": CUT, "restored_at_sequencer_height": MENDED, "seconds": 29.51}
    since = 0.1 if mode is Mode.CRASH else 0.01
    wanted = {"seconds": round(0.3 - since, 6), "seconds_since_mended": 0.29, "blocks": 30, "blocks_received": 30}
    assert wanted.items() <= shown["recovery"].items()
    assert (shown["recovery"]["gaps"], shown["recovery"]["duplicate_blocks"]) == (0, 0)
    assert shown["recovery"]["hellos"] == (4 if mode is Mode.CRASH else 1)
    assert is_good(shown)
    assert "without gap or duplicate" in verdict(shown)


@pytest.mark.parametrize("mode", [Mode.NETWORK, Mode.CRASH])
def test_a_height_that_was_skipped_at_once_is_a_gap(mode: Mode) -> None:
    shown = told(mode, got=20)
    assert shown["recovery"]["gaps"] == 10
    assert not is_good(shown)
    assert "NOT WON" in verdict(shown)


@pytest.mark.parametrize("mode", [Mode.NETWORK, Mode.CRASH])
def test_a_block_that_came_twice_is_a_duplicate(mode: Mode) -> None:
    shown = told(mode, again=1)
    assert shown["recovery"]["duplicate_blocks"] == 1
    assert not is_good(shown)


def test_bodies_copies_and_overhead_are_averages_of_the_steady_state() -> None:
    shown = told(Mode.NETWORK)
    assert shown["sequencer"] == {"bytes_per_block": round(3050 / 3, 1), "bodies_per_block": 3.0}
    assert shown["copies_per_block"] == 2.0
    assert shown["overhead"] == {"messages_per_block": 0.5, "bytes_per_block": 12.5}, "three nodes of four said nothing"


def test_copies_in_the_recovery_count_live_blocks_alone() -> None:
    """A gets one of each once it is back; what it had missed does not count. B and C get two."""
    shown = told(Mode.NETWORK)
    assert shown["recovery"]["copies_per_block"] == round((2 + 2 + 1) / 3, 2)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.of_feed])
def test_who_was_fed_goes_on(mode: Mode) -> None:
    shown = told(mode, "B")
    assert shown["lost"] == "B"
    feed = shown["feed"]
    assert (feed["height"], feed["next"], feed["blocks"], feed["gaps"]) == (CUT, "C", END - CUT, 0)
    assert (feed["seconds"], feed["seconds_since_made"]) == (0.5 + DELAY, DELAY)
    assert (feed["copies_per_block"], feed["duplicate_blocks"]) == (2.0, END - CUT)
    assert feed["allowed_seconds"] == 1.0 + (GRAFT if mode is Mode.FEED_STOPS else 0.0)
    assert shown["recovery"]["copies_per_block"] == 2.0, "of A and C, from the loss on"
    assert is_good(shown)
    assert "B, which fed A, was lost at height 20" in verdict(shown)


@pytest.mark.parametrize("broken", [{"seconds": 1.5 + GRAFT}, {"gaps": 1}])
def test_who_was_fed_too_late_or_missed_a_block_has_not_won(broken: dict[str, Any]) -> None:
    shown = told(Mode.FEED, "B")
    shown["feed"] |= broken
    assert not is_good(shown)


def test_duplicates_of_a_feed_that_was_held_are_a_figure_alone() -> None:
    """What its peers had sent before they gave it up is still in the connection."""
    shown = told(Mode.FEED_STOPS, "B", again=2)
    assert shown["recovery"]["duplicate_blocks"] == 2
    assert is_good(shown)


def test_a_node_that_never_comes_back_is_an_error() -> None:
    account = Account(Mode.NETWORK, 1.0, None, "sequencer", "A", CUT + 0.5, MENDED + 0.01)
    lines = [*source(), *(line for name in FOLLOWERS for line in follower(name, "", range(1, CUT + 1)))]
    with pytest.raises(ValueError, match="did not reach the head"):
        figures(account, lines, FOLLOWERS, agreed=True)
