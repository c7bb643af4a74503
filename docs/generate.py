"""Writes the generated parts of the documentation, or checks that they are up to date.

python -m docs.generate            writes them
python -m docs.generate --check    exits with 1 if one differs, and says which
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import attrs

from docs import report
from docs.house import house
from syncfsm import limits
from syncfsm.machine import Table
from syncfsm.node.registry import STANDARD
from syncfsm.protocol import Protocol
from syncfsm.sync.protocol import TABLE
from syncfsm.truth import limits as truth_limits
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.poster.protocol import TABLE as POSTER
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm_adapters.look import metrics
from syncfsm_adapters.story.fields import FIELDS
from syncfsm_adapters.story.figures import STEADY
from syncfsm_spec import costs as costs_of

ROOT: Final = Path(__file__).parent.parent
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"
OWN, GUIDE, HOUSE = "docs/a-protocol-of-your-own.md", "docs/integrating.md", "docs/architecture.md"
METRICS: Final = "docs/metrics.md"
OUTAGE: Final = "docs/outage.md"
TRUTH: Final = "docs/truth.md"
COSTS: Final = "spec/syncfsm_spec/COSTS.md"
REFERENCE: Final = re.compile(
    r"\b(?P<page>founding/[\w-]+|failure-modes)#(?P<anchor>[\w-]+)|\bdecisions/(?P<number>\d{4})\b(?!-)"
)
"""How rules and comments name their source; ``spec/founding/README.md`` says what the forms mean."""


def protocol() -> str:
    """docs/protocol.md: the tables, the diagrams and the numbers."""
    rooms = "".join(_room(p.name, p.doc, p.table, p.across.table if p.across else None) for p in STANDARD.protocols)
    return linked(f"""# The protocols

*Generated from the `rules.py` of each protocol, the registry and `syncfsm/limits.py` by `make docs`; edit those.*

Both ends of a connection run the same tables. Rows of a state and event are tried from the top; the first whose
condition holds fires. They are told of what happens in this order:

| number | protocol | version | essential | messages | what it is |
|---|---|---|---|---|---|
{"".join(_line(p) for p in STANDARD.protocols)}
{rooms}
## The numbers

Fixed by the wire format:

| name | value | meaning |
|---|---|---|
{"".join(_row(name, value, text) for name, value, text in _constants())}
One node's own choice (`syncfsm.limits.Limits`):

| name | default | meaning |
|---|---|---|
{"".join(_row(name, value, text) for name, value, text in _choices())}""")


def _line(protocol: Protocol[Any]) -> str:
    messages = ", ".join(f"`{kind.type.__name__}` ({kind.number})" for kind in protocol.kinds)
    essential = "yes" if protocol.essential else "no"
    about = f"{protocol.version} | {essential} | {messages} | {protocol.doc}"
    return f"| {int(protocol.number)} | `{protocol.name}` | {about} |\n"


def _room(name: str, doc: str, table: Table[Any], across: Table[Any] | None) -> str:
    """The tables of one protocol, and what it decides across peers."""
    found = f"""## {name}

{doc}

```mermaid
{table.mermaid()}```

{table.markdown()}
"""
    if across is not None:
        found += f"""## {across.name}

What `{name}` decides across the peers of a node.

```mermaid
{across.mermaid()}```

{across.markdown()}
"""
    return found


def linked(text: str) -> str:
    """The text of a page in ``docs/`` with a link for each reference in it."""
    return REFERENCE.sub(_link, text)


def _link(reference: re.Match[str]) -> str:
    if number := reference["number"]:
        (decision,) = (ROOT / "docs/decisions").glob(f"{number}-*.md")
        return f"[decision {number}](decisions/{decision.name})"
    page, anchor = reference["page"], reference["anchor"]
    folder = "../spec/" if page.startswith("founding/") else ""
    return f"[{anchor.replace('-', ' ')}]({folder}{page}.md#{anchor})"


def _row(name: str, value: object, text: str) -> str:
    return f"| `{name}` | {value:,} | {text} |\n" if isinstance(value, int) else f"| `{name}` | {value} | {text} |\n"


def _constants() -> Iterator[tuple[str, object, str]]:
    texts = _texts(_tree().body)
    return ((name, getattr(limits, name), texts.get(name, "")) for name in vars(limits) if name.isupper())


def _choices(kind: type[Any] = limits.Limits, module: ModuleType = limits) -> Iterator[tuple[str, object, str]]:
    found = next(node for node in _tree(module).body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    texts, chosen = _texts(found.body), kind()
    return ((field.name, getattr(chosen, field.name), texts[field.name]) for field in attrs.fields(kind))


def _tree(module: ModuleType = limits) -> ast.Module:
    return ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))


def _texts(body: list[ast.stmt]) -> dict[str, str]:
    """The sentences that stand below assignments."""
    found = {}
    for line, below in pairwise(body):
        if isinstance(line, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(line.target)] = " ".join(str(below.value.value).split())
    return found


def readme(text: str) -> str:
    """README.md with its picture of the protocol drawn anew."""
    return _filled(text, "link diagram", f"```mermaid\n{TABLE.mermaid(guards=False)}```")


def outage(text: str) -> str:
    """docs/outage.md with its table of figures written anew."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in FIELDS.items())
    spans = f"""What is said of a block is an average: over the last {STEADY} blocks before the loss; in `recovery` over
the first {STEADY} after it; in `feed` over all after it."""
    return _filled(text, "figures", f"{spans}\n\n| figure | meaning |\n|---|---|\n{rows.rstrip()}")


def seen(text: str) -> str:
    """docs/metrics.md with its table written anew."""
    return _filled(text, "metrics", metrics.table().rstrip())


def truth(text: str) -> str:
    """docs/truth.md with its tables and numbers written anew."""
    for table in (READER, POSTER):
        shown = f"```mermaid\n{table.mermaid(guards=False)}```\n\n{table.markdown()}"
        text = _filled(text, table.name, linked(shown).rstrip())
    rows = "".join(_row(name, value, meaning) for name, value, meaning in _choices(TruthLimits, truth_limits))
    return _filled(text, "truth limits", f"| name | default | meaning |\n|---|---|---|\n{rows.rstrip()}")


def costs() -> str:
    """spec/syncfsm_spec/COSTS.md: what each message costs."""
    return f"""# What a message costs

*Generated from [costs.py](costs.py) by `make docs`; edit that. `tests/test_costs.py` holds real nodes to it.*

{" ".join((costs_of.__doc__ or "").split(chr(10) + chr(10))[1].split())}

{costs_of.page()}
"""


def _filled(text: str, name: str, content: str) -> str:
    """A page with one of its generated parts made anew."""
    begin = BEGIN.format(name)
    head, rest = text.split(begin)
    _, tail = rest.split(END, 1)
    return f"{head}{begin}\n{content}\n{END}{tail}"


FILE: Final = re.compile(r"<!-- file: (?P<path>\S+) -->\n.*?<!-- end -->", re.DOTALL)
"""A part of a page that shows a file of the repository."""


def shown(text: str) -> str:
    """A page with the files that it shows as they are."""

    def show(part: re.Match[str]) -> str:
        code = (ROOT / part["path"]).read_text(encoding="utf-8").rstrip()
        return f"<!-- file: {part['path']} -->\n```py\n{code}\n```\n{END}"

    return FILE.sub(show, text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated documentation, or check it.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something is out of date")
    check = parser.parse_args().check
    wanted = {
        ROOT / "docs/protocol.md": protocol(),
        ROOT / "README.md": readme((ROOT / "README.md").read_text(encoding="utf-8")),
        **{ROOT / page: shown((ROOT / page).read_text(encoding="utf-8")) for page in (OWN, GUIDE)},
        ROOT / COSTS: costs(),
        ROOT / "docs/report.md": report.page(json.loads((ROOT / "docs/figures.json").read_text(encoding="utf-8"))),
        ROOT / OUTAGE: outage((ROOT / OUTAGE).read_text(encoding="utf-8")),
        ROOT / METRICS: seen((ROOT / METRICS).read_text(encoding="utf-8")),
        ROOT / TRUTH: truth((ROOT / TRUTH).read_text(encoding="utf-8")),
        ROOT / HOUSE: house((ROOT / HOUSE).read_text(encoding="utf-8")),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run 'make docs' and commit the result", file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
