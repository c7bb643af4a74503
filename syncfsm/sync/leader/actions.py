"""What a row of the leader's table does. Each function is named in ``rules.py``; those that no row names are
private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.machine import Action
from syncfsm.protocol import Poke, Said, View
from syncfsm.sync.leader.types import Candidate, Leader, Look
from syncfsm.sync.types import Event as LinkEvent
from syncfsm.sync.types import Kept

Result = tuple[Leader, tuple[Any, ...]]


def wait(leader: Leader, peer: str, view: View) -> Result:
    return replace(leader, waiting=(*leader.waiting, peer)), ()


def forget(leader: Leader, peer: str, view: View) -> Result:
    return replace(leader, waiting=_without(leader, peer)), ()


def lose(leader: Leader, peer: str, view: View) -> Result:
    return replace(_alone(leader), waiting=_without(leader, peer)), ()


def set_goal(leader: Leader, said: Said, view: View) -> Result:
    return replace(leader, goal=said.message), ()


def be_helped(leader: Leader, peer: str, view: View) -> Result:
    return replace(leader, helped=view.now), ()


def let_go(leader: Leader, look: Look, view: View) -> Result:
    return _alone(leader), ()


def keep(leader: Leader, look: Look, view: View) -> Result:
    return leader, ()


def greet_harmless(leader: Leader, look: Look, view: View) -> Result:
    candidate = look.harmless
    assert candidate is not None  # the guards say so
    return _greeted(leader, candidate)


def follow(leader: Leader, look: Look, view: View) -> Result:
    candidate = look.first
    assert candidate is not None  # the guards say so
    now = view.now
    return _greeted(replace(leader, peer=candidate.peer, goal=candidate.hello, began=now, helped=now), candidate)


def _greeted(leader: Leader, candidate: Candidate) -> Result:
    """The peer waits no longer. What it said before we greeted is looked at now."""
    pokes = [Poke(candidate.peer, LinkEvent.GREET)]
    if candidate.hello is not None:
        pokes.append(Poke(candidate.peer, LinkEvent.HELLO, Kept(candidate.hello)))
    return replace(leader, waiting=_without(leader, candidate.peer)), tuple(pokes)


def _alone(leader: Leader) -> Leader:
    return replace(leader, peer="", goal=None, began=0.0, helped=0.0)


def _without(leader: Leader, peer: str) -> tuple[str, ...]:
    return tuple(name for name in leader.waiting if name != peer)


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (wait, forget, lose, set_goal, be_helped, let_go, keep, greet_harmless, follow)
}
