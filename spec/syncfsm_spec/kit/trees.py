"""The blocks of the worlds: a tree with forks on g, a1 and a2. Of two blocks the one with the greater score is better::

g ── a1 ── a2 ── a3 ── a4
│     │     └─── d3
│     └─── c2 ── c3
└─── b1 ── b2 ── b3

Beside it, with bodies: g ── h1 ── h2, and k2 on h1.
"""

from typing import Final

from syncfsm.blocks import Header
from syncfsm.limits import BLOCK_OVERHEAD
from syncfsm_spec.kit.moments import Tree

BODY: Final = 1000
"""Bytes of a body, where there is one."""


def block(name: str, parent: Header | None, score: int, size: int = 0) -> Header:
    """A block whose id is its name."""
    height, id = (parent.height + 1, parent.id) if parent else (0, b"")
    return Header(height, name.encode(), id, bytes([score]), size, b"")


g = block("g", None, 0)
a1 = block("a1", g, 1)
a2 = block("a2", a1, 3)
a3 = block("a3", a2, 5)
a4 = block("a4", a3, 7)
b1 = block("b1", g, 2)
b2 = block("b2", b1, 4)
b3 = block("b3", b2, 6)
c2 = block("c2", a1, 4)
c3 = block("c3", c2, 6)
d3 = block("d3", a2, 6)
h1 = block("h1", g, 1, BODY)
h2 = block("h2", h1, 3, BODY)
k2 = block("k2", h1, 4, BODY)
TREE: Final = Tree([g, a1, a2, a3, a4, b1, b2, b3, c2, c3, d3, h1, h2, k2])
BLOCK: Final = BLOCK_OVERHEAD
"""What an empty block counts against the room of a link."""
