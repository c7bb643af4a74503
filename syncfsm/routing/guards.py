"""When a row of the table of packets on a connection applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.machine import Guard
from syncfsm.notes.guards import peer_has
from syncfsm.protocol import View
from syncfsm.routing.messages import Fetch, Have, PacketId, Pass
from syncfsm.routing.types import Way


def brought_before(way: Way, message: Pass, view: View) -> bool:
    return message.packet.id in way.brought


def subject_lacking(way: Way, message: Pass, view: View) -> bool:
    about = message.packet.about
    return about is not None and about.id not in view.chain and about.height >= view.chain.base.height


def told_of_none(way: Way, message: Fetch, view: View) -> bool:
    return not any(id in way.told for id in message.ids)


def has_packet(way: Way, id: PacketId) -> bool:
    """Does the peer have it, by what it has said or sent?"""
    return id in way.has or id in way.brought


def peer_has_packet(way: Way, message: Pass, view: View) -> bool:
    return has_packet(way, message.packet.id)


def peer_has_subject(way: Way, message: Pass, view: View) -> bool:
    return peer_has(message.packet.about, view)


def hold_is_full(way: Way, message: Pass, view: View) -> bool:
    return len(way.held) >= view.limits.notes


def peer_has_all(way: Way, message: Have, view: View) -> bool:
    return all(has_packet(way, id) for id in message.ids)


def none_waits(way: Way, message: None, view: View) -> bool:
    return not way.held


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        brought_before, subject_lacking, told_of_none, peer_has_packet, peer_has_subject, hold_is_full, peer_has_all,
        none_waits,
    )
}  # fmt: skip
