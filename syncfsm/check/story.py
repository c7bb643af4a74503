"""Stories: the shortest way to a violation, told by running it again on the live components.

A story is kept as NDJSON: a line about the whole, then a line for each action, with what every component did. To
replay it is to run the same actions again and compare, so a story also tells whether a change of the code changes it.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

import attrs
import msgspec

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


class ToldStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one component did, as people see it: its state before and after, and the rows that fired."""

    component: str
    before: str
    after: str
    rules: tuple[str, ...]
    raised: str = ""


class ToldScene(msgspec.Struct, frozen=True):
    """One action, as it is kept."""

    action: int
    component: str
    choice: str
    steps: tuple[ToldStep, ...]


class Head(msgspec.Struct, frozen=True, tag_field="format", tag=FORMAT):
    """The first line. ``actions`` is how many lines follow."""

    world: str
    property: str
    sentence: str
    detail: str
    loop: int | None
    actions: int


def to_ndjson(story: Story) -> str:
    """The story, a line of JSON for each action."""
    violation = story.violation
    head = Head(
        story.world.name, violation.name, violation.sentence, violation.detail, violation.loop, len(story.scenes)
    )
    lines = [head, *(_told(story.world, at, scene) for at, scene in enumerate(story.scenes, 1))]
    return "".join(msgspec.json.encode(line).decode() + "\n" for line in lines)


def _told(world: World, at: int, scene: Scene) -> ToldScene:
    steps = tuple(
        ToldStep(
            moment.component,
            world.show(moment.component, moment.before),
            world.show(moment.component, moment.after),
            tuple(map(str, moment.rules)),
            moment.raised,
        )
        for moment in scene.moments
    )
    return ToldScene(at, scene.component, scene.label, steps)


def read(lines: Iterable[str]) -> tuple[str, Violation, list[ToldScene]]:
    """The world's name, what was violated, and the actions as they were told. ``ValueError`` if it is no story."""
    head: Head | None = None
    told: list[ToldScene] = []
    for at, line in enumerate(lines, 1):
        try:
            if head is None:
                head = msgspec.json.decode(line, type=Head)
            else:
                told.append(msgspec.json.decode(line, type=ToldScene))
        except msgspec.MsgspecError as error:
            raise ValueError(f"this is not a story: line {at}: {error}") from error
    if head is None or len(told) != head.actions:
        raise ValueError(
            f"this is not a story, or not all of it: {len(told)} actions, of {head.actions if head else 0}"
        )
    actions = tuple((scene.component, scene.choice) for scene in told)
    return head.world, Violation(head.property, head.sentence, head.detail, actions, head.loop), told


def difference(story: Story, told: Sequence[ToldScene]) -> str:
    """Where this run differs from what was told before, in one sentence; empty if it goes the same way."""
    for at, (scene, before) in enumerate(zip(story.scenes, told, strict=False), 1):
        steps = zip_longest(before.steps, _told(story.world, at, scene).steps)
        changed = next(((old, new) for old, new in steps if old != new), None)
        if changed:
            old, new = map(_brief, changed)
            return f"action {at} ({scene.component}: {scene.label}) goes another way: {old} then, {new} now"
    return story.stopped


def _brief(step: ToldStep | None) -> str:
    if step is None:
        return "nothing more"
    state = f"{step.component} [{step.after}]" + "".join(f" by {rule}" for rule in step.rules)
    return state + (f" raised {step.raised}" if step.raised else "")
