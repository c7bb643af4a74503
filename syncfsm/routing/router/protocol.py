"""The router, as the rest of the house knows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from syncfsm.limits import Limits
from syncfsm.machine import Table
from syncfsm.protocol import Across, Due
from syncfsm.routing.router.actions import ACTIONS, Trusted
from syncfsm.routing.router.guards import GUARDS, Trust, deadline
from syncfsm.routing.router.rules import RULES
from syncfsm.routing.router.types import CARRIES, MEANINGS, ROUTING, Event, Router, State
from syncfsm.routing.types import Judged, Publish


def aged(router: Router, seconds: float) -> Router:
    """The same, all that it remembers of time so much longer ago."""
    if not router.waiting and not router.missing:
        return router
    waiting = tuple(replace(each, since=each.since - seconds) for each in router.waiting)
    missing = tuple(replace(each, due=each.due - seconds) for each in router.missing)
    return replace(router, waiting=waiting, missing=missing)


def due(router: Router, limits: Limits) -> Sequence[Due]:
    """A verdict that is late, and a packet that was told of, only need time."""
    when = deadline(router, limits)
    return () if when is None else (("a packet is late", max(0.0, when), False),)


def status(router: Router) -> Mapping[str, Any]:
    """For an operator."""
    return {
        "peers": router.peers,
        "origins": len(router.windows),
        "judging": len(router.waiting),
        "kept": len(router.kept),
        "missing": len(router.missing),
        "ways": {road.producer.hex(): "here" if road.here else road.peer for road in router.roads},
    }


def router_of(trust: Trust) -> Across[Router]:
    """The router of a node that trusts so."""
    table: Table[Router] = Table(
        name="router", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=ROUTING, end=None,
        rules=RULES, guards={**GUARDS, **trust.guards}, actions={**ACTIONS, **Trusted(trust).actions},
    )  # fmt: skip
    return Across(
        table=table,
        start=Router(),
        joined=Event.JOINED,
        left=Event.LEFT,
        taken=Event.TAKEN,
        late=Event.LATE,
        requests={Publish: Event.PUBLISH, Judged: Event.JUDGED},
        deadline=deadline,
        aged=aged,
        due=due,
        status=status,
    )
