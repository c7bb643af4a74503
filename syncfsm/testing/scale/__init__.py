"""Large networks of real nodes, in virtual time: thousands, on the published network of ``published``.

For how protocols spread blocks, and what that costs, at sizes at which nobody can start processes. Promises are for
``syncfsm.testing.SimNetwork`` and the checker to judge.
"""

from syncfsm.testing.scale.behaviours import dawdles, withholds
from syncfsm.testing.scale.dialling import Dialling
from syncfsm.testing.scale.ledger import Ledger, Traffic, percentile
from syncfsm.testing.scale.members import Edge, Member
from syncfsm.testing.scale.network import LargeNetwork
from syncfsm.testing.scale.overlay import Overlay, Place, random_overlay
from syncfsm.testing.scale.source import Source
from syncfsm.testing.scale.uplink import Downlink, Uplink

__all__ = [
    "Dialling",
    "Downlink",
    "Edge",
    "LargeNetwork",
    "Ledger",
    "Member",
    "Overlay",
    "Place",
    "Source",
    "Traffic",
    "Uplink",
    "dawdles",
    "percentile",
    "random_overlay",
    "withholds",
]
