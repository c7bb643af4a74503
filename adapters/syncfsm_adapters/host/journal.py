"""One line for every change of state: JSON for programs, words for people.

``t`` is ``time.monotonic`` seconds, which all processes of one machine share; so lines of several nodes can be merged.
``time`` is the wall clock, with its zone. Who reads slowly loses lines, and is told how many; the node never waits.
"""

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

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
ERRORS: Final = frozenset({
    "da-broke", "da-refused", "overruled", "twin", "twin-sequencer", "equivocation", "stuck", "mark-unknown",
    "da-pruned",
})  # fmt: skip
"""Somebody has to do something."""
WARNINGS: Final = frozenset({
    "misbehaviour", "contradicted", "taken-back", "no-link", "broken", "overdue", "da-unheard", "da-silent", "held",
    "accept-failed", "skipped", "bad-batch", "layer-ahead", "penalty", "lines-lost", "repeated", "batches-lost",
})  # fmt: skip
"""Something is not as it should be."""
REPEATED: Final = frozenset({
    "no-link", "misbehaviour", "skipped", "bad-batch", "accept-failed", "broken", "undelivered", "penalty",
})  # fmt: skip
"""Lines that somebody else can cause again and again."""
BURST: Final = 10
"""So many lines of one of these events are written in ``EACH`` seconds; then it is said how many more there were."""
EACH: Final = 10.0


def level(event: str) -> int:
    """The level of ``logging`` for an event."""
    return logging.ERROR if event in ERRORS else logging.WARNING if event in WARNINGS else logging.INFO


class Lines(Protocol):
    """Where lines go: a text stream, or an ``Unhurried`` one."""

    def write(self, line: str, /) -> Any: ...


@attrs.define
class _Often:
    """How often an event was told since ``began``."""

    began: float
    count: int = 0


class Journal:
    """Writes lines to ``stream``; ``json`` ones have ``t``, ``time``, ``level``, ``event``, ``node``, and what the
    event brings. A line that others can cause again and again is written ``BURST`` times in ``EACH`` seconds."""

    def __init__(self, node: str, form: str, stream: Lines, clock: Callable[[], float] = time.monotonic) -> None:
        self._node, self._form, self._stream, self._clock = node, form, stream, clock
        self._often: dict[str, _Often] = {}

    def __call__(self, event: str, **fields: Any) -> None:
        now = self._clock()
        self._tell_repeated(now)
        if event in REPEATED and not self._may(event, now):
            return
        self._line(now, event, fields)
        lost = getattr(self._stream, "lost", 0)
        if lost:
            told = self._line(now, "lines-lost", {"lines": lost, "sentence": "Whoever reads this journal is too slow."})
            self._stream.lost = 0 if told else lost  # type: ignore[attr-defined]

    def _may(self, event: str, now: float) -> bool:
        """May one more line of this event be written?"""
        often = self._often.setdefault(event, _Often(now))
        often.count += 1
        return often.count <= BURST

    def _tell_repeated(self, now: float) -> None:
        """For events whose time is over, say how many lines were not written; with the next line, whichever it is."""
        over = [event for event, often in self._often.items() if now - often.began >= EACH]
        for event in over:
            often = self._often.pop(event)
            if often.count > BURST:
                self._line(now, "repeated", {"of": event, "more": often.count - BURST})

    def _line(self, now: float, event: str, fields: dict[str, Any]) -> bool:
        """Write a line; ``False`` if it is lost."""
        at, severity = datetime.now().astimezone(), logging.getLevelName(level(event)).lower()
        if self._form == "json":
            head = {"t": round(now, 6), "time": at.isoformat(timespec="milliseconds"), "level": severity}
            line = json.dumps({**head, "event": event, "node": self._node, **fields}, default=_plain)
        else:
            words = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", None))
            mark = {"error": "! ", "warning": "~ "}.get(severity, "")
            line = f"{at:%H:%M:%S} {self._node} {mark}{event} {words}".rstrip()
        kept = self._stream.write(line + "\n") is not False
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()
        return kept


class LogWrite:
    """A journal for who embeds a node: each line goes to a logger of ``logging``, at its level. The event is the
    message, its fields are in ``record.syncfsm``."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __call__(self, event: str, **fields: Any) -> None:
        words = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", None))
        self._logger.log(level(event), "%s %s", event, words, extra={"syncfsm": {"event": event, **fields}})


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
