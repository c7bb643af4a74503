"""Why a node is not in step, in a sentence that says what is and what to do. A pure function of what is known."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import attrs

from syncfsm.node.status import SENTENCES as OF_NODE
from syncfsm.node.status import Status, Why
from syncfsm.wire.handshake import RefusalReason
from syncfsm_adapters.connect.target import SHUNNED, Attempt
from syncfsm_adapters.look.record import BEHIND


class Word(StrEnum):
    """How a node is."""

    IN_STEP = "in-step"
    CATCHING_UP = "catching-up"
    STALLED = "stalled"
    LAYER_ALONE = "layer-alone"
    ALONE = "alone"
    REFUSED = "refused"
    CUT_OFF = "cut-off"
    LOST_FORK = "lost-fork"
    NOT_POSTED = "not-posted"
    UNCONFIRMED = "unconfirmed"
    BANNED = "banned"


FINE: Final = (Word.IN_STEP, Word.CATCHING_UP, Word.LAYER_ALONE)
"""How a node is that helps itself."""
REFUSALS: Final = frozenset({*map(str, RefusalReason), SHUNNED})
"""Why two who have met do not talk; either of them may have said so."""
STALL: Final = 60.0
"""Seconds without a block, while more are known of, after which it does not go on by itself: twice as long as the core
is patient with a feed (``Limits.lead``)."""


@attrs.frozen
class Reason:
    """How a node is, and what that means to people."""

    word: Word
    sentence: str

    @property
    def is_fine(self) -> bool:
        return self.word in FINE


def why(
    status: Status,
    attempts: Sequence[Attempt],
    contradicting: Sequence[str],
    truth: Mapping[str, Any] | None,
    *,
    dialled: int = 0,
    quiet: float = 0.0,
) -> Reason:
    """The first of these that is so: what somebody has to mend comes before what mends itself. ``contradicting`` names
    peers that parted lately as their final block contradicts ours, and are not in step with us now; ``truth`` is what
    ``da.truth`` tells, if a layer is followed; ``dialled`` is how many addresses are, in vain or not; ``quiet`` for how
    many seconds more is known of, and none came."""
    for found in (
        _lost_fork(status, contradicting, truth),
        _not_posted(truth),
        _lonely(status, attempts, truth, dialled),
        _banned(status),
        _cut_off(status, truth),
        _unconfirmed(status, truth),
        _stalled(status, quiet),
        _behind(status),
    ):
        if found is not None:
            return found
    return Reason(Word.IN_STEP, OF_NODE[Why.IN_STEP])


def _lost_fork(status: Status, contradicting: Sequence[str], truth: Mapping[str, Any] | None) -> Reason | None:
    if truth is not None and truth["wrong"]:
        return Reason(Word.LOST_FORK, truth["wrong"])
    if not contradicting or status.peers:
        return None
    return Reason(
        Word.LOST_FORK,
        f"What is final here, {status.final}, contradicts what is final at {len(contradicting)} of its peers "
        f"({', '.join(contradicting[:3])}). No exchange can help. Find out which of the two the data-availability "
        "layer has; if it is theirs, stop this node, move its store away, and start it with an empty one",
    )


def _not_posted(truth: Mapping[str, Any] | None) -> Reason | None:
    """For a sequencer. While the layer does not answer, that is what is said."""
    poster = truth["poster"] if truth is not None else None
    if truth is None or poster is None:
        return None
    trouble = f" ({poster['trouble']})" if poster["trouble"] else ""
    if poster["state"] == "overruled":
        what = (
            "The data-availability layer confirms a block that this sequencer has not made, so it makes and posts none "
            "any more. Another posts with its key, or its blocks are lost. Find that one and stop it; then start this "
            "one again, and it goes on with what the layer has"
        )
    elif truth["cut_off"]:
        return None
    elif poster["held"]:
        what = (
            f"It makes no blocks before some of the {poster['open']} that wait are confirmed{trouble}. Look at the "
            "layer, and at what it says of the batches"
        )
    elif poster["state"] == "paused":
        what = (
            f"The data-availability layer takes none of its batches{trouble}. Blocks are made, and none is confirmed. "
            "Mend that. It tries again now and then, and at once with: syncfsm posting resume"
        )
    elif truth["overdue"]:
        what = (
            f"Nothing that it made has been confirmed for {truth['waits_seconds']:.0f} s{trouble}, though the "
            "data-availability layer answers. Look what becomes of its batches there"
        )
    else:
        return None
    return Reason(Word.NOT_POSTED, what)


def _lonely(
    status: Status, attempts: Sequence[Attempt], truth: Mapping[str, Any] | None, dialled: int
) -> Reason | None:
    if status.peers:
        return None
    reads = truth is not None and not truth["cut_off"]
    layer = " Meanwhile it follows the data-availability layer, at batch delay." if reads else ""
    if attempts and len(attempts) >= dialled and all(attempt.reason in REFUSALS for attempt in attempts):
        reasons = "; ".join(f"{each.address}: {each.reason}, {each.detail}" for each in attempts[:3])
        return Reason(
            Word.REFUSED,
            f"Nobody whom it dials takes it, or is taken by it ({reasons}). Compare --chain, "
            "the keys and the versions with theirs, and ask who runs them; whom this node shuns by mistake, pardon "
            f"with syncfsm peers pardon.{layer}",
        )
    if reads:
        return Reason(Word.LAYER_ALONE, f"It has no peer.{layer} Give it a --peer to be live")
    tried = ", ".join(f"{each.address} ({each.reason})" for each in attempts[:3])
    tried = tried or ("some, and does not know yet what comes of it" if dialled else "nobody: it dials no peer")
    return Reason(
        Word.ALONE,
        f"It has no peer, so nobody can tell it of blocks. It has tried {tried}. Look at the addresses, at the "
        "network, and whether the peers run",
    )


def _stalled(status: Status, quiet: float) -> Reason | None:
    if status.why not in BEHIND or quiet < STALL:
        return None
    return Reason(
        Word.STALLED,
        f"{_how_far(status)}It has known of better blocks for {quiet:.0f} s, and none of its {len(status.peers)} peers "
        "brings them. They may not have what they claim, or their lines are bad. Give it a peer that you trust: "
        "syncfsm peers add",
    )


def _behind(status: Status) -> Reason | None:
    if status.why not in BEHIND:
        return None
    return Reason(Word.CATCHING_UP, f"{_how_far(status)}{OF_NODE[status.why]} It goes on by itself")


def _how_far(status: Status) -> str:
    return f"It is {status.lag} block{'s' if status.lag > 1 else ''} behind. " if status.lag else ""


def _banned(status: Status) -> Reason | None:
    return Reason(Word.BANNED, OF_NODE[Why.BANNED]) if status.why is Why.BANNED else None


def _unconfirmed(status: Status, truth: Mapping[str, Any] | None) -> Reason | None:
    """For who follows. A sequencer's poster knows better."""
    if truth is None or truth["poster"] is not None or not truth["overdue"]:
        return None
    return Reason(
        Word.UNCONFIRMED,
        f"Nothing beyond {status.confirmed} has been confirmed for {truth['waits_seconds']:.0f} s: the "
        "data-availability layer answers, and has no valid batch that goes on from there. Batches are withheld or bad "
        "(see the incidents), or --da-start is too high. Ask who runs the sequencer; soft blocks go on",
    )


def _cut_off(status: Status, truth: Mapping[str, Any] | None) -> Reason | None:
    if truth is None or not truth["cut_off"]:
        return None
    if truth["awaits_mark"]:
        if status.why in BEHIND:
            return None  # that is how it gets there
        what = (
            f"is read from block {truth['mark']} on, which was given as a mark, and none of its peers has that block. "
            "They are behind, or the mark is of a branch that is not theirs: give it a peer that you trust"
        )
    elif truth["reader"]["state"] == "lost":
        what = (
            "does not keep any more what this node reads next. Give it the mark of a node that is further and that you "
            "trust: syncfsm mark there, --mark here"
        )
    else:
        since, trouble = truth["heard_seconds"], truth["trouble"]
        what = f"has not answered for {since:.0f} s ({trouble}). Look at the address in --da, and at the network"
    soft = _how_far(status) if status.why in BEHIND else "Its peers keep it in step. "
    return Reason(
        Word.CUT_OFF,
        f"{soft}Nothing is confirmed beyond {status.confirmed}: the data-availability layer {what}",
    )
