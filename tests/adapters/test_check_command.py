"""``syncfsm check`` and ``syncfsm replay``, as a designer uses them."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from syncfsm_adapters.command.check import NEEDED
from syncfsm_adapters.command.cli import MISTAKE, NOT_SHOWN, OK, main

ROOT = Path(__file__).parents[2]
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
    assert list(world) == [
        "name", "states", "transitions", "seconds", "states_per_second", "depth", "settle_bound", "properties",
        "rules_fired", "rules_never_fired",
    ]  # fmt: skip
    assert world["properties"] == {"NeverRaises": "holds", "Settles": "holds"}
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
    assert f"syncfsm replay {story} {worlds}\n" in said, "the command as it must be given, the worlds' file included"
    assert main(["replay", str(story), str(worlds)]) == OK
    assert "goes the same way" in capsys.readouterr().out
    assert main(["replay", str(story), str(worlds), "--mermaid"]) == OK
    diagram = capsys.readouterr().out
    assert diagram.startswith("sequenceDiagram")
    assert diagram.splitlines()[-1].startswith("%% It goes the same way"), "a comment: the file stays a diagram"
    worlds.write_text(WORLDS.replace("local + 1", "local + 2"))
    assert main(["replay", str(story), str(_moved(worlds))]) == NOT_SHOWN
    assert "another way now: action 1" in capsys.readouterr().out


def _moved(worlds: Path) -> Path:
    """A file is imported once; a changed one stands for another run."""
    return worlds.rename(worlds.with_name("changed_worlds.py"))


def test_several_worlds_at_a_time_come_to_the_same(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worlds.write_text(WORLDS.replace("(GOOD,)", "(GOOD, BAD)"))
    said, found = [], []
    for jobs in ("1", "2"):
        figures = tmp_path / f"{jobs}.json"
        asked = ["check", str(worlds), "--jobs", jobs, "--json", str(figures), "--stories", str(tmp_path / jobs)]
        assert main(asked) == NOT_SHOWN
        said.append(capsys.readouterr().out)
        found.append(sorted(json.loads(figures.read_text())["worlds"], key=lambda world: str(world["name"])))
        assert (tmp_path / jobs / "bad-Small.ndjson").exists()
    for line in ("good ", "bad ", "Small does not hold in world bad, 3 actions", "VIOLATED: 1 property"):
        assert line in said[0]
        assert line in said[1]
    assert [_what(world) for world in found[0]] == [_what(world) for world in found[1]]


def _what(world: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in world.items() if not name.startswith(("seconds", "states_per"))}


def test_what_a_limit_leaves_open_is_not_shown(worlds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(worlds), "--limit", "5"]) == NOT_SHOWN
    assert "OPEN, nothing is proved: good" in capsys.readouterr().out


def test_what_must_be_reached_and_is_not_has_no_story(
    worlds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worlds.write_text(
        "from syncfsm.check import Sometimes\n"
        + WORLDS.replace('Settles("Settles", "It ends.")', 'Sometimes("Ten", "Ten.", ("digit",), lambda n: n == 10)')
    )
    assert main(["check", str(worlds), "--stories", str(tmp_path / "stories")]) == NOT_SHOWN
    assert "Ten does not hold in world good: there is no such state" in capsys.readouterr().out
    assert not (tmp_path / "stories").exists()


def test_a_table_that_is_not_sound_is_told_first(worlds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worlds.write_text(
        "import attrs\nfrom syncfsm.check import with_rules\nfrom syncfsm.sync.protocol import TABLE\n"
        "from syncfsm_spec.kit.trees import a1, g\nfrom syncfsm_spec.settings import Setting\n"
        "world = Setting().two('w', [g], [g, a1], [], connects=1, cuts=0)\n"
        "unsound = with_rules(world, attrs.evolve(TABLE, rules=TABLE.rules[:-1]))\n"
        "STANDARD = (unsound,)\ndel world\n"
    )
    main(["check", str(worlds), "--stories", str(worlds.parent)])
    assert capsys.readouterr().out.startswith("table sync is not sound: (closed, hello) has no row")


@pytest.mark.parametrize("package", NEEDED)
@pytest.mark.parametrize("command", [["check", "--list"], ["check"], ["replay", "story.ndjson"]])
def test_what_is_not_installed_is_told_in_one_line(package: str, command: list[str]) -> None:
    blocked = (
        f"import sys; sys.modules[{package!r}] = None; from syncfsm_adapters.command.cli import main; sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", blocked, *command], capture_output=True, text=True, check=False)
    assert result.returncode == MISTAKE
    assert result.stderr == f"syncfsm: not installed: {package}; run: pip install 'syncfsm[check]'\n"


def test_the_extra_for_checking_has_all_that_it_needs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {requirement.split(">=")[0] for requirement in extras["check"]} == set(NEEDED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere.py"], "there is no nowhere.py"),
        (["check", "{folder}/empty"], "there is no {folder}/empty/*worlds*.py"),
        (["check", "{folder}/none.py"], "none.py has no world"),
        (["check", "{folder}/typo.py"], "typo.py cannot be read: SyntaxError: '(' was never closed (typo.py, line 1)"),
        (
            ["check", "{folder}/name.py"],
            "name.py cannot be read: NameError: name 'World' is not defined, in <module> (",
        ),
        (["check", "{worlds}", "{folder}/again.py"], "again.py: another world is called 'good' too"),
        (
            ["check", "{worlds}", "--world", "other"],
            "there is no world 'other'; give the file that it is in, or one of",
        ),
        (["check", "{worlds}", "--limit", "0"], "--limit 0: give a number of states"),
        (["check", "{worlds}", "--jobs", "0"], "--jobs 0: give a number of worlds"),
        (["check", "{worlds}", "--json", "{folder}"], "{folder}: Is a directory"),
        (["replay", "{worlds}", "{worlds}"], "worlds.py: this is not a story"),
        (["replay", "{folder}/nowhere.ndjson"], "nowhere.ndjson: No such file"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, worlds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = worlds.parent
    (folder / "empty").mkdir()
    (folder / "none.py").write_text("x = 1")
    (folder / "typo.py").write_text("x = World(")
    (folder / "name.py").write_text("x = World()")
    (folder / "again.py").write_text(WORLDS)
    assert main([argument.format(worlds=worlds, folder=folder) for argument in arguments]) == MISTAKE
    said = capsys.readouterr().err
    assert message.format(folder=folder) in said
    assert len(said.splitlines()) == 1
