"""Namespaces and share commitments, as Celestia has them: a blob's commitment is the root of a tree over its shares.

A commitment names a blob in its block. It is made the same way everywhere, so it tells a blob that was altered, or one
that is there already, without its bytes. Only blobs of share version 0 are made here.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from syncfsm.errors import LocalError

NAMESPACE_BYTES: Final = 29
NAME_BYTES: Final = 10
SHARE_BYTES: Final = 512
MOST_ROOTS: Final = 64
"""Into about as many subtrees a blob is cut (``SubtreeRootThreshold``)."""
FIRST_BYTES: Final = SHARE_BYTES - NAMESPACE_BYTES - 1 - 4
"""What the first share holds: an info byte and the blob's length stand before it."""
LATER_BYTES: Final = SHARE_BYTES - NAMESPACE_BYTES - 1


def namespace(name: bytes) -> bytes:
    """The namespace of version 0 with this name of at most 10 bytes. ``LocalError`` if it has none, or more."""
    if not 0 < len(name) <= NAME_BYTES:
        raise LocalError(f"a namespace has a name of 1 to {NAME_BYTES} bytes, not {len(name)}: choose another")
    return bytes(NAMESPACE_BYTES - len(name)) + name


def commitment(space: bytes, blob: bytes) -> bytes:
    """The share commitment of a blob in this namespace."""
    leaves = [_leaf(space, share) for share in shares(space, blob)]
    width = _subtree_width(len(leaves))
    roots, at = [], 0
    while at < len(leaves):
        size = min(width, _power_below(len(leaves) - at))
        roots.append(_root(space, leaves[at : at + size]))
        at += size
    return _plain_root(roots)


def shares(space: bytes, blob: bytes) -> Iterator[bytes]:
    """The blob cut into shares; the last is filled up with zeros."""
    yield (space + b"\x01" + len(blob).to_bytes(4) + blob[:FIRST_BYTES]).ljust(SHARE_BYTES, b"\0")
    for at in range(FIRST_BYTES, len(blob), LATER_BYTES):
        yield (space + b"\x00" + blob[at : at + LATER_BYTES]).ljust(SHARE_BYTES, b"\0")


def _subtree_width(count: int) -> int:
    by_roots = _power_above(-(-count // MOST_ROOTS))
    side = next(power for power in (1 << bit for bit in range(64)) if power * power >= count)
    return min(by_roots, side)


def _power_above(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _power_below(number: int) -> int:
    return 1 << (number.bit_length() - 1)


def _leaf(space: bytes, share: bytes) -> bytes:
    return sha256(b"\0" + space + share).digest()


def _root(space: bytes, nodes: Sequence[bytes]) -> bytes:
    """The root of a namespaced tree all of whose leaves are of one namespace: its least, its greatest, its hash."""
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=True)  # subtrees are full
        edge = space + space
        nodes = [sha256(b"\1" + edge + left + edge + right).digest() for left, right in pairs]
    return space + space + nodes[0]


def _plain_root(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree as Tendermint makes it (RFC 6962)."""
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = _power_above(len(leaves)) // 2
    return sha256(b"\1" + _plain_root(leaves[:split]) + _plain_root(leaves[split:])).digest()
