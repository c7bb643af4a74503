"""What the story shows: figures from the nodes' journals. ``fields`` says what each of them means."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from syncfsm_adapters.story.heads import Heads, Line, gaps, per_block
from syncfsm_adapters.story.plan import GRAFT, LOST, WARM_BLOCKS, Mode, peer_key

STEADY: Final = WARM_BLOCKS - 2
"""How many blocks count as the steady state, with all nodes connected: the last ones before the loss. And how many
count as live blocks of the recovery: those after it."""


@attrs.frozen
class Account:
    """When things happened, in ``time.monotonic`` seconds, as the director of the story saw them."""

    mode: Mode
    interval: float
    degree: int | None
    sequencer: str
    lost: str
    """The node that lost its link, or its process."""
    cut_at: float
    """When the link was cut, or the process killed or held."""
    mended_at: float
    """From here on bytes can pass again (network), or the process is started anew (crash, feed) or goes on
    (feed-stops)."""


@attrs.frozen
class Course:
    """The story as its lines tell it: who was at what height when, and when the lost node was back."""

    account: Account
    lines: Sequence[Line]
    heads: dict[str, Heads]
    carrying: float
    """When the lost node can be reached again."""
    recovered_at: float
    """When its head first was the sequencer's after that."""

    @property
    def source(self) -> Heads:
        return self.heads[self.account.sequencer]

    @property
    def lost(self) -> Heads:
        return self.heads[self.account.lost]

    @property
    def followers(self) -> dict[str, Heads]:
        return {name: heads for name, heads in self.heads.items() if name != self.account.sequencer}

    def steady(self, names: Iterable[str]) -> list[Sequence[Line]]:
        """The last lines of each node before the loss."""
        return [_until(self.heads[name], self.account.cut_at)[-STEADY - 1 :] for name in names]

    def recovery(self, names: Iterable[str]) -> list[Sequence[Line]]:
        """The lines of live blocks from the event on that others must recover from: the loss of a feed, or a return.
        Of a node that returns, those after it has caught up; of a feed that was lost, none."""
        account, found = self.account, list[Sequence[Line]]()
        for name in names:
            if name != account.lost:
                since = account.cut_at if account.mode.of_feed else self.carrying
            elif account.mode.of_feed:
                continue
            else:
                since = self.recovered_at
            heads = self.heads[name]
            found.append((*_until(heads, since)[-1:], *heads.since(since))[: STEADY + 1])
        return found


def figures(account: Account, lines: Sequence[Line], followers: Sequence[str], agreed: bool) -> dict[str, Any]:
    """The result of the story, as ``--json`` writes it. Raises ``ValueError`` if the lost node never came back."""
    course = _course(account, lines, followers)
    source, everyone = course.source, course.heads
    delays = sorted(_delays(course))
    copies = {"copies_per_block": round(per_block(course.recovery(followers), "received"), 2)}
    shown = {
        "mode": account.mode.value,
        "interval": account.interval,
        "followers": len(followers),
        "degree": account.degree,
        "lost": account.lost,
        "outage": {
            "lost_at": course.lost.at(account.cut_at),
            "restored_at_sequencer_height": source.at(course.carrying),
            "seconds": round(account.mended_at - account.cut_at, 6),
        },
        "recovery": _recovery(course) | copies,
        "latency_ms": {"p50": _quantile(delays, 0.5), "p99": _quantile(delays, 0.99), "samples": len(delays)},
        "sequencer": {
            "bytes_per_block": round(per_block(course.steady([account.sequencer]), "sent_bytes") / len(followers), 1),
            "bodies_per_block": round(per_block(course.steady([account.sequencer]), "sent_blocks"), 2),
        },
        "copies_per_block": round(per_block(course.steady(followers), "received"), 2),
        "overhead": {
            "messages_per_block": round(per_block(course.steady(everyone), "sent_messages"), 2),
            "bytes_per_block": round(per_block(course.steady(everyone), "sent_message_bytes"), 1),
        },
        "head": source.lines[-1]["height"],
        "agreed": agreed,
    }
    return shown | {"feed": _feed(course)} if account.mode.of_feed else shown


def _course(account: Account, lines: Sequence[Line], followers: Sequence[str]) -> Course:
    heads = {name: Heads.of(lines, name) for name in (account.sequencer, *followers)}
    carrying = _carrying(account, lines)
    source = heads[account.sequencer]
    for line in heads[account.lost].lines:
        if line["t"] >= carrying and line["height"] >= source.at(line["t"]):
            return Course(account, lines, heads, carrying, line["t"])
    raise ValueError(f"{account.lost} did not reach the head of {account.sequencer} again")


def _carrying(account: Account, lines: Sequence[Line]) -> float:
    """When the lost node can be reached: when it is mended, or when a restarted process has its first connection."""
    if not account.mode.kills:
        return account.mended_at
    up = (line["t"] for line in _own(account, lines, "connected") if line["t"] > account.mended_at)
    return next(up, account.mended_at)


def _own(account: Account, lines: Sequence[Line], event: str) -> Iterable[Line]:
    """Such lines of the lost node."""
    return (line for line in lines if line["node"] == account.lost and line["event"] == event)


def _until(heads: Heads, time: float) -> Sequence[Line]:
    return tuple(line for line in heads.lines if line["t"] <= time)


# The lost node --------------------------------------------------------------------------------------------------------


def _recovery(course: Course) -> dict[str, Any]:
    account, lost, back_at = course.account, course.lost, course.recovered_at
    back = next(line for line in lost.lines if line["t"] >= back_at)
    before = _before(course)
    counts = ("received", "repeated", "hellos", "read")
    grown = {name: int(back.get(name, 0)) - int(before.get(name, 0)) for name in counts}
    at = lost.at(account.cut_at)
    return {
        "seconds": round(back_at - course.carrying, 6),
        "seconds_since_mended": round(back_at - account.mended_at, 6),
        "blocks": back["height"] - at,
        "blocks_received": grown["received"],
        "blocks_read": grown["read"],
        "gaps": gaps((before, *lost.since(account.mended_at))),
        "duplicate_blocks": grown["repeated"],
        "hellos": grown["hellos"],
        "height": back["height"],
    }


def _before(course: Course) -> Line:
    """What the lost node had counted when it came back, and its height; a process that was killed counts from nought
    again, on what its files had."""
    account = course.account
    found: dict[str, Any] = {"height": 0, "received": 0, "repeated": 0, "hellos": 0}
    if account.mode.kills:
        (started,) = (line for line in _own(account, course.lines, "started") if line["t"] > account.mended_at)
        return found | {"height": int(started["head"].partition(":")[0])}
    for line in course.lines:
        if line["node"] == account.lost and "received" in line and line["t"] < course.carrying:
            found |= line  # partings tell what was counted, too, but no height
    return found


def _delays(course: Course) -> Iterable[float]:
    """Milliseconds from a block made to a follower's best chain, for followers that were connected all the while."""
    account = course.account
    for name, heads in course.followers.items():
        for made, height in ((line["t"], line["height"]) for line in course.source.lines):
            away = name == account.lost and account.cut_at <= made <= course.recovered_at
            seen = heads.reached(height)
            if not away and seen is not None and made >= heads.lines[0]["t"]:
                yield (seen - made) * 1000


# The one that it fed --------------------------------------------------------------------------------------------------


def _feed(course: Course) -> dict[str, Any]:
    """How ``LOST`` went on when the peer was lost that it took blocks from."""
    account, fed = course.account, course.heads[LOST]
    names = {line["id"]: line["node"] for line in course.lines if line["event"] == "started"}
    before = fed.before(account.cut_at)
    later = fed.since(account.cut_at)
    assert before is not None  # the story has seen it go on
    first = next(line for line in later if line["height"] > before["height"])
    made = course.source.reached(before["height"] + 1)
    assert made is not None
    key = peer_key(first["fed_by"])
    meanwhile = (before, *later)
    return {
        "height": before["height"],
        "next": next((name for id, name in names.items() if key and id.startswith(key)), key),
        "seconds": round(first["t"] - account.cut_at, 6),
        "seconds_since_made": round(first["t"] - max(made, account.cut_at), 6),
        "allowed_seconds": round(account.interval + (GRAFT if account.mode is Mode.FEED_STOPS else 0.0), 6),
        "blocks": later[-1]["height"] - before["height"],
        "gaps": gaps(meanwhile),
        "duplicate_blocks": later[-1]["repeated"] - before["repeated"],
        "copies_per_block": round(per_block([meanwhile], "received"), 2),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else 0.0
