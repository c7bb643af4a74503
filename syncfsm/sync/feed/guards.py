"""When a row of the feed's table applies. Each function is named in ``rules.py``; those that no row names are private,
but for what ``actions.py`` and ``protocol.py`` share."""

from collections.abc import Mapping
from typing import Any, Final

from syncfsm.limits import Limits
from syncfsm.machine import Guard
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Joined, Said, View
from syncfsm.sync.feed.types import Asked, Feed, Rival, Why
from syncfsm.sync.tracking import ahead
from syncfsm.sync.types import Link, Mode

MOST_LOST: Final = 6
"""As many races are counted: each doubles how often a rival must be ahead before the next."""
PRESSED: Final = 8
"""So many times as long as for another does a node wait before it asks one again that was busy, and insists; unless
there are no others that it could ask."""
ROUNDING: Final = 1e-9
"""A deadline is reached when it comes, whatever floating point makes of it."""


def more(peer: str, view: View) -> bool:
    """Does this peer say that it has more than we: a better head, or a final block that we lack?"""
    link: Link | None = view.at(peer, ProtocolNumber.SYNC)
    return link is not None and ahead(link, view)


def node_id(peer: str, view: View) -> bytes:
    """Who is at the other end of this connection."""
    found = view.at(peer, ProtocolNumber.PEER)
    return found.id if found is not None else b""


def asked_of(feed: Feed, peer: str) -> Asked | None:
    return next((asked for asked in feed.asked if asked.peer == peer), None)


def tried(feed: Feed) -> list[str]:
    """Who was asked and may still bring what it told of: not one that is worn, as it may have told of what there is
    not."""
    return [asked.peer for asked in feed.asked if asked.peer not in feed.worn and asked.why is not Why.GIVEN]


def left_to_ask(feed: Feed, but: str = "") -> list[str]:
    """Who could be the feed instead: none that is asked already, is off or was busy, nor one that has its blocks from
    us."""
    taken = {but, *feed.off, *feed.refused, *feed.served, *(asked.peer for asked in feed.asked)}
    return [peer for peer in feed.others if peer not in taken]


def wait(feed: Feed, limits: Limits) -> float:
    """How long the feed may take for what another has told of. Of a new one nobody knows: the first block of it may be
    a long way off, and who was asked meanwhile would send all that is lacked once more."""
    return min(max(2 * feed.lag, limits.graft), limits.graft_most) if feed.proven else limits.graft_most


def late_at(feed: Feed, limits: Limits) -> float | None:
    """When the next who is ahead is asked. If all of these were busy, and others may come to have it, they are pressed
    later: a node that many press sends more copies than it is to."""
    if feed.waits is None or not feed.ahead:
        return None
    last = max((asked.since for asked in feed.asked), default=feed.waits.began)
    busy = all(peer in feed.refused for peer in feed.ahead) and left_to_ask(feed)
    return max(feed.waits.began, feed.waits.helped, last) + wait(feed, limits) * (PRESSED if busy else 1)


def patient_until(feed: Feed, limits: Limits) -> float | None:
    """When all who are ahead are asked."""
    if feed.waits is None or not feed.ahead:
        return None
    return min(feed.waits.helped + limits.patience, feed.waits.began + limits.lead)


def on_trial(feed: Feed) -> list[Asked]:
    """Whose time is running. One that was asked and is worn is left alone: it costs nothing, and may be the last."""
    return [asked for asked in feed.asked if asked.why is Why.GIVEN or asked.peer not in feed.worn]


def vain_at(asked: Asked, limits: Limits) -> float:
    """When who was asked has been asked in vain. A race is decided by blocks, however seldom these come."""
    return asked.since + (limits.lead if asked.why is Why.RACE else limits.patience)


# Who ------------------------------------------------------------------------------------------------------------


def is_there(feed: Feed, joined: Joined, view: View) -> bool:
    return joined.peer in (feed.peer, *feed.others)


def has_left(feed: Feed, said: Said, view: View) -> bool:
    return said.peer != feed.peer and said.peer not in feed.others


def feeds(feed: Feed, peer: str, view: View) -> bool:
    return feed.peer == peer


def feeds_alone(feed: Feed, peer: str, view: View) -> bool:
    return feed.peer == peer and not feed.others


def said_by_feed(feed: Feed, said: Said, view: View) -> bool:
    return feed.peer == said.peer


def asked_already(feed: Feed, said: Said, view: View) -> bool:
    return asked_of(feed, said.peer) is not None


def asked(feed: Feed, peer: str, view: View) -> bool:
    return asked_of(feed, peer) is not None


def gives(feed: Feed, peer: str, view: View) -> bool:
    found = asked_of(feed, peer)
    return found is not None and found.why is Why.GIVEN


# Is there more, and is the feed late? ---------------------------------------------------------------------------


def feed_has_no_more(feed: Feed, said: Said, view: View) -> bool:
    """It is new, has said hello, and did not say that it has more: nothing is on its way. Who was busy is asked when
    nobody else brings it."""
    link: Link | None = view.at(feed.peer, ProtocolNumber.SYNC)
    return (
        said.peer not in feed.refused
        and not feed.proven
        and link is not None
        and link.final is not None
        and not more(feed.peer, view)
    )


def overtaken(feed: Feed, view: View) -> Rival | None:
    """Who has told of the block that the feed brings now so long before that it would have been faster. Who has told of
    one that is still to come says nothing of this one: a node that is far behind gets much from its feed before that.
    """
    waits, rival = feed.waits, feed.rival
    if races(feed) and rival is not None:
        return Rival(rival.peer, rival.times + 1)
    if waits is None or tried(feed) or view.now - waits.began <= view.limits.early:
        return None
    told = [peer for peer in feed.ahead if not more(peer, view)]
    if rival is not None and rival.peer in told:
        return Rival(rival.peer, rival.times + 1)
    return Rival(next((peer for peer in told if peer not in feed.beaten), told[0]), 1) if told else None


def rival_is_due(feed: Feed, peer: str, view: View) -> bool:
    if feed.peer != peer or races(feed):
        return False
    rival = overtaken(feed, view)
    return rival is not None and rival.times >= view.limits.rival << feed.lost and rival.peer not in feed.worn


def races(feed: Feed) -> bool:
    return any(asked.why is Why.RACE for asked in feed.asked)


def race_is_lost(feed: Feed, peer: str, view: View) -> bool:
    """The feed was first with so many blocks that some of them were made after the rival was asked."""
    rival = feed.rival
    return feed.peer == peer and races(feed) and rival is not None and rival.times + 1 >= view.limits.rival


def asked_in_vain(feed: Feed, message: None, view: View) -> bool:
    return bool(in_vain(feed, view))


def in_vain(feed: Feed, view: View) -> list[Asked]:
    """Who was asked, or gave, and has brought nothing."""
    return [asked for asked in on_trial(feed) if view.now >= vain_at(asked, view.limits) - ROUNDING]


def patience_ends(feed: Feed, message: None, view: View) -> bool:
    due = patient_until(feed, view.limits)
    return due is not None and view.now >= due - ROUNDING and one_is_ahead(feed, message, view)


def one_is_ahead(feed: Feed, message: None, view: View) -> bool:
    return any(more(peer, view) for peer in feed.ahead)


# Refused, served ------------------------------------------------------------------------------------------------


def feed_refuses_others_left(feed: Feed, said: Said, view: View) -> bool:
    return feed.peer == said.peer and bool(left_to_ask(feed))


def feed_is_off(feed: Feed, said: Said, view: View) -> bool:
    return feed.peer == said.peer and bool(said.what.off)


def feed_is_on_again(feed: Feed, said: Said, view: View) -> bool:
    return feed.peer == said.peer and feed.peer in feed.off


def givable(feed: Feed, view: View) -> str | None:
    """Who is given blocks unasked: the feed, or the oldest peer to whom they are not turned off."""
    return next((peer for peer in (feed.peer, *feed.others) if not off_to(peer, view)), None)


def off_to(peer: str, view: View) -> bool:
    """Has our operator turned blocks to this peer off?"""
    link: Link | None = view.at(peer, ProtocolNumber.SYNC)
    return link is not None and link.mode is Mode.OFF


def is_given(feed: Feed, message: None, view: View) -> bool:
    chosen = givable(feed, view)
    return chosen is None or chosen in feed.served


def gift_declined(feed: Feed, message: None, view: View) -> bool:
    """It was given the block before this one, which we made too, and wanted no more; and others have our blocks."""
    return feed.makes and feed.peer not in feed.served and bool(feed.served)


def serves(feed: Feed, said: Said, view: View) -> bool:
    return said.peer in feed.served


def has_gate(feed: Feed, said: Said, view: View) -> bool:
    """One gate is kept for the feed: if blocks come from our side, it has them from us. And one for each sentry."""
    if said.what is True or said.peer == feed.peer:
        return True
    taken, sentries = {*feed.served, feed.peer}, view.sentries
    if not sentries:
        return len(taken) < view.limits.gates
    kept = sentries.difference(node_id(peer, view) for peer in taken)
    return node_id(said.peer, view) in sentries or len(taken) + len(kept) < view.limits.gates


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (
        is_there, has_left, feeds, feeds_alone, said_by_feed, asked_already, asked,
        gives, feed_has_no_more, rival_is_due, race_is_lost, asked_in_vain, patience_ends,
        one_is_ahead, feed_refuses_others_left, feed_is_off, feed_is_on_again, is_given, gift_declined, serves,
        has_gate,
    )
}  # fmt: skip


def status(feed: Feed) -> Mapping[str, Any]:
    """For an operator."""
    return {
        "feed": feed.peer or None,
        "proven": feed.proven,
        "asked": tuple(asked.peer for asked in feed.asked),
        "ahead": feed.ahead,
        "worn": feed.worn,
        "off": feed.off,
        "served": feed.served,
        "waits": feed.waits and feed.waits.began,
    }
