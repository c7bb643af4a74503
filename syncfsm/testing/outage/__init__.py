"""The outage as a property: what the library is for, with everything about the story drawn.

    report = play_outage(Outage(nodes=5, topology="mesh", losses=(Loss(gap=100),)))

``strategies`` draws outages, needs Hypothesis, and is imported by name.
"""

from syncfsm.testing.outage.bounds import Allowed, allowed
from syncfsm.testing.outage.judge import Return
from syncfsm.testing.outage.player import MakeNode, Report, our_node, play_outage
from syncfsm.testing.outage.story import HOW, LIARS, TOPOLOGIES, Loss, Outage, Turn

__all__ = [
    "HOW",
    "LIARS",
    "TOPOLOGIES",
    "Allowed",
    "Loss",
    "MakeNode",
    "Outage",
    "Report",
    "Return",
    "Turn",
    "allowed",
    "our_node",
    "play_outage",
]
