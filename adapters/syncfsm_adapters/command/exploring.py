"""Explores worlds for ``syncfsm check``: one after another, or several at a time, each in a process of its own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from syncfsm.errors import LocalError
from syncfsm_adapters.command.worlds import load

if TYPE_CHECKING:
    from syncfsm.check import Progress, Violation, World


@attrs.frozen
class Explored:
    """What came of one world: figures, a line for people, and what does not hold."""

    report: dict[str, Any]
    line: str
    violation: "Violation | None"


def one_by_one(worlds: Sequence["World"], limit: int) -> Generator[tuple["World", Explored], None, None]:
    """Explore each up to so many states, in their order. Says on the way how far it is."""
    for world in worlds:
        begun = time.perf_counter()
        with _telling(world.name, begun) as told:
            found = _explored(world, limit, begun, told)
        yield world, found


def side_by_side(
    worlds: Sequence["World"], paths: Sequence[Path], limit: int, jobs: int
) -> Generator[tuple["World", Explored], None, None]:
    """The same, ``jobs`` at a time, as they end. Each process reads the worlds from these files for itself."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), ends_with_its_parent) as pool:
        with _not_interrupted():
            under_way = {pool.submit(_by_name, tuple(paths), world.name, limit): world for world in worlds}
        try:
            for done in as_completed(under_way):
                yield under_way[done], done.result()
        except BrokenProcessPool as error:
            raise LocalError("a process is gone, for want of memory? Try --jobs 1, or a lower --limit") from error
        except BaseException:  # whoever asked has gone, or is interrupted: what is under way ends with it
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def ends_with_its_parent() -> None:
    """From now on this process does not outlive the one that began it, not even if that is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # whoever calls this is a child

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _not_interrupted() -> Iterator[None]:
    """Processes that begin meanwhile do not hear of Ctrl-C, which goes to all of a terminal: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _by_name(paths: Sequence[Path], name: str, limit: int) -> Explored:
    world = load(paths)[0][name]
    return _explored(world, limit, time.perf_counter(), lambda progress: None)


def _explored(world: "World", limit: int, begun: float, told: Any) -> Explored:
    from syncfsm.check import Exploration
    from syncfsm.check.mistakes import place
    from syncfsm.check.report import report

    exploration = Exploration(world)
    try:
        exploration.run(limit, told)
    except KeyboardInterrupt as stop:
        print(f"{world.name:<26} interrupted at {exploration.states:,} states, depth {exploration.depth}{place(stop)}")
        raise
    found = report(exploration, time.perf_counter() - begun)
    verdict = "VIOLATED" if exploration.violation else "holds" if exploration.complete else "OPEN, left at the limit"
    bound = "" if found["settle_bound"] is None else f" settles within {found['settle_bound']},"
    line = (
        f"{world.name:<26} {verdict}: {found['states']:,} states, {found['transitions']:,} transitions, depth"
        f" {found['depth']},{bound} {found['seconds']:.1f} s, {found['states_per_second']:,} states/s,"
        f" {exploration.nbytes / 1e6:.0f} MB"
    )
    return Explored(found, line, exploration.violation)


@contextmanager
def _telling(name: str, begun: float) -> Iterator[Any]:
    """What to call with progress: a live line on a terminal, else a line every few seconds."""
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        with console.status(name) as status:
            yield lambda progress: status.update(_line(name, progress, begun))
        return
    last = begun

    def tell(progress: "Progress") -> None:
        nonlocal last
        if time.perf_counter() - last > 5:
            last = time.perf_counter()
            print(f"… {_line(name, progress, begun)}", flush=True)

    yield tell


def _line(name: str, progress: "Progress", begun: float) -> str:
    rate = progress.states / max(1e-9, time.perf_counter() - begun)
    return (
        f"{name}: depth {progress.depth}, {progress.states:,} states, {progress.frontier:,} to go, {rate:,.0f}/s,"
        f" {progress.nbytes / 1e6:.0f} MB"
    )
