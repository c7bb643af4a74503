"""Failure modes that a world rules out by a claim of its own. ``docs/failure-modes.md`` lists them all by number.

Each claim is broken by a changed rule too, so none holds because nothing happens.
"""

from collections.abc import Mapping
from typing import Final

import attrs
import pytest

from model_tests.mutants import mutant
from model_tests.small import SMALL
from spec.worlds import BOTH, talk
from syncfsm.check import Ends, Exploration, Moment, Property, SometimesStep, Steps, World
from syncfsm.events import Received
from syncfsm.link import Link, Strategy, View
from syncfsm.machine import Action, Guard
from syncfsm.messages import Note
from syncfsm.node import Node
from syncfsm.outputs import Deliver, Disconnect, Output

NODES: Final = ("A", "B")


def violated(
    world: World,
    *claims: Property,
    guards: Mapping[str, Guard] | None = None,
    actions: Mapping[str, Action] | None = None,
) -> str | None:
    """Which of these claims does not hold in the world, if some rules are changed."""
    changed = mutant("", "", world, guards, actions).world
    exploration = Exploration(attrs.evolve(changed, properties=claims))
    exploration.run()
    assert exploration.complete
    return exploration.violation.name if exploration.violation else None


# F09, F16: payloads ----------------------------------------------------------------------------------------------


def after_its_block(moment: Moment) -> bool:
    """What is delivered is about a block that is held, or was."""
    chain = moment.after.chain
    notes = (output.note for output in moment.outputs if isinstance(output, Deliver))
    return all(n.about is None or n.about.id in chain or n.about.height < chain.base.height for n in notes)


def delivers(moment: Moment) -> bool:
    return any(isinstance(output, Deliver) and output.note.about is not None for output in moment.outputs)


def comes_early(moment: Moment) -> bool:
    """A payload comes whose block is not held, and nothing ends."""
    event = moment.stimulus
    if not isinstance(event, Received) or not isinstance(event.message, Note) or event.message.about is None:
        return False
    ended = any(isinstance(output, Disconnect) for output in moment.outputs)
    return event.message.about.id not in moment.before.chain and not ended


def never_parts(moment: Moment) -> bool:
    event = moment.stimulus
    noted = isinstance(event, Received) and isinstance(event.message, Note)
    return not (noted and any(isinstance(output, Disconnect) for output in moment.outputs))


PAYLOADS: Final = (
    Steps("AfterItsBlock", "A message that refers to a block is delivered only after it.", NODES, after_its_block),
    Steps("NeverParts", "An early or late message is never a reason to part.", NODES, never_parts),
    SometimesStep("Delivers", "Payloads about blocks arrive.", NODES, delivers),
    SometimesStep("ComesEarly", "Payloads come whose block is not there.", NODES, comes_early),
)


@pytest.mark.parametrize("strategy", BOTH)
def test_f09_f16_payloads_come_after_their_block_and_never_end_a_link(strategy: Strategy) -> None:
    assert violated(talk(strategy), *PAYLOADS) is None


def test_f09_payloads_that_are_delivered_at_once_are_found() -> None:
    assert violated(talk(BOTH[0]), *PAYLOADS, guards={"subject_held": lambda *given: True}) == "AfterItsBlock"


# F39: equal heads, and finality advances --------------------------------------------------------------------------


def knows_final(a: Node, b: Node) -> bool:
    """Two that are linked and at rest know of each other what is final."""
    if "B" not in a.links or "A" not in b.links:
        return True
    return a.links["B"].final == b.chain.final.point and b.links["A"].final == a.chain.final.point


KNOWS_FINAL: Final = Ends("KnowsFinal", "Heads are equal, finality advances: still told.", NODES, knows_final)
FINALS: Final = [world for world in SMALL if world.name.rpartition("-")[0] in ("final", "overrule", "prune", "forget")]


@pytest.mark.parametrize("world", FINALS, ids=lambda world: world.name)
def test_f39_who_is_linked_knows_what_is_final_for_the_other(world: World) -> None:
    assert violated(world, KNOWS_FINAL) is None


def test_f39_a_node_that_keeps_its_final_point_to_itself_is_found() -> None:
    def silent(link: Link, message: None, view: View) -> tuple[Link, tuple[Output, ...]]:
        return link, ()

    assert violated(FINALS[0], KNOWS_FINAL, actions={"tell_final": silent}) == "KnowsFinal"
