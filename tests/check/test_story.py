"""Stories: told on the live components, drawn, saved, and replayed."""

import json

import pytest

from model_tests.mutants import MUTANTS
from spec.worlds import forks
from syncfsm.check import Exploration, diagram, story
from syncfsm.link import Strategy

MUTANT = next(mutant for mutant in MUTANTS if mutant.name == "forget-giver")


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


@pytest.mark.parametrize("text", ["", '{"format": "another"}\n', json.dumps({"no": "format"})])
def test_what_is_no_story_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a story"):
        story.read(text.splitlines())
