"""What the tests of the wire have in common: messages and bytes by the codec of the standard protocols."""

from syncfsm.blocks import Header, HeaderCheck
from syncfsm.errors import Fault
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Message
from syncfsm.sync.messages import Blocks
from syncfsm.wire.codec import Bad, Codec
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox

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
