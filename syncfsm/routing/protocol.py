"""Routing's protocol, as the rest of the house knows it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from syncfsm.blocks import Header
from syncfsm.machine import Table
from syncfsm.numbers import MessageNumber, ProtocolNumber
from syncfsm.protocol import Hook, Kind, Notice, Protocol, short
from syncfsm.routing.actions import ACTIONS
from syncfsm.routing.guards import GUARDS
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, pass_flaw
from syncfsm.routing.router.guards import Trust
from syncfsm.routing.router.protocol import router_of
from syncfsm.routing.rules import RULES
from syncfsm.routing.types import CARRIES, MEANINGS, Event, State, Way

TABLE: Final[Table[Way]] = Table(
    name="routing", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.CLOSED,
    end=State.CLOSED, rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def waits_for(message: Pass) -> bytes | None:
    """A packet never overtakes the block it is about."""
    return message.packet.about.id if message.packet.about is not None else None


def some_wait(way: Way, carried: object) -> bool:
    """Can news of the peer's blocks matter?"""
    return bool(way.held)


def status(way: Way) -> Mapping[str, Any]:
    """For an operator."""
    return {"waiting": len(way.held), "told": len(way.told)}


def show(way: Way) -> str:
    """How many wait, if any."""
    return f"{len(way.held)} packets held" if way.held else ""


def words(id: PacketId) -> str:
    """The name of a packet in a few words."""
    return f"{short(id.origin)}.{id.sequence}"


def _pass(message: Pass) -> str:
    return f"packet {words(message.packet.id)}"


def _have(message: Have) -> str:
    return f"have {' '.join(map(words, message.ids))}"


def _fetch(message: Fetch) -> str:
    return f"fetch {' '.join(map(words, message.ids))}"


def nobody(header: Header) -> bytes | None:
    """It is not known who makes blocks: what is for producers is broadcast."""
    return None


def routing(verify: Callable[[Packet], bool], producer: Callable[[Header], bytes | None] = nobody) -> Protocol[Way]:
    """The protocol of a node that trusts so: ``verify`` says whether the origin of a packet has signed it, ``producer``
    who made a block, in the form of ``Packet.to``. Both are pure functions.

    Put it into a registry instead of the standard one: ``Registry((PEER, SYNC, NOTES, routing(...)))``.
    """
    return Protocol(
        number=ProtocolNumber.ROUTING,
        name="routing",
        doc="Packets over many hops, signed by their origins and judged before they are passed on.",
        table=TABLE,
        kinds=(
            Kind(MessageNumber.PASS & 0xFF, Pass, Event.PASS, flaw=pass_flaw, waits_for=waits_for, words=_pass),
            Kind(MessageNumber.HAVE & 0xFF, Have, Event.HAVE, words=_have),
            Kind(MessageNumber.FETCH & 0xFF, Fetch, Event.FETCH, words=_fetch),
        ),
        begin=Way,
        hooks={Hook.OPENED: Event.OPENED, Hook.FAULT: Event.FAULT, Hook.ENDED: Event.ENDED},
        heeds={Notice.PEER_HAS_MORE: some_wait},
        notices={Notice.PEER_HAS_MORE: Event.NEWS},
        across=router_of(Trust(verify, producer)),
        show=show,
        status=status,
    )
