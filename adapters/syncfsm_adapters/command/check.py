"""``syncfsm check`` explores worlds; ``syncfsm replay`` runs a saved story again on the live code."""

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncfsm.errors import LocalError
from syncfsm_adapters.command.exploring import one_by_one, side_by_side
from syncfsm_adapters.command.worlds import library, load, pick

if TYPE_CHECKING:
    from syncfsm.check import Violation, World
    from syncfsm.check.story import Story

OK, NOT_SHOWN = 0, 1
NEEDED: Final = ("numpy", "rich")
"""Packages that exploring needs and a node does not: the extra ``check``."""
LIMIT: Final = 50_000_000
"""States of a world, if no limit is given: about 10 GB at the peak. A world that has more may have no end."""
JOBS: Final = min(2, os.cpu_count() or 1)
"""Worlds at a time, if it is not said how many: a large one takes its gigabyte."""
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
    check.add_argument(
        "--jobs", type=int, default=JOBS, metavar="N", help="explore N worlds at a time (default: %(default)s)"
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
    if given.jobs < 1:
        raise LocalError(f"--jobs {given.jobs}: give a number of worlds, 1 or more")
    paths = given.paths or [library()]
    everything, standard = load(paths)
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
    begun, jobs = time.perf_counter(), min(given.jobs, len(worlds))
    explored = side_by_side(worlds, paths, given.limit, jobs) if jobs > 1 else one_by_one(worlds, given.limit)
    with closing(explored):
        for world, found in explored:
            reports.append(found.report)
            _save_figures(given.json, reports)
            print(found.line, flush=True)
            if found.violation:
                _tell(world, found.violation, told, given)
                if given.first:
                    break
    return _summary(reports, time.perf_counter() - begun, given.rows, len(worlds))


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


def _print_lint(worlds: Sequence["World"]) -> None:
    """A table that is not sound is explored all the same, but what its lint says is often the answer."""
    from syncfsm.check import NodeComponent
    from syncfsm.machine import Table

    nodes = [c for world in worlds for c in world.components if isinstance(c, NodeComponent)]
    tables = [table for node in nodes for table in {**node.registry.tables, **node.tables}.values()]
    for table in {id(table): table for table in tables if isinstance(table, Table)}.values():
        for sentence in table.lint():
            print(f"table {table.name} is not sound: {sentence}")


def _tell(world: "World", violation: "Violation", told_already: dict[str, str], given: argparse.Namespace) -> None:
    """Print what does not hold, and its story; keep the story. What is nowhere reached has none. ``told_already`` has
    the properties of which a story was told, and in which world: one mistake shows in many worlds, and is told once."""
    from syncfsm.check import diagram, story
    from syncfsm.check.found import UNREACHED

    name = violation.name
    if name in told_already:
        steps = len(violation.actions)
        print(f"  {name} again, {steps} actions from the start; its story is told for {told_already[name]}.")
        return
    told_already[name] = world.name
    told = story.tell(world, violation)
    if violation.detail == UNREACHED:
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


def _summary(reports: list[dict[str, Any]], seconds: float, rows: bool, asked: int) -> int:
    """What all explorations came to; the verdict is the last line."""
    from syncfsm.check.report import OPEN, VIOLATED

    states = sum(each["states"] for each in reports)
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
