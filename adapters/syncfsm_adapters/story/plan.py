"""What is to happen in the story, and what can be seen of it while it happens."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import validators as must

from syncfsm.errors import LocalError
from syncfsm.limits import Limits

SEQUENCER: Final = "sequencer"
TWIN: Final = "twin"
"""Another process with the sequencer's key."""
LOST: Final = "A"
"""The node that loses its link, or its feed: the peer that it takes blocks from."""
WARM_BLOCKS: Final = 15
"""Blocks made with all nodes connected before anything is lost."""
PEER_DIGITS: Final = 16
"""So many digits of a node's id are in the names that its peers have for it."""
GRAFT: Final = Limits().graft_most
"""The longest for which a node waits for a block of which it has heard, before it asks for it elsewhere."""


class Mode(StrEnum):
    """What is lost, and how."""

    NETWORK = "network"
    """The links of ``LOST`` stop carrying bytes."""
    CRASH = "crash"
    """Its process is killed."""
    FEED = "feed"
    """The process of its feed is killed."""
    FEED_STOPS = "feed-stops"
    """The process of its feed is held: its connections stay open, and it says nothing."""

    @property
    def done(self) -> str:
        """What is done to whoever is lost."""
        return {Mode.NETWORK: "cut off", Mode.FEED_STOPS: "held"}.get(self, "killed")

    @property
    def of_feed(self) -> bool:
        """Is it the feed that is lost?"""
        return self in (Mode.FEED, Mode.FEED_STOPS)

    @property
    def kills(self) -> bool:
        """Does the lost process end, and start anew from its files?"""
        return self in (Mode.CRASH, Mode.FEED)


@attrs.frozen(kw_only=True)
class Plan:
    """One telling of the story. Times are seconds, ``gap`` and ``tail`` blocks. ``degree`` is about how many links each
    node has; all are linked to all without it."""

    followers: int = attrs.field(default=4, validator=[must.ge(1), must.le(64)])
    degree: int | None = attrs.field(default=None, validator=must.optional([must.ge(2), must.le(64)]))
    interval: float = attrs.field(default=0.2, validator=[must.ge(0.01), must.le(60)])
    mode: Mode = attrs.field(default=Mode.NETWORK, converter=Mode)
    gap: int = attrs.field(default=100, validator=[must.ge(1), must.le(100_000)])
    tail: int = attrs.field(default=11, validator=[must.ge(1), must.le(100_000)])
    payload_bytes: int = attrs.field(default=1024, validator=[must.ge(0), must.le(1024 * 1024)])
    da: bool = False
    """Is there a data-availability layer, with the acts in which it matters?"""
    batch_seconds: float = attrs.field(default=4.0, validator=[must.ge(0.2), must.le(600)])
    folder: Path

    def __attrs_post_init__(self) -> None:
        if self.da and self.mode is not Mode.NETWORK:
            raise ValueError(
                f"with a data-availability layer it is the links of {LOST} that are lost: leave --mode out"
            )
        if self.mode.of_feed and self.followers < 3:
            raise ValueError(f"{LOST} needs a second follower to turn to when one is lost: give 3 followers or more")

    @property
    def names(self) -> tuple[str, ...]:
        """The followers, the one that will be lost first: A, B, C …, then A1, B1 …"""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        return tuple(letters[n % 26] + (str(n // 26) if n >= 26 else "") for n in range(self.followers))

    @property
    def silence(self) -> float:
        """After how long a dead link is given up: a few blocks, and well before the outage ends."""
        return min(max(1.0, 10 * self.interval), max(0.2, self.gap * self.interval / 2))

    @property
    def patience(self) -> float:
        """The longest the whole story may take."""
        acts = 60 + 12 * self.batch_seconds if self.da else 0
        return 60 + self.followers + 4 * self.interval * (WARM_BLOCKS + self.gap + self.tail) + acts


def make(**given: Any) -> Plan:
    """A plan, or a ``LocalError`` that names the setting that is out of bounds."""
    try:
        return Plan(**given)
    except ValueError as error:
        raise LocalError(f"this story cannot be told: {error.args[0]}") from error


def peer_key(peer: str) -> str:
    """What a journal's name for a peer, ``key#number``, has in common with the peer's id: its first digits."""
    return peer.partition("#")[0]


@attrs.define
class Scene:
    """What is known of one node from its journal, for the table on the screen and the director's cues. Peers are named
    as ``peer_key`` says."""

    name: str
    height: int = 0
    id: str = ""
    confirmed: int = 0
    """Up to which height the data-availability layer has its blocks."""
    contradicted: int = 0
    """How often that layer had others."""
    evidence: int = 0
    """How many heights it knows at which the chain's key has signed two blocks."""
    alive: bool = False
    held: bool = False
    """Is its process stopped, to go on later?"""
    address: str = ""
    node_id: str = ""
    links: dict[str, str] = attrs.field(factory=dict)
    """By peer: the state of the link."""
    fed_by: str = ""
    """The peer that it takes blocks from."""
    public_key: str = ""
    last_words: str = ""

    @property
    def key(self) -> str:
        """How the others' journals name it; empty before it has started."""
        return self.node_id[:PEER_DIGITS]

    def tell(self, line: Mapping[str, Any]) -> None:
        """Take in one line of the node's journal."""
        match line["event"]:
            case "started":
                self.alive, self.links = True, {}
                self.public_key, self.node_id = line["public_key"], line["id"]
                self.height = int(line["head"].split(":")[0])
            case "listening":
                self.address = line["address"]
            case "head":
                self.height, self.id, self.fed_by = line["height"], line["id"], peer_key(line["fed_by"])
            case "confirmed":
                self.confirmed = line["height"]
            case "contradicted":
                self.contradicted += 1
            case "equivocation":
                self.evidence += 1
            case "link":
                self.links[peer_key(line["peer"])] = line["state"]
            case "parted":
                self.links.pop(peer_key(line["peer"]), None)
            case "stopped":
                self.alive = False
            case "error":
                self.last_words = line["message"]
            case _:
                pass
