"""A node's place in a simulated network: the node, and what the network knows of it from what it said."""

from collections.abc import Callable

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.events import Event, Finalised, Produced
from syncfsm.outputs import Accepted, FinalMoved, HeadMoved
from syncfsm.testing.protocol import SyncNode


@attrs.define(eq=False)
class Member:
    """``held`` are the ids it accepted; ``journal`` tells them again to the node that starts after a restart."""

    name: str
    start: Callable[[], SyncNode]
    correct: bool
    node: SyncNode
    head: Point
    final: Point
    held: set[bytes]
    journal: list[Event] = attrs.Factory(list)
    ticked_at: float = -1.0

    def note(self, said: Accepted | HeadMoved | FinalMoved, now: float, blocks: dict[bytes, Header]) -> None:
        """Believe the node, and put what it accepted into ``blocks``. ``AssertionError`` if it should not have said so.

        Anything may be said by a node that is not correct.
        """
        match said:
            case Accepted(headers):
                for header in headers:
                    assert not self.correct or header.id not in self.held, (
                        f"{self.name} accepted {header.point} a second time"
                    )
                    assert not self.correct or header.parent in self.held, (
                        f"{self.name} accepted {header.point} before its parent, {header.parent[:4].hex()}"
                    )
                    blocks[header.id] = header
                    self.held.add(header.id)
                self.journal.append(Produced(headers, now))
            case HeadMoved(old, new) if self.correct:
                assert old == self.head, f"{self.name} moved its head from {old} to {new}; it was {self.head}"
                self._assert_held(new)
                self.head = new
                self._assert_head_above_final(blocks)
            case FinalMoved(_, new) if self.correct:
                assert new.height > self.final.height, (
                    f"NeverBelowFinal: {self.name} moved its final point from {self.final} to {new}"
                )
                self._assert_held(new)
                self.final = new
                self.journal.append(Finalised(new, now))
                self._assert_head_above_final(blocks)

    def _assert_held(self, point: Point) -> None:
        assert point.id in self.held, f"{self.name} moved to {point}, and has not said that it accepted that block"

    def _assert_head_above_final(self, blocks: dict[bytes, Header]) -> None:
        below: Header | None = blocks[self.head.id]
        while below is not None and below.height > self.final.height:
            below = blocks.get(below.parent)
        assert below is not None, f"the head of {self.name}, {self.head}, stands on a block that nobody accepted"
        assert below.id == self.final.id, (
            f"NeverBelowFinal: the head of {self.name}, {self.head}, is not above {self.final}"
        )
