"""Two blocks at one height, both signed by the chain's own key: evidence that somebody equivocates.

It is a value beside the node's: what is new is kept, and passed on once to each peer. Fork choice does not look at it;
the data-availability layer decides. What a peer brings is checked anew, and bounded: one piece is enough to act on.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import Fault

MOST: Final = 64
"""Most pieces that are kept, and so most that are passed on."""
TAG: Final = b"syncfsm evidence 1"
"""What a payload begins with that has a piece of evidence."""


class Evidence(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two blocks at one height, in the order of their ids."""

    one: Header
    other: Header

    @classmethod
    def of(cls, a: Header, b: Header) -> "Evidence":
        return cls(*sorted((a, b), key=lambda header: header.id))


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept, oldest first; and by connection how many of these pieces the peer was told of."""

    kept: tuple[Evidence, ...] = ()
    told: tuple[tuple[str, int], ...] = ()


Check = Callable[[Header], Fault | None]
"""The integrator's: why a block is not signed by the chain's key, ``None`` if it is. Pure, and never raises."""


def rival(chain: Chain, fresh: Sequence[Header]) -> Evidence | None:
    """Another child of the parent of these new blocks, which follow one another and have been checked. One pair is
    enough for the whole branch. O(log n) for each tip, and nothing where there is one branch."""
    first = fresh[0]
    if len(chain.tips) == 1 or first.id not in chain:
        return None
    for tip in chain.tips:
        top = chain.get(tip)
        if top is not None and top.height >= first.height:
            there = chain.ancestor(tip, first.height)
            if there.id != first.id and there.parent == first.parent:
                return Evidence.of(first, there)
    return None


def kept(witness: Witness, evidence: Evidence) -> Witness:
    """With this piece, unless there is one of this height, or as many as may be. If it is the same value, the piece is
    not news, and not to be passed on."""
    known = any(each.one.height == evidence.one.height for each in witness.kept)
    return witness if known or len(witness.kept) >= MOST else Witness((*witness.kept, evidence), witness.told)


def passed_on(witness: Witness, peers: Iterable[str]) -> tuple[Witness, tuple[tuple[str, Evidence], ...]]:
    """What each of these connections, which are all that there are, is to be told of now; and the witness that has told
    them. A peer that comes back comes on another connection, and is told again."""
    if not witness.kept:
        return Witness(), ()
    told, peers = dict(witness.told), tuple(peers)
    due = tuple((peer, piece) for peer in peers for piece in witness.kept[told.get(peer, 0) :])
    return Witness(witness.kept, tuple((peer, len(witness.kept)) for peer in peers)), due


def encode(evidence: Evidence) -> bytes:
    """A payload for peers."""
    return TAG + msgspec.msgpack.encode(evidence)


def decode(payload: bytes, check: Check) -> Evidence | None:
    """The piece in a payload of a peer, if it is one: two blocks of one height, both signed by the chain's key."""
    if not payload.startswith(TAG):
        return None
    try:
        found = msgspec.msgpack.decode(payload[len(TAG) :], type=Evidence)
    except (msgspec.MsgspecError, OverflowError):
        return None
    sound = found.one.height == found.other.height and found.one.id < found.other.id
    return found if sound and check(found.one) is None and check(found.other) is None else None
