"""The graphs of a world: that of the code, by the plain meaning of a world, and TLC's."""

from pathlib import Path

from model_tests.packets import TREE
from model_tests.tla import Graph, dumped
from model_tests.tlc import FAST_START, Model, Specification, run_tlc


def same(translation: Model, specification: Specification, folder: Path) -> tuple[Graph, int]:
    """The graph of the code, which is that of the specification, and how many states the code tells apart."""
    world, path = translation.world, folder / "graph.dot"
    promises = (*specification.steps, *specification.runs)
    found = run_tlc(
        world,
        spec="FairSpecByRow",
        invariants=specification.states_of(world),
        properties=promises,
        dump=path,
        java=FAST_START,
    )
    assert found.violated is None, found.output
    explored, states = explore(translation)
    specified = dumped(path, specification.variables)
    assert explored.states == specified.states
    assert explored.edges == specified.edges
    assert found.states == len(explored.states)
    return explored, states


def explore(translation: Model) -> tuple[Graph, int]:
    """The graph of a world by its plain meaning, and how many states the code tells apart."""
    world = translation.world
    seen, todo = {world.start}, [world.start]
    values = {world.start: translation.state(world.start)}
    edges = set()
    while todo:
        state = todo.pop()
        for name, choice in world.choices(state):
            done = world.act(state, name, choice.stimulus)
            if done is None:
                continue
            after, moments = done
            if after not in seen:
                seen.add(after)
                todo.append(after)
                values[after] = translation.state(after)
            row = translation.name(moments)
            if row != TREE or values[state] != values[after]:
                edges.add((values[state], row, values[after]))
    return Graph(frozenset(values.values()), frozenset(edges)), len(seen)
