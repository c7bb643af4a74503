"""What a running node tells of itself: heads, peers, what is waited for, and why it is not in step.

``Node.status()`` makes a ``Status``; ``as_dict`` makes plain data of it for JSON. Both are stable: what is there stays,
more may come.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import attrs

from syncfsm.blocks import Point
from syncfsm.protocol import PEER_PLACE, Stage, Standing, View

if TYPE_CHECKING:
    from syncfsm.node.node import Node


class Why(StrEnum):
    """Why a node is not in step, or that it is. ``sentence`` says it to people."""

    IN_STEP = "in-step"
    ALONE = "alone"
    GREETING = "greeting"
    SEARCHING = "searching"
    FETCHING = "fetching"
    BANNED = "banned"

    @property
    def sentence(self) -> str:
        """What it means, and what can be done where something can."""
        return SENTENCES[self]


SENTENCES: Final = {
    Why.IN_STEP: "It has the best head that any of its peers is known to have.",
    Why.ALONE: "It has no peer, so nobody can tell it of blocks. Look at the addresses and the network.",
    Why.GREETING: "It waits for the hello of a peer.",
    Why.SEARCHING: "A peer has a better head, and the common ancestor of the two chains is being searched.",
    Why.FETCHING: "A peer has blocks that it lacks, and they are on their way or awaited.",
    Why.BANNED: "It holds a better branch that is banned here. Take the verdict back if that was a mistake.",
}
_STAGES: Final = {Stage.FETCHING: Why.FETCHING, Stage.SEARCHING: Why.SEARCHING, Stage.GREETING: Why.GREETING}
"""The stage that says most comes first."""


@attrs.frozen
class PeerStatus:
    """One connection. ``standing`` is how the node stands with the peer, by protocol; ``more`` what each protocol tells
    besides."""

    peer: str
    id: bytes
    """The node at the other end, as it says; 32 bytes, or none if the transport did not tell."""
    proved: bool
    """Has the transport proved that?"""
    heard_at: float
    """When it last gave a sign of life, on the clock of ``now``."""
    room: int
    """Bytes of blocks the transport will still take."""
    standing: Mapping[str, Standing] = attrs.field(hash=False)
    more: Mapping[str, Mapping[str, Any]] = attrs.field(hash=False)

    @property
    def main(self) -> Standing | None:
        """The standing that matters most: the first in the order of the protocols."""
        return next(iter(self.standing.values()), None)


@attrs.frozen
class Status:
    """A node at one moment. ``lag`` is by how many blocks the highest head that a peer is known to have is above
    ours."""

    now: float
    head: Point
    confirmed: Point
    final: Point
    base: Point
    blocks: int
    """Headers held, in all."""
    lag: int
    why: Why
    since: float | None
    """Since when what is waited for is waited for; ``None`` if nothing is."""
    peers: tuple[PeerStatus, ...]
    decided: Mapping[str, Mapping[str, Any]] = attrs.field(hash=False)
    """What the protocols decide across peers, by the name of its table."""

    @property
    def in_step(self) -> bool:
        """Is it where its peers are, as far as it can know?"""
        return self.why is Why.IN_STEP

    def as_dict(self) -> dict[str, Any]:
        """Plain data: points are ``{"height", "id"}`` with the id in hexadecimal digits."""
        found: dict[str, Any] = {"sentence": self.why.sentence, **_plain(attrs.asdict(self, recurse=False))}
        return found


def status(node: "Node") -> Status:
    """What this node has to tell."""
    chain, registry = node.chain, node.config.registry
    peers = tuple(_peer(node, name, values) for name, values in sorted(node.links.items()))
    standings = [standing for peer in peers for standing in peer.standing.values()]
    why, since = _why(node, standings)
    return Status(
        now=node.now,
        head=chain.head.point,
        confirmed=chain.confirmed.point,
        final=chain.final.point,
        base=chain.base.point,
        blocks=len(chain.blocks),
        lag=max((standing.ahead for standing in standings), default=0),
        why=why,
        since=since,
        peers=peers,
        decided={
            across.table.name: across.status(value)
            for (_, across), value in zip(registry.across, node.across, strict=True)
        },
    )


def _peer(node: "Node", name: str, values: tuple[Any, ...]) -> PeerStatus:
    config, peer = node.config, values[PEER_PLACE]
    view = View(
        node.chain, node.chain.base.height, node.now, config.limits, config.strategy, values,
        config.registry.places,
    )  # fmt: skip
    spoken = [(p, value) for p, value in zip(config.registry.protocols, values, strict=True) if value is not None]
    standing = {p.name: found for p, value in spoken if (found := p.standing(value, view)) is not None}
    more = {p.name: p.status(value) for p, value in spoken}
    return PeerStatus(name, peer.id, peer.proved, peer.heard_at, peer.room, standing, more)


def _why(node: "Node", standings: list[Standing]) -> tuple[Why, float | None]:
    """What holds this node up, the most telling first; and since when."""
    for stage, why in _STAGES.items():
        held_up = [s for s in standings if s.stage is stage and (s.better or stage is Stage.GREETING)]
        if held_up:
            return why, min(standing.since for standing in held_up)
    if _better_is_banned(node):
        return Why.BANNED, None
    return (Why.IN_STEP if standings else Why.ALONE), None


def _better_is_banned(node: "Node") -> bool:
    chain = node.chain
    barred = (chain.get(tip) for tip in chain.tips if chain.banned and chain.barred(tip))
    return any(header is not None and header.rank > chain.head.rank for header in barred)


def _plain(thing: Any) -> Any:
    match thing:
        case Point(height, id):
            return {"height": height, "id": id.hex()}
        case bytes():
            return thing.hex()
        case PeerStatus() | Status():
            return _plain(attrs.asdict(thing, recurse=False))
        case Standing():
            return {name: _plain(getattr(thing, name)) for name in thing.__struct_fields__}
        case Mapping():
            return {str(key): _plain(value) for key, value in thing.items()}
        case tuple() | list():
            return [_plain(each) for each in thing]
        case StrEnum():
            return thing.value
        case _:
            return thing
