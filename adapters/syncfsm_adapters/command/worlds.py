"""Worlds that are asked for by the files that have them."""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    from syncfsm.check import World

DEFAULT: Final = "syncfsm_spec.worlds"
"""The worlds of the library: the module that has them."""


def library() -> Path:
    """The file with the worlds of the library."""
    try:
        found = importlib.util.find_spec(DEFAULT)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise LocalError(f"there is no {DEFAULT} here; give the file in which your worlds are")
    return Path(found.origin)


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
