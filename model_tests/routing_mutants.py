"""Changed tables of routing: for each of its promises at least one that breaks it."""

from typing import Any, Final

import attrs
from msgspec.structs import replace

from model_tests.mutants import always, mutant, never
from syncfsm.machine import IGNORE, Rule
from syncfsm.protocol import Joined, Poke, Said, Taken, View
from syncfsm.routing.messages import Have
from syncfsm.routing.protocol import TABLE as ROUTING
from syncfsm.routing.router.types import Road, Router
from syncfsm.routing.types import Event as WayEvent
from syncfsm.routing.types import Judged
from syncfsm_spec.routing.promises import ROUTER
from syncfsm_spec.routing.worlds import about, broadcast, liar, mesh, unicast

TABLE: Final = ROUTER.table
ACTIONS: Final = TABLE.actions
Result = tuple[Router, tuple[Any, ...]]


def deliver_unmarked(router: Router, judged: Judged, view: View) -> Result:
    """It delivers a packet, and does not note that it has."""
    after, outputs = ACTIONS["accept"](router, judged, view)
    return replace(after, windows=router.windows), outputs


def greet_in_silence(router: Router, joined: Joined, view: View) -> Result:
    """Who joins is not told of what it may have missed."""
    return ACTIONS["greet"](router, joined, view)[0], ()


def pass_on_unjudged(router: Router, said: Said, view: View) -> Result:
    """It tells of what it has not judged."""
    router, outputs = ACTIONS["judge"](router, said, view)
    told = Have((said.what.packet.id,))
    return router, (*outputs, *(Poke(peer, WayEvent.TELL, told) for peer in router.peers if peer != said.peer))


def keep_lost_ways(router: Router, peer: str, view: View) -> Result:
    """A connection is over, and the ways over it are kept."""
    after, outputs = ACTIONS["lose"](router, peer, view)
    return replace(after, roads=router.roads), outputs


def take_any_way(router: Router, taken: Taken, view: View) -> Result:
    """Whoever joined last brings the blocks of A."""
    return replace(router, roads=(Road(b"A", 1, next(reversed(router.peers), None)),)), ()


def forget_what_went(router: Router, peer: str, view: View) -> Result:
    """What went along a connection that is over does not go anew, and is taken for sent."""
    after, _ = ACTIONS["lose"](router, peer, view)
    return replace(after, kept=tuple(replace(kept, spread=True) for kept in after.kept)), ()


def deaf_to_news(rule: Rule) -> Rule:
    """What a peer has told of is not asked for."""
    return attrs.evolve(rule, action=IGNORE) if rule.action == "note" else rule


ROUTING_MUTANTS: Final = (
    mutant("deliver-again", "AtMostOnce", broadcast(), actions={"accept": deliver_unmarked}, table=TABLE),
    mutant("unsigned", "JudgedFirst", liar(), guards={"forged": never}, table=TABLE),
    mutant("unjudged", "JudgedFirst", broadcast(), actions={"judge": pass_on_unjudged}, table=TABLE),
    mutant("no-repair", "ReachesAll", broadcast(), actions={"greet": greet_in_silence}, table=TABLE),
    mutant("deaf-to-news", "ReachesAll", mesh(), rules=deaf_to_news, table=TABLE),
    mutant("not-anew", "ReachesAll", unicast(), actions={"lose": forget_what_went}, table=TABLE),
    mutant("held-for-ever", "ReachesAll", about(), guards={"none_waits": always}, table=ROUTING),
    mutant("lost-ways", "RoutesConverge", unicast(), actions={"lose": keep_lost_ways}, table=TABLE),
    mutant("any-way", "RoutesConverge", unicast(), actions={"find_ways": take_any_way}, table=TABLE),
    mutant("all-may-wait", "Bounded", liar(), guards={"no_place": never}, table=TABLE),
)
"""One at least for each promise."""
