"""Worlds that begin when something has happened already: nodes that are in step, say.

They are the same worlds, from a later state on: all that they can come to, the world that begins from nothing comes to
as well, as ``begun`` takes real steps only. So what breaks in them breaks from nothing. The other way round they lack
what happens meanwhile: that is for worlds that begin from nothing. ``model_tests/test_in_step.py`` explores both.
"""

from collections.abc import Sequence
from typing import Any

import attrs

from syncfsm.check import Channel, Choice, Environment, World


def begun(world: World, first: Sequence[str]) -> World:
    """The same world after these moves of its environment, each followed by all that the lines do by themselves. What
    is left of the moves is as it was."""
    state = world.start
    for label in first:
        environment = next(part for part in world.components if isinstance(part, Environment))
        at = next(at for at, move in enumerate(environment.moves) if move.label == label)
        state = _acted(world, state, environment.name, at)
        while (choice := _next(world, state)) is not None:
            state = _acted(world, state, choice[0], choice[1].stimulus)
    return attrs.evolve(world, components=tuple(map(_starting, world.components, state)))


def _acted(world: World, state: tuple[Any, ...], name: str, stimulus: Any) -> tuple[Any, ...]:
    done = world.act(state, name, stimulus)
    assert done is not None, f"{stimulus} can not happen at {name}"
    return done[0]


def _next(world: World, state: tuple[Any, ...]) -> tuple[str, Choice] | None:
    """The first thing that a line can do."""
    lines = {part.name for part in world.components if isinstance(part, Channel)}
    return next((each for each in world.choices(state) if each[0] in lines), None)


def _starting(component: Any, local: Any) -> Any:
    if isinstance(component, Environment):
        moves = (attrs.evolve(move, times=left) for move, left in zip(component.moves, local, strict=True))
        return attrs.evolve(component, moves=tuple(move for move in moves if move.times))
    return attrs.evolve(component, start=local)
