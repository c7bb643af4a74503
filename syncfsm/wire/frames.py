"""Frames: a 4-byte big-endian word, one byte of kind and three of payload length, then the payload."""

import enum
import struct
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
    RETIRED_CONTROL = 3
    RETIRED_BLOCK = 4
    RETIRED_BLOCK_START = 5
    RETIRED_BLOCK_MORE = 6
    RETIRED_BLOCK_END = 7
    """The five of version 1 that named no protocol."""
    ANNOUNCEMENT = 8
    """The protocols that the sender speaks."""
    MESSAGE = 9
    """The number of a protocol, the number of a message in it (a byte each), and the message."""
    BLOCK = 10
    """The number of a protocol (a byte), and a whole block."""
    BLOCK_START = 11
    """The number of a protocol, the total length of a block too long for one frame (4 bytes, big-endian), and its first
    bytes."""
    BLOCK_MORE = 12
    BLOCK_END = 13
    """The number of a protocol, and the next bytes of its block."""


MESSAGE: Final = FrameKind.MESSAGE
BLOCK: Final = FrameKind.BLOCK
"""The kinds of the hot path: looking a member up in its enum costs as much as decoding a header."""

Frame = tuple[FrameKind, memoryview]
"""A frame that was read: its payload is a view of what arrived, so keep a copy of what is to stay."""
KINDS: Final = {int(kind): kind for kind in FrameKind if not kind.name.startswith("RETIRED")}
"""The kinds in use, by their first byte."""


def fault(rule: str, detail: str, evidence: bytes | memoryview) -> Fault:
    """A ``Fault`` of the greatest penalty: no correct node sends such bytes. Keeps only the start of ``evidence``."""
    return Fault(rule, detail, bytes(evidence[: limits.EVIDENCE_BYTES]))


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
    """Cuts a stream into frames, one when it is asked. Holds what it was fed and has not given out."""

    __slots__ = ("_data", "fault")

    def __init__(self) -> None:
        self._data = b""
        self.fault: Fault | None = None
        """Set at the first bad frame header. Frames before it count; after it nothing more is read."""

    @property
    def buffered(self) -> int:
        """Bytes held that are not given out yet."""
        return len(self._data)

    @property
    def ready(self) -> bool:
        """Is there a whole frame, or one that can be seen to be bad?"""
        if self.fault or self.buffered < HEADER_BYTES:
            return False
        (word,) = WORD.unpack_from(self._data)
        length = word & 0xFFFFFF
        return word >> 24 not in KINDS or length > PAYLOAD_BYTES or self.buffered >= HEADER_BYTES + length

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """More bytes of the stream. Whoever takes all that is whole before has at most a frame copied."""
        if not self.fault:
            self._data = self._data + data if self._data else bytes(data)

    def take(self, frames: int, size: int) -> list[Frame]:
        """The next whole frames: at most so many, and no further one once they have so many bytes together."""
        data, at = self._data, 0
        end, found, view = len(data), list[Frame](), memoryview(data)
        while end - at >= HEADER_BYTES and len(found) < frames and at < size:
            (word,) = WORD.unpack_from(data, at)
            kind, length = KINDS.get(word >> 24), word & 0xFFFFFF
            if kind is None or length > PAYLOAD_BYTES:
                self.fault = bad_word(word)
                break
            after = at + HEADER_BYTES + length
            if after > end:
                break
            found.append((kind, view[at + HEADER_BYTES : after]))
            at = after
        self._data = b"" if self.fault else data[at:]
        return found
