"""What a row of the feed's table does. Each function is named in ``rules.py``; those that no row names are private."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.limits import NAMED
from syncfsm.machine import Action
from syncfsm.numbers import ProtocolNumber
from syncfsm.protocol import Joined, Poke, Said, View
from syncfsm.sync.feed.guards import MOST_LOST, asked_of, givable, in_vain, left_to_ask, more, node_id, overtaken, tried
from syncfsm.sync.feed.types import Asked, Feed, Rival, Waits, Why
from syncfsm.sync.messages import Busy, Want
from syncfsm.sync.types import Event as LinkEvent
from syncfsm.sync.types import Greet, Link, Mode, Serve

Result = tuple[Feed, tuple[Any, ...]]
FADES: Final = 7 / 8
"""What is left of a lag with each block that came sooner; it is kept in thousandths of a second."""

# Who is there ---------------------------------------------------------------------------------------------------


def adopt(feed: Feed, joined: Joined, view: View) -> Result:
    return replace(feed, peer=joined.peer), (_greet(joined, True),)


def greet_beside(feed: Feed, joined: Joined, view: View) -> Result:
    return replace(feed, others=(*feed.others, joined.peer)), (_greet(joined, False),)


def _greet(joined: Joined, wanted: bool) -> Poke:
    relays = joined.version >= 2
    return Poke(joined.peer, LinkEvent.GREET, Greet(relays, wanted or not relays))


def lose(feed: Feed, peer: str, view: View) -> Result:
    return Feed(), ()


def forget(feed: Feed, peer: str, view: View) -> Result:
    return _settled(_without(feed, peer)), ()


def turn(feed: Feed, peer: str, view: View) -> Result:
    """To one that was asked already, or one that has said that it has more, or the first that is not worn."""
    feed = _without(feed, peer)
    asked = [each.peer for each in feed.asked if each.peer not in feed.worn]
    chosen = asked[0] if asked else _best(feed, left_to_ask(feed) or feed.others, view)
    pokes = () if asked_of(feed, chosen) is not None else (_ask(feed, chosen),)
    waits = feed.waits and Waits(feed.waits.began, view.now)
    served = feed.served  # that it is asked does not end what it asked for
    feed = replace(_without(feed, chosen), peer=chosen, proven=False, rival=None, lost=0, beaten=(), waits=waits)
    return _settled(replace(feed, served=served)), pokes


def _best(feed: Feed, peers: Iterable[str], view: View) -> str:
    """Who is asked first: one that is not worn, of these one that was not busy, of these one that has more; then the
    oldest."""
    return min(
        peers, key=lambda peer: (peer in feed.off, peer in feed.worn, peer in feed.refused, not more(peer, view))
    )


def _ask(feed: Feed, peer: str, insist: bool = False) -> Poke:
    return Poke(peer, LinkEvent.ASK, Want(insist or peer in feed.refused))


def _without(feed: Feed, peer: str) -> Feed:
    """As if this peer was not there."""
    rival = feed.rival
    return replace(
        feed,
        others=_but(feed.others, peer),
        ahead=_but(feed.ahead, peer),
        asked=_not_asked(feed, peer),
        worn=_but(feed.worn, peer),
        refused=_but(feed.refused, peer),
        off=_but(feed.off, peer),
        beaten=_but(feed.beaten, peer),
        served=_but(feed.served, peer),
        rival=None if rival is not None and rival.peer == peer else rival,
    )


def _but(peers: tuple[str, ...], peer: str) -> tuple[str, ...]:
    return tuple(other for other in peers if other != peer) if peer in peers else peers


def _plus(peers: tuple[str, ...], peer: str) -> tuple[str, ...]:
    return peers if peer in peers else (*peers, peer)


def _not_asked(feed: Feed, peer: str) -> tuple[Asked, ...]:
    """All who are asked but this one."""
    return tuple(asked for asked in feed.asked if asked.peer != peer)


def _waiting(feed: Feed, view: View) -> Waits:
    """Since when there is more than is held: if not since before, since now."""
    return feed.waits or Waits(view.now, view.now)


def _to_ask(feed: Feed, peer: str, view: View) -> Feed:
    """It is to be asked in time for what it says that it has, if that is more than we have and nobody brings it."""
    if peer in feed.off or not more(peer, view):
        return feed
    return replace(feed, ahead=_plus(feed.ahead, peer), waits=_waiting(feed, view))


def _beside(feed: Feed, old: str, view: View) -> Feed:
    """Who was the feed is one of the others now. It was to bring what it has said that it has, so nobody was to be
    asked for that: now it is, like any other that has more."""
    return _to_ask(replace(feed, others=(*_but(feed.others, old), old)), old, view)


def _settled(feed: Feed) -> Feed:
    """Nothing is waited for while nobody is ahead and nobody asked."""
    waits = feed.ahead or any(asked.why is not Why.RACE for asked in feed.asked)
    return feed if waits or feed.waits is None else replace(feed, waits=None)


# Blocks come ----------------------------------------------------------------------------------------------------


def be_helped(feed: Feed, peer: str, view: View) -> Result:
    """Whoever else was asked and has no more than we is shut. How long this took is what the next may take: since there
    was word of more, or since the block before."""
    rival, waits = overtaken(feed, view), _waits(feed)
    took = view.now - max(waits.began, waits.helped) if waits is not None else 0.0
    lag = max(min(took, view.limits.graft_most), round(feed.lag * FADES, 3))
    feed, pokes = _caught_up(feed, view)
    return _settled(replace(feed, proven=True, lag=lag, rival=rival, refused=())), pokes


def race(feed: Feed, peer: str, view: View) -> Result:
    feed, pokes = be_helped(feed, peer, view)
    rival = feed.rival
    assert rival is not None  # the guard says so
    feed = _asked(replace(feed, rival=Rival(rival.peer, 0)), rival.peer, Why.RACE, view)
    return _settled(feed), (*pokes, _ask(feed, rival.peer))


def end_race(feed: Feed, peer: str, view: View) -> Result:
    feed, pokes = be_helped(feed, peer, view)
    rival = feed.rival
    assert rival is not None  # the guard says so
    feed = _lost(replace(feed, rival=None, asked=_not_asked(feed, rival.peer)), rival.peer)
    return _settled(_to_ask(feed, rival.peer, view)), (*pokes, Poke(rival.peer, LinkEvent.SHUT))


def _lost(feed: Feed, peer: str) -> Feed:
    return replace(feed, lost=min(feed.lost + 1, MOST_LOST), beaten=_plus(feed.beaten, peer))


def graft(feed: Feed, peer: str, view: View) -> Result:
    """The old feed is worn if it was late. A worn one that delivers is so no longer."""
    old, asked = feed.peer, asked_of(feed, peer)
    assert asked is not None  # the guards say so
    others, worn = _but(feed.others, peer), _but(feed.worn, peer)
    feed = replace(
        feed, peer=peer, proven=True, others=others, worn=_plus(worn, old) if asked.why is Why.LATE else worn,
        asked=_not_asked(feed, peer), refused=(), rival=None, lost=0, beaten=(),
    )  # fmt: skip
    feed, pokes = _caught_up(_beside(feed, old, view), view)
    return _settled(feed), (Poke(old, LinkEvent.SHUT), *pokes)


def turn_round(feed: Feed, peer: str, view: View) -> Result:
    """The old feed has its blocks from us now, if it lacks any: it is on the far side."""
    old = feed.peer
    feed, pokes = graft(feed, peer, view)
    link: Link | None = view.at(old, ProtocolNumber.SYNC)
    if link is None or link.sent is None or link.sent.id == view.chain.head.id or link.mode is Mode.OFF:
        return feed, pokes
    return replace(feed, served=_plus(feed.served, old)), (Poke(old, LinkEvent.SERVE, Serve(False)), *pokes)


def _caught_up(feed: Feed, view: View) -> tuple[Feed, tuple[Poke, ...]]:
    """Blocks have come: who is still ahead, and who need not go on."""
    ahead = tuple([peer for peer in feed.ahead if more(peer, view)]) if feed.ahead else ()
    done = [each.peer for each in feed.asked if not (_races(feed, each) or more(each.peer, view))]
    asked = tuple(asked for asked in feed.asked if asked.peer not in done) if done else feed.asked
    feed = replace(feed, ahead=ahead, asked=asked, waits=_helped(feed, view), makes=False)
    return feed, tuple(Poke(peer, LinkEvent.SHUT) for peer in done)


def _waits(feed: Feed) -> Waits | None:
    """Since when there is more, as told by others than those that lie: what these say is never brought, and would make
    the feed late for ever."""
    return feed.waits if feed.ahead or tried(feed) else None


def _races(feed: Feed, asked: Asked) -> bool:
    return asked.why is Why.RACE and feed.rival is not None and feed.rival.peer == asked.peer


def _helped(feed: Feed, view: View) -> Waits | None:
    return Waits(feed.waits.began, view.now) if feed.waits is not None else None


def give(feed: Feed, message: None, view: View) -> Result:
    chosen = givable(feed, view)
    assert chosen is not None  # the guard says so
    served = (*feed.served, chosen)
    return replace(feed, served=served, makes=True), (Poke(chosen, LinkEvent.SERVE, Serve(False)),)


def turn_to_child(feed: Feed, message: None, view: View) -> Result:
    """It costs the child nothing, as we have what it has: so we insist."""
    old, chosen = feed.peer, feed.served[0]
    pokes = (Poke(old, LinkEvent.SHUT), _ask(feed, chosen, insist=True))
    feed = replace(
        feed, peer=chosen, others=_but(feed.others, chosen), asked=_not_asked(feed, chosen),
        ahead=_but(feed.ahead, chosen), off=_but(feed.off, chosen), rival=None, beaten=(),
    )  # fmt: skip
    return _settled(_beside(feed, old, view)), pokes


# A peer says that it has more -----------------------------------------------------------------------------------


def note_ahead(feed: Feed, said: Said, view: View) -> Result:
    waits = _waits(feed) or Waits(view.now, view.now)
    if said.peer in feed.off:
        feed = replace(feed, off=_but(feed.off, said.peer))
    return replace(feed, ahead=_plus(feed.ahead, said.peer), waits=waits), ()


def ask_at_once(feed: Feed, said: Said, view: View) -> Result:
    feed, _ = note_ahead(feed, said, view)
    return _asked(feed, said.peer, Why.LESS, view), (_ask(feed, said.peer),)


def ask_feed_again(feed: Feed, said: Said, view: View) -> Result:
    return replace(feed, off=_but(feed.off, feed.peer)), (_ask(feed, feed.peer),)


def _asked(feed: Feed, peer: str, why: Why, view: View) -> Feed:
    """If it was off, and still is, it will say so."""
    return replace(
        feed, asked=(*feed.asked, Asked(peer, why, view.now)), ahead=_but(feed.ahead, peer), off=_but(feed.off, peer),
        waits=_waiting(feed, view),
    )  # fmt: skip


# Time -----------------------------------------------------------------------------------------------------------


def give_up(feed: Feed, message: None, view: View) -> Result:
    """Who told of more and did not bring it is worn, and left open: it may be a slow one, and the only one. Who has no
    more than we is shut."""
    worn, pokes, left = feed.worn, [], []
    vain = in_vain(feed, view)
    for asked in feed.asked:
        if asked not in vain:
            left.append(asked)
        elif more(asked.peer, view):
            worn = _plus(worn, asked.peer)
            left.append(replace(asked, why=Why.LATE) if asked.why is Why.GIVEN else asked)
        else:
            pokes.append(Poke(asked.peer, LinkEvent.SHUT))
    return _settled(replace(feed, asked=tuple(left), worn=worn)), tuple(pokes)


def ask_next(feed: Feed, message: None, view: View) -> Result:
    chosen = _best(feed, feed.ahead, view)
    return _asked(feed, chosen, Why.LATE, view), (_ask(feed, chosen),)


def ask_all(feed: Feed, message: None, view: View) -> Result:
    pokes = []
    for peer in feed.ahead:
        if more(peer, view):
            pokes.append(_ask(feed, peer))
            feed = _asked(feed, peer, Why.LATE, view)
    return replace(feed, ahead=(), waits=Waits(view.now, view.now)), tuple(pokes)


def calm(feed: Feed, message: None, view: View) -> Result:
    return _settled(replace(feed, ahead=())), ()


# A peer gives, or refuses ---------------------------------------------------------------------------------------


def take_offer(feed: Feed, said: Said, view: View) -> Result:
    """That it gives again and again buys it no more time. One that races is waited for now."""
    was = asked_of(feed, said.peer)
    if was is None:
        return _asked(feed, said.peer, Why.GIVEN, view), ()
    given = Asked(said.peer, Why.GIVEN, was.since)
    asked = tuple(given if each is was else each for each in feed.asked)
    return replace(feed, asked=asked, waits=_waiting(feed, view)), ()


def turn_to_another(feed: Feed, said: Said, view: View) -> Result:
    """To one that the busy one has named, if it is among our peers; else as always."""
    busy: Busy = said.what
    feed, left = _noted(feed, said), left_to_ask(feed)
    named = [peer for peer in left if node_id(peer, view) in busy.others]
    chosen = _best(feed, named or left, view)
    others, ahead = _but(feed.others, chosen), _but(feed.ahead, chosen)
    feed = _beside(replace(feed, peer=chosen, proven=False, others=others, ahead=ahead), said.peer, view)
    return _settled(feed), (_ask(feed, chosen),)


def insist(feed: Feed, said: Said, view: View) -> Result:
    return replace(feed, refused=(), off=_but(feed.off, feed.peer)), (_ask(feed, feed.peer, insist=True),)


def stand_still(feed: Feed, said: Said, view: View) -> Result:
    return _noted(feed, said), ()


def be_refused(feed: Feed, said: Said, view: View) -> Result:
    """If it still has more, it is asked again in time, and then we insist."""
    was = asked_of(feed, said.peer)
    feed = replace(_noted(feed, said), asked=_not_asked(feed, said.peer))
    if was is not None and was.why is Why.RACE:
        feed = _lost(feed, said.peer) if said.peer in feed.beaten else replace(feed, beaten=(*feed.beaten, said.peer))
        feed = replace(feed, rival=None)
    if was is not None and not said.what.off and more(said.peer, view):
        feed = _to_ask(replace(feed, waits=_helped(feed, view)), said.peer, view)
    return _settled(feed), ()


def _noted(feed: Feed, said: Said) -> Feed:
    """One that is off is not asked for what it told of before: when it is on again, it tells of it anew."""
    if said.what.off:
        return replace(feed, off=_plus(feed.off, said.peer), ahead=_but(feed.ahead, said.peer))
    return replace(feed, refused=_plus(feed.refused, said.peer))


# Whom we send blocks --------------------------------------------------------------------------------------------


def serve(feed: Feed, said: Said, view: View) -> Result:
    """As it has its blocks from us now, it would not refuse us any more."""
    served, refused = _plus(feed.served, said.peer), _but(feed.refused, said.peer)
    return replace(feed, served=served, refused=refused), (Poke(said.peer, LinkEvent.SERVE, Serve(True)),)


def refuse(feed: Feed, said: Said, view: View) -> Result:
    ids = [id for peer in feed.served if (id := node_id(peer, view))]
    return feed, (Poke(said.peer, LinkEvent.REFUSE, Busy(False, tuple(ids[:NAMED]))),)


def unserve(feed: Feed, said: Said, view: View) -> Result:
    return replace(feed, served=_but(feed.served, said.peer)), ()


ACTIONS: Final[Mapping[str, Action]] = {
    action.__name__: action
    for action in (
        adopt, greet_beside, lose, turn, forget, be_helped, race, end_race, graft,
        turn_round, give, turn_to_child, note_ahead, ask_at_once, ask_feed_again, give_up, ask_next, ask_all, calm,
        take_offer, turn_to_another, insist, stand_still, be_refused, serve, refuse, unserve,
    )
}  # fmt: skip
