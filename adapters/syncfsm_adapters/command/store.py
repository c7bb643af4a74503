"""``syncfsm store``: look at, mend, and convert the block store of a node that does not run."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from syncfsm.errors import LocalError
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.store.files import Disk
from syncfsm_adapters.store.folder import check_kind, translated
from syncfsm_adapters.store.migrate import migrate
from syncfsm_adapters.store.recover import Recovery
from syncfsm_adapters.store.repair import repair, verify

WHOLE, LACKING = 0, 1
STORE_HELP: Final = """Look at, mend, or convert the block store of a node that does not run. Exits with 0 if the store
is whole, with 1 if it lacks anything."""
HELP: Final = {
    "info": "what it holds: chain, head, final block, size, and what opening it would report",
    "verify": "look at every byte; nothing is changed",
    "repair": "open it whatever it lacks: what can not be used is set aside in it, lost bodies are taken from "
    "another store",
    "compact": "give back the space of blocks that were dropped",
    "migrate": "make a store of format 1, one SQLite file, a folder; the old file stays beside it",
}


def add_store(parser: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm store``."""
    commands = parser.add_subparsers(required=True, metavar="what")
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=HELP[name], description=HELP[name].capitalize() + ".")
        command.add_argument("path", type=Path, metavar="PATH", help="the folder of the store")
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "repair":
            command.add_argument(
                "--from", dest="source", type=Path, metavar="PATH", help="a store that has lost bodies"
            )
        command.set_defaults(run=run)


def _print(given: argparse.Namespace, facts: dict[str, Any], noticed: Sequence[str]) -> int:
    if given.json:
        print(json.dumps({**facts, "noticed": list(noticed)}, indent=2))
    else:
        for name, value in facts.items():
            print(f"{name.replace('_', ' '):<16}{value:,}" if isinstance(value, int) else f"{name:<16}{value}")
        for line in noticed:
            print(f"! {line}")
    return LACKING if noticed else WHOLE


def _there(path: Path) -> Path:
    """The path, if a store of this format is there."""
    check_kind(path)
    if not path.is_dir():
        raise LocalError(f"there is no block store at {path}. Give the folder that a node was given with --store")
    return path


def _info(given: argparse.Namespace) -> int:
    path = _there(given.path)
    with translated(path):
        files = Disk.locked(path)
        try:
            opened = Recovery(files, f"the block store {path}", accept=True).run()
            size = sum(files.size(name) for name in files.names())
        finally:
            files.close()
    standing, segments = opened.standing, opened.segments
    growing = sum(len(segment.blocks) for segment in segments.growing)
    facts = {
        "chain": standing.chain_id.decode(errors="replace"),
        "genesis": str(standing.genesis.point),
        "head": str(standing.head),
        "final": str(standing.final),
        "base": str(standing.base),
        "bans": len(standing.banned),
        "blocks": growing + sum(index.summary.blocks for index in segments.full.values()),
        "dropped": len(segments.dead),
        "segments": len(segments.live),
        "bytes": size,
    }
    return _print(given, facts, opened.report.lines)


def _verify(given: argparse.Namespace) -> int:
    found = verify(_there(given.path))
    facts = {"segments": found.segments, "blocks": found.blocks, "bytes": found.bytes, "lost": len(found.lost)}
    return _print(given, facts, found.flaws)


def _repair(given: argparse.Namespace) -> int:
    source = None
    try:
        if given.source is not None:
            source = FileStore.on(Disk.locked(_there(given.source)), given.source)
        done = repair(_there(given.path), source)
    finally:
        if source is not None:
            source.close()
    for line in done.done:
        print(line)
    print(f"{done.lost:,} bodies are lost" if done.lost else "no body is lost")
    return LACKING if done.lost else WHOLE


def _compact(given: argparse.Namespace) -> int:
    path = _there(given.path)
    before = _size(path)
    with translated(path):
        store = FileStore.on(Disk.locked(path), path)
    try:
        store.compact()
    finally:
        store.close()
    return _print(given, {"bytes_before": before, "bytes_now": _size(path)}, store.report.lines)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def _migrate(given: argparse.Namespace) -> int:
    done = migrate(given.path)
    noticed = [f"{done.lost:,} bodies were damaged, and are missing now"] if done.lost else []
    return _print(given, {"blocks": done.blocks, "old file": str(done.old)}, noticed)


COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "info": _info, "verify": _verify, "repair": _repair, "compact": _compact, "migrate": _migrate,
}  # fmt: skip
