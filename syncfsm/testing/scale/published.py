"""The network on which gossip protocols are compared, as libp2p published it.

The figures are those of ``gossipsub-interop/network_graph.py`` in github.com/libp2p/test-plans at commit 00f6cbdf:
eight regions and how many nodes are in each, the latency from region to region, and two kinds of nodes. There it is
190 ms from South Africa to South America and 195 ms the other way; here it is 195 both ways.
"""

from typing import Final

import attrs


@attrs.frozen
class Kind:
    """A kind of node: ``weight`` of a hundred nodes, and what its line carries, in megabits (10**6 bits) a second."""

    name: str
    up: int
    down: int
    weight: int


KINDS: Final = (Kind("supernode", 1024, 1024, 20), Kind("fullnode", 50, 50, 80))

REGIONS: Final = {
    "australia": 290,
    "europe": 5599,
    "east_asia": 1059,
    "west_asia": 161,
    "na_east": 2894,
    "na_west": 1240,
    "south_africa": 47,
    "south_america": 36,
}
"""How many nodes there are in each region."""

# fmt: off
LATENCY_MS: Final = (
    # aus   eur  e_as  w_as  na_e  na_w  s_af  s_am
    (  2,  165,  110,  180,  150,  110,  220,  190),
    (165,    2,  125,   60,   70,  110,   95,  140),
    (110,  125,    4,  110,  140,  100,  175,  175),
    (180,   60,  110,    5,  110,  150,  110,  145),
    (150,   70,  140,  110,    2,   60,  130,  100),
    (110,  110,  100,  150,   60,    2,  160,  100),
    (220,   95,  175,  110,  130,  160,    7,  195),
    (190,  140,  175,  145,  100,  100,  195,    7),
)
# fmt: on
"""One way, in milliseconds, from region to region, in the order of ``REGIONS``."""
