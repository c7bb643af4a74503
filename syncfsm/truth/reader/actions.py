"""What a row of the reader's table does. Each function is named in ``rules.py``; the others are private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.errors import Fault
from syncfsm.limits import REASON_BYTES
from syncfsm.machine import Action
from syncfsm.truth import messages
from syncfsm.truth.answers import Blobs, Future, Head, Nothing, Pruned, Trouble
from syncfsm.truth.reader.types import (
    Broke,
    Confirmed,
    Fetch,
    Keep,
    Kept,
    Mark,
    Reader,
    Settled,
    Skipped,
    TakenBack,
    Unheard,
    Unreadable,
)
from syncfsm.truth.types import TRIES, View, pause

Result = tuple[Reader, tuple[Any, ...]]


def begin(reader: Reader, kept: Kept, view: View) -> Result:
    """If less may be taken back than before, more of it is final."""
    places = (kept.final, *kept.trail)
    final = max(0, len(kept.trail) - view.limits.finality)
    return _ask(Reader(final=places[final], trail=places[final + 1 :], heard=view.now))


def ask(reader: Reader, message: Head | None, view: View) -> Result:
    return _ask(reader)


def _ask(reader: Reader) -> Result:
    return reader, (Fetch(reader.next),)


def read(reader: Reader, answer: Blobs, view: View) -> Result:
    """Each blob in the layer's order, against what the ones before it have confirmed."""
    tip, outputs = reader.tip, list[Any]()
    for index, blob in enumerate(answer.blobs):
        found = messages.flaw(blob, view.chain_id, tip, view.check)
        if isinstance(found, Fault):
            outputs.append(Skipped(answer.place, index, found))
        else:
            outputs.append(Confirmed(found.cover, found.blocks, answer.place))
            tip = found.cover.end
    reader, more = _gone_on(reader, Mark(answer.place, tip), view)
    return reader, (*outputs, *more)


def pass_by(reader: Reader, answer: Nothing, view: View) -> Result:
    return _gone_on(reader, Mark(answer.place, reader.tip), view)


def _gone_on(reader: Reader, mark: Mark, view: View) -> Result:
    """This place is read. What is deep enough is final."""
    trail, final = (*reader.trail, mark), reader.final
    if len(trail) > view.limits.finality:
        final, trail = trail[0], trail[1:]
    told = (Settled(final.tip),) if final.tip != reader.final.tip else ()
    before = reader
    reader = replace(reader, final=final, trail=trail, tries=0, heard=view.now, told=False, why="")
    return reader, (*told, *_keep(before, reader), Fetch(reader.next))


def step_back(reader: Reader, answer: Blobs | Nothing, view: View) -> Result:
    """Forget the last place, and read it anew."""
    before, reader = reader, replace(reader, trail=reader.trail[:-1], heard=view.now, told=False, why="")
    told = (TakenBack(reader.tip),) if reader.tip != before.tip else ()
    return reader, (*told, *_keep(before, reader), Fetch(reader.next))


def _keep(before: Reader, after: Reader) -> tuple[Keep, ...]:
    """What was kept is as good as long as the same is confirmed: then only empty places are read anew."""
    same = (after.tip, after.final.tip) == (before.tip, before.final.tip)
    return () if same else (Keep(after.kept),)


def break_off(reader: Reader, answer: Blobs | Nothing, view: View) -> Result:
    return reader, (Broke(reader.final.place, answer.place),)


def rest(reader: Reader, answer: Future, view: View) -> Result:
    until = view.now + view.limits.poll
    return replace(reader, until=until, tries=0, heard=view.now, told=False, why=""), ()


def back_off(reader: Reader, answer: Trouble, view: View) -> Result:
    until = view.now + pause(reader.tries, view.limits)
    return replace(reader, until=until, tries=min(reader.tries + 1, TRIES), why=answer.detail[:REASON_BYTES]), ()


def lose(reader: Reader, answer: Pruned, view: View) -> Result:
    until = view.now + view.limits.back_off_most
    return replace(reader, until=until, heard=view.now, told=False, why=""), (Unreadable(reader.next, answer.oldest),)


def tell_silence(reader: Reader, message: None, view: View) -> Result:
    return replace(reader, told=True), (Unheard(reader.heard, reader.why),)


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (begin, ask, read, pass_by, step_back, break_off, rest, back_off, lose, tell_silence)
}
