"""The command line: ``syncfsm node``, ``keygen``, ``outage``, ``store``, ``status``, ``peers``, ``block``, ``posting``,
``mark``, ``da``, ``check``, ``replay``, ``table``.

Exit codes: 0 all is well, 1 what was to be shown was not shown, 2 a mistake in what was asked for, 130 interrupted (see
``__main__``), 141 whoever read the output has left.
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from syncfsm import __version__
from syncfsm.errors import LocalError
from syncfsm.limits import Strategy
from syncfsm.node.registry import STANDARD
from syncfsm_adapters.command.check import CHECK_HELP, REPLAY_HELP, add_check, add_replay
from syncfsm_adapters.command.da import DA_HELP, add_da
from syncfsm_adapters.command.layer import add_da_flags
from syncfsm_adapters.command.look import (
    BLOCK_HELP,
    PEERS_HELP,
    POSTING_HELP,
    STATUS_HELP,
    add_block,
    add_peers,
    add_posting,
    add_status,
)
from syncfsm_adapters.command.mark import MARK_HELP, add_mark
from syncfsm_adapters.command.store import STORE_HELP, add_store
from syncfsm_adapters.host.journal import FORMATS
from syncfsm_adapters.host.mistakes import one_mistake
from syncfsm_adapters.story.plan import Mode

OK, NOT_SHOWN, MISTAKE, PIPE_CLOSED = 0, 1, 2, 141
TABLES: Final = STANDARD.tables
NODE_HELP: Final = """Run one node until SIGINT or SIGTERM: a sequencer (--key) makes blocks, a full node (--public-key)
follows. It prints one line for every change of state: the head, a link, a final point, a parting, a peer's fault."""
KEYGEN_HELP: Final = """Make a private key, and print its public half. For the key with which a sequencer signs, say on
which chain: its guard, which sees to it that nothing is signed twice, is made with it, and goes where the key goes. A
node that only follows needs no key but its own, which is made beside its store if it names none. A file that exists is
never written over."""
OUTAGE_HELP: Final = """Tell the story this library is for. A sequencer and full nodes, each a process of its own with
its own store, meshed over TCP on this machine, make and share blocks; node A loses its link at height X, comes
back when the sequencer is GAP blocks further, and must be at the live head within one block time, with no gap and no
duplicate. In the feed modes it is the peer that A takes blocks from which is lost: A must have the next block within
one block time. Exits with 0 if it was so, and all files agree."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. A mistake of the user's is one line on standard error. A reader that has left, as
    ``head`` does, ends the command without a word."""
    given = parser().parse_args(arguments)
    try:
        code = int(given.run(given))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return PIPE_CLOSED
    except LocalError as error:
        print(f"syncfsm: {error}", file=sys.stderr)
        return MISTAKE


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    top = argparse.ArgumentParser(prog="syncfsm", description="Keeps the blocks of many nodes in step.")
    top.add_argument("--version", action="version", version=f"syncfsm {__version__}")
    commands = top.add_subparsers(required=True, metavar="command")
    _node(commands.add_parser("node", help="run one node", description=NODE_HELP))
    _keygen(commands.add_parser("keygen", help="make a key", description=KEYGEN_HELP))
    _outage(commands.add_parser("outage", help="lose a node and get it back", description=OUTAGE_HELP))
    add_store(commands.add_parser("store", help="look at and mend a block store", description=STORE_HELP))
    add_status(commands.add_parser("status", help="how a running node is", description=STATUS_HELP))
    add_peers(commands.add_parser("peers", help="the peers of a running node", description=PEERS_HELP))
    add_block(
        commands.add_parser("block", help="ask about a block of a running node, or ban it", description=BLOCK_HELP)
    )
    add_posting(commands.add_parser("posting", help="what a sequencer gives to a layer", description=POSTING_HELP))
    add_mark(
        commands.add_parser("mark", help="print where another node may begin to read a layer", description=MARK_HELP)
    )
    add_da(commands.add_parser("da", help="run a data-availability layer", description=DA_HELP))
    add_check(commands.add_parser("check", help="explore worlds exhaustively", description=CHECK_HELP))
    add_replay(commands.add_parser("replay", help="run a saved story again", description=REPLAY_HELP))
    table = commands.add_parser("table", help="print a protocol, from its rules")
    table.add_argument("name", choices=sorted(TABLES), help="which protocol")
    table.add_argument("--format", choices=("markdown", "mermaid"), default="markdown", help="default: %(default)s")
    table.set_defaults(run=_print_table)
    return top


def _node(node: argparse.ArgumentParser) -> None:
    node.add_argument("--config", metavar="FILE", help="TOML file with the settings below, '_' for '-'; flags win")
    node.add_argument("--name", help="what this node is called in its journal")
    node.add_argument("--chain", help="which chain; peers of another one are refused (default: demo)")
    node.add_argument("--store", metavar="FOLDER", help="where the blocks are kept; made if it does not exist")
    node.add_argument(
        "--node-key",
        metavar="FILE",
        help="its public half is the node's id (default: STORE.id, made if not there)",
    )
    node.add_argument("--listen", metavar="HOST:PORT", help="take connections here; port 0 takes any free one")
    node.add_argument(
        "--peer",
        action="append",
        dest="peers",
        metavar="[ID@]HOST:PORT",
        help="stay linked to it, and to no other node than ID at this address; repeatable",
    )
    node.add_argument(
        "--allow", action="append", metavar="ID", help="talk to this node and others so named only; repeatable"
    )
    node.add_argument(
        "--sentry",
        action="append",
        dest="sentries",
        metavar="ID",
        help="keep a gate for this node, whoever asks first; repeatable",
    )
    node.add_argument(
        "--plain",
        action="store_const",
        const=True,
        help="no TLS: nothing is encrypted, and nobody proves who they are; for all nodes of a network or none",
    )
    node.add_argument(
        "--off",
        action="append",
        metavar="PEER",
        help="send it no blocks, nor word of new ones: a --peer's address, or a node id; repeatable",
    )
    node.add_argument("--key", metavar="FILE", help="be the sequencer, with this signing key")
    node.add_argument(
        "--guard", metavar="DIR", help="a sequencer keeps its last signed block there (default: KEY.guard)"
    )
    node.add_argument(
        "--sign-anew",
        metavar="BLOCK",
        help="forget that this block was signed last, once: named as in the refusal that tells of it",
    )
    node.add_argument("--public-key", metavar="HEX", help="follow the sequencer that printed this key")
    node.add_argument("--interval", type=float, metavar="S", help="seconds between blocks (default: 0.2)")
    node.add_argument("--payloads", metavar="FROM", help="a file or - (one a line), or a directory (one a file)")
    node.add_argument("--payload-bytes", type=int, metavar="N", help="size of payloads it makes up (default: 1024)")
    node.add_argument("--blocks", type=int, metavar="N", help="make no more than N blocks, then only serve")
    node.add_argument("--final-after", type=int, metavar="N", help="blocks in a batch; older batches are final")
    add_da_flags(node)
    node.add_argument("--strategy", choices=[s.value for s in Strategy], help="how to search (default: locator)")
    node.add_argument("--retention", type=int, metavar="N", help="headers kept below the final point")
    node.add_argument("--keepalive", type=float, metavar="S", help="silence before asking for a sign of life")
    node.add_argument("--silence", type=float, metavar="S", help="silence before a link is given up")
    node.add_argument("--gates", type=int, metavar="N", help="how many peers get whole blocks from it (default: 4)")
    node.add_argument("--links", type=int, metavar="N", help="most peers that it is linked to at once (default: 1024)")
    node.add_argument("--control", metavar="PATH", help="its control socket (default: STORE.control)")
    node.add_argument("--http", metavar="HOST:PORT", help="a page, /status, /metrics and /healthz there")
    open_help = "let others than this machine look, who ask for it by this name or address; repeatable"
    node.add_argument("--http-open", action="append", metavar="NAME", help=open_help)
    node.add_argument("--log", choices=FORMATS, help="default: text on a terminal, else json")
    node.set_defaults(run=_run_node)


def _keygen(keygen: argparse.ArgumentParser) -> None:
    keygen.add_argument("file", type=Path, metavar="FILE", help="where to write it, for its owner only")
    keygen.add_argument("--chain", metavar="NAME", help="the key is that of this chain's sequencer")
    keygen.add_argument("--guard", type=Path, metavar="DIR", help="where its guard is made (default: FILE.guard)")
    keygen.set_defaults(run=_make_key)


def _outage(outage: argparse.ArgumentParser) -> None:
    outage.add_argument("--followers", type=int, default=4, metavar="N", help="full nodes (default: %(default)s)")
    outage.add_argument("--interval", type=float, default=0.2, metavar="S", help="block time (default: %(default)s)")
    degree_help = "links of each node, about, the same ones each time (default: all with all)"
    outage.add_argument("--degree", type=int, metavar="N", help=degree_help)
    mode_help = "A's links stop carrying bytes silently; A's process is killed; the process of the peer that A takes "
    mode_help += "blocks from is killed; or it is held, and goes on later (default: %(default)s)"
    outage.add_argument("--mode", choices=[mode.value for mode in Mode], default="network", help=mode_help)
    outage.add_argument("--gap", type=int, default=100, metavar="N", help="blocks missed (default: %(default)s)")
    outage.add_argument("--tail", type=int, default=11, metavar="N", help="blocks after it (default: %(default)s)")
    outage.add_argument("--payload-bytes", type=int, default=1024, metavar="N", help="size (default: %(default)s)")
    da_help = (
        "with a data-availability layer, and two more acts: A follows from it alone; and somebody has stolen the key"
    )
    outage.add_argument("--da", action="store_true", help=da_help)
    outage.add_argument(
        "--batch-seconds",
        type=float,
        default=4.0,
        metavar="S",
        help="seconds from batch to batch (default: %(default)s)",
    )
    outage.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    outage.add_argument("--keep", type=Path, metavar="DIR", help="keep the nodes' files there")
    outage.set_defaults(run=_tell_outage)


def needs(*packages: str, extra: str = "adapters") -> None:
    """``LocalError`` if one of these packages is not installed; ``extra`` is where they are."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(f"not installed: {', '.join(missing)}; run: pip install 'syncfsm[{extra}]'")


def _print_table(given: argparse.Namespace) -> int:
    table = TABLES[given.name]
    print(table.markdown() if given.format == "markdown" else table.mermaid(), end="")
    return OK


def _make_key(given: argparse.Namespace) -> int:
    needs("nacl")
    from syncfsm_adapters.command import keys

    print(keys.generate(given.file, given.chain, given.guard).hex())
    return OK


def _run_node(given: argparse.Namespace) -> int:
    needs("trio", "nacl")
    from syncfsm_adapters.command import node as run_node  # here, so that printing a table needs no trio
    from syncfsm_adapters.command.settings import Settings

    flags = {name: value for name, value in vars(given).items() if name not in ("run", "config")}
    return run_node.run(Settings.read(given.config, flags))


def _tell_outage(given: argparse.Namespace) -> int:
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        if any(given.keep.iterdir()):
            raise LocalError(f"{given.keep} is not empty; the story starts with new files, so give an empty directory")
        return _in_folder(given, given.keep)
    with tempfile.TemporaryDirectory(prefix="syncfsm-outage-") as folder:
        return _in_folder(given, Path(folder))


def _in_folder(given: argparse.Namespace, folder: Path) -> int:
    needs("trio", "nacl", "rich")
    import trio
    from rich.console import Console

    from syncfsm_adapters.story import plan, screen
    from syncfsm_adapters.story.director import Director

    names = ("followers", "degree", "interval", "mode", "gap", "tail", "payload_bytes", "da", "batch_seconds")
    story = plan.make(**{name: getattr(given, name) for name in names}, folder=folder)
    console = Console()

    async def tell() -> dict[str, Any]:
        if console.is_terminal:
            return await screen.watch(Director(story, lambda phase: None), console)
        return await Director(story, lambda phase: print(f"… {phase}", flush=True)).tell()

    with one_mistake():
        result = trio.run(tell)
    print(screen.verdict(result))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"Figures: {given.json}")
    return OK if screen.is_good(result) else NOT_SHOWN
