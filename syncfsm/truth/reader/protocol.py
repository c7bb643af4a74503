"""The reader, as its carrier knows it: a value, what happens to it, and when."""

from collections.abc import Mapping
from typing import Any, Final

from syncfsm.machine import Step, Table
from syncfsm.truth.answers import Blobs, Broken, Future, Head, Nothing, Pruned, Trouble
from syncfsm.truth.limits import UNANSWERED, TruthLimits
from syncfsm.truth.reader import guards
from syncfsm.truth.reader.actions import ACTIONS
from syncfsm.truth.reader.guards import GUARDS
from syncfsm.truth.reader.rules import RULES
from syncfsm.truth.reader.types import BROKEN, CARRIES, IDLE, LOST, MEANINGS, At, Event, Kept, Reader, Refusal, State
from syncfsm.truth.types import View

TABLE: Final[Table[Reader]] = Table(
    name="reader", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.IDLE, end=None,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip
EVENTS: Final[Mapping[type, Event]] = {
    Kept: Event.BEGIN, Blobs: Event.BLOBS, Nothing: Event.NONE, Future: Event.FUTURE, Pruned: Event.PRUNED,
    Trouble: Event.TROUBLE, Broken: Event.BROKE, Refusal: Event.REFUSED, Head: Event.NEWS,
    type(None): Event.TICK,
}  # fmt: skip
"""What each thing that a reader is fed is to its table."""


def step(reader: Reader, given: Kept | At | Refusal | Head | None, view: View) -> Step[Reader]:
    """Feed a reader what was kept, an answer to its ``Fetch``, why the node can not follow, news of the layer's head,
    or time (``None``)."""
    return TABLE.step(reader, event(given), given, view)


def event(given: Kept | At | Refusal | Head | None) -> Event:
    """What it is to the table."""
    return EVENTS[type(given.answer if isinstance(given, At) else given)]


def deadline(reader: Reader, limits: TruthLimits) -> float | None:
    """When time can do something; ``None`` if it can not."""
    return None if reader.state in (IDLE, BROKEN) else guards.deadline(reader, limits.overdue)


def cut_off(reader: Reader, now: float) -> bool:
    """Is nothing read: has the layer failed and not answered for ``UNANSWERED`` seconds, or not what comes next; or has
    the reader not begun?"""
    unanswered = reader.tries > 0 and now - reader.heard >= UNANSWERED
    return unanswered or reader.state in (IDLE, LOST, BROKEN)


def status(reader: Reader) -> Mapping[str, Any]:
    """For an operator."""
    return {
        "state": str(reader.state), "read": reader.mark.place.height, "confirmed": str(reader.tip),
        "final": str(reader.final.tip), "failures": reader.tries,
    }  # fmt: skip
