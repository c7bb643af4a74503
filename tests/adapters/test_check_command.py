"""``syncfsm check`` and ``syncfsm replay``, as a designer uses them."""

import json
from pathlib import Path

import pytest

from syncfsm_adapters.cli import MISTAKE, NOT_SHOWN, OK, main

WORLDS = """
from syncfsm.check import Always, Choice, Settles, Step, World

class Digit:
    name, start = "digit", 0
    def step(self, local, stimulus):
        return Step(local + 1)
    def choices(self, local):
        return [Choice("count", "count")] if local < 9 else []
    def show(self, local):
        return str(local)

GOOD = World("good", (Digit(),), (Settles("Settles", "It ends."),), "Counts to nine.")
BAD = World("bad", (Digit(),), (Always("Small", "It stays small.", ("digit",), lambda n: n < 3),), "Too far.")
STANDARD = (GOOD,)
"""


@pytest.fixture
def worlds(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    path = folder / "worlds.py"
    path.write_text(WORLDS)
    return path


def test_list_names_the_worlds(worlds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(worlds), "--list"]) == OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["good", "bad"]


def test_the_standard_worlds_are_explored_and_reported(worlds: Path, tmp_path: Path) -> None:
    figures = tmp_path / "out" / "check.json"
    assert main(["check", str(worlds.parent), "--json", str(figures)]) == OK
    (world,) = json.loads(figures.read_text())["worlds"]
    assert {name: world[name] for name in ("name", "states", "transitions", "depth", "settle_bound")} == {
        "name": "good", "states": 10, "transitions": 9, "depth": 9, "settle_bound": 9
    }  # fmt: skip
    assert world["properties"] == {"Settles": "holds"}
    assert world["states_per_second"] > 0
    assert (world["rules_fired"], world["rules_never_fired"]) == ([], [])


def test_a_violation_has_a_story_that_can_be_replayed(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stories = tmp_path / "stories"
    assert main(["check", str(worlds), "--world", "bad", "--stories", str(stories)]) == NOT_SHOWN
    said = capsys.readouterr().out
    assert "Small does not hold in world bad, 3 actions from the start." in said
    assert "VIOLATED bad: Small" in said
    story = stories / "bad-Small.ndjson"
    assert main(["replay", str(story), str(worlds)]) == OK
    assert "goes the same way" in capsys.readouterr().out
    assert main(["replay", str(story), str(worlds), "--mermaid"]) == OK
    assert capsys.readouterr().out.startswith("sequenceDiagram")
    worlds.write_text(WORLDS.replace("local + 1", "local + 2"))
    assert main(["replay", str(story), str(_moved(worlds))]) == NOT_SHOWN
    assert "another way now: action 1" in capsys.readouterr().out


def _moved(worlds: Path) -> Path:
    """A file is imported once; a changed one stands for another run."""
    return worlds.rename(worlds.with_name("changed_worlds.py"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere.py"], "there is no nowhere.py"),
        (["check", "{worlds}", "--world", "other"], "there is no world 'other'; there are good, bad"),
        (["replay", "{worlds}", "{worlds}"], "worlds.py"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, worlds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(worlds=worlds) for argument in arguments]) == MISTAKE
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
