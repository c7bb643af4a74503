"""What the kit needs of a node: two members. ``syncfsm.Node`` has them; so can a node of your own.

All else the kit learns as an adapter does, from what the node says: its head from ``HeadMoved``, what it holds from
``Accepted``, its final point from ``FinalMoved``.
"""

from typing import Protocol

from syncfsm.events import Event
from syncfsm.outputs import Output


class SyncNode(Protocol):
    """A node, or something that stands in the place of one, as a value."""

    def step(self, event: Event, /) -> "tuple[SyncNode, tuple[Output, ...]]":
        """Apply one event. ``LocalError`` for a caller's mistake; the old value stays valid. Nothing else is raised."""
        ...

    @property
    def next_deadline(self) -> float | None:
        """When ``Tick`` is due, on the clock of ``now``; ``None`` while nothing waits for time."""
        ...
