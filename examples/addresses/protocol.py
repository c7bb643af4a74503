"""The protocol, as the rest of the house knows it."""

from typing import Final

from msgspec.structs import replace

from addresses.actions import ACTIONS
from addresses.guards import GUARDS, LIMITS
from addresses.messages import Here, Please
from addresses.rules import RULES
from addresses.types import CARRIES, MEANINGS, Ask, Event, Exchange, State, Tell
from syncfsm.machine import Table
from syncfsm.numbers import OWN
from syncfsm.protocol import Hook, Kind, Protocol

TABLE: Final[Table[Exchange]] = Table(
    name="addresses", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.CLOSED,
    end=State.CLOSED, rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def aged(exchange: Exchange, seconds: float) -> Exchange:
    """For the checker: the same, all that it remembers of time so much longer ago."""
    return replace(
        exchange,
        learnt=None if exchange.learnt is None else exchange.learnt - seconds,
        told=None if exchange.told is None else exchange.told - seconds,
    )


ADDRESSES: Final[Protocol[Exchange]] = Protocol(
    number=OWN[0],
    name="addresses",
    doc="Addresses of further peers.",
    table=TABLE,
    kinds=(Kind(1, Please, Event.PLEASE), Kind(2, Here, Event.HERE)),
    begin=Exchange,
    hooks={Hook.OPENED: Event.OPENED, Hook.FAULT: Event.FAULT, Hook.ENDED: Event.ENDED},
    requests={Ask: Event.ASK, Tell: Event.TELL},
    aged=aged,
    limits=LIMITS,
)
