"""``syncfsm check`` explores worlds; ``syncfsm replay`` runs a saved story again on the live code."""

import argparse
import importlib.util
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    from syncfsm.check import Exploration, Progress, World
    from syncfsm.check.story import Story

OK, NOT_SHOWN = 0, 1
DEFAULT: Final = "syncfsm_spec.worlds"
"""The worlds of the library: the module that has them."""
NEEDED: Final = ("numpy", "rich")
"""Packages that exploring needs and a node does not: the extra ``check``."""
LIMIT: Final = 50_000_000
"""States of a world, if no limit is given: about 10 GB at the peak. A world that has more may have no end."""
CHECK_HELP: Final = """Explore worlds exhaustively: every state they can reach, by calling the code that ships. A
world is a value of type syncfsm.check.World in a Python file; the tuple STANDARD names those that are explored when
none is asked for; without it all are. Exits with 0 if every property holds, with 1 if one does not (after the shortest
story and its diagram) or is left open by a limit, with 2 if a world is not written as it must be."""
REPLAY_HELP: Final = """Run a story that 'syncfsm check' saved again, on the code as it is now. Exits with 0 if it goes
the same way, with 1 if it does not, and says where."""


def add_check(check: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm check``."""
    check.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="files, or folders with *worlds*.py (default: the library's)",
    )
    check.add_argument("--list", action="store_true", help="name the worlds, and explore none")
    check.add_argument("--world", action="append", dest="worlds", metavar="NAME", help="only this one; repeatable")
    check.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help=f"leave a world at N states (default: {LIMIT:,})"
    )
    check.add_argument("--first", action="store_true", help="stop at the first world in which a property does not hold")
    check.add_argument("--rows", action="store_true", help="name the rows that fired in none of the worlds")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    check.add_argument(
        "--stories", type=Path, default=Path("out"), metavar="DIR", help="save stories there (default: %(default)s)"
    )
    check.set_defaults(run=run_check)


def add_replay(replay: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm replay``."""
    replay.add_argument("story", type=Path, metavar="FILE", help="a story, as NDJSON")
    replay.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="where its world is (default: in the library)"
    )
    replay.add_argument("--mermaid", action="store_true", help="print the diagram as Mermaid")
    replay.set_defaults(run=run_replay)


def run_check(given: argparse.Namespace) -> int:
    """Explore what was asked for; 1 if a property does not hold, or is left open."""
    with _outside():
        return _check(given)


def _check(given: argparse.Namespace) -> int:
    if given.limit < 1:
        raise LocalError(f"--limit {given.limit}: give a number of states, 1 or more")
    everything, standard = load(given.paths or [library()])
    if given.list:
        for world in everything.values():
            print(f"{world.name:<28} {world.doc}".rstrip())
        return OK
    worlds = [pick(everything, name) for name in dict.fromkeys(given.worlds)] if given.worlds else standard
    if not worlds:
        raise LocalError("no world to explore: STANDARD is empty; name one with --world")
    _print_lint(worlds)
    reports: list[dict[str, Any]] = []
    _save_figures(given.json, reports)
    told: dict[str, str] = {}
    for world in worlds:
        reports.append(_explore(world, given, told))
        _save_figures(given.json, reports)
        if given.first and told:
            break
    return _summary(reports, given.rows, len(worlds))


def run_replay(given: argparse.Namespace) -> int:
    """Tell the story again; 1 if it goes another way now."""
    with _outside():
        return _replay(given)


def _replay(given: argparse.Namespace) -> int:
    from syncfsm.check import diagram, story

    with given.story.open(encoding="utf-8") as file:
        try:
            name, violation, told = story.read(file)
        except ValueError as error:
            raise LocalError(f"{given.story}: {error}") from error
    again = story.tell(pick(load(given.paths or [library()])[0], name), violation)
    print(diagram.mermaid(again) if given.mermaid else diagram.terminal(again, _across()), end="")
    changed = story.difference(again, told)
    verdict = f"It goes another way now: {changed}" if changed else "It goes the same way, to the last action."
    print(f"%% {verdict}" if given.mermaid else f"\n{verdict}")
    return NOT_SHOWN if changed else OK


@contextmanager
def _outside() -> Iterator[None]:
    """What is not installed, and what the file system refuses, is told in one line."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LocalError(f"not installed: {', '.join(missing)}; run: pip install 'syncfsm[check]'")
    try:
        yield
    except BrokenPipeError:
        raise  # a reader that has left is no mistake; see ``cli.main``
    except OSError as error:
        raise LocalError(f"{error.filename}: {error.strerror}") from error


def library() -> Path:
    """The file with the worlds of the library."""
    try:
        found = importlib.util.find_spec(DEFAULT)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise LocalError(f"there is no {DEFAULT} here; give the file in which your worlds are")
    return Path(found.origin)


# Worlds ---------------------------------------------------------------------------------------------------------


def load(paths: Sequence[Path]) -> tuple[dict[str, "World"], list["World"]]:
    """All worlds of these files by name, and those to explore when none is named."""
    everything: dict[str, World] = {}
    standard: list[World] = []
    for path in _files(paths):
        module = _module(path)
        found = {id(world): world for world in _worlds(vars(module).values())}
        if not found:
            raise LocalError(f"{path} has no world; put a value of type syncfsm.check.World at its top")
        for world in found.values():
            if everything.setdefault(world.name, world) is not world:
                raise LocalError(f"{path}: another world is called {world.name!r} too; give each a name of its own")
        standard += getattr(module, "STANDARD", found.values())
    return everything, standard


def pick(worlds: dict[str, "World"], name: str) -> "World":
    """The world of this name."""
    if name not in worlds:
        raise LocalError(f"there is no world {name!r}; give the file that it is in, or one of {', '.join(worlds)}")
    return worlds[name]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        wanted = path / "*worlds*.py" if path.is_dir() else path
        found = sorted(path.glob(wanted.name)) if path.is_dir() else [path] if path.exists() else []
        if not found:
            raise LocalError(f"there is no {wanted}; give the file in which your worlds are")
        yield from found


def _module(path: Path) -> Any:
    """The file as a module. What lies beside it, and beside its folder, can be imported by it."""
    name = f"{path.resolve().parent.name}.{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path.resolve()):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise LocalError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _importing_from(path.resolve().parent.parent, path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise _unreadable(path, error) from error
    return module


def _unreadable(path: Path, error: Exception) -> LocalError:
    from syncfsm.check.mistakes import said

    return LocalError(f"{path} cannot be read: {error if isinstance(error, LocalError) else said(error)}")


@contextmanager
def _importing_from(*folders: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = [str(folder) for folder in folders]
    try:
        yield
    finally:
        sys.path[:] = before


def _worlds(values: Any) -> Iterator["World"]:
    from syncfsm.check import World

    for value in values:
        if isinstance(value, World):
            yield value
        elif isinstance(value, tuple | list):
            yield from _worlds(value)


def _print_lint(worlds: Sequence["World"]) -> None:
    """A table that is not sound is explored all the same, but what its lint says is often the answer."""
    from syncfsm.check import NodeComponent
    from syncfsm.machine import Table

    nodes = [c for world in worlds for c in world.components if isinstance(c, NodeComponent)]
    tables = [table for node in nodes for table in {**node.registry.tables, **node.tables}.values()]
    for table in {id(table): table for table in tables if isinstance(table, Table)}.values():
        for sentence in table.lint():
            print(f"table {table.name} is not sound: {sentence}")


# Exploring ------------------------------------------------------------------------------------------------------


def _explore(world: "World", given: argparse.Namespace, told_already: dict[str, str]) -> dict[str, Any]:
    """Explore one world. ``told_already`` has the properties of which a story was told, and in which world: one mistake
    shows in many worlds, and is told once."""
    from syncfsm.check import Exploration
    from syncfsm.check.mistakes import place
    from syncfsm.check.report import report

    begun = time.perf_counter()
    exploration = Exploration(world)
    try:
        with _telling(world.name, begun) as told:
            exploration.run(given.limit, told)
    except KeyboardInterrupt as stop:
        print(f"{world.name:<26} interrupted at {exploration.states:,} states, depth {exploration.depth}{place(stop)}")
        raise
    found = report(exploration, time.perf_counter() - begun)
    verdict = "VIOLATED" if exploration.violation else "holds" if exploration.complete else "OPEN, left at the limit"
    bound = "" if found["settle_bound"] is None else f" settles within {found['settle_bound']},"
    print(
        f"{world.name:<26} {verdict}: {found['states']:,} states, {found['transitions']:,} transitions, depth"
        f" {found['depth']},{bound} {found['seconds']:.1f} s, {found['states_per_second']:,} states/s,"
        f" {exploration.nbytes / 1e6:.0f} MB",
        flush=True,
    )
    if exploration.violation:
        name = exploration.violation.name
        if name in told_already:
            steps = len(exploration.violation.actions)
            print(f"  {name} again, {steps} actions from the start; its story is told for {told_already[name]}.")
        else:
            told_already[name] = world.name
            _tell(exploration, given)
    return found


def _tell(exploration: "Exploration", given: argparse.Namespace) -> None:
    """Print what does not hold, and its story; keep the story. What is nowhere reached has none."""
    from syncfsm.check import diagram, story
    from syncfsm.check.found import UNREACHED

    assert exploration.violation is not None
    told = story.tell(exploration.world, exploration.violation)
    if exploration.violation.detail == UNREACHED:
        print("\n" + "\n".join(diagram.heading(told)))
        return
    print("\n" + diagram.terminal(told, _across()))
    path = _save_story(told, given.stories)
    again = shlex.join(["syncfsm", "replay", *map(str, (path, *given.paths))])
    print(f"Story: {path}, diagram: {path.with_suffix('.mmd')}. Run it again: {again}")


def _save_story(told: "Story", folder: Path) -> Path:
    from syncfsm.check import diagram, story

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{told.world.name}-{told.violation.name}.ndjson".replace("/", "_")
    path.write_text(story.to_ndjson(told), encoding="utf-8")
    path.with_suffix(".mmd").write_text(diagram.mermaid(told), encoding="utf-8")
    return path


def _save_figures(path: Path | None, reports: list[dict[str, Any]]) -> None:
    """The figures so far. Called before the first world too: a path that cannot be written is told at once."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"worlds": reports}, indent=2) + "\n", encoding="utf-8")


def _across() -> int | None:
    """Characters of a line, if this is a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


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


def _summary(reports: list[dict[str, Any]], rows: bool, asked: int) -> int:
    """What all explorations came to; the verdict is the last line."""
    from syncfsm.check.report import OPEN, VIOLATED

    states, seconds = sum(each["states"] for each in reports), sum(each["seconds"] for each in reports)
    worlds = f"{len(reports)} world{'' if len(reports) == 1 else 's'}"
    print(f"\n{worlds}, {states:,} states, {seconds:.1f} s, {states / max(seconds, 1e-9):,.0f} states/s.")
    verdicts = [(each["name"], name, verdict) for each in reports for name, verdict in each["properties"].items()]
    violated = [f"VIOLATED {world}: {name}" for world, name, verdict in verdicts if verdict == VIOLATED]
    left = {world: None for world, _, verdict in verdicts if verdict == OPEN}
    _print_rows(reports, rows)
    for line in violated:
        print(line)
    if left:
        print(f"OPEN, nothing is proved: {', '.join(left)}")
    rest = asked - len(reports)
    unseen = f" {rest} world{'' if rest == 1 else 's'} not explored." if rest else ""
    if violated:
        print(f"VIOLATED: {len(violated)} propert{'y does' if len(violated) == 1 else 'ies do'} not hold.{unseen}")
    else:
        holds = f"HOLDS: every property of every world.{unseen}"
        print("OPEN: raise --limit, or make the world smaller." if left else holds)
    return NOT_SHOWN if violated or left else OK


def _print_rows(reports: list[dict[str, Any]], listed: bool) -> None:
    """How many rows fired, and which never did; the latter means little if a violation ended the exploration."""
    from syncfsm.check.report import never_fired

    silent = never_fired(reports)
    fired = {row for each in reports for row in each["rules_fired"]}
    if fired or silent:
        hint = "" if not silent else " Never:" if listed else " --rows names the others."
        print(f"{len(fired)} of {len(fired) + len(silent)} rows fired.{hint}")
    for row in silent if listed else ():
        print(f"  {row}")
