"""What a row of the reader's table does. Each function is named in ``rules.py``; the others are private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.errors import Fault
from syncfsm.limits import REASON_BYTES
from syncfsm.machine import Action
from syncfsm.truth import messages
from syncfsm.truth.answers import Blobs, Broken, Head, Nothing, Pruned, Trouble
from syncfsm.truth.reader.types import (
    At,
    Broke,
    Confirmed,
    Fetch,
    Keep,
    Kept,
    Mark,
    Reader,
    Refusal,
    Settled,
    Skipped,
    TakenBack,
    Turn,
    Unheard,
    Unreadable,
)
from syncfsm.truth.types import TRIES, View, pause

Result = tuple[Reader, tuple[Any, ...]]


def begin(reader: Reader, kept: Kept, view: View) -> Result:
    """If less may be taken back than before, more of it is final."""
    places = (kept.final, *kept.trail)
    final = max(0, len(kept.trail) - view.limits.finality)
    under_way = _dropped(reader).asked  # they will be answered, and mean nothing here
    return _ask(Reader(final=places[final], trail=places[final + 1 :], asked=under_way, heard=view.now))


def ask(reader: Reader, message: Head | None, view: View) -> Result:
    """As far as the layer is said to be."""
    width = message.height - reader.next + 1 if message is not None else 1
    return _ask(replace(reader, width=min(width, view.limits.window)))


def _ask(reader: Reader) -> Result:
    """From the next height on, what was not asked for; and what came early, if its turn is now."""
    wanted = [height for height in range(reader.next, reader.next + reader.width) if height not in reader.asked]
    turn = (Turn(reader.early[0]),) if reader.early and reader.early[0].height == reader.next else ()
    return replace(reader, asked=tuple(sorted((*reader.asked, *wanted)))), (*map(Fetch, wanted), *turn)


def _answered(reader: Reader, height: int) -> Reader:
    """Nothing more is to come for this height."""
    asked = tuple(each for each in reader.asked if each != height)
    return replace(reader, asked=asked, early=tuple(at for at in reader.early if at.height != height))


def _dropped(reader: Reader) -> Reader:
    """Without what came early."""
    for at in reader.early:
        reader = _answered(reader, at.height)
    return reader


def keep(reader: Reader, at: At, view: View) -> Result:
    """One for each height."""
    others = (each for each in reader.early if each.height != at.height)
    return replace(reader, early=tuple(sorted((*others, at), key=lambda each: each.height))), ()


def forget(reader: Reader, at: At, view: View) -> Result:
    return _answered(reader, at.height), ()


def read(reader: Reader, at: At, view: View) -> Result:
    """Each blob in the layer's order, against what the ones before it have confirmed."""
    answer = at.answer
    assert isinstance(answer, Blobs)
    tip, outputs = reader.tip, list[Any]()
    for index, blob in enumerate(answer.blobs):
        found = messages.flaw(blob, view.chain_id, tip, view.check)
        if isinstance(found, Fault):
            outputs.append(Skipped(answer.place, index, found))
        else:
            outputs.append(Confirmed(found.cover, found.blocks, answer.place))
            tip = found.cover.end
    reader, more = _gone_on(reader, at.height, Mark(answer.place, tip), view)
    return reader, (*outputs, *more)


def pass_by(reader: Reader, at: At, view: View) -> Result:
    assert isinstance(at.answer, Nothing)
    return _gone_on(reader, at.height, Mark(at.answer.place, reader.tip), view)


def _gone_on(reader: Reader, height: int, mark: Mark, view: View) -> Result:
    """This place is read. What is deep enough is final."""
    trail, final = (*reader.trail, mark), reader.final
    if len(trail) > view.limits.finality:
        final, trail = trail[0], trail[1:]
    told = (Settled(final.tip),) if final.tip != reader.final.tip else ()
    width = min(reader.width + 1, view.limits.window)
    after = replace(_answered(reader, height), final=final, trail=trail, tries=0, width=width)
    after = replace(after, heard=view.now, told=False, why="")
    asking, asks = _ask(after)
    return asking, (*told, *_keep(reader, after), *asks)


def step_back(reader: Reader, at: At, view: View) -> Result:
    """Forget the last place and what came early, and read it anew."""
    after = replace(_dropped(_answered(reader, at.height)), trail=reader.trail[:-1])
    after = replace(after, heard=view.now, told=False, why="")
    told = (TakenBack(after.tip),) if after.tip != reader.tip else ()
    asking, asks = _ask(after)
    return asking, (*told, *_keep(reader, after), *asks)


def _keep(before: Reader, after: Reader) -> tuple[Keep, ...]:
    """What was kept is as good as long as the same is confirmed: then only empty places are read anew."""
    same = (after.tip, after.final.tip) == (before.tip, before.final.tip)
    return () if same else (Keep(after.kept),)


def break_off(reader: Reader, at: At, view: View) -> Result:
    assert isinstance(at.answer, Blobs | Nothing)
    return _ended_for_good(reader, ""), (Broke(reader.final.place, at.answer.place),)


def heed(reader: Reader, at: At, view: View) -> Result:
    assert isinstance(at.answer, Broken)
    after = _ended_for_good(reader, at.answer.detail[:REASON_BYTES])
    return after, (Broke(reader.final.place, None, after.why),)


def give_up(reader: Reader, refusal: Refusal, view: View) -> Result:
    return _ended_for_good(reader, refusal.why), ()


def _ended_for_good(reader: Reader, why: str) -> Reader:
    return replace(reader, asked=(), early=(), until=0.0, why=why)


def _ended(reader: Reader, at: At) -> Reader:
    """There is no more for now. What came early is asked for again: it may have changed until then."""
    return replace(_dropped(_answered(reader, at.height)), width=1)


def rest(reader: Reader, at: At, view: View) -> Result:
    until = view.now + view.limits.poll
    return replace(_ended(reader, at), until=until, tries=0, heard=view.now, told=False, why=""), ()


def back_off(reader: Reader, at: At, view: View) -> Result:
    assert isinstance(at.answer, Trouble)
    until, tries = view.now + pause(reader.tries, view.limits), min(reader.tries + 1, TRIES)
    reader = replace(_ended(reader, at), until=until, tries=tries)
    return replace(reader, why=at.answer.detail[:REASON_BYTES]), ()


def lose(reader: Reader, at: At, view: View) -> Result:
    assert isinstance(at.answer, Pruned)
    until = view.now + view.limits.back_off_most
    reader = replace(_ended(reader, at), until=until, heard=view.now, told=False, why="")
    return reader, (Unreadable(reader.next, at.answer.oldest),)


def tell_silence(reader: Reader, message: None, view: View) -> Result:
    return replace(reader, told=True), (Unheard(reader.heard, reader.why),)


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        begin,
        ask,
        keep,
        forget,
        read,
        pass_by,
        step_back,
        break_off,
        heed,
        give_up,
        rest,
        back_off,
        lose,
        tell_silence,
    )
}
