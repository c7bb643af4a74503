"""Blocks for tests: small, quick to make, the same whenever they are made."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from syncfsm.blocks import Header

GENESIS: Final = Header(0, sha256(b"genesis").digest(), b"", bytes(8), 0, b"")
"""The root of all trees here, unless another is asked for."""

Maker = Callable[[Header, str, int], Header]
"""(parent, name, gain) -> a child of the parent; equal arguments, equal children. ``child`` is one."""


def child(parent: Header, name: str = "", gain: int = 1, size: int = 0) -> Header:
    """A block on ``parent``. ``name`` tells siblings apart, ``gain`` (1 or more) is what it adds to the score."""
    score = (int.from_bytes(parent.score) + gain).to_bytes(8)
    id = sha256(parent.id + name.encode() + score).digest()
    return Header(parent.height + 1, id, parent.id, score, size, b"")


def branch(parent: Header, length: int, name: str = "", gain: int = 1, size: int = 0) -> list[Header]:
    """``length`` blocks, each the child of the one before, the first on ``parent``."""
    found = [parent]
    for _ in range(length):
        found.append(child(found[-1], name, gain, size))
    return found[1:]


def grow(shape: Iterable[tuple[int, int]], root: Header = GENESIS, make: Maker = child) -> list[Header]:
    """A tree, parents before children. For each (back, gain) of ``shape`` a child of the block ``back`` places before.

    So a shape of (0, 1) only is one branch, and a small number there is a recent fork.
    """
    tree = [root]
    for at, (back, gain) in enumerate(shape):
        tree.append(make(tree[max(0, at - back)], str(at), gain))
    return tree
