"""Payloads to values and back, each in one encoding only.

A message is the msgpack of its struct, after the numbers of its protocol and its kind. A block is its header's length
(2 bytes, big-endian), the msgpack of the header, and the body. Decoders return a ``Fault`` for what no correct node
sends.
"""

from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar

import attrs
import msgspec

from syncfsm.blocks import Header
from syncfsm.errors import Fault, LocalError
from syncfsm.protocol import PEER_PLACE, Kind, Message
from syncfsm.registry import Registry
from syncfsm.wire.frames import fault

T = TypeVar("T")

BAD_INPUT: Final = (ValueError, RecursionError)
"""All that msgspec raises on bad input: bad UTF-8 is a ``ValueError``, what is nested too deep the other, where a type
leaves room for it (a field of any type, or fields that are skipped)."""
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_HEADER: Final = msgspec.msgpack.Decoder(Header)


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block as it travels. The core keeps the header; the body goes to the store."""

    header: Header
    body: bytes


class Bad(msgspec.Struct, frozen=True):
    """What arrived is no message, or a body that is not its header's. ``protocol`` is the number of the one in which it
    was sent, if so much could be told; else that of the connection."""

    fault: Fault
    protocol: int


def decode(decoder: msgspec.msgpack.Decoder[T], payload: bytes | memoryview, what: str) -> T | Fault:
    """The value of which ``payload`` is the one encoding. ``what`` names it in the fault."""
    try:
        value = decoder.decode(payload)
        canonical = _ENCODE(value) == payload
    except BAD_INPUT as error:
        # The error may quote the peer: escape and cut it, so that it can go into a log line.
        return fault(f"malformed-{what}", f"these bytes are no {what}: {str(error)[:100]!a}", bytes(payload))
    if not canonical:
        detail = f"this {what} has another encoding, and only that one may be sent"
        return fault("not-canonical", detail, bytes(payload))
    return value


@attrs.frozen(slots=False, eq=False)
class Codec:
    """The messages of a registry's protocols, as payloads of MESSAGE frames."""

    registry: Registry

    @cached_property
    def _encoded(self) -> dict[type[Any], tuple[bytes, Kind]]:
        protocols = self.registry.protocols
        return {
            type_: (bytes((protocols[place].number, kind.number)), kind)
            for type_, (place, kind) in self.registry.kinds.items()
            if not kind.blocks
        }

    @cached_property
    def _decoded(self) -> dict[tuple[int, int], tuple[msgspec.msgpack.Decoder[Any], Kind]]:
        return {
            (numbers[0], numbers[1]): (msgspec.msgpack.Decoder(type_), kind)
            for type_, (numbers, kind) in self._encoded.items()
        }

    def encode(self, message: Message) -> bytes:
        """The payload. ``LocalError`` if a peer would take ``message`` for a fault, or if no protocol has its kind."""
        found = self._encoded.get(type(message))
        if found is None:
            raise LocalError(
                f"{type(message).__name__} is no small message of this node's protocols; register its kind"
            )
        payload = found[0] + _ENCODE(message)
        refused = self.decode(payload)
        if isinstance(refused, Bad):
            why = f"{refused.fault.rule}: {refused.fault.detail}"
            raise LocalError(f"a peer would refuse this {type(message).__name__} as {why}")
        return payload

    def decode(self, payload: bytes) -> Message | Bad:
        """The message in a MESSAGE frame."""
        registry = self.registry
        if len(payload) < 2 or payload[0] not in registry.places:
            detail = f"no protocol {payload[0] if payload else '?'} was agreed on"
            return Bad(fault("unknown-protocol", detail, payload), registry.protocols[PEER_PLACE].number)
        number = payload[0]
        found = self._decoded.get((number, payload[1]))
        if found is None:
            return Bad(fault("unknown-message", f"protocol {number} has no message {payload[1]}", payload), number)
        decoder, kind = found
        name = type_name(kind.type)
        message = decode(decoder, memoryview(payload)[2:], name)
        if isinstance(message, Fault):
            return Bad(fault(message.rule, message.detail, payload), number)
        flaw = kind.flaw(message)
        if flaw is not None:
            return Bad(fault(f"malformed-{name}", flaw, payload), number)
        found_message: Message = message
        return found_message


@lru_cache(maxsize=16)
def codec_of(registry: Registry) -> Codec:
    """The codec of a registry, which all its connections share: it takes more memory than all else of an idle one."""
    return Codec(registry)


def type_name(type_: type[Any]) -> str:
    """A type of message in a fault's rule."""
    return type_.__name__.lower()


def encode_prefix(header: Header, body: bytes) -> bytes:
    """All of an encoded block but the body itself. ``LocalError`` if ``body`` is not the header's."""
    if header.size != len(body):
        raise LocalError(
            f"block {header.point} has a body of {len(body)} bytes but its header says {header.size}: "
            "pass the body that belongs to the header"
        )
    encoded = _ENCODE(header)
    return len(encoded).to_bytes(2) + encoded


def decode_prefix(block: memoryview, offset: int, total: int, largest_body: int) -> tuple[Header, int] | Fault:
    """The header of the encoded block that starts at ``offset``, and where in ``block`` the body starts.

    ``block`` must hold the header and may end anywhere after it; ``total`` is the encoded block's whole length. The
    header must promise exactly the body that follows, and one of at most ``largest_body`` bytes.
    """
    start = offset + 2
    if len(block) < start:
        return fault("malformed-header", "a block starts with the 2-byte length of its header", block)
    stop = start + (block[offset] << 8 | block[offset + 1])
    header = decode(_HEADER, bytes(block[start:stop]), "header")
    if isinstance(header, Fault):
        return header
    if header.size > largest_body:
        return fault("block-too-large", f"a body of {header.size} bytes, {largest_body} allowed", block)
    carried = total - (stop - offset)
    if header.size != carried:
        return fault("wrong-size", f"the header promises {header.size} bytes of body, {carried} are sent", block)
    return header, stop
