"""What the kit needs of a node: two members. ``syncfsm.Node`` has them; so can a node of your own.

What a node must do with which event:

===============  =================================================================================================
``Connected``    it may send to that peer from now on
``Received``     take what the peer says; it arrives in the order sent, but small messages may overtake blocks
``Lost``         say ``Disconnect``, once, unless it said so before; send nothing to that peer until ``Connected``
``Produced``     take the blocks as its own: from their maker, or after a restart. ``LocalError`` if they do not fit
``Finalised``    never go below that block; or ignore it, if nothing is ever final. ``LocalError`` if it does not fit
``Tick``         look at the time; comes only if ``next_deadline`` asks for it
===============  =================================================================================================

All else may be ignored. Blocks that are taken are said to be (``Accepted``) before anything that depends on them.
All else the kit learns as an adapter does, from what the node says: its head from ``HeadMoved``, what it holds from
``Accepted``, its final point from ``FinalMoved``.
"""

from typing import Protocol

from syncfsm.events import Event
from syncfsm.outputs import Output


class SyncNode(Protocol):
    """A node, or something that stands in the place of one.

    Best as a value. A node that changes in place returns itself; then watchers cannot see what it was before.
    """

    def step(self, event: Event, /) -> "tuple[SyncNode, tuple[Output, ...]]":
        """Apply one event. ``LocalError`` for a caller's mistake; the old value stays valid. Nothing else is raised."""
        ...

    @property
    def next_deadline(self) -> float | None:
        """When ``Tick`` is due, on the clock of ``now``; ``None`` while nothing waits for time."""
        ...
