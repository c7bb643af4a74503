"""When a row of the payloads' table applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.blocks import Point
from syncfsm.machine import Guard
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Held, Say
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import View
from syncfsm.sync.types import Link


def peer_has_subject(held: Held, say: Say, view: View) -> bool:
    return is_known(say.note, view)


def is_known(note: Note, view: View) -> bool:
    """Does the peer have the block that the note is about, or is it on its way already?"""
    return peer_has(note.about, view)


def peer_has(about: Point | None, view: View) -> bool:
    """Does the peer have this block, or is it on its way already? There is nothing to have if there is none."""
    chain, link = view.chain, view.beside(ProtocolNumber.SYNC)
    if about is None:
        return True
    if not isinstance(link, Link):
        return False
    if about.height < view.floor and link.sent is not None:
        return True
    return about.id in chain and any(
        known is not None and known.id in chain and chain.is_ancestor(about.id, known.id)
        for known in (link.sent, link.received, *link.left)
    )


def hold_is_full(held: Held, say: Say, view: View) -> bool:
    return len(held.notes) >= view.limits.notes


def subject_held(held: Held, note: Note, view: View) -> bool:
    return note.about is None or note.about.id in view.chain or note.about.height < view.chain.base.height


def none_waits(held: Held, message: None, view: View) -> bool:
    return not held.notes


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard for guard in (peer_has_subject, hold_is_full, subject_held, none_waits)
}
