"""The worlds that show what relay promises: three nodes in a line and in a triangle, four in a ring, one that dies or
lies, limits, older releases and operators. A makes the blocks.

Most begin in step, by real steps of the nodes (``begun``). What they leave out is what ``worlds.py`` has: how a common
ancestor is found while all else happens.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from syncfsm.blocks import Header
from syncfsm.check import Channel, Choice, Environment, Move, NodeComponent, Property, Step, World, connect, cut
from syncfsm.check.nodes import STILL
from syncfsm.node.node import Node
from syncfsm_spec.kit.moments import blocks_arrive
from syncfsm_spec.kit.moves import makes
from syncfsm_spec.kit.trees import a1, a2, a3, a4, g
from syncfsm_spec.settings import Setting
from syncfsm_spec.sync.feed import ONCE_PER_NODE, fed, once_per_node

A_B, B_C, A_C = ("A", "B"), ("B", "C"), ("A", "C")
A_D, B_D, C_D = ("A", "D"), ("B", "D"), ("C", "D")
LINE: Final = (A_B, B_C)
TRIANGLE: Final = (A_B, A_C, B_C)
RING: Final = (A_B, A_C, B_D, C_D)
"""A square; the diamond has B-C too."""
DIAMOND: Final = (A_B, A_C, B_C, B_D, C_D)
Pairs = Sequence[tuple[str, str]]

# Worlds that begin in step --------------------------------------------------------------------------------------


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


# When a tree spans ----------------------------------------------------------------------------------------------


@attrs.frozen
class Since:
    """How many blocks have been made since anything else happened, each when nothing was under way."""

    name: str = "since"
    start: int = 0

    def step(self, local: int, in_peace: bool) -> Step:
        return Step(local + 1 if in_peace else 0)

    def choices(self, local: int) -> Sequence[Choice]:
        return ()

    def show(self, local: int) -> str:
        return ""


def with_since(world: World, last: Sequence[str]) -> World:
    """The same world, where the moves with these labels wait until nothing is under way, and are counted as long as
    nothing else happens."""
    lines = [part.name for part in world.components if isinstance(part, Channel)]
    since = Since()

    def noted(move: Move) -> Move:
        if move.label not in last:
            return attrs.evolve(move, emissions=(*move.emissions, (since.name, False)))
        return attrs.evolve(move, emissions=(*((line, STILL) for line in lines), *move.emissions, (since.name, True)))

    parts = tuple(
        attrs.evolve(part, moves=tuple(map(noted, part.moves))) if isinstance(part, Environment) else part
        for part in world.components
    )
    return attrs.evolve(world, components=(*parts, since))


# When each block comes once -------------------------------------------------------------------------------------


@attrs.frozen
class Punctual(NodeComponent):
    """A node for which no feed is ever late."""

    def choices(self, node: Node) -> Sequence[Choice]:
        return ()


def punctual(world: World) -> World:
    """The same world, where all that is under way arrives before anybody loses patience: each block comes once."""
    parts = tuple(
        Punctual(part.name, part.start, part.tables, part.timed, part.counted)
        if isinstance(part, NodeComponent)
        else part
        for part in world.components
    )
    names = [part.name for part in parts if isinstance(part, Punctual)]
    once = ONCE_PER_NODE.steps(names, once_per_node, blocks_arrive)
    return attrs.evolve(world, name=f"{world.name}-punctual", components=parts, properties=(*world.properties, once))


# The worlds -----------------------------------------------------------------------------------------------------


def relayed(
    name: str, pairs: Pairs, moves: Iterable[Move] = (), *, before: Sequence[Header] = (a1,), made: Sequence[Header] = (a2,),
    last: Sequence[Header] = (a3, a4), again: Pairs = (), setting: Setting = Setting(), anew: bool = False,
    extra: Iterable[Property] = (), doc: str = "",
) -> World:  # fmt: skip
    """A makes these blocks, the ``last`` ones when nothing is under way. The nodes are linked in these pairs, in this order,
    and ``before`` is made, before the world begins (unless ``anew``); links ``again`` may break, and come back."""
    names = sorted({each for pair in pairs for each in pair})
    ours = [each for each in names if each not in setting.liars]
    links = [connect(a, b, 1 + again.count((a, b))) for a, b in pairs]
    cuts = [cut(a, b, again.count((a, b))) for a, b in dict.fromkeys(again)]
    blocks = makes("A", *before, *made, *last)
    given = (*links, *cuts, *blocks, *moves)
    world = setting.world(name, dict.fromkeys(names, (g,)), pairs, given, (*fed(ours, "A", bool(last)), *extra), doc)
    if last:
        world = with_since(world, [f"A makes {each.id.decode()}" for each in last])
    first = [f"connect {a}-{b}" for a, b in pairs] + [f"A makes {each.id.decode()}" for each in before]
    return world if anew else begun(world, first)
