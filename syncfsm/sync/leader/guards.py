"""When a row of the leader's table applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.machine import Guard
from syncfsm.protocol import Said, View
from syncfsm.sync.leader.types import Leader, Look


def leads(leader: Leader, peer: str, view: View) -> bool:
    return leader.peer == peer


def leader_spoke(leader: Leader, said: Said, view: View) -> bool:
    return leader.peer == said.peer


def reached(leader: Leader, look: Look, view: View) -> bool:
    return look.reached


def tired(leader: Leader, look: Look, view: View) -> bool:
    return look.tired


def harmless_waits(leader: Leader, look: Look, view: View) -> bool:
    return look.harmless is not None


def first_is_harmless(leader: Leader, look: Look, view: View) -> bool:
    return look.first is not None and look.first.harmless


def one_is_ahead(leader: Leader, look: Look, view: View) -> bool:
    return look.ahead is not None


def one_waits(leader: Leader, look: Look, view: View) -> bool:
    return look.first is not None


def nobody_leads(leader: Leader, look: Look, view: View) -> bool:
    return not leader.peer


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        leads, leader_spoke, reached, tired, harmless_waits, first_is_harmless, one_is_ahead, one_waits,
        nobody_leads,
    )
}  # fmt: skip
