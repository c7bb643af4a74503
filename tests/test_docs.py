"""The documentation tells the truth: its Python runs, its links lead somewhere, its commands and flags exist."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from model_tests.exhaustive import recorded
from model_tests.needed import ROWS, needed
from spec.worlds import LARGE, STANDARD
from syncfsm_adapters.cli import main

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "spec/PROTOCOL.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\((?P<target>[^)\s]+)\)")
COMMAND = re.compile(r"\bsyncfsm (?P<command>node|outage|table|check|replay)\b(?P<rest>[^\n`]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def python_in(page: Path) -> Iterator[tuple[int, str]]:
    """The page's Python, and how many lines stand before each piece of it."""
    text = text_of(page)
    for fence in FENCE.finditer(text):
        if fence["language"] == "python":
            yield text.count("\n", 0, fence.start("text")), fence["text"]


def prose(page: Path) -> str:
    return FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """What a heading can be linked as, by GitHub's rule."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> list[tuple[str, str]]:
    """Every link to a place in this repository, with the page it is on."""
    found = ((shown(page), link["target"]) for page in PAGES for link in LINK.finditer(prose(page)))
    return sorted({(page, target) for page, target in found if "://" not in target})


def commands() -> list[tuple[str, tuple[str, ...]]]:
    """Every command of ours that a page shows, with its flags."""
    found = (match for page in PAGES for match in COMMAND.finditer(text_of(page)))
    return sorted({(match["command"], tuple(FLAG.findall(match["rest"]))) for match in found})


@pytest.mark.parametrize("page", [page for page in PAGES if any(python_in(page))], ids=shown)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path) -> None:
    namespace = ModuleType("page").__dict__
    for before, code in python_in(page):
        # The empty lines make a traceback name the line of the page.
        exec(compile("\n" * before + code, page, "exec"), namespace)


def test_the_pages_that_promise_running_examples_have_some() -> None:
    assert len(list(python_in(ROOT / "README.md"))) == 1
    assert len(list(python_in(ROOT / "docs/integrating.md"))) >= 5


@pytest.mark.parametrize(("page", "target"), links())
def test_links_lead_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = (ROOT / page).parent / path if path else ROOT / page
    assert place.exists(), f"{page} links to {target}, and there is no such file"
    if anchor:
        assert anchor in anchors(place), f"{page} links to {target}, and no heading there is called that"


@pytest.mark.parametrize(("command", "flags"), commands())
def test_the_flags_that_are_shown_exist(
    command: str, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert set(flags) <= set(FLAG.findall(capsys.readouterr().out))


def test_readme_shows_the_commands_and_make_has_them() -> None:
    readme = text_of(ROOT / "README.md")
    shown_targets = set(
        re.findall(r"(?<=make )\w+", "\n".join(re.findall(r"`make \w+`|^make \w+", readme, re.MULTILINE)))
    )
    targets = set(re.findall(r"^([\w-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert {"demo", "test", "bench", "docs", "nightly"} <= shown_targets <= targets
    assert {"node", "outage"} <= {command for command, _ in commands()}


def test_the_figures_of_the_exploration_are_those_on_record() -> None:
    readme, worlds = " ".join(text_of(ROOT / "README.md").split()), recorded()["worlds"]
    sizes = {world.name: worlds[world.name]["states"] for world in STANDARD}
    again = {name for name in sizes if name.endswith("-ledger")}
    once = sum(size for name, size in sizes.items() if name not in again)
    bound = max(worlds[name]["settle_bound"] or 0 for name in sizes)
    largest = max(worlds[world.name]["states"] for world in LARGE)
    assert f"into {len(sizes.keys() - again)} small worlds" in readme
    assert f"in every order: {once / 1e6:.1f} million states. {len(again)} of the worlds" in readme
    assert f"{len(sizes)} worlds, {sum(sizes.values()) / 1e6:.1f} million states in all" in readme
    assert f"within {bound} actions" in readme
    assert f"up to {largest / 1e6:.1f} million states" in readme


def test_the_rows_without_a_need_are_counted_right() -> None:
    assert len(ROWS) - len(needed()) == 2
    for page in (ROOT / "README.md", ROOT / "docs/designing.md"):
        assert "all but two of the r" in " ".join(text_of(page).lower().split())


def test_the_decisions_that_the_code_names_are_recorded() -> None:
    sources = [path for folder in ("syncfsm", "adapters") for path in (ROOT / folder).rglob("*.py")]
    named = {number for path in sources for number in re.findall(r"\bdecision (\d{4})\b", text_of(path))}
    recorded = {path.name[:4] for path in (ROOT / "docs/decisions").glob("[0-9]*.md")}
    assert named
    assert named <= recorded


def test_what_is_generated_is_up_to_date() -> None:
    command = (sys.executable, "-m", "docs.generate", "--check")
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
