"""What things weigh on a line: the bytes that a session writes for them."""

from functools import lru_cache
from math import ceil
from typing import Final

import msgspec

from syncfsm.blocks import Header
from syncfsm.protocol import Message
from syncfsm.registry import Registry
from syncfsm.testing.lines import weight
from syncfsm.wire.frames import PAYLOAD_BYTES, WORD
from syncfsm.wire.inbox import FIRST_BYTES, FRAGMENT_BYTES, LANE_BYTES

_ENCODE: Final = msgspec.msgpack.Encoder().encode
KEPT: Final = 100_000
"""Weights of messages that are kept: what many say is worked out once."""


class Weights:
    """Weighs messages and blocks. Bodies are never made: a header says how long its body is."""

    def __init__(self, registry: Registry) -> None:
        self.small = lru_cache(KEPT)(lambda message: weight(message, registry))
        """The bytes of a small message, a ``Message``. ``LocalError`` if a peer would take it for a fault."""
        self.block = lru_cache(KEPT)(block_weight)
        """The bytes of a block."""
        self._registry = registry
        self.run = lru_cache(KEPT)(self._run)
        """The message that brings one block, by (protocol, header)."""

    def _run(self, protocol: int, header: Header) -> Message:
        message: Message = self._registry.run(protocol, (header,))
        return message


def block_weight(header: Header) -> int:
    """The bytes of all frames of a block."""
    total = LANE_BYTES + 2 + len(_ENCODE(header)) + header.size
    if total <= PAYLOAD_BYTES:
        return WORD.size + total
    more = ceil((total - LANE_BYTES - FIRST_BYTES) / FRAGMENT_BYTES)
    return total + 2 * WORD.size + more * (WORD.size + LANE_BYTES)  # the first frame has the whole length too
