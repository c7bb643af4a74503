"""The leader, as the rest of the house knows it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.limits import Limits
from syncfsm.machine import Table
from syncfsm.protocol import Across, Due, Said, View
from syncfsm.sync.leader.actions import ACTIONS
from syncfsm.sync.leader.guards import GUARDS
from syncfsm.sync.leader.rules import RULES
from syncfsm.sync.leader.types import CARRIES, MEANINGS, Candidate, Event, Leader, Look, Patience, State
from syncfsm.sync.messages import Hello
from syncfsm.sync.types import Link

TABLE: Final[Table[Leader]] = Table(
    name="leader", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.FREE, end=None,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def look(leader: Leader, links: Callable[[str], Link | None], view: View) -> Look:
    """Who could be greeted now."""
    goal = leader.goal
    waits = [_candidate(peer, links(peer), view) for peer in leader.waiting]
    return Look(
        reached=goal is not None and _harmless(goal, view),
        tired=leader.patience is not None and view.now >= _deadline(leader.patience, view.limits),
        first=waits[0] if waits else None,
        harmless=next((candidate for candidate in waits if candidate.harmless), None),
        ahead=next((candidate for candidate in waits if candidate.hello and not candidate.harmless), None),
    )


def _candidate(peer: str, link: Link | None, view: View) -> Candidate:
    heard = link.heard if link is not None else None
    return Candidate(peer, heard, heard is not None and _harmless(heard, view))


def _harmless(hello: Hello, view: View) -> bool:
    """Will this peer send us nothing, because we hold its head or have a better one?"""
    return hello.head.id in view.chain or hello.rank < view.chain.head.rank


def leads(leader: Leader, peer: str) -> bool:
    """What others bring says nothing of the leader."""
    return leader.peer == peer


def spoke(leader: Leader, said: Said) -> bool:
    """What others say is kept by their links."""
    return leader.peer == said.peer


def busy(leader: Leader) -> bool:
    """Is there anybody to look at?"""
    return bool(leader.waiting) or leader.state is State.TIRED


def _deadline(patience: Patience, limits: Limits) -> float:
    return min(patience.helped + limits.patience, patience.began + limits.lead)


def deadline(leader: Leader, limits: Limits) -> float | None:
    """When the others are greeted too, unless the goal is reached before."""
    return _deadline(leader.patience, limits) if leader.patience and leader.waiting else None


def aged(leader: Leader, seconds: float) -> Leader:
    """The same, all that it remembers of time so much longer ago."""
    was = leader.patience
    if was is None:
        return leader
    return replace(leader, patience=Patience(was.began - seconds, was.helped - seconds))


def due(leader: Leader, limits: Limits) -> Sequence[Due]:
    """To stop waiting for a leader only needs time; or, if that has passed, a tick."""
    if leader.patience is None or not leader.waiting:
        return ()
    return (("patience ends", limits.patience if _deadline(leader.patience, limits) > 0 else 0.0, False),)


def status(leader: Leader) -> Mapping[str, Any]:
    """For an operator."""
    goal = leader.goal.head if leader.goal is not None else None
    return {
        "leader": leader.peer or None,
        "goal": goal,
        "helped": leader.patience and leader.patience.helped,
        "waiting": leader.waiting,
    }


LEADER: Final[Across[Leader]] = Across(
    table=TABLE,
    start=Leader(),
    joined=Event.JOINED,
    left=Event.LEFT,
    heard=Event.HEARD,
    gained=Event.GAINED,
    look=Event.LOOK,
    listens=frozenset({Hello}),
    busy=busy,
    readers={Event.LOOK: look},
    heeds={Event.GAINED: leads, Event.HEARD: spoke},
    deadline=deadline,
    aged=aged,
    due=due,
    status=status,
)
