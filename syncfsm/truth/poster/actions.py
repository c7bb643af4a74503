"""What a row of the poster's table does. Each function is named in ``rules.py``; the others are private."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.limits import REASON_BYTES
from syncfsm.machine import Action
from syncfsm.truth.answers import Outcome, Posted, Refused, TooBig, Trouble, Unsure
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.poster.guards import count, known
from syncfsm.truth.poster.types import Begin, Go, Hold, Load, Overdue, Overruled, Poster, Seen, Start, Stuck, Submit
from syncfsm.truth.types import TRIES, View, pause

Result = tuple[Poster, tuple[Any, ...]]


def await_layer(poster: Poster, start: Start, view: View) -> Result:
    return replace(poster, held=True, until=view.now + view.limits.ahead), ()


def load(poster: Poster, seen: Seen, view: View) -> Result:
    return poster, (Load(True),)


def load_unread(poster: Poster, message: None, view: View) -> Result:
    return poster, (Load(False),)


def begin(poster: Poster, given: Begin, view: View) -> Result:
    return _capped(Poster(final=given.final, blocks=given.blocks, gathered=view.now, since=view.now), view)


def begin_in_vain(poster: Poster, given: Begin, view: View) -> Result:
    return Poster(final=given.ours, blocks=given.blocks, held=True), (Overruled(given.final, given.ours),)


def _capped(poster: Poster, view: View) -> Result:
    """The producer is held while as many blocks are open as may be."""
    full = len(poster.open) >= view.limits.unconfirmed
    if full is poster.held:
        return poster, ()
    return replace(poster, held=full), (Hold(len(poster.open)) if full else Go(),)


# The sequencer makes blocks -------------------------------------------------------------------------------------


def add(poster: Poster, block: Header, view: View) -> Result:
    """The first to be open begins a batch."""
    if not poster.open:
        poster = replace(poster, gathered=view.now, since=view.now)
    return _capped(replace(poster, blocks=(*poster.blocks, block)), view)


def refuse(poster: Poster, block: Header, view: View) -> Result:
    newest = poster.blocks[-1].point if poster.blocks else poster.final
    raise LocalError(f"block {block.point} does not follow {newest}: tell a poster of every block, in order")


# The reader goes on ---------------------------------------------------------------------------------------------


def see(poster: Poster, seen: Seen, view: View) -> Result:
    """What is final is forgotten; what is confirmed no more is open again."""
    before = poster.tip
    dropped = seen.final.height - poster.final.height
    blocks = poster.blocks[dropped:] if dropped > 0 else poster.blocks
    final = seen.final if dropped > 0 else poster.final
    confirmed = max(0, seen.tip.height - final.height)
    poster = replace(poster, final=final, blocks=blocks, confirmed=confirmed, read=seen.read)
    if poster.tip.height != before.height:
        poster = replace(poster, gathered=view.now, since=view.now, told=False, why="")
    return _capped(poster, view)


def see_done(poster: Poster, seen: Seen, view: View) -> Result:
    poster, told = see(poster, seen, view)
    return replace(poster, sent=None, landed=0, tries=0, gathered=poster.given), told


def see_in_vain(poster: Poster, seen: Seen, view: View) -> Result:
    """What is still open is old enough for a batch."""
    poster, told = see(poster, seen, view)
    return replace(poster, sent=None, landed=0, gathered=view.now - view.limits.period), told


def stop(poster: Poster, seen: Seen, view: View) -> Result:
    other = seen.final if known(poster, seen.tip) else seen.tip
    return replace(poster, held=True), (Overruled(other, poster.tip),)


def halt(poster: Poster, seen: Seen, view: View) -> Result:
    return replace(poster, held=True), ()


# The layer answers ----------------------------------------------------------------------------------------------


def await_it(poster: Poster, posted: Posted, view: View) -> Result:
    return replace(poster, landed=posted.height, tries=0), ()


def look_for_it(poster: Poster, unsure: Unsure, view: View) -> Result:
    return replace(poster, landed=0, until=view.now + view.limits.patience, why=unsure.detail[:REASON_BYTES]), ()


def finish(poster: Poster, outcome: Outcome, view: View) -> Result:
    return replace(poster, sent=None, landed=0, tries=0, gathered=poster.given), ()


def back_off(poster: Poster, trouble: Trouble, view: View) -> Result:
    until = view.now + pause(poster.tries, view.limits)
    return replace(
        poster, sent=None, until=until, tries=min(poster.tries + 1, TRIES), why=trouble.detail[:REASON_BYTES]
    ), ()


def halve(poster: Poster, outcome: TooBig, view: View) -> Result:
    assert poster.sent is not None  # it was given to the layer
    return submit(replace(poster, most=(poster.sent.height - poster.tip.height) // 2), None, view)


def be_stuck(poster: Poster, outcome: TooBig | Refused, view: View) -> Result:
    until = view.now + view.limits.back_off_most
    return replace(poster, sent=None, until=until, why=outcome.detail[:REASON_BYTES]), (Stuck(outcome.detail),)


# Time -----------------------------------------------------------------------------------------------------------


def submit(poster: Poster, message: None, view: View) -> Result:
    last = _last(poster, view.limits)
    return replace(poster, sent=last, given=view.now), (Submit(poster.open[0].point, last),)


def _last(poster: Poster, limits: TruthLimits) -> Point:
    """As many of the open blocks as fit into a batch, and one at least."""
    room, last = limits.batch_bytes, poster.open[0].point
    for block in poster.open[: count(poster, limits)]:
        room -= block.cost
        if room < 0:
            break
        last = block.point
    return last


def go_on(poster: Poster, message: Posted | None, view: View) -> Result:
    """What is open is old enough for a batch."""
    return replace(poster, sent=None, gathered=view.now - view.limits.period), ()


def tell_silence(poster: Poster, message: None, view: View) -> Result:
    return replace(poster, told=True), (Overdue(poster.since, len(poster.open), poster.why),)


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        await_layer, load, load_unread, begin, begin_in_vain, add, refuse, see, see_done, see_in_vain, stop, halt,
        await_it, look_for_it, finish, back_off, halve, be_stuck, submit, go_on, tell_silence,
    )
}  # fmt: skip
