"""The feed, as the rest of the house knows it."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from syncfsm.limits import Limits
from syncfsm.machine import Table
from syncfsm.protocol import Across, Due
from syncfsm.sync.feed.actions import ACTIONS
from syncfsm.sync.feed.guards import GUARDS, late_at, on_trial, patient_until, status, vain_at
from syncfsm.sync.feed.rules import RULES
from syncfsm.sync.feed.types import CARRIES, MEANINGS, Event, Feed, State, Waits

TABLE: Final[Table[Feed]] = Table(
    name="feed", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.ALONE, end=State.ALONE,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def deadline(feed: Feed, limits: Limits) -> float | None:
    """When the next is asked for what the feed does not bring, all are, or one was asked in vain."""
    due = [when for when in (late_at(feed, limits), patient_until(feed, limits)) if when is not None]
    due += [vain_at(asked, limits) for asked in on_trial(feed)]
    return min(due, default=None)


def aged(feed: Feed, seconds: float) -> Feed:
    """The same, all that it remembers of time so much longer ago."""
    was = feed.waits
    if was is None and not feed.asked:
        return feed
    waits = None if was is None else Waits(was.began - seconds, was.helped - seconds)
    asked = tuple(replace(each, since=each.since - seconds) for each in feed.asked)
    return replace(feed, waits=waits, asked=asked)


def due(feed: Feed, limits: Limits) -> Sequence[Due]:
    """A late feed only needs time to be noticed; or, if that has passed, a tick."""
    when = deadline(feed, limits)
    return () if when is None else (("the feed is late", max(0.0, when), False),)


FEED: Final[Across[Feed]] = Across(
    table=TABLE,
    start=Feed(),
    joined=Event.JOINED,
    left=Event.LEFT,
    gained=Event.GAINED,
    made=Event.MADE,
    late=Event.LATE,
    deadline=deadline,
    aged=aged,
    due=due,
    status=status,
)
