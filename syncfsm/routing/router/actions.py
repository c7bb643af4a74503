"""What a row of the router's table does. Each function is named in ``rules.py``; those that no row names are
private."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
from msgspec.structs import replace

from syncfsm.errors import Fault, LocalError
from syncfsm.limits import EVIDENCE_BYTES, FETCHED, HOPS, PACKET_IDS
from syncfsm.machine import Action
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Joined, Poke, Said, Taken, View
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, Reach
from syncfsm.routing.router.guards import (
    ROUNDING,
    Trust,
    delivered,
    is_late,
    kept_of,
    marked,
    road_to,
    under_judgement,
    waiting_for,
)
from syncfsm.routing.router.types import Kept, Missing, Road, Router, Waiting
from syncfsm.routing.types import Arrived, Judge, Judged, Publish
from syncfsm.routing.types import Event as WayEvent
from syncfsm.sync.types import Link, Mode

Result = tuple[Router, tuple[Any, ...]]

# Who is there ---------------------------------------------------------------------------------------------------


def greet(router: Router, joined: Joined, view: View) -> Result:
    ids = [kept.packet.id for kept in router.kept if kept.spread]
    told = [
        Poke(joined.peer, WayEvent.TELL, Have(tuple(ids[at : at + PACKET_IDS])))
        for at in range(0, len(ids), PACKET_IDS)
    ]  # fmt: skip
    return replace(router, peers=tuple(sorted((*router.peers, joined.peer)))), tuple(told)


def lose(router: Router, peer: str, view: View) -> Result:
    """No way leads over it. A packet to a producer that went along it goes another way, or is broadcast."""
    peers = tuple(other for other in router.peers if other != peer)
    roads = tuple(replace(road, peer=None) if road.peer == peer else road for road in router.roads)
    missing = tuple(_untold(each, peer) for each in router.missing)
    router = replace(router, peers=peers, roads=roads, missing=missing)
    kept: list[Kept] = []
    pokes: list[Poke] = []
    for each in router.kept:
        source, over = each.source, each.over
        each = replace(each, source="" if source == peer else source, over=tuple(one for one in over if one != peer))
        if peer in over:
            each, more = _routed(router, each, view)
            pokes += more
        kept.append(each)
    return replace(router, kept=tuple(kept)), tuple(pokes)


def _untold(missing: Missing, peer: str) -> Missing:
    """As if this peer had not told of it."""
    tellers = tuple(teller for teller in missing.tellers if teller != peer)
    return replace(missing, tellers=tellers, asked="" if missing.asked == peer else missing.asked)


def leave_out(router: Router, said: Said, view: View) -> Result:
    return lose(router, said.peer, view)


# A packet comes -------------------------------------------------------------------------------------------------


def publish(router: Router, given: Publish, view: View) -> Result:
    return _passed_on(router, given.packet, 1, "", view)


def blame(router: Router, said: Said, view: View) -> Result:
    packet: Packet = said.what.packet
    return router, (_fault(said.peer, "packet-forged", packet, "is not signed by its origin"),)


def _fault(peer: str, rule: str, packet: Packet, what: str) -> Poke:
    detail = f"packet {packet.id.sequence} of {packet.id.origin.hex()[:16]} {what}"
    return Poke(peer, WayEvent.BLAME, Fault(rule, detail, packet.signature[:EVIDENCE_BYTES]))


def judge(router: Router, said: Said, view: View) -> Result:
    packet, hops = said.what.packet, said.what.hops
    waiting = (*router.waiting, Waiting(packet, hops, said.peer, view.now))
    missing = tuple(each for each in router.missing if each.id != packet.id)
    return replace(router, waiting=waiting, missing=missing), (Judge(said.peer, packet),)


def accept(router: Router, judged: Judged, view: View) -> Result:
    found = _found(router, judged.id)
    router, pokes = _passed_on(_without(router, found), found.packet, found.hops + 1, found.peer, view)
    return router, (Arrived(found.peer, found.packet), *pokes)


def condemn(router: Router, judged: Judged, view: View) -> Result:
    found = _found(router, judged.id)
    router, _ = refuse(router, judged, view)
    return router, (_fault(found.peer, "packet-refused", found.packet, "is none that a correct peer passes on"),)


def refuse(router: Router, judged: Judged, view: View) -> Result:
    return _refused(router, (_found(router, judged.id),), view), ()


def drop(router: Router, message: None, view: View) -> Result:
    return _refused(router, [waiting for waiting in router.waiting if is_late(waiting, view)], view), ()


def _refused(router: Router, found: Iterable[Waiting], view: View) -> Router:
    """These wait no longer, and are not judged again."""
    for waiting in found:
        router = _without(router, waiting)
        ids = (*router.refused, waiting.packet.id)
        router = replace(router, refused=ids[max(0, len(ids) - view.limits.refused) :])
    return router


def _found(router: Router, id: PacketId) -> Waiting:
    found = waiting_for(router, id)
    assert found is not None  # the guards say so
    return found


def _without(router: Router, found: Waiting) -> Router:
    return replace(router, waiting=tuple(waiting for waiting in router.waiting if waiting is not found))


# A packet goes on -----------------------------------------------------------------------------------------------


def _passed_on(router: Router, packet: Packet, hops: int, source: str, view: View) -> tuple[Router, tuple[Poke, ...]]:
    """A valid packet is remembered, kept, and passed on with this count of ``hops``. It came from ``source``, if it is
    not of this node's own."""
    id, limits = packet.id, view.limits
    windows = router.windows.set(id.origin, marked(router.windows.get(id.origin), id, limits))
    missing = tuple(each for each in router.missing if each.id != id)
    router = replace(router, windows=windows, missing=missing)
    if hops > HOPS:
        return router, ()
    kept, pokes = _routed(router, Kept(packet, hops, False, source), view)
    return replace(router, kept=(*router.kept, kept)[-limits.kept :]), pokes


def _routed(router: Router, kept: Kept, view: View) -> tuple[Kept, tuple[Poke, ...]]:
    """Along the ways to whom it is for, or to everybody; never again where it was."""
    carried, next_hops, been = Pass(kept.packet, kept.hops), _next_hops(router, kept), (kept.source, *kept.over)
    if next_hops is not None:
        new = tuple(peer for peer in next_hops if peer not in been)
        return replace(kept, over=(*kept.over, *new)), tuple(Poke(peer, WayEvent.SEND, carried) for peer in new)
    told = Have((kept.packet.id,))
    pokes = tuple(
        Poke(peer, WayEvent.SEND, carried) if is_edge(peer, view) else Poke(peer, WayEvent.TELL, told)
        for peer in router.peers if peer not in been
    )  # fmt: skip
    return replace(kept, spread=True, over=()), pokes


def is_edge(peer: str, view: View) -> bool:
    """Do blocks go over this connection, in one direction or the other?"""
    link = view.at(peer, ProtocolNumber.SYNC)
    return isinstance(link, Link) and (link.wanted or link.mode is Mode.ACTIVE)


def _next_hops(router: Router, kept: Kept) -> tuple[str, ...] | None:
    """The connections to whom it is for; ``None`` if one of the ways is not known, or leads back."""
    packet = kept.packet
    roads: tuple[Road, ...]
    if packet.reach is Reach.ALL:
        return None
    if packet.reach is Reach.ONE:
        road = road_to(router, packet.to)
        roads = () if road is None or (road.peer == kept.source and not road.here) else (road,)
    else:
        roads = router.roads
    if not roads or any(road.peer is None and not road.here for road in roads):
        return None
    return tuple(sorted({road.peer for road in roads if road.peer is not None}))


# Repair ---------------------------------------------------------------------------------------------------------


def note(router: Router, said: Said, view: View) -> Result:
    """Of one peer, no more than ``Limits.missing`` are noted."""
    missing, settled = {each.id: each for each in router.missing}, under_judgement(router)
    left = view.limits.missing - sum(said.peer in each.tellers for each in router.missing)
    for id in said.what.ids:
        if left <= 0 or id in settled or delivered(router, id, view.limits):
            continue
        was = missing.get(id)
        if was is not None and said.peer in was.tellers:
            continue
        tellers = (*was.tellers, said.peer) if was is not None else (said.peer,)
        noted = Missing(id, tellers, view.now + view.limits.graft)
        missing[id] = replace(was, tellers=tellers) if was is not None else noted
        left -= 1
    return replace(router, missing=tuple(missing.values())), ()


def serve(router: Router, said: Said, view: View) -> Result:
    found = kept_of(router, said.what.ids)
    return router, tuple(Poke(said.peer, WayEvent.SEND, Pass(kept.packet, kept.hops)) for kept in found)


def fetch(router: Router, message: None, view: View) -> Result:
    """The first who told is asked, for no more than ``FETCHED`` at a time; who was asked in vain is forgotten."""
    now, limits = view.now, view.limits
    due = {each.id for each in router.missing if now >= each.due - ROUNDING}
    under_way = Counter(each.asked for each in router.missing if each.asked and each.id not in due)
    asked: dict[str, list[PacketId]] = {}
    left: list[Missing] = []
    for each in router.missing:
        if each.id not in due:
            left.append(each)
        elif each.tellers and under_way[each.tellers[0]] >= FETCHED:
            left.append(replace(each, due=now + limits.graft, asked=""))
        elif each.tellers:
            teller, *others = each.tellers
            under_way[teller] += 1
            asked.setdefault(teller, []).append(each.id)
            left.append(replace(each, tellers=tuple(others), due=now + limits.graft_most, asked=teller))
    pokes = tuple(Poke(peer, WayEvent.ASK, Fetch(tuple(ids))) for peer, ids in asked.items())
    return replace(router, missing=tuple(left)), pokes


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        greet, lose, leave_out, publish, blame, judge, accept, condemn, refuse, drop, note, serve, fetch,
    )
}  # fmt: skip

# What the integrator brings along -------------------------------------------------------------------------------


@attrs.frozen
class Trusted:
    """The actions that ask what the integrator brings along."""

    trust: Trust

    def reject(self, router: Router, given: Publish, view: View) -> Result:
        raise LocalError(f"this packet can not be published: {self.trust.why_unfit(router, given, view)}")

    def find_ways(self, router: Router, taken: Taken, view: View) -> Result:
        """Over a peer that does not speak this there is no way, but from now on lower blocks show none. If there are
        too many, that one is forgotten whose blocks are oldest."""
        peer = taken.peer if taken.peer in router.peers else None
        roads = {road.producer: road for road in router.roads}
        for producer, height in self.trust.shown(router, taken).items():
            if producer not in roads and len(roads) >= view.limits.roads:
                del roads[min(roads.values(), key=lambda road: road.height).producer]
            roads[producer] = Road(producer, height, peer, here=taken.peer is None)
        return replace(router, roads=tuple(roads[producer] for producer in sorted(roads))), ()

    @property
    def actions(self) -> dict[str, Action]:
        """By their names."""
        return {action.__name__: action for action in (self.reject, self.find_ways)}
