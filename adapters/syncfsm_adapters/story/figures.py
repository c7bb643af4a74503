"""What the story shows: figures from the nodes' journals, and an audit of their files."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Self

import attrs

from syncfsm_adapters.story.plan import WARM_BLOCKS

STEADY: Final = WARM_BLOCKS - 2
"""How many of the last blocks before the cut count as the steady state, with all nodes connected."""
Line = Mapping[str, Any]
"""One line of a node's journal."""


@attrs.frozen
class Account:
    """When things happened, in ``time.monotonic`` seconds, as the director of the story saw them."""

    mode: str
    interval: float
    sequencer: str
    lost: str
    """The node that lost its link."""
    cut_at: float
    mended_at: float
    """From here on bytes can pass again (network), or the process is started anew (crash)."""


@attrs.frozen
class Heads:
    """How one node's best head moved: times, heights, and the counters it wrote with each move."""

    times: tuple[float, ...]
    heights: tuple[int, ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, lines: Iterable[Line], node: str) -> Self:
        own = tuple(line for line in lines if line["node"] == node and line["event"] == "head")
        return cls(tuple(line["t"] for line in own), tuple(line["height"] for line in own), own)

    def at(self, time: float) -> int:
        """The height at ``time``."""
        return max((height for t, height in zip(self.times, self.heights, strict=True) if t <= time), default=0)

    def reached(self, height: int, after: float = 0.0) -> float | None:
        """When the head first stood at ``height`` or above, not before ``after``."""
        found = (t for t, h in zip(self.times, self.heights, strict=True) if h >= height and t >= after)
        return next(found, None)


def figures(account: Account, lines: Sequence[Line], followers: Sequence[str], agreed: bool) -> dict[str, Any]:
    """The result of the story, as ``--json`` writes it. Raises ``ValueError`` if the lost node never came back."""
    source, back = Heads.of(lines, account.sequencer), Heads.of(lines, account.lost)
    carrying = _carrying(account, lines)
    lost_at = back.at(account.cut_at)
    recovered_at = _recovered(source, back, carrying)
    if recovered_at is None:
        raise ValueError(f"{account.lost} did not reach the head of {account.sequencer} again")
    before = next((line for line in reversed(lines) if _counts(line, account.lost) and line["t"] < carrying), None)
    after = next(line for line in back.lines if line["t"] >= recovered_at)
    counted = {name: _since(account, before, after, name) for name in ("received", "repeated", "hellos")}
    recovered_to = back.at(recovered_at)
    steps = [line for line in back.lines if line["t"] > account.cut_at]
    delays = sorted(_delays(account, source, lines, followers, carrying, recovered_at))
    return {
        "mode": account.mode,
        "interval": account.interval,
        "followers": len(followers),
        "outage": {
            "lost_at": lost_at,
            "restored_at_sequencer_height": source.at(carrying),
            "seconds": round(account.mended_at - account.cut_at, 6),
        },
        "recovery": {
            "seconds": round(recovered_at - carrying, 6),
            "seconds_since_mended": round(recovered_at - account.mended_at, 6),
            "blocks": recovered_to - lost_at,
            "blocks_received": counted["received"],
            "gaps": _gaps(lost_at, steps),
            "duplicate_blocks": counted["repeated"],
            "hellos": counted["hellos"],
            "height": recovered_to,
        },
        "latency_ms": {"p50": _quantile(delays, 0.5), "p99": _quantile(delays, 0.99), "samples": len(delays)},
        "sequencer": {"bytes_per_block": _bytes_per_block(account, source, len(followers))},
        "copies_per_block": _copies(account, lines, followers),
        "head": source.heights[-1],
        "agreed": agreed,
    }


def _carrying(account: Account, lines: Sequence[Line]) -> float:
    """When the link carries bytes again: when it is mended, or when the restarted process has its first connection."""
    if account.mode == "network":
        return account.mended_at
    up = (
        line["t"]
        for line in lines
        if line["node"] == account.lost and line["event"] == "connected" and line["t"] > account.mended_at
    )
    return next(up, account.mended_at)


def _recovered(source: Heads, back: Heads, carrying: float) -> float | None:
    """When the lost node's head first was the sequencer's head, after the link carried again."""
    for time, height in zip(back.times, back.heights, strict=True):
        if time >= carrying and height >= source.at(time):
            return time
    return None


def _since(account: Account, before: Line | None, after: Line, name: str) -> int:
    """How much a counter grew from the cut to the recovery; a process that was killed counts from nought again."""
    return int(after[name]) - (int(before[name]) if before is not None and account.mode == "network" else 0)


def _counts(line: Line, node: str) -> bool:
    return bool(line["node"] == node and "received" in line)


def _gaps(lost_at: int, steps: Sequence[Line]) -> int:
    """Heights that the lost node skipped: every head must follow from the one before by blocks it was given."""
    heights = [lost_at, *(line["height"] for line in steps)]
    given = [0, *(line["received"] - line["repeated"] for line in steps)]
    return sum(
        max(0, (high - low) - (new - old))
        for (low, high), (old, new) in zip(pairwise(heights[1:]), pairwise(given[1:]), strict=True)
    )


def _delays(
    account: Account, source: Heads, lines: Sequence[Line], followers: Sequence[str], carrying: float, recovered: float
) -> Iterable[float]:
    """Milliseconds from a block made to a follower's best chain, for followers that were connected all the while."""
    for name in followers:
        heads = Heads.of(lines, name)
        if not heads.times:
            continue
        for made, height in zip(source.times, source.heights, strict=True):
            away = name == account.lost and account.cut_at <= made <= recovered
            seen = heads.reached(height)
            if not away and seen is not None and made >= heads.times[0]:
                yield (seen - made) * 1000


def _bytes_per_block(account: Account, source: Heads, followers: int) -> float:
    """Bytes the sequencer sent for a block and follower, while all were connected: up to the cut."""
    steady = [line for line in source.lines if line["t"] < account.cut_at][-STEADY:]
    if len(steady) < 2:
        return 0.0
    first, last = steady[0], steady[-1]
    blocks = int(last["height"] - first["height"])
    return round(float(last["sent_bytes"] - first["sent_bytes"]) / max(1, blocks * followers), 1)


def _copies(account: Account, lines: Sequence[Line], followers: Sequence[str]) -> float:
    """How often a follower received a block, on average up to the cut: 1 is a tree, more is the mesh's redundancy."""
    received = blocks = 0
    for name in followers:
        steady = [line for line in Heads.of(lines, name).lines if line["t"] < account.cut_at][-STEADY:]
        if len(steady) > 1:
            received += steady[-1]["received"] - steady[0]["received"]
            blocks += steady[-1]["height"] - steady[0]["height"]
    return round(received / blocks, 2) if blocks else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0
