"""Bytes as blobs of Ethereum (EIP-4844), and back.

A blob is 4,096 field elements of 32 bytes, each below a prime of 255 bits. So an element takes 31 bytes, after one that
is zero. The bytes stand after their length, and go on from blob to blob; what is left of the last one is zeros.
"""

from collections.abc import Sequence
from typing import Final

ELEMENTS: Final = 4096
ELEMENT_BYTES: Final = 32
FIELD_BYTES: Final = ELEMENT_BYTES - 1
"""What an element takes."""
CAPACITY: Final = ELEMENTS * FIELD_BYTES
"""What a blob takes, together with the length in the first one."""
LENGTH_BYTES: Final = 4
MOST_BLOBS: Final = 6
"""Most blobs of a transaction (EIP-7594)."""
MOST_BYTES: Final = MOST_BLOBS * CAPACITY - LENGTH_BYTES


def pack(data: bytes) -> list[bytes]:
    """The blobs that hold it."""
    whole = len(data).to_bytes(LENGTH_BYTES) + data
    return [_blob(whole[at : at + CAPACITY]) for at in range(0, len(whole), CAPACITY)]


def unpack(blobs: Sequence[bytes]) -> bytes | None:
    """What they hold; ``None`` if they were not packed like this."""
    if any(len(blob) != ELEMENTS * ELEMENT_BYTES or any(blob[::ELEMENT_BYTES]) for blob in blobs):
        return None
    whole = b"".join(
        blob[at + 1 : at + ELEMENT_BYTES] for blob in blobs for at in range(0, len(blob), ELEMENT_BYTES)
    )  # fmt: skip
    length = int.from_bytes(whole[:LENGTH_BYTES])
    data = whole[LENGTH_BYTES : LENGTH_BYTES + length]
    return data if len(data) == length else None


def _blob(part: bytes) -> bytes:
    cut = (part[at : at + FIELD_BYTES] for at in range(0, len(part), FIELD_BYTES))
    return b"".join(b"\0" + each.ljust(FIELD_BYTES, b"\0") for each in cut).ljust(ELEMENTS * ELEMENT_BYTES, b"\0")
