"""The poster, as its carrier knows it: a value, what happens to it, and when."""

from collections.abc import Mapping
from typing import Any, Final

from syncfsm.blocks import Header
from syncfsm.machine import Step, Table
from syncfsm.truth.answers import Outcome, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.poster.actions import ACTIONS
from syncfsm.truth.poster.guards import GUARDS, due
from syncfsm.truth.poster.rules import OPEN, RULES
from syncfsm.truth.poster.types import AWAITING, CARRIES, MEANINGS, Begin, Event, Poster, Seen, Start, State
from syncfsm.truth.reader.types import BROKEN, RESTING, Reader
from syncfsm.truth.types import View

TABLE: Final[Table[Poster]] = Table(
    name="poster", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.IDLE, end=None,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip
EVENTS: Final[Mapping[type, Event]] = {
    Start: Event.START, Begin: Event.BEGIN, Header: Event.MADE, Seen: Event.SEEN, Posted: Event.POSTED,
    Unsure: Event.UNSURE, TooBig: Event.TOO_BIG, Refused: Event.REFUSED, Trouble: Event.TROUBLE, type(None): Event.TICK,
}  # fmt: skip
"""What each thing that a poster is fed is to its table."""


def step(poster: Poster, given: Start | Begin | Header | Seen | Outcome | None, view: View) -> Step[Poster]:
    """Feed a poster a start, what the sequencer has, a block that was made, what the reader knows, what became of its
    ``Submit``, or time (``None``). ``LocalError`` for a block that does not follow the last one."""
    return TABLE.step(poster, EVENTS[type(given)], given, view)


def resume(poster: Poster, view: View) -> Step[Poster]:
    """An operator has mended what was wrong."""
    return TABLE.step(poster, Event.RESUME, None, view)


def seen(reader: Reader) -> Seen:
    """What a reader that has begun knows, for a poster: feed it after each step of the reader, and each ``Begin``."""
    return Seen(reader.mark.place.height, reader.tip, reader.final.tip, reader.state is RESTING, reader.state is BROKEN)


def deadline(poster: Poster, limits: TruthLimits) -> float | None:
    """When time can do something; ``None`` if it can not."""
    if poster.state not in (AWAITING, *OPEN):
        return None
    times = [when for when in (due(poster, limits),) if when is not None]
    times += [poster.since + limits.overdue] if poster.open and not poster.told else []
    return min(times, default=None)


def status(poster: Poster) -> Mapping[str, Any]:
    """For an operator."""
    return {
        "state": str(poster.state), "confirmed": str(poster.tip), "open": len(poster.open), "held": poster.held,
        "failures": poster.tries, "trouble": poster.why,
    }  # fmt: skip
