"""One line for every change of state: JSON for programs, words for people.

Times are ``time.monotonic`` seconds, which all processes of one machine share; so lines of several nodes can be merged.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import attrs

from syncfsm.blocks import Point
from syncfsm.node.node import Node
from syncfsm.notes.types import Undelivered
from syncfsm.outputs import Accepted, ConfirmedMoved, Disconnect, FinalMoved, HeadMoved, Misbehaviour, Output
from syncfsm.protocol import PEER_PLACE
from syncfsm_adapters.host.host import Host

FORMATS: Final = ("json", "text")
Write = Callable[..., None]
"""(event, **fields): one thing that happened."""


class Journal:
    """Writes lines to ``stream``; ``json`` ones have ``t``, ``event``, ``node``, and what the event brings."""

    def __init__(self, node: str, form: str, stream: TextIO = sys.stdout) -> None:
        self._node, self._form, self._stream = node, form, stream

    def __call__(self, event: str, **fields: Any) -> None:
        now = time.monotonic()
        if self._form == "json":
            line = json.dumps({"t": round(now, 6), "event": event, "node": self._node, **fields}, default=_plain)
        else:
            words = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", None))
            line = f"{time.strftime('%H:%M:%S')} {self._node} {event} {words}".rstrip()
        self._stream.write(line + "\n")
        self._stream.flush()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Point) else value.hex() if isinstance(value, bytes) else value


def follow(host: Host, write: Write) -> None:
    """Write what happens to ``host`` from now on. Lines of heads and partings carry what the host has counted."""

    def told(output: Output, now: float) -> None:
        match output:
            case HeadMoved(old, new, common):
                undone = old.height - common.height
                counted = attrs.asdict(host.tally)
                write("head", height=new.height, id=new.id, undone=undone, fed_by=host.fed_by, **counted)
            case ConfirmedMoved(old, new):
                write("confirmed", height=new.height, id=new.id, back=max(0, old.height - new.height))
            case FinalMoved(_, new):
                write("final", height=new.height, id=new.id)
            case Misbehaviour(peer, fault):
                write(
                    "misbehaviour", peer=peer, rule=fault.rule, detail=fault.detail, penalty=fault.penalty.name.lower()
                )
            case Disconnect(peer, reason, detail):
                write("parted", peer=peer, reason=str(reason), detail=detail, **attrs.asdict(host.tally))
            case Undelivered(peer, note):
                write("undelivered", peer=peer, about=note.about)
            case Accepted() | _:
                pass

    protocols = host.node.config.registry.protocols
    places = [place for place, protocol in enumerate(protocols) if protocol.essential and place != PEER_PLACE]

    def stepped(before: Node, after: Node, now: float) -> None:
        if before.links is after.links:
            return
        for place in places:
            for peer, values in after.links.items():
                old, new = before.links.get(peer), values[place]
                was = old[place].state if old is not None and old[place] is not None else "closed"
                if new is not None and new.state != was:
                    write("link", peer=peer, state=str(new.state), was=str(was))

    host.watch(told)
    host.observe(stepped)
