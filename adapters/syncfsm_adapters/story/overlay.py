"""Who is linked to whom in the story."""

from typing import Final

from syncfsm_adapters.memory.world import mesh, regular
from syncfsm_adapters.story.plan import LOST, SEQUENCER, Plan

Links = dict[str, frozenset[str]]
"""By node: those that it is linked to."""
SEED: Final = 1
"""The same plan has the same links each time."""


def overlay(plan: Plan) -> Links:
    """The links of a plan. Whichever follower is lost, the others stay connected.

    If it is the feed of ``LOST`` that is lost, that must not be the sequencer, so they are not linked; ``LOST`` has two
    followers beside it at least.
    """
    names = (SEQUENCER, *plan.names)
    pairs = mesh(names) if plan.degree is None else regular(names, plan.degree, SEED)
    links = {name: frozenset(other for pair in pairs if name in pair for other in pair) - {name} for name in names}
    return _apart(links) if plan.mode.of_feed and LOST in links[SEQUENCER] else links


def _apart(links: Links) -> Links:
    """``LOST`` changes places with a follower that is not linked to the sequencer. If all are, its link is left out."""
    other = next((name for name in links if name != SEQUENCER and name not in links[SEQUENCER]), None)
    if other is None:
        return links | {SEQUENCER: links[SEQUENCER] - {LOST}, LOST: links[LOST] - {SEQUENCER}}
    swapped = {LOST: other, other: LOST}
    return {
        swapped.get(name, name): frozenset(swapped.get(near, near) for near in beside) for name, beside in links.items()
    }
