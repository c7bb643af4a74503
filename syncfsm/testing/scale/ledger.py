"""What happened in a large network: who had which block when and from whom, and what the lines carried."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, inf
from typing import Any

import attrs

from syncfsm.blocks import Header
from syncfsm.errors import LocalError

NEVER = -1.0
NOBODY = -1


class Ledger:
    """One chain is followed, whoever makes its blocks; all nodes begin at height ``base``.

    ``gaps`` counts blocks that a node accepted before their parent, ``doubles`` those that it accepted again; both are
    0 with correct nodes. A node's delays count from when the block was made, or from ``since``, if that is later: when
    a node could first have had anything.
    """

    def __init__(self, nodes: int, base: int) -> None:
        self.nodes = nodes
        self.heights = [base] * nodes
        self.since = [0.0] * nodes
        self.made_at: dict[int, float] = {}
        self.had_at: dict[int, array[float]] = {}
        """Of each height, when each node had the block."""
        self.had_from: dict[int, array[int]] = {}
        """Of each height, from whom."""
        self.copies: Counter[int] = Counter()
        """Of each height, how many times the block was written to a line."""
        self.gaps = self.doubles = 0
        self.smalls: Counter[type[Any]] = Counter()
        """How many small messages of each type were written."""
        self.sent = [0] * nodes
        """The bytes that each node has written."""
        self.given = [0] * nodes
        """How many blocks each node has written."""

    # What the network tells ---------------------------------------------------------------------------------------

    def made(self, headers: Sequence[Header], now: float) -> None:
        """Blocks are being made."""
        for header in headers:
            if header.height in self.made_at:
                raise LocalError(f"a second block is made at height {header.height}; a ledger follows one chain")
            self.made_at[header.height] = now
            self.had_at[header.height] = array("d", [NEVER]) * self.nodes
            self.had_from[header.height] = array("i", [NOBODY]) * self.nodes

    def accepted(self, node: int, headers: Sequence[Header], source: int | None, now: float) -> None:
        """A node says that it holds these blocks now."""
        for header in headers:
            height = header.height
            if height != self.heights[node] + 1:
                self.gaps += height > self.heights[node] + 1
                self.doubles += height <= self.heights[node]
            self.heights[node] = max(height, self.heights[node])
            self.had_at[height][node] = now
            self.had_from[height][node] = NOBODY if source is None else source

    def block(self, node: int, header: Header, size: int) -> None:
        """A block has been written to a line."""
        self.copies[header.height] += 1
        self.given[node] += 1
        self.sent[node] += size

    def small(self, node: int, type_: type[Any], size: int) -> None:
        """A small message is written to a line."""
        self.smalls[type_] += 1
        self.sent[node] += size

    # What it comes to ---------------------------------------------------------------------------------------------

    def delays(self, heights: Iterable[int], nodes: Sequence[int]) -> list[float]:
        """Seconds until these nodes had these blocks, in no order; ``inf`` for what one never had."""
        since, found = self.since, []
        for height in heights:
            made, had = self.made_at[height], self.had_at[height]
            found += [had[at] - max(made, since[at]) if had[at] != NEVER else inf for at in nodes]
        return found

    def depths(self, height: int) -> list[int]:
        """How many nodes a block went through to each node, 0 for who made it; -1 for who never had it, or has it from
        one that had not."""
        had, source = self.had_at[height], self.had_from[height]
        found = [-1] * self.nodes
        for node in sorted((at for at in range(self.nodes) if had[at] != NEVER), key=lambda at: had[at]):
            found[node] = 0 if source[node] == NOBODY else (found[source[node]] + 1 if found[source[node]] >= 0 else -1)
        return found

    def children(self, height: int) -> list[int]:
        """To how many each node was the first to give this block."""
        found = [0] * self.nodes
        for source in self.had_from[height]:
            if source != NOBODY:
                found[source] += 1
        return found

    def traffic(self) -> "Traffic":
        """What has been written so far."""
        return Traffic(sum(self.sent), sum(self.smalls.values()), tuple(self.sent))


@attrs.frozen
class Traffic:
    """Bytes and small messages that all nodes have written, and the bytes of each."""

    bytes: int
    smalls: int
    by_node: tuple[int, ...]

    def since(self, before: "Traffic") -> "Traffic":
        """What has been written from then to now."""
        by_node = tuple(now - then for now, then in zip(self.by_node, before.by_node, strict=True))
        return Traffic(self.bytes - before.bytes, self.smalls - before.smalls, by_node)


def percentile(values: Sequence[float], share: float) -> float:
    """The least of sorted ``values`` that this share of them does not exceed. ``LocalError`` if there are none."""
    if not values:
        raise LocalError("there is no percentile of nothing; give at least one value")
    return values[max(0, ceil(share * len(values)) - 1)]
