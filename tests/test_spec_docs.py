"""What the pages say about the protocol is so: the names exist, and the picture is what exploration finds."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from spec import worlds
from spec.invariants import link_states
from syncfsm.check import Exploration, Moment, Steps
from syncfsm.link import State

ROOT = Path(__file__).parent.parent
PAGES = ("spec/PROTOCOL.md", "docs/failure-modes.md", "docs/designing.md")
PROTOCOL, FAILURES, TOUR = PAGES
KINDS = {re.sub("-(locator|streaming)$", "", world.name) for world in worlds.STANDARD}
CLAIMS = {claim.name.split("(")[0] for world in worlds.STANDARD for claim in world.properties} | {"NeverRaises"}
Pair = tuple[str, ...]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def quoted(page: str) -> set[str]:
    """What stands in backticks, fenced code aside."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", prose))


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    files = [path for folder in ("tests", "model_tests") for path in (ROOT / folder).rglob("*.py")]
    written = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    assert {name for name in quoted(page) if re.fullmatch(r"test_\w+", name)} <= written


@pytest.mark.parametrize("page", PAGES)
def test_the_promises_that_a_page_names_are_checked(page: str) -> None:
    """Or else they are names of the checker's, or of the library's."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "syncfsm").rglob("*.py")))
    classes = set(re.findall(r"^class (\w+)", sources, re.MULTILINE))
    named = {name for name in quoted(page) if re.fullmatch(r"[A-Z][a-z]+([A-Z][a-z]+)+", name)}
    assert named <= CLAIMS | classes


def test_every_promise_of_the_worlds_is_in_the_protocol() -> None:
    missing = CLAIMS - {"NeverRaises", "Reaches", "PartsContradicting", "PartsPruned"}
    missing -= {name.split("(")[0] for name in quoted(PROTOCOL)}
    assert not missing


@pytest.mark.parametrize("page", [PROTOCOL, FAILURES])
def test_the_worlds_that_a_page_names_exist(page: str) -> None:
    """A world is named in a phrase like "world `liar`", or "in `forks`, `race`"."""
    names = re.findall(r"\b(?:[Ww]orlds?|in) ((?:`[a-z_]+`(?:, | and )?)+)", text_of(page))
    found = {name for phrase in names for name in re.findall(r"`([a-z_]+)`", phrase)}
    states = {str(state) for state in State} | {"left"}
    assert found - states
    assert {name.replace("_", "-") for name in found - states} <= KINDS


def test_what_the_tour_shows_is_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page, namespace = text_of(TOUR), ModuleType("page").__dict__
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(code, namespace)
    printed = capsys.readouterr().out
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 5
    for text in shown:
        assert text in printed


def test_the_first_and_last_of_the_failure_modes_and_all_between_are_answered() -> None:
    rows = re.findall(r"^\| (F\d\d) \|", text_of(FAILURES), re.MULTILINE)
    assert rows == [f"F{number:02}" for number in (*range(1, 17), *range(24, 48))]


def test_the_picture_of_two_ends_is_what_exploration_finds() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+) :", text_of(PROTOCOL), re.MULTILINE)
    assert {(pair(a.split("_")), pair(b.split("_"))) for a, b in drawn} == explored("forks-locator")


def pair(states: list[str]) -> Pair:
    return tuple(sorted(states))


def explored(name: str) -> set[tuple[Pair, Pair]]:
    """How the two ends' states change, one end at a time, while both have a link."""
    world = next(world for world in worlds.STANDARD if world.name == name)
    found: dict[str, set[tuple[Pair, Pair]]] = defaultdict(set)

    def watch(here: str, there: str) -> Callable[..., bool]:
        def note(moment: Moment, others: tuple[tuple[str, State], ...]) -> bool:
            before, after = (dict(link_states(node)).get(there) for node in (moment.before, moment.after))
            other = dict(others).get(here)
            if before and after and other and before is not after:
                found[name].add((pair([before, other]), pair([after, other])))
            return True

        return note

    watching = [
        Steps(f"Watch{here}", "", (here,), watch(here, there), beside=(there,), view=link_states)
        for here, there in (("A", "B"), ("B", "A"))
    ]
    exploration = Exploration(attrs.evolve(world, properties=tuple(watching)))
    exploration.run()
    assert exploration.complete
    return found[name]
