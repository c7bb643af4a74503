"""The protocols of this release, in the order in which each is told of what happens.

The connection comes first: what it learns (a sign of life, room) counts for all that follow. Sync writes what a peer
has, so what reads that comes after it.

Routing needs something that checks the signatures of packets. As it stands here, that is Ed25519 (``syncfsm.signed``);
where PyNaCl is not installed, the node does not speak it. A node whose packets are to be those of one chain, or that
knows who makes its blocks, says so: ``Registry((*CORE.protocols, routing(SignedPackets(chain_id), producer)))``.
"""

from importlib.util import find_spec
from typing import Final

from syncfsm.notes.protocol import NOTES
from syncfsm.peer.protocol import PEER
from syncfsm.registry import Registry
from syncfsm.routing.messages import Packet
from syncfsm.routing.protocol import routing
from syncfsm.sync.protocol import SYNC

CORE: Final = Registry((PEER, SYNC, NOTES))
"""What needs nothing that is not always installed."""


def _signed(packet: Packet) -> bool:
    from syncfsm.signed import SignedPackets

    return SignedPackets()(packet)


ROUTING: Final = routing(_signed)
"""Packets that are signed with Ed25519, for whatever chain."""
STANDARD: Final = CORE.plus(ROUTING) if find_spec("nacl") is not None else CORE
