"""Stories: told on the live components, drawn, saved, and replayed."""

from collections.abc import Sequence

import attrs
import pytest

from model_tests.sync_mutants import SYNC_MUTANTS
from syncfsm.check import Choice, Exploration, Settles, Step, World, diagram, story
from syncfsm.limits import Strategy
from syncfsm_spec.sync.worlds import forks

MUTANT = next(mutant for mutant in SYNC_MUTANTS if mutant.name == "forget-giver")


@pytest.fixture(scope="module")
def told() -> story.Story:
    exploration = Exploration(MUTANT.narrowed)
    exploration.run()
    assert exploration.violation is not None
    return story.tell(MUTANT.world, exploration.violation)


def test_a_story_says_who_sent_what_and_which_rule_fired(told: story.Story) -> None:
    text = diagram.terminal(told)
    assert text.startswith(f"NoEcho does not hold in world {MUTANT.world.name}, {len(told.scenes)} actions")
    assert "that peer knows all ancestors of that block" in " ".join(text.split())
    assert "take_blocks" in text
    assert "▶" in text
    assert "connect A-B" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_same_story_as_mermaid(told: story.Story) -> None:
    lines = diagram.mermaid(told).splitlines()
    assert lines[:3] == ["sequenceDiagram", "    participant A", "    participant B"]
    assert any("A->>B" in line for line in lines)
    assert lines[-1].endswith("NoEcho does not hold")


def test_a_saved_story_is_replayed(told: story.Story) -> None:
    text = story.to_ndjson(told)
    name, violation, scenes = story.read(text.splitlines())
    assert (name, violation) == (MUTANT.world.name, told.violation)
    again = story.tell(MUTANT.world, violation)
    assert again == told
    assert story.difference(again, scenes) == ""


def test_a_replay_says_where_it_goes_another_way(told: story.Story) -> None:
    """The table that ships takes other steps than the mutant."""
    _, violation, scenes = story.read(story.to_ndjson(told).splitlines())
    again = story.tell(forks(Strategy.LOCATOR), violation)
    assert story.difference(again, scenes).startswith("action ")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": "another"}\n', '{"no": "format"}', '{"format": "syncfsm story 1"}']
)
def test_what_is_no_story_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a story"):
        story.read(text.splitlines())


def test_a_story_that_breaks_off_is_refused(told: story.Story) -> None:
    """It would go the same way, as far as it goes."""
    lines = story.to_ndjson(told).splitlines()
    for cut in range(len(lines)):
        with pytest.raises(ValueError, match="not a story"):
            story.read(lines[:cut])
    with pytest.raises(ValueError, match="line 2: Object missing"):
        story.read([lines[0], '{"action": 1}'])


def test_columns_get_narrower_where_there_is_little_room(told: story.Story) -> None:
    lines = diagram.terminal(told, 70).splitlines()
    assert max(map(len, lines[lines.index("") :])) <= 70, "the heading is above"
    assert diagram.terminal(told, 300) == diagram.terminal(told)


# Components of one's own ----------------------------------------------------------------------------------------


@attrs.frozen
class Lamp:
    """Its states are text, and its fuse does not bear to be switched on twice."""

    name: str = "lamp"
    start: str = "dark"

    def step(self, local: str, stimulus: str) -> Step:
        if (local, stimulus) == ("lit", "on"):
            raise OverflowError("the fuse")
        return Step("lit" if stimulus == "on" else "dark")

    def choices(self, local: str) -> Sequence[Choice]:
        return (Choice("switch on", "on"), Choice("switch off", "off"))

    def show(self, local: str) -> str:
        return local


def explored(world: World) -> story.Story:
    exploration = Exploration(world)
    exploration.run()
    assert exploration.violation is not None
    return story.tell(world, exploration.violation)


def test_a_state_that_is_text_is_shown_as_a_state_and_an_exception_as_one() -> None:
    broken = explored(World("lamp", (Lamp(),)))
    assert "  dark  ⇒  lit\n" in diagram.terminal(broken)
    assert "  (lit)\n       ! OverflowError: the fuse\n" in diagram.terminal(broken)
    _, violation, scenes = story.read(story.to_ndjson(broken).splitlines())
    assert [(step.after, step.raised) for scene in scenes for step in scene.steps] == [
        ("lit", ""),
        ("lit", "OverflowError: the fuse"),
    ]
    assert story.difference(story.tell(World("lamp", (Lamp(start="lit"),)), violation), scenes).startswith("action 1 ")


def test_a_run_without_end_is_a_loop_in_the_diagram() -> None:
    class Switch(Lamp):
        def choices(self, local: str) -> Sequence[Choice]:
            return (Choice("switch on", "on"),) if local == "dark" else (Choice("switch off", "off"),)

    endless = explored(World("switch", (Switch(),), (Settles("Settles", "It ends."),)))
    lines = [line.strip() for line in diagram.mermaid(endless).splitlines()]
    assert lines[2] == "loop for ever"
    assert lines[-2:] == ["end", "Note over lamp: Settles does not hold"]
