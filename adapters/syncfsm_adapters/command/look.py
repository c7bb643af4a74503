"""``syncfsm status``, ``peers``, ``block`` and ``posting``: ask a running node of this machine, by its socket."""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

STATUS_HELP: Final = """Say how a running node is, and why if it is not in step. Exits with 0 if it is in step, or gets
there by itself, and with 1 if somebody has to do something."""
PEERS_HELP: Final = """List the peers of a running node, and change them until it stops."""
BLOCK_HELP: Final = """Say of a block of a running node whether it is soft, confirmed or final, and which batch has it;
ban one, or take that back: it and what stands on it can not be the head."""
POSTING_HELP: Final = (
    """Tell a running sequencer that what the data-availability layer refused is mended: it need not wait any more."""
)


def add_status(parser: argparse.ArgumentParser) -> None:
    where(parser)
    parser.add_argument("--json", action="store_true", help="the whole report, for programs")
    parser.add_argument("--watch", type=float, nargs="?", const=1.0, metavar="S", help="again every S seconds (1)")
    parser.set_defaults(run=_status)


def add_peers(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="what")
    every = {
        "list": ("what the node knows of each", ()),
        "add": ("stay linked to it from now on", ("peer",)),
        "remove": ("end the link, and dial it no more", ("peer",)),
        "mode": ("let blocks go to it, or not", ("peer", "mode")),
        "ban": ("end the link, and neither dial nor take it", ("peer",)),
        "pardon": ("take a ban or a penalty back", ("peer",)),
    }
    for kind, (what, fields) in every.items():
        one = kinds.add_parser(kind, help=what)
        for field in fields:
            if field == "mode":
                one.add_argument("mode", choices=("off", "on"))
            else:
                one.add_argument(field, metavar="[ID@]HOST:PORT" if kind == "add" else "PEER")
        if kind == "ban":
            one.add_argument("--seconds", type=float, help="for how long (default: until it is pardoned)")
            one.add_argument("--why", default="", help="for the list of bans")
        where(one)
        one.set_defaults(run=_peers if kind == "list" else _order, ask=f"peers {kind}")


def add_block(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="what")
    show = kinds.add_parser("show", help="what it is, and in which batch of the layer")
    show.add_argument("block", metavar="HEIGHT|ID", help="its height on the best chain, or all hexadecimal digits")
    show.add_argument("--json", action="store_true", help="the same, for programs")
    where(show)
    show.set_defaults(run=_block)
    for kind, what in {"ban": "it and its descendants leave the best chain", "unban": "take that back"}.items():
        one = kinds.add_parser(kind, help=what)
        one.add_argument("id", metavar="ID", help="its hexadecimal digits")
        where(one)
        one.set_defaults(run=_order, ask=f"block {kind}")


def add_posting(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="what")
    one = kinds.add_parser("resume", help="give what waits to the layer at once")
    where(one)
    one.set_defaults(run=_order, ask="posting resume")


def where(parser: argparse.ArgumentParser) -> None:
    """Which node is meant."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--store", metavar="FOLDER", help="the node with this store")
    which.add_argument("--control", metavar="PATH", help="the node with this control socket")


def ask_node(given: argparse.Namespace, question: Mapping[str, Any]) -> Any:
    """What the node that is meant says. ``LocalError`` if it refuses, or does not run."""
    from syncfsm_adapters.command.cli import needs

    needs("trio")
    from syncfsm_adapters.look.control import ask, socket_of

    return ask(Path(given.control) if given.control else socket_of(given.store), question)


def _order(given: argparse.Namespace) -> int:
    fields = {name: getattr(given, name) for name in ("peer", "mode", "id", "seconds", "why") if hasattr(given, name)}
    print(ask_node(given, {"ask": given.ask, **fields}))
    return 0


def _status(given: argparse.Namespace) -> int:
    if given.watch is not None and given.watch <= 0:
        raise LocalError("--watch takes seconds above 0")
    console = _console()
    while True:
        report = ask_node(given, {"ask": "status"})
        if given.watch is not None and not given.json and console.is_terminal:
            console.clear()
        _show(report, given.json, console)
        if given.watch is None:
            return 0 if report["fine"] else 1
        time.sleep(given.watch)


def _console() -> "Console":
    """One that prints what others say as it is: an address or a reason in brackets is no style."""
    from syncfsm_adapters.command.cli import needs

    needs("rich")
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def _show(report: Mapping[str, Any], as_json: bool, console: "Console") -> None:
    if as_json:
        print(json.dumps(report), flush=True)
        return
    console.print(summary(report))
    for table in (peers_table(report["peers"]), attempts_table(report), shunned_table(report), incidents_table(report)):
        if table is not None:
            console.print(table)


def summary(report: Mapping[str, Any]) -> "RenderableType":
    """How the node is, in a few lines."""
    from rich.table import Table
    from rich.text import Text

    heads, truth = report["heads"], report["truth"]
    color = "green" if report["word"] == "in-step" else "yellow" if report["fine"] else "red"
    grid = Table.grid(padding=(0, 2))
    grid.add_row(report["name"], Text(report["word"], style=f"bold {color}"))
    grid.add_row("", report["sentence"])
    grid.add_row("soft", _point(heads["soft"], report["head_age_seconds"]))
    grid.add_row("confirmed", _point(heads["confirmed"]))
    grid.add_row("final", _point(heads["final"]))
    if truth is not None:
        grid.add_row("DA layer", f"{truth['reader']['state']}, at {truth['layer']}")
    if truth is not None and truth["mark"]:
        waits = ", which peers have not brought yet" if truth["awaits_mark"] else ""
        grid.add_row("", f"trusts a mark that was given: block {truth['mark']}{waits}")
    if truth is not None and truth["poster"] is not None:
        grid.add_row("", f"{truth['batches']} batches posted, {truth['bytes']:,} bytes, {truth['retries']} again")
    if report["recovery_seconds"] is not None:
        grid.add_row("recovered", f"in {report['recovery_seconds'] * 1000:.0f} ms, when last it was without peers")
    return grid


def _point(point: Mapping[str, Any], age: float | None = None) -> str:
    ago = f", {age:.1f} s ago" if age is not None else ""
    return f"{point['height']} {point['id'][:8]}{ago}"


def peers_table(peers: list[Mapping[str, Any]]) -> "RenderableType | None":
    """One row a link; an arrow says who dialled."""
    from rich.table import Table

    if not peers:
        return None
    table = Table(expand=False)
    for name in ("peer", "address", "state", "head", "to it", "from it", "quiet"):
        table.add_column(name, justify="right" if name in ("head", "quiet") else "left", no_wrap=True)
    for peer in peers:
        comes = "feed" if peer["feeds_us"] else peer["mode_from"]
        way = f"{'→' if peer['dialled'] else '←'} {peer['address']}"
        head = str(peer["head"] if peer["head"] is not None else "?")
        quiet = f"{peer['quiet_seconds']:.1f} s"
        table.add_row(peer["peer"][:8], way, peer["state"], head, peer["blocks_to"], comes, quiet)
    return table


def attempts_table(report: Mapping[str, Any]) -> "RenderableType | None":
    """Whom it tries to reach in vain."""
    from rich.table import Table

    if not report["attempts"]:
        return None
    table = Table("in vain", "why", "times", "again", expand=False)
    for each in report["attempts"]:
        by = "refuses us: " if each["said_by"] == "peer" else ""
        again = f"in {each['again_seconds']:.1f} s" if each["again_seconds"] is not None else "never"
        table.add_row(each["address"], f"{by}{each['reason']}, {each['detail']}", str(each["count"]), again)
    return table


def shunned_table(report: Mapping[str, Any]) -> "RenderableType | None":
    """Who is neither dialled nor taken."""
    from rich.table import Table

    if not report["shunned"]:
        return None
    table = Table("shunned", "why", "for", expand=False)
    for each in report["shunned"]:
        left = f"{max(0.0, each['until'] - report['at']):.0f} s" if each["until"] is not None else "good"
        table.add_row(each["who"], each["why"], left)
    return table


def incidents_table(report: Mapping[str, Any], most: int = 8) -> "RenderableType | None":
    """The last ones."""
    from rich.table import Table

    if not report["incidents"]:
        return None
    table = Table("when", "incident", "", "times", expand=False)
    for each in report["incidents"][-most:]:
        table.add_row(
            time.strftime("%H:%M:%S", time.localtime(each["at"])), each["event"], each["text"], str(each["count"])
        )
    return table


def _block(given: argparse.Namespace) -> int:
    found = ask_node(given, {"ask": "block show", "block": given.block})
    print(json.dumps(found) if given.json else "\n".join(_block_lines(found)))
    return 0


def _block_lines(found: Mapping[str, Any]) -> list[str]:
    batch = found["batch"]
    lines = [f"block   {found['height']} {found['id'] or ''}".rstrip()]
    lines += [f"parent  {found['parent']}"] if found["parent"] else []
    lines.append(f"stands  {found['stand']}. {found['sentence']}.")
    if batch is not None:
        lines.append(f"batch   {batch['first']} to {batch['last']}, at height {batch['layer']} of the layer")
    return lines


def _peers(given: argparse.Namespace) -> int:
    peers = ask_node(given, {"ask": "peers"})
    table = peers_table(peers)
    _console().print(table if table is not None else "no peers")
    return 0
