"""How new blocks go to a peer in step: off, backup or active; guards and actions of those rows of the table.

Theory of operation. Whoever gets blocks steers: it wants them from one peer, its feed (``feed/rules.py``), and tells
the others that it does not. Who is not wanted says what its head is, instead of sending it. So each side goes on to
know what the other has: a new head is told to a peer that lacks it at once; to one that has it, and does not know that
we have it, once in a while (``Limits.join``), or before we ask it for anything.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.machine import Action, Guard
from syncfsm.outputs import Send
from syncfsm.protocol import Report, View
from syncfsm.sync.feed.types import Event as Feed
from syncfsm.sync.messages import Busy, DoNotWant, Give, Has, Want
from syncfsm.sync.meter import refusal_credit, spent
from syncfsm.sync.tracking import ahead, unheld
from syncfsm.sync.types import IN_STEP, Link, Mode, Moved, Serve, Switch, Told

Result = tuple[Link, tuple[Any, ...]]

# What a peer can know of us -------------------------------------------------------------------------------------


def quiet(link: Link) -> bool:
    """Can the peer not know what we have by the blocks that go to and fro?"""
    return link.mode is not Mode.OFF and not (link.mode is Mode.ACTIVE and link.wanted)


def must_tell(link: Link, moved: Moved, view: View) -> bool:
    """Our head is new, and the peer is to be told: it lacks it and gets no blocks, or has it and was not told of a
    few."""
    if not moved.best or not quiet(link):
        return False
    lacks = moved.sent is None or moved.sent.id != view.chain.head.id
    return link.mode is Mode.BACKUP if lacks else link.owes + 1 >= view.limits.join


def must_tell_lacking(link: Link, moved: Moved, view: View) -> bool:
    return must_tell(link, moved, view) and (moved.sent is None or moved.sent.id != view.chain.head.id)


def head(view: View) -> Has:
    """What we say of our head."""
    best = view.chain.head
    return Has(best.point, best.score)


# What we hear of the peer's head --------------------------------------------------------------------------------


def has_our_head(link: Link, told: Told, view: View) -> bool:
    return told.sent is not None and told.sent.id == view.chain.head.id


def crosses(link: Link, told: Told, view: View) -> bool:
    """Is it our head, which it was to have from us, and does it not know that we have it?"""
    lacked = link.sent is None or link.sent.id != view.chain.head.id
    return lacked and has_our_head(link, told, view) and link.mode is Mode.ACTIVE and quiet(link)


def heard_more(link: Link, has: Has, view: View) -> tuple[Link, tuple[Report, ...]]:
    """Keep what the peer says that its head is, if we lack it. If it is better, the feed is to know; and if the peer
    has a final block that we lack, however bad its head is (founding/link-notes#synchronous-liveness)."""
    says = unheld(has, view)
    link = link if says is link.says is None else replace(link, says=says)
    return link, (Report(Feed.AHEAD),) if ahead(link, view) else ()


# Modes ----------------------------------------------------------------------------------------------------------


def backup(link: Link, message: object, view: View) -> bool:
    return link.mode is Mode.BACKUP


def active(link: Link, message: object, view: View) -> bool:
    return link.mode is Mode.ACTIVE


def off(link: Link, message: object, view: View) -> bool:
    return link.mode is Mode.OFF


def older(link: Link, message: object, view: View) -> bool:
    return not link.relays


def turns_off(link: Link, switch: Switch, view: View) -> bool:
    return switch.off and link.mode is not Mode.OFF


def turns_on(link: Link, switch: Switch, view: View) -> bool:
    return not switch.off and link.mode is Mode.OFF


def refused_enough(link: Link, message: object, view: View) -> bool:
    return link.mode is not Mode.ACTIVE and refusal_credit(link, view) < 1


def declined_enough(link: Link, message: object, view: View) -> bool:
    return not link.wanted and refusal_credit(link, view) < 1


def be_asked(link: Link, want: Want, view: View) -> Result:
    return link, (Report(Feed.WANTED, want.insist),)


def refuse_off(link: Link, message: object, view: View) -> Result:
    return link, (Send(link.peer, Busy(off=True)),)


def close(link: Link, message: DoNotWant, view: View) -> Result:
    """The peer gets blocks elsewhere; what it lacks of ours it is told."""
    lacks = link.state in IN_STEP and link.sent is not None and link.sent.id != view.chain.head.id
    outputs = (Send(link.peer, head(view)),) if lacks else ()
    return replace(link, mode=Mode.BACKUP), (Report(Feed.UNWANTED), *outputs)


def be_given(link: Link, give: Give, view: View) -> Result:
    """What is given unasked may have to be declined, so it is counted."""
    link = link if link.wanted else spent(link, view, ask=1)
    return replace(link, wanted=True), (Report(Feed.GIVEN),)


def be_refused(link: Link, busy: Busy, view: View) -> Result:
    return replace(link, wanted=False), (Report(Feed.REFUSED, busy),)


def ask(link: Link, want: Want, view: View) -> Result:
    """Before it sends blocks, the peer is to know exactly what we have."""
    if not link.owes or link.state not in IN_STEP:
        return replace(link, wanted=True), (Send(link.peer, want),)
    return replace(link, wanted=True, owes=0), (Send(link.peer, head(view)), Send(link.peer, want))


def shut(link: Link, message: None, view: View) -> Result:
    """What it does not know of us it is told, as no block of ours may tell it any more."""
    tells = link.state in IN_STEP and link.mode is not Mode.OFF
    if not tells:
        return replace(link, wanted=False), (Send(link.peer, DoNotWant()),)
    return replace(link, wanted=False, owes=0), (Send(link.peer, DoNotWant()), Send(link.peer, head(view)))


def serve(link: Link, given: Serve, view: View) -> Result:
    """What it lacks will tell it what we have."""
    lacks = link.sent is not None and link.sent.id != view.chain.head.id
    return replace(link, mode=Mode.ACTIVE, owes=0 if lacks else link.owes), (
        () if given.asked else (Send(link.peer, Give()),)
    )


def refuse(link: Link, busy: Busy, view: View) -> Result:
    """Blocks that are on their way arrive; then it is told what our head is. That it gets none as before is counted."""
    if link.mode is not Mode.ACTIVE:
        link = spent(link, view, ask=1)
        if not link.owes or link.state not in IN_STEP:
            return link, (Send(link.peer, busy),)
        return replace(link, owes=0), (Send(link.peer, busy), Send(link.peer, head(view)))
    link, (_, *told) = close(link, DoNotWant(), view)
    return link, (Send(link.peer, busy), *told)


def switch_off(link: Link, switch: Switch, view: View) -> Result:
    """An older release does not learn of it: it knows no word for that."""
    outputs = (Send(link.peer, Busy(off=True)),) if link.relays else ()
    return replace(link, mode=Mode.OFF, owes=0), (*outputs, Report(Feed.UNWANTED))


def switch_on(link: Link, switch: Switch, view: View) -> Result:
    """It starts as a backup: that our head is told shows that the peer may ask again. While we greet, that is owed. An
    older release gets what it lacks at once, as it can not ask."""
    if not link.relays:
        return replace(link, mode=Mode.ACTIVE), ()
    if link.state in IN_STEP:
        return replace(link, mode=Mode.BACKUP), (Send(link.peer, head(view)),)
    return replace(link, mode=Mode.BACKUP, owes=1), ()


RELAY_GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        must_tell,
        must_tell_lacking,
        has_our_head,
        backup,
        active,
        off,
        older,
        turns_off,
        turns_on,
        refused_enough,
        declined_enough,
    )
}
RELAY_ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        be_asked, refuse_off, close, be_given, be_refused, ask, shut, serve, refuse, switch_off, switch_on,
    )
}  # fmt: skip
