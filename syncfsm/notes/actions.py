"""What a row of the payloads' table does. Each function is named in ``rules.py``; those that no row names are
private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.machine import Action
from syncfsm.notes.guards import is_known
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Held, Say, Undelivered
from syncfsm.outputs import Send
from syncfsm.protocol import View

Result = tuple[Held, tuple[Any, ...]]


def open_(held: Held, message: None, view: View) -> Result:
    return held, ()


def send(held: Held, say: Say, view: View) -> Result:
    return held, (Send(held.peer, say.note),)


def hold(held: Held, say: Say, view: View) -> Result:
    return replace(held, notes=(*held.notes, say.note)), ()


def displace(held: Held, say: Say, view: View) -> Result:
    oldest, *rest = (*held.notes, say.note)
    return replace(held, notes=tuple(rest)), (Undelivered(held.peer, oldest),)


def deliver(held: Held, note: Note, view: View) -> Result:
    return held, (Deliver(held.peer, note),)


def let_go(held: Held, message: None, view: View) -> Result:
    """Send the payloads whose block the peer has now; give back those whose block left our best chain."""
    keep: list[Note] = []
    outputs: list[Any] = []
    for note in held.notes:
        if is_known(note, view):
            outputs.append(Send(held.peer, note))
        elif note.about is not None and note.about.id in view.chain and not view.chain.on_best(note.about):
            outputs.append(Undelivered(held.peer, note))
        else:
            keep.append(note)
    return replace(held, notes=tuple(keep)) if outputs else held, tuple(outputs)


def give_back(held: Held, message: None, view: View) -> Result:
    return replace(held, notes=()), tuple(Undelivered(held.peer, note) for note in held.notes)


ACTIONS: Final[Mapping[str, Action]] = {
    "open": open_,
    **{action.__name__: action for action in (send, hold, displace, deliver, let_go, give_back)},
}
