"""The story as a person sees it: a table that lives while it runs, and a verdict at the end."""

from collections.abc import Mapping
from typing import Any

import trio
from rich.console import Console
from rich.live import Live
from rich.table import Table

from syncfsm_adapters.story.director import Director
from syncfsm_adapters.story.plan import LOST, SEQUENCER

STYLES = {"idle": "green", "syncing": "yellow", "init": "magenta", "start": "cyan"}
REFRESH = 0.1
"""Seconds between two pictures."""


def table(director: Director) -> Table:
    """One row a node: its head, how far it is behind, and the state of each of its links."""
    source = director.scenes[SEQUENCER]
    picture = Table(title=director.phase, title_justify="left", expand=False)
    for name in ("node", "head", "lag", "links"):
        picture.add_column(name, justify="right" if name in ("head", "lag") else "left")
    names = {scene.node_id[:16]: scene.name for scene in director.scenes.values()}
    for scene in director.scenes.values():
        lag = source.height - scene.height
        links = " ".join(
            f"[{STYLES.get(state, 'white')}]{names.get(peer, peer)[:3]}:{state}[/]"
            for peer, state in sorted(scene.links.items(), key=lambda link: names.get(link[0], link[0]))
        )
        shown = links or ("[red]no links[/]" if scene.alive else "[red]down[/]")
        style = "bold" if scene.name == LOST else ""
        behind = f"[red]{lag}[/]" if lag > 1 else str(max(lag, 0))
        picture.add_row(scene.name, str(scene.height), behind, shown, style=style)
    return picture


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
    interval = result["interval"]
    good = is_good(result)
    lines = [
        f"Node {LOST} was lost at height {outage['lost_at']} ({result['mode']}) for {outage['seconds']:.1f} s "
        f"and came back when the sequencer was at {outage['restored_at_sequencer_height']}.",
        f"  recovery     {recovery['seconds'] * 1000:.0f} ms from the first byte to the live head "
        f"({recovery['seconds'] / interval:.2f} of a block time)",
        f"  blocks       {recovery['blocks']} recovered, {recovery['gaps']} gaps, {recovery['duplicate_blocks']} "
        f"duplicates, {recovery['hellos']} hellos",
        f"  propagation  p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms from block made to follower's head",
        f"  sequencer    {result['sequencer']['bytes_per_block']:.0f} bytes sent per block and follower; "
        f"followers received {result['copies_per_block']:.2f} copies of a block",
        f"  files        {'all nodes agree' if result['agreed'] else 'THE NODES DO NOT AGREE'} on all "
        f"{result['head'] + 1} blocks from genesis",
        "The node was back within one block time, without gap or duplicate." if good else "THE STORY WAS NOT WON.",
    ]
    return "\n".join(lines)


def is_good(result: Mapping[str, Any]) -> bool:
    """Back within one block time, nothing missing, nothing twice, and all agree."""
    recovery = result["recovery"]
    whole = recovery["gaps"] == 0 and recovery["duplicate_blocks"] == 0 and result["agreed"]
    return bool(whole and recovery["seconds"] <= result["interval"])
