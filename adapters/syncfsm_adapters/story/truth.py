"""The acts in which the data-availability (DA) layer matters, and what they show.

Second act: A loses all its peers, and follows from the layer alone; then its peers are back. Third act: somebody has
the sequencer's key. A sees only that one, whose branch is longer than what the layer has, and follows it; then the
next batch comes, and the layer decides.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import attrs

from syncfsm_adapters.story.heads import Heads, Line, gaps
from syncfsm_adapters.story.plan import LOST, SEQUENCER, TWIN, Plan
from syncfsm_adapters.story.stage import Stage

BATCHES: Final = 2
"""So many batches A follows while it is alone."""
STOLEN: Final = 60
"""Blocks that the twin makes: more than the sequencer does until the next batch is on the layer."""

Enter = Callable[[str], None]


@attrs.frozen
class Times:
    """When A was alone from, and when its peers were back, in the second act; the heights at those times."""

    cut_at: float
    mended_at: float
    at: int


async def alone(stage: Stage, enter: Enter) -> Times:
    """The second act."""
    lost, source = stage.scenes[LOST], stage.scenes[SEQUENCER]
    at, cut_at = lost.height, time.monotonic()
    stage.cut_peers()
    enter(f"{LOST} has no peer at height {at}; it follows from the data-availability layer")
    for _ in range(BATCHES):
        before = lost.confirmed
        await stage.until(lambda before=before: lost.confirmed > max(before, at) and lost.height == lost.confirmed)  # type: ignore[misc]
    enter(f"{LOST} is at {lost.height} by {BATCHES} batches, the sequencer at {source.height}; its peers come back")
    mended_at = time.monotonic()
    stage.mend_peers()
    await stage.until(lambda: lost.height >= source.height)
    return Times(cut_at, mended_at, at)


async def equivocation(stage: Stage, enter: Enter) -> None:
    """The third act."""
    lost, source = stage.scenes[LOST], stage.scenes[SEQUENCER]
    enter("somebody starts a second sequencer with the same key, linked to A alone")
    twin = await stage.start_twin()
    await stage.until(lambda: twin.height > 0 and twin.height >= lost.height)
    stage.cut_peers()
    first, before = lost.height, lost.contradicted  # the layer may decide at any time from here on
    await stage.make_at_twin(STOLEN)
    await stage.until(lambda: lost.height >= first + STOLEN // 2)
    enter(f"{LOST} sees only that one, and follows it to {lost.height}; the sequencer is at {source.height}")
    await stage.until(lambda: lost.contradicted > before)
    enter(f"the layer has decided: {LOST} is back at {lost.height}, with evidence; its peers come back")
    stage.mend_peers()
    await stage.until(lambda: lost.height >= source.height)
    others = [scene for scene in stage.scenes.values() if scene.name != TWIN]
    await stage.until(lambda: all(scene.evidence for scene in others))
    await stage.end_twin()


# What it shows ----------------------------------------------------------------------------------------------------


def shown(plan: Plan, lines: Sequence[Line], times: Times) -> dict[str, Any]:
    """The figures of both acts, from the journals."""
    mine, source = Heads.of(lines, LOST), Heads.of(lines, SEQUENCER)
    followed = [line["t"] for line in mine.since(times.cut_at) if line["height"] > times.at]
    back = next(line for line in mine.since(times.mended_at) if line["height"] >= source.at(line["t"]))
    before = mine.before(times.mended_at)
    assert before is not None
    window = [line for line in mine.lines if times.cut_at <= line["t"] <= back["t"]]
    stolen = [line for line in _of(lines, "contradicted") if line["node"] == LOST]
    told = {line["node"] for line in _of(lines, "equivocation")}
    return {
        "heads": _heads(lines),
        "confirmed_lag_seconds": _lag(lines),
        "da": _layer(lines),
        "act2": {
            "seconds_to_follow": round(followed[0] - times.cut_at, 3),
            "blocks": before["height"] - times.at,
            "seconds_back": round(back["t"] - times.mended_at, 6),
            "gaps": gaps(window),
            "duplicates": back["repeated"] - before["repeated"],
            "blocks_read": back.get("read", 0) - before.get("read", 0),
        },
        "equivocation": {
            "evidence": len(told & {SEQUENCER, *plan.names}),
            "undone": max((int(str(line["was"]).partition(":")[0]) - line["height"] + 1 for line in stolen), default=0),
            "head_agrees": _agrees(lines),
        },
    }


def _of(lines: Iterable[Line], event: str, node: str | None = None) -> list[Line]:
    return [line for line in lines if line["event"] == event and node in (None, line["node"])]


def _heads(lines: Sequence[Line]) -> dict[str, int]:
    """The sequencer's, at its end."""
    found = {"soft": "head", "confirmed": "confirmed", "final": "final"}
    last = {name: _of(lines, event, SEQUENCER) for name, event in found.items()}
    return {name: said[-1]["height"] if said else 0 for name, said in last.items()}


def _lag(lines: Sequence[Line]) -> float:
    """How long the oldest block of a batch waited for it: the median of all batches."""
    waited = [line["waited"] for line in _of(lines, "batch", SEQUENCER) if line["waited"] is not None]
    return round(median(waited), 3) if waited else 0.0


def _layer(lines: Sequence[Line]) -> dict[str, int]:
    posts = _of(lines, "post", SEQUENCER)
    return {
        "batches": len(_of(lines, "batch", SEQUENCER)),
        "bytes": sum(line["bytes"] for line in posts),
        "retries": sum(line["again"] for line in posts),
    }


def _agrees(lines: Sequence[Line]) -> bool:
    """Is the last block that the layer has confirmed to A one of the sequencer's?"""
    mine = _of(lines, "confirmed", LOST)
    made = {(line["height"], line["id"]) for line in _of(lines, "head", SEQUENCER)}
    return bool(mine) and (mine[-1]["height"], mine[-1]["id"]) in made


def is_good(result: Mapping[str, Any]) -> bool:
    """A went on by the layer alone, came back whole, and did not stay on the stolen branch; and all know of it."""
    act, stolen = result["act2"], result["equivocation"]
    whole = act["blocks"] > 0 and act["gaps"] == 0 and act["duplicates"] == 0
    return bool(whole and stolen["undone"] > 0 and stolen["head_agrees"] and stolen["evidence"] > result["followers"])


def verdict(result: Mapping[str, Any]) -> list[str]:
    """What the two acts showed, in a few lines."""
    act, stolen, da, heads = result["act2"], result["equivocation"], result["da"], result["heads"]
    return [
        f"  DA layer     {da['batches']} batches, {da['bytes'] / 1000:.0f} kB, {da['retries']} again; soft "
        f"{heads['soft']}, confirmed {heads['confirmed']}, final {heads['final']}; the oldest block of a batch waited "
        f"{result['confirmed_lag_seconds']:.1f} s",
        f"  second act   without peers A went on by the layer after {act['seconds_to_follow']:.1f} s, {act['blocks']} "
        f"blocks; with peers it was live in {act['seconds_back'] * 1000:.0f} ms, {act['gaps']} gaps, "
        f"{act['duplicates']} duplicates",
        f"  third act    a second sequencer with the key: A undid {stolen['undone']} blocks when the layer decided; "
        f"{stolen['evidence']} nodes have the evidence"
        f"{'' if stolen['head_agrees'] else '; BUT A IS NOT ON THE CHAIN OF THE LAYER'}",
    ]
