"""Every number by which protocols and messages are named on the wire, in one place.

A number that was ever used keeps its meaning, or stands here as retired and is used for nothing else.
"""

from enum import IntEnum
from typing import Final


class ProtocolNumber(IntEnum):
    """The protocols of this library; ``OWN`` has the numbers of integrators' own."""

    PEER = 1
    SYNC = 2
    NOTES = 3
    ROUTING = 4
    TRUTH = 5
    """Kept for what the data-availability layer says."""
    POOL = 6
    """Kept for requests of blocks from many peers."""
    REVERSE = 7
    """Kept for blocks from the tip down."""


OWN: Final = range(128, 256)
"""The numbers for integrators' own protocols: none of them will ever be given to one of this library's."""
OWN_MESSAGES: Final = range(1, 256)
"""The numbers that a protocol may give its messages."""


class MessageNumber(IntEnum):
    """The messages of this library's protocols: the protocol's number, then one byte of the message's own."""

    RETIRED_HELLO = 0x0001
    RETIRED_FOUND = 0x0002
    RETIRED_PING = 0x0003
    RETIRED_PONG = 0x0004
    RETIRED_NOTE = 0x0005
    RETIRED_BYE = 0x0006
    RETIRED_FINALITY = 0x0007
    """The seven of version 1, which had no numbers for protocols."""
    BYE = 0x0101
    PING = 0x0102
    PONG = 0x0103
    HELLO = 0x0201
    FOUND = 0x0202
    FINALITY = 0x0203
    BLOCKS = 0x0204
    """It travels in frames of its own, on the lane of its protocol."""
    HAS = 0x0205
    WANT = 0x0206
    DO_NOT_WANT = 0x0207
    BUSY = 0x0208
    GIVE = 0x0209
    NOTE = 0x0301
    PASS = 0x0401
    HAVE = 0x0402
    FETCH = 0x0403
