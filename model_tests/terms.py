"""Nodes in the terms of ``Link.tla`` and ``Lines.tla``: what they hold, their links, and what is under way."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

from model_tests.tla import Value, record
from syncfsm import limits as bounds
from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.check.nodes import EOF, Line
from syncfsm.events import Confirmed, Finalised, Produced, Verdict
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.notes.protocol import NOTES
from syncfsm.peer.messages import Bye
from syncfsm.peer.protocol import PEER
from syncfsm.sync.discovery import sparse
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want
from syncfsm.sync.protocol import SYNC


class NotSpecifiedError(Exception):
    """The world has something that the specification leaves out."""


NO_HELLO: Final = record(head=0)
CLOSED: Final = record(
    state="closed",
    said=NO_HELLO,
    heard=NO_HELLO,
    final=0,
    cursor=0,
    sent=0,
    received=0,
    left=(),
    claims=frozenset(),
    dropped=False,
    mode="active",
    wanted=True,
    says=0,
    owes=0,
    aside=0,
    pending=0,
    room=0,
)


class Terms:
    """Blocks are numbered by rank, from 1; 0 is no block."""

    headers: tuple[Header, ...]

    @cached_property
    def numbers(self) -> dict[bytes, int]:
        return {header.id: number for number, header in enumerate(self.headers, 1)}

    def of_links(self, strategy: Strategy, limits: Limits) -> dict[str, Value]:
        """The constants of ``Tree.tla`` and ``Link.tla``, but for ``Counting``."""
        numbers = self.numbers
        spans = range(max(header.height for header in self.headers) + 1)
        return {
            "Parent": tuple(numbers.get(header.parent, 0) for header in self.headers),
            "Height": tuple(header.height for header in self.headers),
            "Cost": tuple(header.cost for header in self.headers),
            "Retention": limits.retention,
            "Streaming": strategy is Strategy.STREAMING,
            "Points": limits.points,
            "Gaps": tuple(tuple(span - height for height in sparse(0, span, limits.points)) for span in spans),
            "HelloCost": bounds.BLOCK_OVERHEAD,
            "Room": limits.room,
            "Branches": limits.branches,
            "Join": limits.join,
            "Aside": limits.aside,
        }

    def _event(self, event: object, **more: Value) -> Value | None:
        """What changes the chain of a node; ``None`` for anything else."""
        match event:
            case Produced(headers):
                return record(kind="make", run=self._run(headers), **more)
            case Finalised(point):
                return record(kind="finalise", block=self._at(point), **more)
            case Confirmed(point, headers=headers):
                return record(kind="confirm", run=self._run(headers), block=self._at(point), **more)
            case Verdict(id, valid):
                return record(kind="unban" if valid else "ban", block=self.numbers[id], **more)
        return None

    def _run(self, headers: Iterable[Header]) -> Value:
        return tuple(self.numbers[header.id] for header in headers)

    def _chain(self, chain: Chain) -> Value:
        number = self.numbers
        return record(
            head=number[chain.head.id],
            confirmed=number[chain.confirmed.id],
            final=number[chain.final.id],
            base=number[chain.base.id],
            held=frozenset(number[header.id] for header in chain.blocks.headers()),
            banned=frozenset(number[id] for id in chain.banned),
        )

    def _at(self, block: Point | Header | None) -> int:
        return 0 if block is None else self.numbers[block.id]

    def _link(self, node: Node, peer: str) -> Value:
        """Sync's value, with the room of its connection."""
        link, connection, notes = node.all(SYNC)[peer], node.all(PEER)[peer], node.all(NOTES)[peer].notes
        if link.owes_hello or notes or not link.relays:
            raise NotSpecifiedError("a link owes a hello, holds payloads, or is with an older release")
        return record(
            state=link.state.value,
            said=self._hello(link.said),
            heard=self._hello(link.heard),
            final=self._at(link.final),
            cursor=self._at(link.cursor),
            sent=self._at(link.sent),
            received=self._at(link.received),
            left=tuple(self._at(block) for block in link.left),
            claims=frozenset(self._at(point) for point in link.claims),
            dropped=link.dropped,
            mode=link.mode.value,
            wanted=link.wanted,
            says=self._at(link.says.head if link.says is not None else None),
            owes=link.owes,
            aside=link.aside,
            pending=link.pending,
            room=connection.room,
        )

    def _hello(self, hello: Hello | None) -> Value:
        return NO_HELLO if hello is None else self._message(hello)

    def _line(self, line: Line) -> Value:
        return record(open=line.open, queue=tuple(map(self._message, line.under_way)), owed=line.owed)

    def _message(self, message: Any) -> Value:
        at = self._at
        match message:
            case Hello(head, _, final, base, points, ceiling, about):
                return record(
                    type="hello",
                    head=at(head),
                    final=at(final),
                    base=at(base),
                    points=tuple(map(at, points)),
                    ceiling=ceiling,
                    about=at(about),
                )
            case Found(common):
                return record(type="found", common=at(common))
            case Finality(point):
                return record(type="final", point=at(point))
            case Blocks((header,)):
                return record(type="block", block=at(header))
            case Has(head):
                return record(type="has", head=at(head))
            case Want(insist):
                return record(type="want", insist=insist)
            case DoNotWant():
                return record(type="do not want")
            case Give():
                return record(type="give")
            case Busy(off, ()):
                return record(type="busy", off=off)
            case Bye(reason, point):
                return record(type="bye", reason=str(reason), point=at(point))
            case _ if message == EOF:
                return record(type="end")
        raise NotSpecifiedError(f"the specification has no message like {message}")
