"""The picture of the house, from its imports: which folder needs which."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
GROUND: Final = "ground"
"""The modules at the top of the package: blocks, chain, limits and what is beside them."""
PACKAGES: Final = {"syncfsm": ROOT / "syncfsm", "syncfsm_adapters": ROOT / "adapters/syncfsm_adapters"}
NAMES: Final = {GROUND: "blocks, chain, errors, limits, numbers"}
CORE: Final = "the core: no I/O, no clock, no randomness"


def house(text: str) -> str:
    """docs/architecture.md with its picture drawn anew."""
    begin, end = "<!-- generated: the house -->", "<!-- end -->"
    head, rest = text.split(begin)
    _, tail = rest.split(end, 1)
    return f"{head}{begin}\n```mermaid\n{mermaid(arrows())}```\n{end}{tail}"


def arrows() -> dict[str, set[str]]:
    """Who imports whom, folder by folder.

    Of what is at the top of the core, ``events``, ``outputs`` and ``protocol`` are rooms of their own."""
    found: dict[str, set[str]] = defaultdict(set)
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            source = _room(".".join((package, *file.relative_to(folder).with_suffix("").parts)))
            found[source].update(target for name in _imported(file) if (target := _room(name)) and target != source)
    found.pop("", None)
    return {source: {target for target in targets if target in found} for source, targets in found.items()}


def _imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, but for those that only its types need."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def _room(module: str) -> str:
    """The room in which a module is; nothing for one that is not ours."""
    package, *rest = module.split(".")
    if package not in PACKAGES:
        return ""
    if package == "syncfsm_adapters":
        return f"adapters/{rest[0]}" if rest and rest[0] not in ("__init__", "__main__") else ""
    if not rest or rest[0] in ("__init__", "__main__"):
        return ""
    if rest[0] in ("blocks", "chain", "errors", "limits", "numbers"):
        return GROUND
    return rest[0]


def mermaid(found: Mapping[str, set[str]]) -> str:
    """The picture. An arrow that follows from others is left out."""
    lines = ["flowchart TB"]
    inside = [room for room in sorted(found) if not room.startswith("adapters/")]
    outside = [room for room in sorted(found) if room.startswith("adapters/")]
    lines += [f'    subgraph core ["{CORE}"]', *(_box(room) for room in inside), "    end"]
    lines += ['    subgraph adapters ["adapters"]', *(_box(room) for room in outside), "    end"]
    for source in sorted(found):
        direct = found[source]
        implied = {far for near in direct for far in _beyond(found, near)}
        lines += [f"    {_id(source)} --> {_id(target)}" for target in sorted(direct - implied)]
    return "\n".join(lines) + "\n"


def _beyond(found: Mapping[str, set[str]], room: str) -> set[str]:
    """All that a room needs, directly or not."""
    seen: set[str] = set()
    todo = list(found[room])
    while todo:
        next_ = todo.pop()
        if next_ not in seen:
            seen.add(next_)
            todo += found[next_]
    return seen - {room}


def _box(room: str) -> str:
    return f'        {_id(room)}["{NAMES.get(room, room.removeprefix("adapters/"))}"]'


def _id(room: str) -> str:
    return room.replace("/", "_")
