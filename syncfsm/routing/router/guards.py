"""When a row of the router's table applies. Each function is named in ``rules.py``; those that no row names are
private, but for what ``actions.py`` and ``protocol.py`` share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from syncfsm.blocks import Header
from syncfsm.limits import Limits
from syncfsm.machine import Guard
from syncfsm.protocol import Joined, Said, Taken, View
from syncfsm.routing.messages import Packet, PacketId
from syncfsm.routing.router.types import Kept, Road, Router, Waiting, Window
from syncfsm.routing.types import Judged, Judgement, Publish

ROUNDING: Final = 1e-9
"""A deadline is reached when it comes, whatever floating point makes of it."""

# What is known --------------------------------------------------------------------------------------------------


def delivered(router: Router, id: PacketId, limits: Limits) -> bool:
    """Was this packet delivered, or is it too old for that to be known?"""
    window = router.windows.get(id.origin)
    if window is None or id.start > window.start:
        return False
    behind = window.top - id.sequence
    if id.start < window.start or behind == 0 or behind > limits.window:
        return True
    return behind > 0 and bool(window.before >> (behind - 1) & 1)


def marked(window: Window | None, id: PacketId, limits: Limits) -> Window:
    """The window with this packet, which was not delivered before."""
    if window is None or id.start > window.start:
        return Window(id.start, id.sequence)
    ahead = id.sequence - window.top
    if ahead < 0:
        return Window(window.start, window.top, window.before | 1 << (-ahead - 1))
    if ahead > limits.window:
        return Window(window.start, id.sequence)
    before = (window.before << 1 | 1) << (ahead - 1)
    return Window(window.start, id.sequence, before & ((1 << limits.window) - 1))


def waiting_for(router: Router, id: PacketId) -> Waiting | None:
    return next((waiting for waiting in router.waiting if waiting.packet.id == id), None)


def under_judgement(router: Router) -> set[PacketId]:
    """What waits for its verdict, or was refused."""
    return {*router.refused, *(waiting.packet.id for waiting in router.waiting)}


def takes(router: Router, origin: bytes, limits: Limits) -> bool:
    """Is there a place for what comes of this origin?"""
    return origin in router.windows or len(router.windows) < limits.origins


def kept_of(router: Router, ids: Sequence[PacketId]) -> list[Kept]:
    return [kept for kept in router.kept if kept.packet.id in ids]


# Who is there ---------------------------------------------------------------------------------------------------


def is_there(router: Router, joined: Joined, view: View) -> bool:
    return joined.peer in router.peers


def is_unknown(router: Router, peer: str, view: View) -> bool:
    return peer not in router.peers


# A packet comes -------------------------------------------------------------------------------------------------


def known(router: Router, said: Said, view: View) -> bool:
    id = said.what.packet.id
    return delivered(router, id, view.limits) or id in under_judgement(router)


def no_place(router: Router, said: Said, view: View) -> bool:
    limits, waiting = view.limits, router.waiting
    of_peer = sum(each.peer == said.peer for each in waiting)
    full = len(waiting) >= limits.judging or of_peer >= limits.judging_one
    return full or not takes(router, said.what.packet.id.origin, limits)


def not_waiting(router: Router, judged: Judged, view: View) -> bool:
    return waiting_for(router, judged.id) is None


def valid(router: Router, judged: Judged, view: View) -> bool:
    """It is, and can be delivered: its origin has not begun anew meanwhile, and there is a place for it."""
    fits = takes(router, judged.id.origin, view.limits) and not delivered(router, judged.id, view.limits)
    return judged.judgement is Judgement.VALID and fits


def penalised(router: Router, judged: Judged, view: View) -> bool:
    return judged.judgement is Judgement.PENALISE


# Repair ---------------------------------------------------------------------------------------------------------


def told_nothing_new(router: Router, said: Said, view: View) -> bool:
    settled = under_judgement(router)
    return all(id in settled or delivered(router, id, view.limits) for id in said.what.ids)


def keeps_none(router: Router, said: Said, view: View) -> bool:
    return not kept_of(router, said.what.ids)


def verdict_is_late(router: Router, message: None, view: View) -> bool:
    return any(is_late(waiting, view) for waiting in router.waiting)


def is_late(waiting: Waiting, view: View) -> bool:
    return view.now >= waiting.since + view.limits.judge - ROUNDING


def deadline(router: Router, limits: Limits) -> float | None:
    """When a packet has waited too long for its verdict, or the next teller is asked for a missing one."""
    due = [waiting.since + limits.judge for waiting in router.waiting[:1]]
    due += [missing.due for missing in router.missing]
    return min(due, default=None)


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        is_there, is_unknown, known, no_place, not_waiting, valid, penalised, told_nothing_new, keeps_none,
        verdict_is_late,
    )
}  # fmt: skip

# What the integrator brings along -------------------------------------------------------------------------------


@attrs.frozen
class Trust:
    """What a node is told when it is made. Both are pure functions, and answer the same for the same.

    ``verify``: has the origin of this packet signed it? ``producer``: who made this block, as a producer is named in
    ``Packet.to``; ``None`` if that is not known.
    """

    verify: Callable[[Packet], bool]
    producer: Callable[[Header], bytes | None]

    def shown(self, router: Router, taken: Taken) -> dict[bytes, int]:
        """Whose blocks these are, and the height of the highest, where it is above that of the way that is known."""
        found = {road.producer: road.height for road in router.roads}
        shown: dict[bytes, int] = {}
        for header in taken.headers:
            producer = self.producer(header)
            if producer is not None and header.height > found.get(producer, -1):
                found[producer] = shown[producer] = header.height
        return shown

    def shows_no_way(self, router: Router, taken: Taken, view: View) -> bool:
        return not self.shown(router, taken)

    def forged(self, router: Router, said: Said, view: View) -> bool:
        return not self.verify(said.what.packet)

    def unfit(self, router: Router, publish: Publish, view: View) -> bool:
        return self.why_unfit(router, publish, view) is not None

    def why_unfit(self, router: Router, publish: Publish, view: View) -> str | None:
        """Why this packet can not be published; ``None`` if it can."""
        id, limits = publish.packet.id, view.limits
        if delivered(router, id, limits):
            return "its number was used already: count up, and begin with a greater start after a restart"
        if not takes(router, id.origin, limits):
            return f"{limits.origins} other origins are known: raise Limits.origins"
        return None if self.verify(publish.packet) else "its signature is not that of its origin: sign it anew"

    @property
    def guards(self) -> dict[str, Guard]:
        """The guards that ask it."""
        return {guard.__name__: guard for guard in (self.shows_no_way, self.forged, self.unfit)}


def road_to(router: Router, producer: bytes) -> Road | None:
    return next((road for road in router.roads if road.producer == producer), None)
