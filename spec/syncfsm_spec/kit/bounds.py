"""Messages at the bounds of their fields, made from their types: what a peer may say at the very most, and least."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final

import msgspec
from msgspec import inspect

from syncfsm.blocks import Header
from syncfsm.protocol import Kind
from syncfsm.wire.frames import HEADER_BYTES

NUMBERS: Final = 2
"""Bytes of a frame that name the protocol and the message."""
WORD: Final = "out-of-step"
"""Text for a field that takes words of a certain form alone."""


def at_bounds(type_: type[Any]) -> list[Any]:
    """Instances of a struct: first with all fields least, last with all greatest, between them each field at each of
    its bounds, the others at either end. A tuple comes with as many as it may have, and descends."""
    fields = _fields(type_)
    least, most = ({name: pick(values) for name, values in fields.items()} for pick in (_first, _last))
    found = [least]
    for name, values in fields.items():
        found += [{**rest, name: value} for rest in (least, most) for value in values]
    for one, other in combinations(fields, 2):
        found += [{**least, one: fields[one][-1], other: fields[other][-1]}]
    greatest = type_(**most)
    made: list[Any] = []
    for given in found:
        message = type_(**given)
        if message not in (*made, greatest):
            made.append(message)
    return [*made, greatest]


def sound(kind: Kind) -> list[Any]:
    """Those of a kind that the codec lets through."""
    return [message for message in at_bounds(kind.type) if not _empty(message) and kind.flaw(message) is None]


def largest(kind: Kind) -> int:
    """Bytes that a message of this kind takes on the wire at most, blocks aside."""
    sizes = [len(msgspec.msgpack.encode(message)) for message in at_bounds(kind.type)]
    return HEADER_BYTES + NUMBERS + max(sizes)


def _empty(message: Any) -> bool:
    """A run of no blocks is none."""
    return getattr(message, "headers", None) == ()


def _first(values: Sequence[Any]) -> Any:
    return values[0]


def _last(values: Sequence[Any]) -> Any:
    return values[-1]


def _fields(type_: type[Any]) -> dict[str, list[Any]]:
    described = inspect.type_info(type_)
    assert isinstance(described, inspect.StructType)
    return {field.name: list(_values(field.type)) for field in described.fields}


def _values(kind: inspect.Type) -> Iterator[Any]:
    """Values from the least to the greatest that a field may have."""
    match kind:
        case inspect.IntType():
            least, most = kind.ge or 0, kind.le if kind.le is not None else 2**63 - 1
            yield from (least, least + 1, most - 1, most)
        case inspect.BytesType():
            least, most = kind.min_length or 0, kind.max_length if kind.max_length is not None else 64
            yield from (bytes(least), b"\x01" * max(1, least), b"\xff" * most)
        case inspect.StrType():
            yield from ("x", WORD.ljust(kind.max_length or len(WORD), "x"))
        case inspect.EnumType():
            yield from kind.cls
        case inspect.BoolType():
            yield from (False, True)
        case inspect.NoneType():
            yield None
        case inspect.UnionType():
            yield from (value for each in sorted(kind.types, key=_is_something) for value in _values(each))
        case inspect.VarTupleType():
            yield from _tuples(kind)
        case inspect.StructType():
            yield from at_bounds(kind.cls)
        case _:
            raise TypeError(f"no bounds are known for {kind!r}; add them here")


def _is_something(kind: inspect.Type) -> bool:
    return not isinstance(kind, inspect.NoneType)


def _tuples(kind: inspect.VarTupleType) -> Iterator[tuple[Any, ...]]:
    """As few and as many as there may be; points and headers from high to low, as in a hello."""
    item, most = kind.item_type, kind.max_length if kind.max_length is not None else 1
    each = list(_values(item))
    if not kind.min_length:
        yield ()
    yield (each[0],)
    yield (each[-1],)
    if most > 1:
        top = each[-1]
        numbered = hasattr(top, "height") and not isinstance(top, Header)
        yield tuple(type(top)(top.height - 1 - at, top.id) if numbered else top for at in range(most))
