"""The log: every change is one record, its blocks' bodies included, and the records of a store are one chain.

A segment is a file: ``MAGIC``, the store's secret, and one record after the other, the first with a ``Start``. A
record is

    head    40 bytes: mark, sizes of what follows, number, how far the log was known to be on the disk, the check sum of
            the record before, and the check sum of the head and the meta part
    meta    a ``Record``, as msgpack: headers, check sums of the bodies, and what else the change says
    bodies  as they are

So a record that stands at the wrong place, was left over from before, or is torn, does not pass for the next one; and
as its check sum starts from the secret, 16 random bytes, none that a peer has put into a body does. A body has a check
sum of its own, which starts from the block's id: one that has rotted is lost alone.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final
from zlib import crc32

import attrs
import msgspec

from syncfsm.blocks import Header, Id, Point
from syncfsm_adapters.store.base import Standing

MAGIC: Final = b"syncfsm blocks 2"
SECRET_BYTES: Final = 16
MARK: Final = b"\x9crec"
_HEAD: Final = Struct("<4sIQQQI")
_SUM: Final = Struct("<I")
HEAD_BYTES: Final = _HEAD.size + _SUM.size
TITLE_BYTES: Final = len(MAGIC) + SECRET_BYTES + _SUM.size
"""Where the first record of a segment is."""


class Start(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the log stands at where a segment begins. ``live`` are the numbers of all segments, this one the last."""

    number: int
    standing: Standing
    live: tuple[int, ...]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """One change. ``again`` says that the blocks are held already: their bodies are here from now on. ``retired`` are
    the numbers of segments that are no longer needed."""

    headers: list[Header] = []
    sums: list[int] = []
    dropped: list[Point] = []
    head: Point | None = None
    final: Point | None = None
    base: Point | None = None
    ban: list[Id] = []
    unban: list[Id] = []
    again: bool = False
    retired: list[int] = []
    start: Start | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Record)


@attrs.frozen
class Link:
    """The end of a chain of records: the number of the last one, and its check sum."""

    number: int = 0
    sum: int = 0


@attrs.frozen
class Found:
    """A record in a segment: it goes from ``at`` to ``end``, its bodies start at ``bodies``. ``bad`` are the places,
    among its blocks, of those whose body is not what was written."""

    record: Record
    at: int
    bodies: int
    end: int
    link: Link
    previous: int
    durable: int
    bad: tuple[int, ...] = ()


def body_sum(id: bytes, body: bytes | memoryview) -> int:
    """The check sum of a body."""
    return crc32(body, crc32(id))


def title(secret: bytes) -> bytes:
    """The first bytes of every segment of a store."""
    start = MAGIC + secret
    return start + _SUM.pack(crc32(start))


def secret_in(data: bytes | memoryview) -> bytes | None:
    """The secret of the store whose segment begins like this; ``None`` if none does."""
    start = bytes(data[:TITLE_BYTES])
    secret = start[len(MAGIC) : -_SUM.size]
    return secret if len(secret) == SECRET_BYTES and title(secret) == start else None


def encode(record: Record, bodies: Sequence[bytes], after: Link, durable: int, seed: int) -> tuple[bytes, Link]:
    """Head and meta of the record that follows ``after``, and the link that it is. The bodies are to be written behind.
    ``seed`` is what check sums start from."""
    meta = _ENCODER.encode(record)
    number = after.number + 1
    head = _HEAD.pack(MARK, len(meta), sum(map(len, bodies)), number, durable, after.sum)
    checked = crc32(meta, crc32(head, seed))
    return head + _SUM.pack(checked) + meta, Link(number, checked)


def decode(data: bytes | memoryview, at: int, seed: int) -> Found | None:
    """The record at this place; ``None`` if there is none, or not all of it. Bodies are not checked."""
    start = at + HEAD_BYTES
    if start > len(data) or data[at : at + len(MARK)] != MARK:
        return None
    _, meta_bytes, body_bytes, number, durable, previous = _HEAD.unpack_from(data, at)
    (expected,) = _SUM.unpack_from(data, at + _HEAD.size)
    bodies = start + meta_bytes
    end = bodies + body_bytes
    if end > len(data) or crc32(data[start:bodies], crc32(data[at : at + _HEAD.size], seed)) != expected:
        return None
    try:
        record = _DECODER.decode(data[start:bodies])
    except msgspec.DecodeError:
        return None
    if len(record.sums) != len(record.headers) or sum(header.size for header in record.headers) != body_bytes:
        return None
    return Found(record, at, bodies, end, Link(number, expected), previous, durable)


def rotten(data: bytes | memoryview, found: Found) -> tuple[int, ...]:
    """The places of the blocks of a record whose bodies are not what was written."""
    bad = []
    at = found.bodies
    for place, (header, expected) in enumerate(zip(found.record.headers, found.record.sums, strict=True)):
        if body_sum(header.id, data[at : at + header.size]) != expected:
            bad.append(place)
        at += header.size
    return tuple(bad)


def walk(data: bytes | memoryview, after: Link | None, seed: int) -> Iterator[Found]:
    """The records of a segment up to the first flaw, or to its end. The first must follow ``after``, if that is
    known."""
    data = memoryview(data)
    at = TITLE_BYTES
    while (found := decode(data, at, seed)) is not None:
        if after is not None and (found.link.number, found.previous) != (after.number + 1, after.sum):
            return
        yield attrs.evolve(found, bad=rotten(data, found))
        after, at = found.link, found.end


def strays(data: bytes, at: int, seed: int) -> Iterator[Found]:
    """Records that can be made out from this place on, whatever is between them."""
    view = memoryview(data)
    while (at := data.find(MARK, at)) >= 0:
        found = decode(view, at, seed)
        if found is not None:
            yield found
        at = found.end if found is not None else at + 1
