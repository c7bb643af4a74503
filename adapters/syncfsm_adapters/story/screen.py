"""The story as a person sees it: a table that lives while it runs, and a verdict at the end."""

from collections.abc import Mapping
from typing import Any

import trio
from rich.console import Console
from rich.live import Live
from rich.table import Table

from syncfsm_adapters.story import truth
from syncfsm_adapters.story.director import Director
from syncfsm_adapters.story.plan import LOST, SEQUENCER, Scene
from syncfsm_adapters.story.stage import Stage

STYLES = {"idle": "green", "syncing": "yellow", "init": "magenta", "start": "cyan"}
REFRESH = 0.1
"""Seconds between two pictures."""


def table(director: Director) -> Table:
    """One row a node: its head, how far it is behind, from whom it takes blocks, and the state of each of its links."""
    stage = director.stage
    source = stage.scenes[SEQUENCER]
    picture = Table(title=director.phase, title_justify="left", expand=False)
    confirmed = ("confirmed",) if director.plan.da else ()
    for name in ("node", "head", *confirmed, "lag", "from", "links"):
        picture.add_column(name, justify="right" if name in ("head", "confirmed", "lag") else "left")
    for scene in stage.scenes.values():
        lag = source.height - scene.height
        style = "bold" if scene.name == LOST else ""
        behind = f"[red]{lag}[/]" if lag > 1 else str(max(lag, 0))
        giver = stage.named(scene.fed_by)[:3]
        sure = (str(scene.confirmed),) if confirmed else ()
        picture.add_row(scene.name, str(scene.height), *sure, behind, giver, _links(stage, scene), style=style)
    return picture


def _links(stage: Stage, scene: Scene) -> str:
    if scene.held:
        return "[red]held[/]"
    if not scene.alive:
        return "[red]down[/]"
    named = sorted((stage.named(peer), state) for peer, state in scene.links.items())
    return " ".join(f"[{STYLES.get(state, 'white')}]{name[:3]}:{state}[/]" for name, state in named) or (
        "[red]no links[/]"
    )


async def watch(director: Director, console: Console) -> dict[str, Any]:
    """Run the story with the table on the screen."""
    with Live(table(director), console=console, refresh_per_second=10, transient=True) as live:
        async with trio.open_nursery() as nursery:

            async def draw() -> None:
                while True:
                    live.update(table(director))
                    await trio.sleep(REFRESH)

            nursery.start_soon(draw)
            result = await director.tell()
            nursery.cancel_scope.cancel()
    return result


def verdict(result: Mapping[str, Any]) -> str:
    """What the story showed, in a few lines."""
    outage, recovery, latency = result["outage"], result["recovery"], result["latency_ms"]
    sequencer, overhead, feed = result["sequencer"], result["overhead"], result.get("feed")
    interval = result["interval"]
    lost = f"{result['lost']}, which fed {LOST}," if feed else result["lost"]
    lines = [
        f"Node {lost} was lost at height {outage['lost_at']} ({result['mode']}) for {outage['seconds']:.1f} s "
        f"and came back when the sequencer was at {outage['restored_at_sequencer_height']}.",
        *(_went_on(feed, interval) if feed else ()),
        f"  recovery     {recovery['seconds'] * 1000:.0f} ms from the first byte to the live head "
        f"({recovery['seconds'] / interval:.2f} of a block time)",
        f"  blocks       {recovery['blocks']} recovered, {recovery['gaps']} gaps, {recovery['duplicate_blocks']} "
        f"duplicates, {recovery['hellos']} hellos",
        f"  propagation  p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms from block made to follower's head",
        f"  sequencer    {sequencer['bodies_per_block']:.2f} bodies sent per block; "
        f"{sequencer['bytes_per_block']:.0f} bytes per block and follower",
        f"  copies       a follower received {result['copies_per_block']:.2f} of a block, "
        f"{recovery['copies_per_block']:.2f} in the recovery",
        f"  overhead     a node sent {overhead['messages_per_block']:.2f} small messages per block, "
        f"{overhead['bytes_per_block']:.0f} bytes",
        *(truth.verdict(result) if "act2" in result else ()),
        f"  files        {'all nodes agree' if result['agreed'] else 'THE NODES DO NOT AGREE'} on all "
        f"{result['head'] + 1} blocks from genesis",
        _won(result) if is_good(result) else "THE STORY WAS NOT WON.",
    ]
    return "\n".join(lines)


def _went_on(feed: Mapping[str, Any], interval: float) -> tuple[str, str]:
    return (
        f"  next block   {feed['seconds'] * 1000:.0f} ms after that at {LOST} ({feed['seconds'] / interval:.2f} of a "
        f"block time), {feed['seconds_since_made'] * 1000:.0f} ms after it was made, from {feed['next']}",
        f"  {LOST} meanwhile  {feed['blocks']} blocks, {feed['gaps']} gaps, {feed['duplicate_blocks']} duplicates, "
        f"{feed['copies_per_block']:.2f} copies of a block",
    )


def _won(result: Mapping[str, Any]) -> str:
    if "feed" in result:
        return f"Node {LOST} went on in time and without gap, and {result['lost']} is back."
    return "The node was back within one block time, without gap or duplicate."


def is_good(result: Mapping[str, Any]) -> bool:
    """Back within one block time, nothing missing, nothing twice, and all agree. If it is a feed that was lost: the one
    that it fed had the next block in time; what is twice there is a matter of figures."""
    recovery, feed = result["recovery"], result.get("feed")
    whole = recovery["gaps"] == 0 and result["agreed"]
    if feed is not None:
        return bool(whole and feed["gaps"] == 0 and feed["seconds"] <= feed["allowed_seconds"])
    whole = whole and ("act2" not in result or truth.is_good(result))
    return bool(whole and recovery["duplicate_blocks"] == 0 and recovery["seconds"] <= result["interval"])
