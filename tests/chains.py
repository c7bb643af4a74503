"""Blocks and chains for the tests of the chain."""

import hashlib
from collections.abc import Iterable

import attrs

from syncfsm.blocks import Header
from syncfsm.chain import Chain, Outcome
from syncfsm.chain.tree import SPAN, Tree
from syncfsm.limits import Limits


def block(parent: Header, name: str = "", gain: int = 1, rise: int = 1) -> Header:
    """A child: ``gain`` is added to the score, ``rise`` to the height. The name tells siblings apart."""
    height, score = parent.height + rise, int.from_bytes(parent.score) + gain
    id = hashlib.sha256(f"{parent.id.hex()} {name} {height} {score}".encode()).digest()[:8]
    return Header(height, id, parent.id, score.to_bytes(8), 100 * gain, b"")


def branch(parent: Header, length: int, name: str = "") -> list[Header]:
    found = [parent]
    for _ in range(length):
        found.append(block(found[-1], name))
    return found[1:]


def root(height: int = 0) -> Header:
    return Header(height, b"root", b"before the root", (100).to_bytes(8), 0, b"")


def spanned(start: Header, span: int, limits: Limits = Limits()) -> Chain:  # noqa: B008
    """A chain that packs its blocks in short spans, so that a test need not be long to see it."""
    return attrs.evolve(Chain.start(start, limits), blocks=Tree.start(start, span))


def grown(
    headers: Iterable[Header],
    start: Header | None = None,
    limits: Limits = Limits(),  # noqa: B008
    span: int = SPAN,
) -> Chain:
    """The chain of headers that all must be new."""
    chain, outcomes = spanned(start or root(), span, limits).extend(tuple(headers))
    assert set(outcomes) <= {Outcome.NEW}
    return chain


def only(chain: Chain, header: Header) -> Outcome:
    return chain.extend((header,))[1][0]
