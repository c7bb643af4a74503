"""Failure modes that a world rules out by a property of its own. ``docs/failure-modes.md`` lists them all by number.

Each property is broken by a changed rule too, so none holds because nothing happens.
"""

from collections.abc import Mapping
from typing import Final

import attrs
import pytest

from model_tests.mutants import mutant
from model_tests.small import SMALL
from syncfsm.check import Ends, Exploration, Property, World
from syncfsm.machine import Action, Guard
from syncfsm.node.node import Node
from syncfsm.outputs import Output
from syncfsm.protocol import View
from syncfsm.sync.types import Link
from syncfsm_spec.kit.moments import links

NODES: Final = ("A", "B")


def violated(
    world: World,
    *claims: Property,
    guards: Mapping[str, Guard] | None = None,
    actions: Mapping[str, Action] | None = None,
) -> str | None:
    """Which of these properties does not hold in the world, if some rules are changed."""
    changed = mutant("", "", world, guards, actions).world
    exploration = Exploration(attrs.evolve(changed, properties=claims))
    exploration.run()
    assert exploration.complete
    return exploration.violation.name if exploration.violation else None


# F39: equal heads, and finality advances --------------------------------------------------------------------------


def knows_final(a: Node, b: Node) -> bool:
    """Two that are linked and at rest know of each other what is final."""
    if "B" not in a.links or "A" not in b.links:
        return True
    return links(a)["B"].final == b.chain.final.point and links(b)["A"].final == a.chain.final.point


KNOWS_FINAL: Final = Ends("KnowsFinal", "Heads are equal, finality advances: still told.", NODES, knows_final)
FINALS: Final = [world for world in SMALL if world.name.rpartition("-")[0] in ("final", "overrule", "prune", "forget")]


@pytest.mark.parametrize("world", FINALS, ids=lambda world: world.name)
def test_f39_who_is_linked_knows_what_is_final_for_the_other(world: World) -> None:
    assert violated(world, KNOWS_FINAL) is None


def test_f39_a_node_that_keeps_its_final_point_to_itself_is_found() -> None:
    def silent(link: Link, message: None, view: View) -> tuple[Link, tuple[Output, ...]]:
        return link, ()

    assert violated(FINALS[0], KNOWS_FINAL, actions={"tell_final": silent}) == "KnowsFinal"
