"""Whatever the repository refers to is in it: the sources of rules, the links of pages, the quotations."""

import importlib
import pkgutil
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import syncfsm
from docs.generate import REFERENCE
from syncfsm.machine import Rule, Table
from tests.pages import LINK, PAGES, ROOT, anchors, prose, shown, text_of

FORBIDDEN = re.compile(r"\bseed 0{2}|\bbrief \d|\bthe[\s#*/_]+brief\b|\*brief\*", re.IGNORECASE)
"""Names of documents that are not in the repository."""
FOUNDING = ROOT / "spec/founding"


def tables() -> list[Table[Any]]:
    """Every table of the library, wherever it is."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(syncfsm.__path__, "syncfsm.")]
    values = {id(value): value for module in modules for value in vars(module).values()}
    return [value for value in values.values() if isinstance(value, Table)]


def rules() -> list[Rule]:
    return [rule for table in tables() for rule in table.rules]


def files() -> list[Path]:
    """Every file that is committed, or is to be."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {shown(path): path.read_bytes() for path in files()}
    return {name: content.decode() for name, content in found.items() if b"\0" not in content}


def missing(reference: re.Match[str]) -> bool:
    """Is there nothing in the place that a reference names?"""
    if reference["number"]:
        return not list((ROOT / "docs/decisions").glob(f"{reference['number']}-*.md"))
    folder = "spec" if reference["page"].startswith("founding/") else "docs"
    place = ROOT / folder / f"{reference['page']}.md"
    return not place.is_file() or reference["anchor"] not in anchors(place)


def links() -> list[tuple[str, str, str]]:
    """Every link to a place in this repository: the page it is on, its text, its target."""
    found = ((shown(page), link["text"], link["target"]) for page in PAGES for link in LINK.finditer(prose(page)))
    return sorted({(page, text, target) for page, text, target in found if "://" not in target})


def test_rules_name_their_sources() -> None:
    named = {reference for rule in rules() for reference in rule.ref.split(", ")}
    assert len(named) > 20
    for reference in named:
        match = REFERENCE.fullmatch(reference)
        assert match, f"{reference!r} has none of the forms that spec/founding/README.md lists"
        assert not missing(match), f"a rule refers to {reference}, and there is no such place"


def test_references_lead_somewhere() -> None:
    """In comments, documents and rules alike."""
    wrong = {name: {match[0] for match in REFERENCE.finditer(text) if missing(match)} for name, text in texts().items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_nothing_refers_to_documents_that_are_not_here() -> None:
    wrong = {name: FORBIDDEN.findall(text) for name, text in texts().items()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("text", ["seed 0" + "03: what if?", "brief" + " 5", "The" + " brief's", "the\n# " + "brief"])
def test_forbidden_forms_are_found(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize(("page", "target"), sorted({(page, target) for page, _, target in links()}))
def test_links_lead_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = (ROOT / page).parent / path if path else ROOT / page
    assert place.exists(), f"{page} links to {target}, and there is no such file"
    if anchor:
        assert anchor in anchors(place), f"{page} links to {target}, and nothing there is called that"


def test_what_is_quoted_from_the_founding_documents_is_there() -> None:
    """A link whose text stands in quotation marks is a quotation of the page that it leads to."""
    quoted = 0
    for page, text, target in links():
        place = ((ROOT / page).parent / target.partition("#")[0]).resolve()
        if text.startswith('"') and text.endswith('"') and place.parent == FOUNDING:
            quoted += 1
            assert plain(text.strip('"')) in plain(text_of(place)), f"{page} quotes {text}"
    assert quoted > 5


def plain(text: str) -> str:
    return " ".join(text.lower().split())


def test_places_have_one_name_each() -> None:
    for page in FOUNDING.glob("*.md"):
        named = re.findall(r'<a id="([^"]+)"></a>', text_of(page))
        assert len(set(named)) == len(named), shown(page)
