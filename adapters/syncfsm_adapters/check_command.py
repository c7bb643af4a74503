"""``syncfsm check`` explores worlds; ``syncfsm replay`` runs a saved story again on the live code."""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    from syncfsm.check import Exploration, Progress, World

OK, VIOLATED = 0, 1
DEFAULT: Final = Path("spec/worlds.py")
CHECK_HELP: Final = """Explore worlds exhaustively: every state they can reach, by calling the code that ships. A
world is a value of type syncfsm.check.World in a Python file; the tuple STANDARD names those that are explored when
none is asked for. Exits with 1, the shortest story and its diagram if a promise does not hold."""
REPLAY_HELP: Final = """Run a story that 'syncfsm check' saved again, on the code as it is now. Exits with 0 if it goes
the same way, with 1 if it does not, and says where."""


def add_check(check: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm check``."""
    check.add_argument("paths", nargs="*", type=Path, metavar="PATH", help=f"files or folders (default: {DEFAULT})")
    check.add_argument("--list", action="store_true", help="name the worlds, and explore none")
    check.add_argument("--world", action="append", dest="worlds", metavar="NAME", help="only this one; repeatable")
    check.add_argument("--limit", type=int, metavar="N", help="stop each world at N states; proves nothing")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    check.add_argument(
        "--stories", type=Path, default=Path("out"), metavar="DIR", help="save stories there (default: %(default)s)"
    )
    check.set_defaults(run=run_check)


def add_replay(replay: argparse.ArgumentParser) -> None:
    """The flags of ``syncfsm replay``."""
    replay.add_argument("story", type=Path, metavar="FILE", help="a story, as NDJSON")
    replay.add_argument("paths", nargs="*", type=Path, metavar="PATH", help=f"where its world is (default: {DEFAULT})")
    replay.add_argument("--mermaid", action="store_true", help="print the diagram as Mermaid")
    replay.set_defaults(run=run_replay)


def run_check(given: argparse.Namespace) -> int:
    """Explore what was asked for; 1 if a promise does not hold or a row fires in no world of the standard set."""
    everything, standard = load(given.paths or [DEFAULT])
    if given.list:
        for world in everything.values():
            print(f"{world.name:<28} {world.doc}")
        return OK
    worlds = [pick(everything, name) for name in given.worlds] if given.worlds else standard
    if not worlds:
        raise LocalError("no world to explore: name one with --world, or put some into a tuple called STANDARD")
    reports = []
    for world in worlds:
        reports.append(_explore(world, given))
        if given.json is not None:
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps({"worlds": reports}, indent=2) + "\n", encoding="utf-8")
    return _summary(reports)


def run_replay(given: argparse.Namespace) -> int:
    """Tell the story again; 1 if it goes another way now."""
    from syncfsm.check import diagram, story

    with given.story.open(encoding="utf-8") as file:
        try:
            name, violation, told = story.read(file)
        except (ValueError, KeyError) as error:
            raise LocalError(f"{given.story}: {error}") from error
    again = story.tell(pick(load(given.paths or [DEFAULT])[0], name), violation)
    print(diagram.mermaid(again) if given.mermaid else diagram.terminal(again), end="")
    changed = story.difference(again, told)
    print(f"\nIt goes another way now: {changed}" if changed else "\nIt goes the same way, to the last action.")
    return VIOLATED if changed else OK


# Worlds ---------------------------------------------------------------------------------------------------------


def load(paths: Sequence[Path]) -> tuple[dict[str, "World"], list["World"]]:
    """All worlds of these files by name, and those to explore when none is named."""
    everything: dict[str, World] = {}
    standard: list[World] = []
    for path in _files(paths):
        found = list(_worlds(vars(_module(path)).values()))
        everything |= {world.name: world for world in found}
        chosen = getattr(_module(path), "STANDARD", None)
        standard += found if chosen is None else chosen
    return everything, standard


def pick(worlds: dict[str, "World"], name: str) -> "World":
    """The world of this name."""
    if name not in worlds:
        raise LocalError(f"there is no world {name!r}; there are {', '.join(worlds) or 'none'}")
    return worlds[name]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise LocalError(f"there is no {path}; give the file in which your worlds are")
        yield from sorted(path.glob("*worlds*.py")) if path.is_dir() else [path]


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
        spec.loader.exec_module(module)
    return module


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


# Exploring ------------------------------------------------------------------------------------------------------


def _explore(world: "World", given: argparse.Namespace) -> dict[str, Any]:
    from syncfsm.check import Exploration
    from syncfsm.check.report import report

    begun = time.perf_counter()
    exploration = Exploration(world)
    with _telling(world.name, begun) as told:
        exploration.run(given.limit, told)
    seconds = time.perf_counter() - begun
    found = report(exploration, seconds)
    bound = "open" if found["settle_bound"] is None else found["settle_bound"]
    verdict = "VIOLATED" if exploration.violation else "holds" if found["complete"] else "stopped at its limit"
    print(
        f"{world.name:<26} {verdict}: {found['states']:,} states, {found['transitions']:,} transitions, depth"
        f" {found['depth']}, settles within {bound}, {seconds:.1f} s, {found['states_per_second']:,} states/s,"
        f" {exploration.nbytes / 1e6:.0f} MB",
        flush=True,
    )
    if exploration.violation:
        found["story"] = str(_tell(exploration, given.stories))
    return found


def _tell(exploration: "Exploration", folder: Path) -> Path:
    from syncfsm.check import diagram, story

    assert exploration.violation is not None
    told = story.tell(exploration.world, exploration.violation)
    print("\n" + diagram.terminal(told))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{exploration.world.name}-{exploration.violation.name}.ndjson"
    path.write_text(story.to_ndjson(told), encoding="utf-8")
    path.with_suffix(".mmd").write_text(diagram.mermaid(told), encoding="utf-8")
    print(f"Story: {path} (run it again with: syncfsm replay {path}), diagram: {path.with_suffix('.mmd')}")
    return path


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


def _summary(reports: list[dict[str, Any]]) -> int:
    from syncfsm.check.report import VIOLATED as BROKEN
    from syncfsm.check.report import never_fired

    silent = never_fired(reports)
    fired = {row for each in reports for row in each["rules_fired"]}
    states, seconds = sum(each["states"] for each in reports), sum(each["seconds"] for each in reports)
    print(f"\n{len(reports)} worlds, {states:,} states, {seconds:.1f} s, {states / max(seconds, 1e-9):,.0f} states/s.")
    if fired or silent:
        print(f"{len(fired)} of {len(fired) + len(silent)} rows fired." + (" Never:" if silent else ""))
    for row in silent:
        print(f"  {row}")
    broken = [f"{each['name']}: {name}" for each in reports for name, v in each["properties"].items() if v == BROKEN]
    for each in broken:
        print(f"VIOLATED {each}")
    return VIOLATED if broken else OK
