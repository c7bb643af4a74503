"""``syncfsm mark``: where a node's reader stands, for a node whose layer has pruned what it has not read."""

import argparse
from pathlib import Path
from typing import Final

from syncfsm.errors import LocalError
from syncfsm_adapters.command.look import ask_node, where

MARK_HELP: Final = """Print the mark of a node, running or stopped: up to which block the data-availability layer
confirms the chain, and where it does. Another node whose layer does not keep what comes before begins there, with
syncfsm node --mark FILE, and trusts you in that. It still has all blocks up to there from its peers."""


def add_mark(parser: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm mark``."""
    where(parser)
    parser.set_defaults(run=_mark)


def _mark(given: argparse.Namespace) -> int:
    from syncfsm_adapters.command.cli import needs

    needs("nacl")
    stopped = _of_stopped(Path(given.store)) if given.store is not None else None
    print(stopped if stopped is not None else ask_node(given, {"ask": "mark"}), end="")
    return 0


def _of_stopped(path: Path) -> str | None:
    """The mark of the node with this store; ``None`` if the store is in use, so that the node is to be asked."""
    from syncfsm.truth.reader.types import Kept, Mark
    from syncfsm_adapters.da import marks
    from syncfsm_adapters.da.given import mark_of
    from syncfsm_adapters.store.file import FileStore
    from syncfsm_adapters.store.files import Disk
    from syncfsm_adapters.store.folder import check_kind, translated

    check_kind(path)
    if not path.is_dir():
        raise LocalError(f"there is no block store at {path}. Give the folder that the node was given with --store")
    try:
        files = Disk.locked(path)
    except LocalError:
        return None
    with translated(path):
        store = FileStore.on(files, path)
    try:
        none = Mark(marks.NOWHERE, store.standing.genesis.point)
        kept = marks.load(path.with_name(f"{path.name}.da"), Kept(none))
        return mark_of(store.standing.chain_id, kept.final, store).decode()
    finally:
        store.close()
