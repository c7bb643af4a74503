"""What is to happen in the story, and what can be seen of it while it happens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import validators as must

from syncfsm.errors import LocalError

SEQUENCER: Final = "sequencer"
LOST: Final = "A"
"""The node that loses its link."""
WARM_BLOCKS: Final = 15
"""Blocks made with all nodes connected before the link is cut."""
MODES: Final = ("network", "crash")


@attrs.frozen(kw_only=True)
class Plan:
    """One telling of the story. Times are seconds, ``gap`` and ``tail`` blocks."""

    followers: int = attrs.field(default=4, validator=[must.ge(1), must.le(64)])
    interval: float = attrs.field(default=0.2, validator=[must.ge(0.01), must.le(60)])
    mode: str = attrs.field(default="network", validator=must.in_(MODES))
    gap: int = attrs.field(default=100, validator=[must.ge(1), must.le(100_000)])
    tail: int = attrs.field(default=11, validator=[must.ge(1), must.le(100_000)])
    payload_bytes: int = attrs.field(default=1024, validator=[must.ge(0), must.le(1024 * 1024)])
    folder: Path

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
        return 60 + 4 * self.interval * (WARM_BLOCKS + self.gap + self.tail)


def make(**given: Any) -> Plan:
    """A plan, or a ``LocalError`` that names the setting that is out of bounds."""
    try:
        return Plan(**given)
    except ValueError as error:
        raise LocalError(f"this story cannot be told: {error.args[0]}") from error


@attrs.define
class Scene:
    """What is known of one node from its journal, for the table on the screen and the director's cues."""

    name: str
    height: int = 0
    id: str = ""
    alive: bool = False
    address: str = ""
    node_id: str = ""
    links: dict[str, str] = attrs.field(factory=dict)
    """By peer: the state of the link."""
    public_key: str = ""
    last_words: str = ""

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
                self.height, self.id = line["height"], line["id"]
            case "link":
                self.links[line["peer"].split("#")[0]] = line["state"]
            case "parted":
                self.links.pop(line["peer"].split("#")[0], None)
            case "stopped":
                self.alive = False
            case "error":
                self.last_words = line["message"]
            case _:
                pass
