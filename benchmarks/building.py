"""Chains to measure with: headers with 32-byte ids that nobody checks, made fast."""

from collections.abc import Iterable

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain, Outcome
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Config, Node

ID_BYTES = 32
GENESIS = Header(0, bytes(ID_BYTES), b"", (0).to_bytes(8), 0, b"")


def branch(parent: Header, length: int, name: int = 0, size: int = 0) -> list[Header]:
    """``length`` blocks after ``parent``, their bodies of ``size`` bytes. Of two branches of one length the one with
    the greater ``name``, 0 to 255, is better."""
    first = bytes((name,))
    headers = []
    before = parent.id
    for height in range(parent.height + 1, parent.height + length + 1):
        id = first + height.to_bytes(ID_BYTES - 1)
        headers.append(Header(height, id, before, height.to_bytes(8), size, b""))
        before = id
    return headers


def extended(chain: Chain, headers: Iterable[Header]) -> Chain:
    """The chain with these blocks, all of which it must take."""
    chain, outcomes = chain.extend(list(headers))
    assert all(outcome is Outcome.NEW for outcome in outcomes)
    return chain


def node(chain: Chain, strategy: Strategy = Strategy.LOCATOR, limits: Limits | None = None) -> Node:
    """A node without links on ``chain``. It checks no signatures: those have a figure of their own, in catching up."""
    return Node.start(Config(Unchecked(), strategy, limits or chain.limits), chain)
