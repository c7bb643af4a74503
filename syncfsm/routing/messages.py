"""What peers say to each other to carry packets: values, with no behaviour."""

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Point

Origin = Annotated[bytes, Meta(min_length=1, max_length=limits.NODE_ID_BYTES)]
Count = Annotated[int, Meta(ge=0, le=2**62)]


class Reach(IntEnum):
    """For whom a packet is. More nodes than these may get it."""

    ALL = 0
    """Every node."""
    PRODUCERS = 1
    """Every producer of whom blocks have come."""
    ONE = 2
    """One producer."""


class PacketId(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, order=True):
    """The name of a packet: who wrote it, since when it writes (greater after each start), and its number since."""

    origin: Origin
    start: Count
    sequence: Count


class Packet(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What travels: opaque, and signed by its origin. It is delivered only where the block ``about`` is known. ``to``
    is a producer with ``Reach.ONE``, and empty otherwise."""

    id: PacketId
    reach: Reach
    to: Annotated[bytes, Meta(max_length=limits.NODE_ID_BYTES)]
    payload: Annotated[bytes, Meta(max_length=limits.NOTE_BYTES)]
    about: Point | None
    signature: Annotated[bytes, Meta(max_length=limits.SIGNATURE_BYTES)]


class Pass(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A packet, and over how many connections it has gone with this one."""

    packet: Packet
    hops: Annotated[int, Meta(ge=1, le=limits.HOPS)]


Ids = Annotated[tuple[PacketId, ...], Meta(min_length=1, max_length=limits.PACKET_IDS)]


class Have(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sender has these packets, found them valid, and gives them to who asks."""

    ids: Ids


class Fetch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Send me these packets, of which you have told: nobody else did."""

    ids: Annotated[tuple[PacketId, ...], Meta(min_length=1, max_length=limits.FETCHED)]


def pass_flaw(message: Pass) -> str | None:
    """Why no correct peer passes this on."""
    return packet_flaw(message.packet)


def packet_flaw(packet: Packet) -> str | None:
    """Why no correct node writes this packet, though each field is within its bounds."""
    if (packet.reach is Reach.ONE) != bool(packet.to):
        return "a packet names a producer if it is for one, and only then"
    return None
