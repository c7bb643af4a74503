"""Frames: a 4-byte big-endian word, one byte of kind and three of payload length, then the payload."""

import enum
import struct
from collections.abc import Iterator
from typing import Final

from syncfsm import limits
from syncfsm.errors import Fault, LocalError

HEADER_BYTES: Final = 4
PAYLOAD_BYTES: Final = limits.FRAME_BYTES - HEADER_BYTES
"""Longest payload of a frame."""

WORD: Final = struct.Struct(">I")


class FrameKind(enum.IntEnum):
    """What a frame's payload is; the number is its first byte on the wire."""

    GREETING = 1
    REFUSAL = 2
    CONTROL = 3
    BLOCK = 4
    """A whole block."""
    BLOCK_START = 5
    """The total length of a block too long for one frame (4 bytes, big-endian), and its first bytes."""
    BLOCK_MORE = 6
    BLOCK_END = 7


CONTROL: Final = FrameKind.CONTROL
BLOCK: Final = FrameKind.BLOCK
"""The kinds of the hot path: looking a member up in its enum costs as much as decoding a header."""

Frame = tuple[FrameKind, bytes]
KINDS: Final = {int(kind): kind for kind in FrameKind}
"""The kinds by their first byte."""


def fault(rule: str, detail: str, evidence: bytes) -> Fault:
    """A ``Fault`` of the greatest penalty: no correct node sends such bytes. Keeps only the start of ``evidence``."""
    return Fault(rule, detail, evidence[: limits.EVIDENCE_BYTES])


def frame_word(kind: FrameKind, length: int) -> bytes:
    """The 4 bytes before a payload of ``length`` bytes, which must not exceed ``PAYLOAD_BYTES``."""
    return WORD.pack(kind << 24 | length)


def frame(kind: FrameKind, payload: bytes) -> bytes:
    """The whole frame. ``LocalError`` if ``payload`` exceeds ``PAYLOAD_BYTES``."""
    if len(payload) > PAYLOAD_BYTES:
        raise LocalError(f"a {kind.name} payload of {len(payload)} bytes exceeds a frame's {PAYLOAD_BYTES}: send less")
    return frame_word(kind, len(payload)) + payload


def bad_word(word: int) -> Fault:
    """Why no correct node sends a frame that starts with ``word``."""
    if word >> 24 not in KINDS:
        return fault("unknown-frame", f"no frame is of kind {word >> 24}", WORD.pack(word))
    return fault("frame-too-long", f"{word & 0xFFFFFF} bytes announced, {PAYLOAD_BYTES} allowed", WORD.pack(word))


class FrameReader:
    """Cuts a stream into frames; holds at most one unfinished frame, so less than ``limits.FRAME_BYTES``."""

    __slots__ = ("_need", "_tail", "fault")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._need = HEADER_BYTES
        self.fault: Fault | None = None
        """Set at the first bad frame header. Frames before it count; after it nothing more is read."""

    @property
    def buffered(self) -> int:
        """Bytes held of an unfinished frame."""
        return len(self._tail)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Frame]:
        """The frames that ``data`` completes, in order; go through all of them, then look at ``fault``."""
        if self.fault:
            return
        if len(self._tail) + len(data) < self._need:  # the cheap path that keeps byte-wise feeding linear
            self._tail += data
            return
        stream = b"".join((self._tail, data)) if self._tail else bytes(data)
        start, end, need = 0, len(stream), HEADER_BYTES
        while end - start >= HEADER_BYTES:
            (word,) = WORD.unpack_from(stream, start)
            kind, length = KINDS.get(word >> 24), word & 0xFFFFFF
            if kind is None or length > PAYLOAD_BYTES:
                self.fault, start = bad_word(word), end
                break
            need = HEADER_BYTES + length
            if end - start < need:
                break
            yield kind, stream[start + HEADER_BYTES : start + need]
            start, need = start + need, HEADER_BYTES
        self._tail, self._need = bytearray(stream[start:]), need
