"""``syncfsm da``: a data-availability layer for one machine."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from syncfsm.errors import LocalError
from syncfsm_adapters.host.journal import FORMATS

DA_HELP: Final = """Run a data-availability layer in one process, with one SQLite file, until SIGINT or SIGTERM. It
speaks Celestia's blob API, JSON-RPC over HTTP, and can do what a real layer does on a bad day. For development, tests
and closed networks: who uses it trusts it."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def add_da(parser: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm da``."""
    add = parser.add_argument
    add("--store", type=Path, metavar="FILE", help="where the blocks are kept (default: in memory)")
    add(
        "--listen", default="127.0.0.1:26658", metavar="HOST:PORT", help="default: %(default)s; port 0 takes a free one"
    )
    add("--token", type=Path, metavar="FILE", help="who does not show what is in this file is refused")
    add("--chain", default="syncfsm-da", help="what the layer's chain is called (default: %(default)s)")
    add("--block-time", type=float, default=6.0, metavar="S", help="seconds between blocks (default: %(default)s)")
    add("--delay", type=int, default=0, metavar="N", help="blocks for which a blob waits (default: %(default)s)")
    add("--finality", type=int, default=0, metavar="N", help="blocks that may be taken back (default: %(default)s)")
    add("--retention", type=int, default=100_000, metavar="N", help="blocks that are kept (default: %(default)s)")
    add("--blob-bytes", type=int, metavar="N", help="longest blob (default: as Celestia, 8 MiB a transaction)")
    add("--reorganise", type=int, default=0, metavar="N", help="take blocks back after every N of them")
    add("--depth", type=int, default=1, metavar="N", help="how many it takes back (default: %(default)s)")
    add("--drop", action="store_true", help="what was in blocks that are taken back is lost")
    add("--control", action="store_true", help="answer local.Reorganise, local.Prune and local.Out, too")
    add("--until-stdin-ends", action="store_true", help="stop when standard input ends, as who started it has")
    add("--log", choices=FORMATS, help="default: text on a terminal, else json")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    from syncfsm_adapters.command.cli import needs

    needs("trio", "h11", "wsproto", extra="da")
    import trio

    from syncfsm_adapters.host.mistakes import one_mistake

    with one_mistake():
        return trio.run(_serve, given)


async def _serve(given: argparse.Namespace) -> int:
    import trio

    from syncfsm_adapters.connect.backoff import parse_address
    from syncfsm_adapters.da.api import Api
    from syncfsm_adapters.da.embedded import Embedded
    from syncfsm_adapters.da.ledger import Ledger, Options
    from syncfsm_adapters.da.server import Server
    from syncfsm_adapters.host.journal import Journal

    journal = Journal("da", given.log or ("text" if sys.stdout.isatty() else "json"), sys.stdout)
    host, port = parse_address(given.listen)
    token = _token(given.token)
    if host not in LOOPBACK and not token:
        raise LocalError(f"anybody could use the layer on {host}: give it a --token, or listen on 127.0.0.1")
    if given.reorganise and not 0 < given.depth <= given.finality:
        raise LocalError(f"--depth {given.depth} can not be taken back: give it --finality {given.depth} or more")
    named = {"block_time", "delay", "finality", "retention", "blob_bytes"}
    chosen = {name: value for name, value in vars(given).items() if name in named and value is not None}
    try:
        options = Options(**chosen)
    except ValueError as error:
        raise LocalError(f"that makes no layer: {error}") from None
    ledger = Ledger.open(given.store, options, time.time())
    layer = Embedded(ledger, time.time)
    server = Server(layer, Api(layer, given.chain, given.control), token)
    try:
        async with trio.open_nursery() as nursery:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                taken = await nursery.start(server.serve, host, port)
                journal("listening", host=host, port=taken, head=ledger.head.height)
                nursery.start_soon(layer.run, given.reorganise, given.depth, not given.drop)
                if given.until_stdin_ends:
                    nursery.start_soon(_stop_with_stdin)
                number = await anext(aiter(signals))
            nursery.cancel_scope.cancel()
    finally:
        ledger.close()
    journal("stopped", head=0)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    return 0


async def _stop_with_stdin() -> None:
    """Whoever started it has the other end: if that is killed, nothing else would tell."""
    import trio

    while await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), 4096, abandon_on_cancel=True):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _token(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"the token in {path} can not be read ({error}); name the file that holds it") from error
    if not token:
        raise LocalError(f"there is no token in {path}: put one there, or leave --token out")
    return token
