"""Changed protocols that break what is promised of relay, in the worlds that show it."""

from typing import Any, Final

from msgspec.structs import replace

from model_tests.mutants import Mutant, always, mutant, never, row
from model_tests.small import SMALL
from syncfsm.machine import ALWAYS, IGNORE
from syncfsm.outputs import Send
from syncfsm.protocol import Poke, Report, Said, View
from syncfsm.sync.feed.guards import node_id
from syncfsm.sync.feed.protocol import TABLE as FEED
from syncfsm.sync.feed.types import FED, Feed
from syncfsm.sync.feed.types import Event as FeedEvent
from syncfsm.sync.messages import Busy
from syncfsm.sync.protocol import TABLE as SYNC
from syncfsm.sync.types import Event, Link, Moved, Serve, Switch, Told
from syncfsm_spec.settings import LOCATOR
from syncfsm_spec.sync.feed import sentries
from syncfsm_spec.sync.relay import LARGE
from syncfsm_spec.sync.relay import SMALL as WORLDS
from syncfsm_spec.sync.worlds import ban_beside, busy_final, slow_feed

Result = tuple[Link, tuple[Any, ...]]
FeedResult = tuple[Feed, tuple[Any, ...]]
WORLD: Final = {world.name.removesuffix("-locator"): world for world in (*SMALL, *WORLDS, *LARGE)}


def give_to_anybody(feed: Feed, message: None, view: View) -> FeedResult:
    """It gives its blocks to its feed, though its operator has turned that off."""
    return replace(feed, served=(feed.peer,)), (Poke(feed.peer, Event.SERVE, Serve(False)),)


def off_in_words(link: Link, switch: Switch, view: View) -> Result:
    """Whoever is turned off is told, of whatever release it is."""
    link, outputs = SYNC.actions["switch_off"](link, switch, view)
    said = (output for output in outputs if not isinstance(output, Send))
    return link, (Send(link.peer, Busy(off=True)), *said)


def on_in_silence(link: Link, switch: Switch, view: View) -> Result:
    """While the two greet, it does not note that the peer must hear of it."""
    link, outputs = SYNC.actions["switch_on"](link, switch, view)
    return replace(link, owes=0), outputs


def forget_crossing(link: Link, told: Told, view: View) -> Result:
    """The peer has what was on its way to it, and is not told that we have it."""
    after, outputs = SYNC.actions["learn_head"](link, told, view)
    return replace(after, owes=link.owes), tuple(output for output in outputs if not isinstance(output, Send))


def mourn_in_silence(feed: Feed, peer: str, view: View) -> FeedResult:
    """The feed is gone, and the next is not asked."""
    return FEED.actions["turn"](feed, peer, view)[0], ()


def count_the_giver_in(feed: Feed, peer: str, view: View) -> FeedResult:
    """Who gives is the feed, and the old one, which now has its blocks from us, is not shut."""
    feed, pokes = FEED.actions["turn_round"](feed, peer, view)
    return feed, tuple(poke for poke in pokes if poke.event is not Event.SHUT)


def begin_anew(feed: Feed, said: Said, view: View) -> FeedResult:
    """With all that anybody says, patience begins anew."""
    return FEED.actions["note_ahead"](replace(feed, waits=None), said, view)


def first_come(feed: Feed, said: Said, view: View) -> bool:
    """Whoever asks first has the gate."""
    return FEED.guards["has_gate"](feed, said, replace(view, sentries=frozenset()))


def keep_nothing(feed: Feed, said: Said, view: View) -> bool:
    """A sentry is served beside all others: no gate is kept for it."""
    return node_id(said.peer, view) in view.sentries or first_come(feed, said, view)


def forget_whom_it_serves(feed: Feed, peer: str, view: View) -> FeedResult:
    """Who becomes the feed, as the old one is gone, is served as before, and not counted."""
    feed, pokes = FEED.actions["turn"](feed, peer, view)
    return replace(feed, served=tuple(served for served in feed.served if served != feed.peer)), pokes


def keep_what_it_told(feed: Feed, said: Said, view: View) -> FeedResult:
    """Who is off now is asked all the same for what it has told of before."""
    after, pokes = FEED.actions["be_refused"](feed, said, view)
    return replace(after, ahead=feed.ahead, waits=feed.waits), pokes


def forget_the_busy(feed: Feed, said: Said, view: View) -> FeedResult:
    """The feed is busy, and so is what it has said that it has: its word counts for nothing."""
    after, pokes = FEED.actions["turn_to_another"](feed, said, view)
    return replace(after, ahead=tuple(peer for peer in after.ahead if peer != said.peer)), pokes


def forget_the_slow(feed: Feed, peer: str, view: View) -> FeedResult:
    """Another has brought the first of what the feed has, and the rest is not asked for."""
    after, pokes = FEED.actions["graft"](feed, peer, view)
    return replace(after, ahead=tuple(each for each in after.ahead if each != feed.peer)), pokes


def forget_the_beaten(feed: Feed, peer: str, view: View) -> FeedResult:
    """Who has lost a race, and told of more meanwhile, is not asked for that."""
    after, pokes = FEED.actions["end_race"](feed, peer, view)
    return replace(after, ahead=feed.ahead, waits=feed.waits), pokes


def give_for_nothing(feed: Feed, said: Said, view: View) -> FeedResult:
    """One that races gives its blocks by itself, and nothing is waited for."""
    after, pokes = FEED.actions["take_offer"](feed, said, view)
    return replace(after, waits=feed.waits if feed.asked else after.waits), pokes


def worsen_in_silence(link: Link, message: Moved | None, view: View) -> Result:
    """Our head is worse now, while we greet a peer; that its own is better is not said to the feed."""
    link, outputs = SYNC.actions["hello_again"](link, message, view)
    return link, tuple(output for output in outputs if not isinstance(output, Report))


RELAY_MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant("give-to-anybody", "OneFeed", WORLD["switch-off"], guards={"is_given": never},
           actions={"give": give_to_anybody}, table=FEED),
    mutant("tell-over-off", "OffIsManual", WORLD["switched"], guards={"must_tell_lacking": always}),
    mutant("off-in-words", "Understood", WORLD["older"], actions={"switch_off": off_in_words}),
    mutant("on-in-silence", "Settles", WORLD["switch-off"], actions={"switch_on": on_in_silence}),
    mutant("forget-crossing", "Settles", WORLD["closing"], actions={"learn_head": forget_crossing}),
    mutant("ask-at-once", "OncePerNode", WORLD["once-triangle"], guards={"feed_has_no_more": always}, table=FEED),
    mutant("mourn-in-silence", "NeverDark", WORLD["dies"], actions={"turn": mourn_in_silence}, table=FEED),
    mutant(
        "trust", "NeverDark", WORLD["false-feed"], guards={"one_is_ahead": never, "patience_ends": never}, table=FEED,
    ),
    mutant(
        "never-insist", "NeverDark", WORLD["star-anew"], rules=row(FED, FeedEvent.REFUSED, "said_by_feed"), table=FEED,
    ),
    mutant("first-come", "SentriesFirst", sentries(), guards={"has_gate": first_come}, table=FEED),
    mutant("keep-nothing", "SentriesFirst", sentries(), guards={"has_gate": keep_nothing}, table=FEED),
    mutant("begin-anew", "NotStarved", WORLD["false-feeds"], actions={"note_ahead": begin_anew}, table=FEED),
    mutant(
        "deaf-to-givers", "TreeSpans", WORLD["steady"], rules=row(FED, FeedEvent.GIVEN, ALWAYS, action=IGNORE),
        table=FEED,
    ),
    mutant("off-for-ever", "OneFeed", WORLD["both-switched-anew"], guards={"feed_is_on_again": never}, table=FEED),
    mutant("keep-what-it-told", "OneFeed", WORLD["off-beside"], actions={"be_refused": keep_what_it_told}, table=FEED),
    mutant("forget-whom-it-serves", "OneFeed", WORLD["torn"], actions={"turn": forget_whom_it_serves}, table=FEED),
    mutant(
        "forget-the-busy", "AllHeard", busy_final(LOCATOR), actions={"turn_to_another": forget_the_busy}, table=FEED,
    ),
    mutant("forget-the-slow", "AllHeard", slow_feed(LOCATOR), actions={"graft": forget_the_slow}, table=FEED),
    mutant("forget-the-beaten", "AllHeard", WORLD["races-on"], actions={"end_race": forget_the_beaten}, table=FEED),
    mutant("give-for-nothing", "OneFeed", WORLD["races-on"], actions={"take_offer": give_for_nothing}, table=FEED),
    mutant("worsen-in-silence", "AllHeard", ban_beside(LOCATOR), actions={"hello_again": worsen_in_silence}),
    mutant("count-the-giver-in", "OneFeed", WORLD["steady"], actions={"turn_round": count_the_giver_in}, table=FEED),
)  # fmt: skip
"""One at least for each promise that only worlds of relay show."""
