"""The protocols of this release, in the order in which each is told of what happens.

The connection comes first: what it learns (a sign of life, room) counts for all that follow. Sync writes what a peer
has, so what reads that comes after it.
"""

from typing import Final

from syncfsm.notes.protocol import NOTES
from syncfsm.peer.protocol import PEER
from syncfsm.protocol import Registry
from syncfsm.sync.protocol import SYNC

STANDARD: Final = Registry((PEER, SYNC, NOTES))
