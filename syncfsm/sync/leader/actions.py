"""What a row of the leader's table does. Each function is named in ``rules.py``; those that no row names are
private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.machine import Action
from syncfsm.protocol import Poke, Said, View
from syncfsm.sync.leader.types import Candidate, Leader, Look, Patience
from syncfsm.sync.types import Event as LinkEvent
from syncfsm.sync.types import Kept

Result = tuple[Leader, tuple[Any, ...]]


def wait(leader: Leader, peer: str, view: View) -> Result:
    return replace(leader, waiting=(*leader.waiting, peer)), ()


def forget(leader: Leader, peer: str, view: View) -> Result:
    return _settled(replace(leader, waiting=_without(leader, peer))), ()


def lose(leader: Leader, peer: str, view: View) -> Result:
    return _settled(replace(leader, peer="", goal=None, waiting=_without(leader, peer))), ()


def set_goal(leader: Leader, said: Said, view: View) -> Result:
    return replace(leader, goal=said.message), ()


def be_helped(leader: Leader, peer: str, view: View) -> Result:
    patience = leader.patience
    return replace(leader, patience=Patience(patience.began if patience else view.now, view.now)), ()


def let_go(leader: Leader, look: Look, view: View) -> Result:
    return _settled(replace(leader, peer="", goal=None)), ()


def start_anew(leader: Leader, look: Look, view: View) -> Result:
    return replace(leader, patience=Patience(view.now, view.now)), ()


def keep(leader: Leader, look: Look, view: View) -> Result:
    return leader, ()


def greet_harmless(leader: Leader, look: Look, view: View) -> Result:
    return _greeted(leader, look.harmless)


def follow(leader: Leader, look: Look, view: View) -> Result:
    return _follow(leader, look.first, view)


def follow_ahead(leader: Leader, look: Look, view: View) -> Result:
    return _follow(leader, look.ahead, view)


def _follow(leader: Leader, candidate: Candidate | None, view: View) -> Result:
    assert candidate is not None  # the guards say so
    patience = leader.patience or Patience(view.now, view.now)
    return _greeted(replace(leader, peer=candidate.peer, goal=candidate.hello, patience=patience), candidate)


def _greeted(leader: Leader, candidate: Candidate | None) -> Result:
    """The peer waits no longer. What it said before we greeted is looked at now."""
    assert candidate is not None  # the guards say so
    pokes = [Poke(candidate.peer, LinkEvent.GREET)]
    if candidate.hello is not None:
        pokes.append(Poke(candidate.peer, LinkEvent.HELLO, Kept(candidate.hello)))
    return _settled(replace(leader, waiting=_without(leader, candidate.peer))), tuple(pokes)


def _settled(leader: Leader) -> Leader:
    """Patience is over when nobody leads and nobody waits."""
    return leader if leader.peer or leader.waiting else replace(leader, patience=None)


def _without(leader: Leader, peer: str) -> tuple[str, ...]:
    return tuple(name for name in leader.waiting if name != peer)


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        wait, forget, lose, set_goal, be_helped, let_go, start_anew, keep, greet_harmless, follow, follow_ahead,
    )
}  # fmt: skip
