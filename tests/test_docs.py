"""The documentation tells the truth: its Python runs, its commands and flags exist. Its links: test_references."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from model_tests.exhaustive import recorded
from model_tests.needed import ROWS, needed
from syncfsm.limits import Limits
from syncfsm_adapters.command.cli import main
from syncfsm_spec.worlds import LARGE, NODES
from tests.pages import FENCE, PAGES, ROOT, shown, text_of

COMMAND = re.compile(r"\bsyncfsm (?P<command>node|keygen|outage|status|mark|da|table|check|replay)\b(?P<rest>[^\n`]*)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def python_in(page: Path) -> Iterator[tuple[int, str]]:
    """The page's Python, and how many lines stand before each piece of it."""
    text = text_of(page)
    for fence in FENCE.finditer(text):
        if fence["language"] == "python":
            yield text.count("\n", 0, fence.start("text")), fence["text"]


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


def test_the_operators_page_has_the_limits_as_they_are() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (\d[\d., a-z]*) \|", text_of(ROOT / "docs/operating.md"), re.MULTILINE)
    shown_limits = {
        name: float(number)
        for names, numbers in rows
        for name, number in zip(re.findall(r"\w+", names), re.findall(r"[\d.]+", numbers), strict=True)
    }
    assert {"gates", "graft", "patience"} <= set(shown_limits)
    assert shown_limits == {name: getattr(Limits(), name) for name in shown_limits}


def test_the_figures_of_the_exploration_are_those_on_record() -> None:
    readme, worlds = " ".join(text_of(ROOT / "README.md").split()), recorded()["worlds"]
    sizes = {world.name: worlds[world.name]["states"] for world in NODES}
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
        assert "all but 2 of the r" in " ".join(text_of(page).lower().split())


def test_what_is_generated_is_up_to_date() -> None:
    command = (sys.executable, "-m", "docs.generate", "--check")
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
