"""Payloads to values and back, each in one encoding only.

A control message is the msgpack of its struct. A block is its header's length (2 bytes, big-endian), the msgpack of the
header, and the body. Decoders return a ``Fault`` for what no correct node sends.
"""

from itertools import pairwise
from typing import Final, TypeVar

import msgspec

from syncfsm.blocks import Header
from syncfsm.errors import Fault, LocalError
from syncfsm.messages import Control, Hello
from syncfsm.wire.frames import fault

T = TypeVar("T")

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_CONTROL: Final[msgspec.msgpack.Decoder[Control]] = msgspec.msgpack.Decoder(Control)
_HEADER: Final = msgspec.msgpack.Decoder(Header)


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block as it travels. The core keeps the header; the body goes to the store."""

    header: Header
    body: bytes


def decode(decoder: msgspec.msgpack.Decoder[T], payload: bytes, what: str) -> T | Fault:
    """The value of which ``payload`` is the one encoding. ``what`` names it in the fault."""
    try:
        value = decoder.decode(payload)
    except ValueError as error:  # all that msgspec raises on bad input, bad UTF-8 included
        # The error may quote the peer: escape and cut it, so that it can go into a log line.
        return fault(f"malformed-{what}", f"these bytes are no {what}: {str(error)[:100]!a}", payload)
    if _ENCODE(value) != payload:
        return fault("not-canonical", f"this {what} has another encoding, and only that one may be sent", payload)
    return value


def encode_control(message: Control) -> bytes:
    """The payload of a CONTROL frame. ``LocalError`` if a peer would take ``message`` for a fault."""
    payload = _ENCODE(message)
    refused = decode_control(payload)
    if isinstance(refused, Fault):
        raise LocalError(f"a peer would refuse this {type(message).__name__} as {refused.rule}: {refused.detail}")
    return payload


def decode_control(payload: bytes) -> Control | Fault:
    """The message in a CONTROL frame."""
    message = decode(_CONTROL, payload, "control")
    if isinstance(message, Hello):
        flaw = _hello_flaw(message)
        if flaw:
            return fault("malformed-hello", flaw, payload)
    return message


def _hello_flaw(hello: Hello) -> str | None:
    """Why the heights in ``hello`` do not fit together; whether they are true is for the link to find out."""
    heights = [point.height for point in hello.points]
    for upper, lower in pairwise(heights):
        if upper <= lower:
            return f"points must descend strictly, here {lower} follows {upper}"
    base, final, head = hello.base.height, hello.final.height, hello.head.height
    if not base <= final <= head:
        return f"heights must ascend from base to final to head, here {base}, {final}, {head}"
    if heights[-1] < base:
        return f"points must not lie below the base ({base}), here one is at {heights[-1]}"
    if heights[0] >= hello.ceiling:
        return f"points must lie below the ceiling ({hello.ceiling}), here one is at {heights[0]}"
    return None


def encode_prefix(header: Header, body: bytes) -> bytes:
    """All of an encoded block but the body itself. ``LocalError`` if ``body`` is not the header's."""
    if header.size != len(body):
        raise LocalError(
            f"block {header.point} has a body of {len(body)} bytes but its header says {header.size}: "
            "pass the body that belongs to the header"
        )
    encoded = _ENCODE(header)
    return len(encoded).to_bytes(2) + encoded


def decode_prefix(block: bytes, offset: int, total: int, largest_body: int) -> tuple[Header, int] | Fault:
    """The header of the encoded block that starts at ``offset``, and where in ``block`` the body starts.

    ``block`` must hold the header and may end anywhere after it; ``total`` is the encoded block's whole length. The
    header must promise exactly the body that follows, and one of at most ``largest_body`` bytes.
    """
    start = offset + 2
    if len(block) < start:
        return fault("malformed-header", "a block starts with the 2-byte length of its header", block)
    stop = start + (block[offset] << 8 | block[offset + 1])
    header = decode(_HEADER, block[start:stop], "header")
    if isinstance(header, Fault):
        return header
    if header.size > largest_body:
        return fault("block-too-large", f"a body of {header.size} bytes, {largest_body} allowed", block)
    carried = total - (stop - offset)
    if header.size != carried:
        return fault("wrong-size", f"the header promises {header.size} bytes of body, {carried} are sent", block)
    return header, stop
