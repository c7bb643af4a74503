"""What the tests of the wire have in common: messages and bytes by the codec of the standard protocols."""

from typing import Any, Final

import attrs
import msgspec

from syncfsm import limits
from syncfsm.blocks import Header, HeaderCheck, Point, Unchecked
from syncfsm.errors import Fault
from syncfsm.events import Garbled, Received
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.notes.protocol import NOTES
from syncfsm.notes.types import Event
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Hook, Kind, Message
from syncfsm.registry import Registry
from syncfsm.sync.messages import Blocks
from syncfsm.wire.codec import Bad, Codec
from syncfsm.wire.handshake import VERSION, Greeting
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox
from syncfsm.wire.session import Met, NoLink, Session

CODEC = Codec(STANDARD)
SYNC = ProtocolNumber.SYNC
LANE = bytes((SYNC,))
PING = b"\x01\x02\x90"
"""A ping, as the payload of its frame."""
Flat = Message | Fault | tuple[Header, bytes]


def encode(message: Message) -> bytes:
    """The payload of a message's frame."""
    return CODEC.encode(message)


def decode(payload: bytes) -> Message | Fault:
    """What a payload says."""
    found = CODEC.decode(payload)
    return found.fault if isinstance(found, Bad) else found


def an_outbox(chosen: Limits | None = None) -> Outbox:
    return Outbox(chosen or Limits(), STANDARD)


def an_inbox(check: HeaderCheck, chosen: Limits) -> Inbox:
    return Inbox(check, chosen, STANDARD)


def fed(inbox: Inbox, data: bytes) -> list[Message | Fault]:
    """All that these bytes complete, in as many turns as it takes."""
    inbox.feed(data)
    found: list[Message | Fault] = []
    while True:
        found += [item.fault if isinstance(item, Bad) else item for item in inbox.take()]
        if not inbox.more:
            return found


def flat(received: list[Message | Fault]) -> list[Flat]:
    """Every block by itself, so that results compare however the stream was cut."""
    items: list[Flat] = []
    for item in received:
        if isinstance(item, Blocks):
            items += zip(item.headers, item.bodies, strict=True)
        else:
            items.append(item)
    return items


def drain(outbox: Outbox) -> bytes:
    return b"".join(iter(lambda: outbox.take(100_000), b""))


def stream(*blocks: tuple[Header, bytes]) -> bytes:
    outbox = an_outbox()
    for header, body in blocks:
        outbox.block(SYNC, header, body)
    return drain(outbox)


# A protocol of one's own, as the wire sees it --------------------------------------------------------------------


class OwnBlocks(msgspec.Struct, frozen=True):
    """A run of blocks in a protocol of one's own."""

    headers: tuple[Header, ...]
    bodies: tuple[bytes, ...] = ()


class Ask(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Known from version 1 of the protocol on."""

    number: int


class Tell(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Known from version 2 on. It counts against the room, and may hold anything."""

    what: Any


OWN: Final = 200
ASK: Final = Kind(1, Ask, Event.NOTE)
TELL: Final = Kind(2, Tell, Event.NOTE, since=2, cost=500)
BRINGS: Final = Kind(3, OwnBlocks, Event.NOTE, blocks=True)


def own(*kinds: Kind, version: int = 1, essential: bool = False, fault: bool = True, name: str = "own") -> Registry:
    """The standard protocols and one more. With ``fault`` it deals with its faults itself."""
    hooks = {**NOTES.hooks, Hook.FAULT: Event.ENDED} if fault else NOTES.hooks
    more = attrs.evolve(
        NOTES, number=OWN, name=name, version=version, table=attrs.evolve(NOTES.table, name=name), kinds=kinds,
        hooks=hooks, requests={}, notices={}, essential=essential,
    )  # fmt: skip
    return STANDARD.plus(more)


# Two ends ---------------------------------------------------------------------------------------------------------


def a_session(
    registry: Registry = STANDARD, number: int = 0, chosen: Limits | None = None, check: HeaderCheck | None = None,
    **greeting: Any,
) -> Session:  # fmt: skip
    """One end. ``number`` tells nodes apart; ``greeting`` changes what it says of itself."""
    mine = Greeting(VERSION, b"demo", bytes([number]) * limits.NODE_ID_BYTES, Point(0, b"genesis"))
    mine = msgspec.structs.replace(mine, **greeting)
    return Session(mine, check or Unchecked(), chosen or Limits(), registry)


def greet(a: Session, b: Session) -> tuple[Met | NoLink | None, Met | NoLink | None]:
    """Each reads what the other has to say first. What came of it, at ``a`` and at ``b``."""
    from_a, from_b = a.take(limits.FRAME_BYTES), b.take(limits.FRAME_BYTES)
    b.receive(from_a)
    a.receive(from_b)
    return a.meeting(), b.meeting()


def linked(a: Session, b: Session) -> tuple[Met, Met]:
    """The two have met, and have begun."""
    at_a, at_b = greet(a, b)
    assert isinstance(at_a, Met), at_a
    assert isinstance(at_b, Met), at_b
    a.begin("b", 0.0)
    b.begin("a", 0.0)
    return at_a, at_b


def heard(session: Session, data: bytes) -> list[Received | Garbled]:
    """All the events that these bytes are, in as many turns as it takes."""
    session.receive(data)
    found = session.events(1.0)
    while session.more:
        found += session.events(1.0)
    return found


def said(session: Session) -> bytes:
    """All that a session has to write."""
    return b"".join(iter(lambda: session.take(limits.FRAME_BYTES), b""))
