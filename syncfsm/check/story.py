"""Stories: the shortest way to a violation, told by running it again on the live components.

A story is kept as NDJSON: a line about the whole, then a line for each action, with what every component did. To
replay it is to run the same actions again and compare, so a story also tells whether a change of the code changes it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from syncfsm.check.found import Violation
from syncfsm.check.world import Moment, State, StepError, World

FORMAT: Final = "syncfsm story 1"


@attrs.frozen
class Scene:
    """One action: whose choice it was, which one, what each component did, and how the world stands afterwards."""

    component: str
    label: str
    moments: tuple[Moment, ...]
    state: State


@attrs.frozen
class Story:
    """A run of a world, and what it shows."""

    world: World
    violation: Violation
    scenes: tuple[Scene, ...]
    stopped: str = ""
    """Why the run could not go on as it was told; empty if it could."""

    @property
    def whole(self) -> bool:
        """Whether every action could be carried out."""
        return not self.stopped


def tell(world: World, violation: Violation) -> Story:
    """Run the actions of a violation on the live components."""
    state, scenes = world.start, list[Scene]()
    for component, label in violation.actions:
        stimulus = next((c.stimulus for name, c in world.choices(state) if (name, c.label) == (component, label)), None)
        if stimulus is None:
            return Story(world, violation, tuple(scenes), f"{component} has no choice '{label}' any more")
        try:
            done = world.act(state, component, stimulus)
        except StepError as raised:
            return Story(world, violation, (*scenes, Scene(component, label, raised.moments, state)))
        if done is None:
            return Story(world, violation, tuple(scenes), f"'{component}: {label}' cannot happen any more")
        state, moments = done
        scenes.append(Scene(component, label, moments, state))
    return Story(world, violation, tuple(scenes))


# On disk --------------------------------------------------------------------------------------------------------


def to_ndjson(story: Story) -> str:
    """The story, a line of JSON for each action."""
    violation = story.violation
    head = {
        "format": FORMAT, "world": story.world.name, "property": violation.name, "sentence": violation.sentence,
        "detail": violation.detail, "loop": violation.loop,
    }  # fmt: skip
    lines = [head, *(_scene(story.world, at, scene) for at, scene in enumerate(story.scenes, 1))]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _scene(world: World, at: int, scene: Scene) -> dict[str, Any]:
    steps = [_moment(world, moment) for moment in scene.moments]
    return {"action": at, "component": scene.component, "choice": scene.label, "steps": steps}


def _moment(world: World, moment: Moment) -> dict[str, Any]:
    component = world.components[world.find(moment.component)]
    rules = [str(rule) for rule in moment.rules]
    after = moment.after if isinstance(moment.after, str) else component.show(moment.after)
    return {"component": moment.component, "before": component.show(moment.before), "after": after, "rules": rules}


def read(lines: Iterable[str]) -> tuple[str, Violation, list[dict[str, Any]]]:
    """The world's name, what was violated, and the actions as they were told. ``ValueError`` if it is no story."""
    found = [json.loads(line) for line in lines if line.strip()]
    if not found or found[0].get("format") != FORMAT:
        raise ValueError(f"this is not a story: its first line must say {FORMAT!r}")
    head, scenes = found[0], found[1:]
    actions = tuple((scene["component"], scene["choice"]) for scene in scenes)
    return head["world"], Violation(head["property"], head["sentence"], head["detail"], actions, head["loop"]), scenes


def difference(story: Story, told: Sequence[dict[str, Any]]) -> str:
    """Where this run differs from what was told before, in one sentence; empty if it goes the same way."""
    for at, (scene, before) in enumerate(zip(story.scenes, told, strict=False), 1):
        now = _scene(story.world, at, scene)
        if now != before:
            steps = zip(now["steps"], before["steps"], strict=False)
            new, old = next((pair for pair in steps if pair[0] != pair[1]), (now, before))
            where = f"action {at} ({scene.component}: {scene.label})"
            return f"{where} goes another way: {_brief(old)} then, {_brief(new)} now"
    return story.stopped


def _brief(step: dict[str, Any]) -> str:
    return f"{step['component']} [{step.get('after', step.get('choice'))}]" + "".join(
        f" by {rule}" for rule in step.get("rules", ())
    )
