"""What is promised of relay: how new blocks travel between nodes that are in step, and where each has them from.

``off_is_manual``, ``backup_sends_ids``, ``once_per_node`` look at one step of a node, ``one_feed`` at a node between
its steps. ``Fed`` looks at all nodes of a world when the protocol has come to rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from syncfsm.chain import Chain
from syncfsm.check import Moment, World
from syncfsm.events import Received
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import Send
from syncfsm.peer.types import Peer
from syncfsm.protocol import Joined, Said, View
from syncfsm.sync.feed.guards import ROUNDING
from syncfsm.sync.feed.protocol import FEED, TABLE
from syncfsm.sync.feed.types import Event, Feed, State, Waits, Why
from syncfsm.sync.messages import Busy, DoNotWant, Give, Has, Want
from syncfsm.sync.tracking import ahead
from syncfsm.sync.types import IN_STEP, Mode, Switch
from syncfsm_spec.kit.alone import Comes, alone
from syncfsm_spec.kit.moments import link_to, links, peers_of
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import g

OFF_IS_MANUAL: Final = Promise(
    "OffIsManual",
    "Off is left and entered by an operator only; over it no block is sent, nor word of a new one.",
)
BACKUP_SENDS_IDS: Final = Promise(
    "BackupSendsIds",
    "Over a backup connection no block is sent. It becomes active when the peer asks, or is given blocks because they "
    "come from this side now.",
)
ONE_FEED: Final = Promise(
    "OneFeed",
    "A node with peers has one feed, and wants blocks from it and from nobody else, but for those that it has asked "
    "because the feed was late, or to race it; and from one only once that is settled.",
)
TREE_SPANS: Final = Promise(
    "TreeSpans",
    "When some blocks have come and nothing else happens, what all nodes have for a feed is a spanning tree, with the "
    "one that makes the blocks at its root.",
)
ONCE_PER_NODE: Final = Promise(
    "OncePerNode",
    "On such a tree, as long as no feed is late, a new block comes to each node once.",
)
NEVER_DARK: Final = Promise(
    "NeverDark",
    "Whatever connections end, and whatever a feed does, a block that any linked correct peer holds arrives.",
)
ALL_HEARD: Final = Promise(
    "AllHeard",
    "Who says that it has more than a node, a better head or a final block that the node lacks, is its feed, was "
    "asked, or is to be asked; unless it gives none.",
)
SENTRIES_FIRST: Final = Promise(
    "SentriesFirst",
    "A node that the operator has named gets blocks as soon as it wants them; and as long as nobody insists, no more "
    "are served than there are gates.",
)
NOT_STARVED: Final = Promise(
    "NotStarved",
    "However many liars take turns, a node that is behind and linked to one correct peer is fed by it within the time "
    "for which the node is patient.",
)

UNDERSTOOD: Final = Promise(
    "Understood",
    "To a peer of an older release nothing is said that it has no word for, and it gets every block.",
)

# One step of a node ---------------------------------------------------------------------------------------------


def off_is_manual(moment: Moment) -> bool:
    """And where the operator says so, it is."""
    event = moment.stimulus
    for peer, link in links(moment.after).items():
        before = link_to(moment.before, peer)
        was_off = before is not None and before.mode is Mode.OFF
        switched = isinstance(event, Switch) and (event.peers is None or peer in event.peers)
        if (link.mode is Mode.OFF) is not (event.off if switched else was_off):
            return False
        if was_off and link.mode is Mode.OFF and (peer in peers_of(moment) or _said(moment, peer, Has)):
            return False
    return True


def backup_sends_ids(moment: Moment) -> bool:
    event = moment.stimulus
    for peer, link in links(moment.after).items():
        before = link_to(moment.before, peer)
        if before is None:
            continue
        asks = isinstance(event, Received) and event.peer == peer and isinstance(event.message, Want)
        opens = before.mode is Mode.BACKUP and link.mode is Mode.ACTIVE
        if opens and not asks and not _said(moment, peer, Give):
            return False
        if peer in peers_of(moment) and link.mode is not Mode.ACTIVE:
            return False
    return True


def once_per_node(moment: Moment) -> bool:
    """No block comes that is held."""
    return moment.stimulus.message.headers[-1].id not in moment.before.chain


@attrs.frozen
class OnceAfter:
    """``once_per_node``, from so many blocks on that were made in peace since anything else happened."""

    blocks: int

    def __call__(self, moment: Moment, since: int = 0) -> bool:
        return since < self.blocks or once_per_node(moment)


def understood(moment: Moment) -> bool:
    old = {peer for peer, link in (links(moment.before) | links(moment.after)).items() if not link.relays}
    sent = [output for output in moment.outputs if isinstance(output, Send) and output.peer in old]
    return not any(isinstance(output.message, Has | Want | DoNotWant | Give | Busy) for output in sent)


def _said(moment: Moment, peer: str, kind: type[Any]) -> bool:
    return any(isinstance(o, Send) and o.peer == peer and isinstance(o.message, kind) for o in moment.outputs)


def wins_race(moment: Moment) -> bool:
    """Who was faster than the feed several times in a row is the feed now, as it is the faster one again."""
    before, after = moment.before.decided(FEED), moment.after.decided(FEED)
    return after.peer != before.peer and after.peer in racing(before)


# A node between its steps ---------------------------------------------------------------------------------------


def racing(feed: Feed) -> list[str]:
    """Who sends blocks beside the feed until it is known who is faster."""
    return [asked.peer for asked in feed.asked if asked.why is Why.RACE]


def one_feed(node: Node) -> bool:
    """Who is wanted is the feed and who was asked; and who is served is active. A race that is lost is over."""
    feed, here = node.decided(FEED), links(node)
    if not here:
        return feed == Feed()
    asked = [each.peer for each in feed.asked]
    wanted = {peer for peer, link in here.items() if link.wanted and link.relays}
    refuse = {peer for peer in (feed.peer, *asked) if peer in feed.off}
    mine = {feed.peer, *asked}
    active = {peer for peer, link in here.items() if link.mode is Mode.ACTIVE}
    greeted = {peer for peer, link in here.items() if link.relays and link.state in IN_STEP}
    return (
        feed.state is State.FED
        and {feed.peer, *feed.others} == set(here)
        and len(feed.others) == len(here) - 1
        and len(set(asked)) == len(asked)
        and set(asked) <= set(feed.others)
        and mine - refuse <= {*wanted, *(peer for peer, link in here.items() if not link.relays)}
        and wanted <= mine
        and active & greeted <= set(feed.served) <= active
        and not set(feed.ahead) & mine
        and not (racing(feed) and feed.rival is not None and feed.rival.times >= node.config.limits.rival)
        and (feed.waits is not None) == bool(feed.ahead or set(asked) - set(racing(feed)))
    )


def all_heard(node: Node) -> bool:
    """What was said while somebody was the feed, or was asked, outlives that."""
    feed, here = node.decided(FEED), links(node)
    view = View(node.chain, 0, node.now, node.config.limits, node.config.strategy)
    heard = {feed.peer, *feed.ahead, *feed.off, *(asked.peer for asked in feed.asked)}
    return all(peer in heard or not ahead(link, view) for peer, link in here.items())


# All nodes, at rest ---------------------------------------------------------------------------------------------


ENOUGH: Final = 1
"""Blocks, each made when nothing was under way and nobody waited, after which feeds are a tree whatever was before."""


@attrs.frozen
class Fed:
    """At rest: each of these nodes has one feed and wants no other; each has the best head that one of those it is
    linked to has; and if ``source`` has made ``ENOUGH`` blocks in peace, and nothing else since, the feeds lead to it.
    """

    names: tuple[str, ...]
    source: str

    def one_feed(self, *nodes: Node) -> bool:
        """An older feed need not be asked, and one that is off gives nothing: then nobody is wanted."""
        for node in nodes:
            feed, here = node.decided(FEED), links(node)
            asked = [feed.peer] if here and here[feed.peer].relays and feed.peer not in feed.off else []
            if {peer for peer, link in here.items() if link.wanted and link.relays} != {*asked, *racing(feed)}:
                return False
        return True

    def tree_spans(self, *given: Any) -> bool:
        *nodes, since = given
        by = dict(zip(self.names, nodes, strict=True))
        return since < ENOUGH or all(self._leads(by, name) for name in self._reached(by))

    def _reached(self, by: Mapping[str, Node]) -> set[str]:
        """All that blocks can come to from the source."""
        found, new = set[str](), {self.source}
        while new:
            found |= new
            new = {peer for name in new for peer in by if self._gives(by, name, peer)} - found
        return found

    def _gives(self, by: Mapping[str, Node], name: str, peer: str) -> bool:
        link = link_to(by[name], peer)
        return link is not None and link.mode is not Mode.OFF and name in by[peer].links

    def _leads(self, by: Mapping[str, Node], name: str) -> bool:
        for _ in self.names:
            if name == self.source:
                return True
            feed = by[name].decided(FEED).peer
            gate = link_to(by[feed], name) if feed in by else None
            if gate is None or gate.mode is not Mode.ACTIVE:
                return False
            name = feed
        return name == self.source

    def never_dark(self, *nodes: Node) -> bool:
        by = dict(zip(self.names, nodes, strict=True))
        best = max(by[name].chain.head.rank for name in self._reached(by))
        return all(by[name].chain.head.rank == best for name in self._reached(by))


def unasked(node: Node, peer: str) -> bool:
    """Does this peer say that it has more, and has it not been asked?"""
    feed, link = node.decided(FEED), link_to(node, peer)
    if link is None or not link.wanted:
        view = View(node.chain, 0, node.now, node.config.limits, node.config.strategy)
        return link is not None and feed.peer != peer and ahead(link, view)
    return False


@attrs.frozen
class InTime:
    """``NotStarved``, for a node that is watched: no correct peer waits for longer than the node is patient."""

    patience: float

    def __call__(self, seconds: float) -> bool:
        return seconds < self.patience + ROUNDING


def fed(names: Sequence[str], source: str, since: bool, honest: bool = True) -> list[Any]:
    """The promises of relay about all nodes of a world, at rest. ``since``: the world has a component of this name,
    that counts the blocks that the source has made in peace since anything else happened. ``honest``: nobody lies."""
    all_ = Fed(tuple(names), source)
    return [
        *([ONE_FEED.ends(names, all_.one_feed)] if honest else []),
        *([TREE_SPANS.ends((*names, "since"), all_.tree_spans)] if since else []),
        NEVER_DARK.ends(names, all_.never_dark),
    ]


# By itself ------------------------------------------------------------------------------------------------------


def coherent(feed: Feed) -> bool:
    """Whatever comes, there is a feed exactly if somebody is there; and it waits for nobody beside it."""
    asked = [each.peer for each in feed.asked]
    return (
        (feed.state is State.FED) == bool(feed.peer)
        and feed.peer not in (*feed.others, *feed.ahead, *asked)
        and (feed.waits is not None or not (feed.ahead or any(each.why is not Why.RACE for each in feed.asked)))
    )


def by_itself() -> World:
    """A feed to which anything happens at any time; nothing is known of the links."""
    view = View(Chain.start(g), 0, 10.0, Limits(), Strategy.LOCATOR)
    start = Feed(state=State.FED, peer="a", others=("b",), ahead=("b",), waits=Waits(0.0, 0.0))
    given = [
        *(Comes(event, peer, peer) for event in (Event.LEFT, Event.GAINED) for peer in "ab"),
        *(Comes(event, Said(peer), peer) for event in (Event.AHEAD, Event.GIVEN, Event.UNWANTED) for peer in "ab"),
        *(Comes(Event.REFUSED, Said(peer, Busy()), peer) for peer in "ab"),
        *(Comes(Event.WANTED, Said(peer, insists), f"{peer} {insists}") for peer in "ab" for insists in (False, True)),
        Comes(Event.REFUSED, Said("a", Busy(off=True)), "off"),
        Comes(Event.JOINED, Joined("b", 2)), Comes(Event.MADE), Comes(Event.LATE),
    ]  # fmt: skip
    return alone(TABLE, start, given, view, (ONE_FEED.always((TABLE.name,), coherent),))


GATES: Final = 3


def served_if_sentry(moment: Moment) -> bool:
    """Who wants blocks, and is named, gets them."""
    said = moment.stimulus.carried
    return moment.stimulus.event is not Event.WANTED or said.peer != "s" or "s" in moment.after.served


def within_gates(feed: Feed) -> bool:
    return len({*feed.served, feed.peer}) <= GATES


def sentries() -> World:
    """The operator has named s. All want blocks, and want none again, in every order; nobody insists."""
    view = View(
        Chain.start(g), 0, 10.0, Limits(gates=GATES), Strategy.LOCATOR, connections=connected,
        sentries=frozenset((b"s",)),
    )  # fmt: skip
    start = Feed(state=State.FED, peer="a", others=("b", "c", "s"))
    given = [Comes(event, Said(peer), peer) for event in (Event.WANTED, Event.UNWANTED) for peer in "abcs"]
    claims = (
        SENTRIES_FIRST.steps((TABLE.name,), served_if_sentry),
        SENTRIES_FIRST.always((TABLE.name,), within_gates),
    )
    doc = "A feed whose operator has named a sentry, to which a gate is kept."
    return attrs.evolve(alone(TABLE, start, given, view, claims), name="sentries", doc=doc, rows=())


def connected(peer: str, number: int) -> Peer | None:
    """A connection to a node of that id, of which nothing else is known."""
    return Peer(peer, id=peer.encode()) if number == ProtocolNumber.PEER else None
