"""Worlds of the room of truth that are small enough for every edge to be replayed: the larger ones, with less that may
happen. Together they fire every row that the specification has."""

from typing import Final

import attrs

from syncfsm.check import Environment, World
from syncfsm_spec.truth.worlds import (
    answers,
    batches,
    breaks,
    crashes,
    halts,
    overruled,
    prunes,
    reorganises,
    says_that_it_broke,
    taken_back,
)


def few(world: World, **times: int) -> World:
    """The same, but only these moves may happen, so many times each; they go by their labels, or how these begin."""
    *parts, environment = world.components
    assert isinstance(environment, Environment)
    moves = []
    for name, count in times.items():
        label = name.replace("_", " ")
        exact = [move for move in environment.moves if move.label == label]
        (move,) = exact or [move for move in environment.moves if move.label.startswith(label)]
        moves.append(attrs.evolve(move, times=count))
    less = attrs.evolve(environment, moves=tuple(moves))
    return attrs.evolve(world, name=f"{world.name}-few", components=(*parts, less))


TAKEN_BACK: Final = few(taken_back(), makes=1, **{"goes back; the blob waits": 1}, the_answer=1)
SMALL: Final = (
    few(batches(), junk=1, a1=1, c2=1),
    few(reorganises(), a1=1, a_block=1, goes_back_1=1, tells=1),
    few(reorganises(), a1=1, is_out=1, is_back=1, tells=1),
    few(prunes(), a1=1, a2=1, a3=1, prunes=1, somebody=2),
    breaks(),
    few(says_that_it_broke(), a1=1, a_block=1, says=1, is_out=1),
    few(crashes(), makes=2, **{"crashes; its blob lands": 1}),
    few(crashes(), makes=2, is_out=1, is_back=1),
    few(answers(), makes=1, it_is_not=1, it_is_refused=1, an_operator=2),
    few(answers(), makes=2, **{"the answer is lost": 1}, it_is_too=2),
    TAKEN_BACK,
    few(taken_back(), makes=1, **{"goes back; the blob is gone": 1}),
    few(halts(), makes=2, a_block=1, goes_back_3=1),
    few(overruled(), makes=2, another=1, crashes=1),
)
USUAL: Final = (SMALL[0], SMALL[1], SMALL[3], SMALL[6], SMALL[9])
"""For every run of the tests; the others are for the night."""
