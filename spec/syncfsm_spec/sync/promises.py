"""What sync promises, whatever the interleaving: each promise by its name, with the properties that tell if it is kept.

Edit this file to change what is promised. Each function below is one property of a step, a node, or two nodes. ``Tree``
is all that the blocks of a world are: it knows ancestors even of blocks that a node has dropped.
"""

from itertools import pairwise
from typing import Final

import attrs
import msgspec

from syncfsm.chain import Chain
from syncfsm.check import Moment
from syncfsm.events import Received
from syncfsm.limits import HELLO_SHARE, Limits
from syncfsm.node.node import Node
from syncfsm.outputs import ConfirmedMoved, Disconnect, FinalMoved, HeadMoved, Misbehaviour, Send
from syncfsm.peer.messages import Bye, Parting
from syncfsm.sync.messages import Blocks, Found, Hello, hello_flaw
from syncfsm.sync.types import GREETING, IN_STEP, Link, Mode, State
from syncfsm_spec.kit.moments import Tree, known_to, link_to, links, passed, peers_of, room_of, sent_to, told_by
from syncfsm_spec.kit.promise import Promise

ONLY_BEST_CHAIN: Final = Promise(
    "OnlyBestChain",
    "A node will only send blocks that are in its best chain.",
)
ONLY_CHILD: Final = Promise(
    "OnlyChild",
    "Only an immediate child of the peer's head can be sent; after sending a block, the peer's head is changed to the "
    "newly sent block, after receiving a block to the newly received block.",
)
PARENT_KNOWN: Final = Promise(
    "ParentKnown",
    "If two nodes are both correct, then a block that is sent by either will never be rejected by the other.",
)
NO_ECHO: Final = Promise(
    "NoEcho",
    "If we receive a block from a peer then that peer knows all ancestors of that block.",
)
TRACKED: Final = Promise(
    "Tracked",
    "When switching forks, we back up to the nearest block; idle means that the peer has our head.",
)
INIT_IFF_WORSE: Final = Promise(
    "InitIffWorse",
    "A node is in the init state iff the last sent hello is worse than the last received hello and the last received "
    "hello refers to an unknown block.",
)
ANCESTOR_EXACT: Final = Promise(
    "AncestorExact",
    "When two nodes establish a new connection, they find the nearest common ancestor of their best chains.",
)
COMPOUND_STATES: Final = Promise(
    "CompoundStates",
    "(start, start): hello, hello -> (idle, idle), (initlow, inithigh), (initlow, syncing). Other combinations are "
    "not possible.",
)
SETTLES: Final = Promise(
    "Settles",
    "If the environment stops, every run of protocol steps is finite, and ends with both nodes on the better head and "
    "both links idle.",
)
FINAL_ADVANCES: Final = Promise(
    "FinalAdvances",
    "If N1 has an irreversible block that N2 does not, and messages are delivered in bounded time, then N2 will "
    "advance its last irreversible block in bounded time.",
)
NEVER_BELOW_FINAL: Final = Promise(
    "NeverBelowFinal",
    "No reorganisation below the final point; peers with contradicting final points part once, saying why.",
)
CONFIRMED_ON_BEST: Final = Promise(
    "ConfirmedOnBest",
    "The best chain runs through what is final, and through what the source of truth has confirmed; above that it is "
    "the best of all that is held, whatever peers say.",
)
PRUNED_IS_SAID: Final = Promise(
    "PrunedIsSaid",
    "A peer whose head is below what we still hold is told so at once, never left waiting.",
)
NO_PUNISH_HONEST: Final = Promise(
    "NoPunishHonest",
    "No sequence of correct peers' messages, however late, repeated or reordered across links, yields a misbehaviour.",
)
BOUNDED: Final = Promise(
    "Bounded",
    "Hellos per search, buffered headers, bytes per link: each within its limit.",
)

HELLO_BYTES: Final = 1536
"""Longest hello (founding/requirements#hello-size): kept by ``HELLO_POINTS`` points of 32-byte ids; with longer ids,
offer fewer points."""
ROUNDING: Final = 1e-3
"""Of seconds, and of hellos: what floating point may add up to."""

# One step of a node ---------------------------------------------------------------------------------------------


def only_best_chain(moment: Moment) -> bool:
    chain = moment.after.chain
    return all(chain.on_best(header.point) for peer in peers_of(moment) for header in sent_to(moment, peer))


def bounded(moment: Moment) -> bool:
    """What a node holds and hands out is within its limits: blocks only while room is left, hellos of at most
    ``Limits.points`` points and 1.5 KiB and no more than their rate, a streaming search that only ever goes down; what
    each link remembers; blocks that are not final, and branches; what one peer gave beside our best chain."""
    node: Node = moment.after
    limits, chain = node.config.limits, node.chain
    hellos = [o.message for o in moment.outputs if isinstance(o, Send) and isinstance(o.message, Hello)]
    unfinal = len(chain.blocks) - (chain.final.height - chain.base.height + 1)
    return (
        all(len(hello.points) <= limits.points and _sound(hello) for hello in hellos)
        and unfinal <= limits.unfinal
        and chain.unfinal_bytes <= limits.unfinal_bytes
        and len(chain.tips) <= limits.tips
        and all(_bounded(moment, link, limits) for link in links(node).values())
    )


def _bounded(moment: Moment, link: Link, limits: Limits) -> bool:
    blocks, before = sent_to(moment, link.peer), link_to(moment.before, link.peer)
    rises = before is not None and _rises(before, link)
    return (
        (not blocks or room_of(moment.after, link.peer) + blocks[-1].cost > 0)
        and room_of(moment.after, link.peer) <= limits.room
        and len(link.left) <= limits.branches
        and len(link.claims) <= limits.claims
        and 0 <= link.pending <= link.aside <= limits.aside
        and within_rate(link, limits)
        and not rises
    )


def _rises(before: Link, after: Link) -> bool:
    same = (before.said, before.heard) == (after.said, after.heard)
    if not same or before.cursor is None or after.cursor is None:
        return False
    return after.cursor.height > before.cursor.height


def _sound(hello: Hello) -> bool:
    return len(msgspec.msgpack.encode(hello)) <= HELLO_BYTES and hello_flaw(hello) is None


# The rate of hellos ---------------------------------------------------------------------------------------------


def within_rate(link: Link, limits: Limits) -> bool:
    """It has said no more hellos than the rate limit allows, and neither end may ever say more at once than a burst."""
    most = limits.hello_burst / HELLO_SHARE
    return -ROUNDING < link.may_say <= most and link.may_hear <= limits.hello_burst


def charged(moment: Moment) -> bool:
    """``Bounded``, where time counts: an opening hello is paid for, out of what the rate limit has left and given."""
    return all(_paid(moment, peer, link) for peer, link in links(moment.after).items())


def _paid(moment: Moment, peer: str, link: Link) -> bool:
    was = link_to(moment.before, peer)
    if link.said is None or (was is not None and link.said is was.said):
        return True
    limits = moment.after.config.limits
    credit = limits.hello_burst / HELLO_SHARE
    if was is not None:
        seconds = link.metered_at - was.metered_at + passed(moment, peer)
        credit = min(credit, was.may_say + seconds * limits.hello_rate / HELLO_SHARE)
    return bool(link.may_say <= credit - 1 + ROUNDING)


# What a peer gives beside our best chain ------------------------------------------------------------------------


def counts_aside(moment: Moment) -> bool:
    """``Bounded``, where blocks are counted: what a peer gives beside our best chain counts until our final point
    moves; unless it is on the way to a block that the peer has, and that is on our best chain now."""
    if moment.before.chain.final != moment.after.chain.final:
        return True
    return all(_counts(moment, peer, link) for peer, link in links(moment.after).items())


def _counts(moment: Moment, peer: str, link: Link) -> bool:
    before, after, was = moment.before.chain, moment.after.chain, link_to(moment.before, peer)
    came = (after.get(id) for id in set(told_by(moment, peer)) if id not in before)
    gave = sum(block.cost for block in came if block is not None and not after.on_best(block.point))
    counted, received = was.aside if was else 0, link.received
    if was is None or received is None or not after.on_best(received.point):
        return bool(link.aside >= counted + gave)
    return bool(link.aside >= counted - _on_the_way(was, after))


def _on_the_way(link: Link, chain: Chain) -> int:
    """Bytes of the blocks above the final one that lead to the newest that the peer gave, and are now our best."""
    last = link.received
    if last is None or not chain.on_best(last.point):
        return 0
    return sum(block.cost for block in chain.path(chain.final, max(0, last.height - chain.final.height)))


# One node -------------------------------------------------------------------------------------------------------


def init_iff_worse(node: Node) -> bool:
    """While the common ancestor is unknown and both hellos are said. A hello that the rate limit holds back counts as
    not said yet, so the one before it decides nothing."""
    return all(_init_iff_worse(node, link) for link in links(node).values())


def _init_iff_worse(node: Node, link: Link) -> bool:
    if link.state not in GREETING or link.said is None or link.heard is None or link.owes_hello:
        return True
    worse, unknown = link.said.rank < link.heard.rank, link.heard.head.id not in node.chain
    return (link.state is State.INIT) == (worse and unknown)


def tracked(node: Node) -> bool:
    """In step, ``sent`` is on our best chain; and the link is idle exactly if it is our head."""
    return all(
        link.sent is not None
        and node.chain.on_best(link.sent.point)
        and (link.state is State.IDLE) == (link.sent.id == node.chain.head.id)
        for link in links(node).values()
        if link.state in IN_STEP
    )


# Two nodes ------------------------------------------------------------------------------------------------------

COMPOUND: Final = frozenset(
    frozenset(pair)
    for pair in (
        (State.START,), (State.INIT, State.START), (State.SYNCING, State.START), (State.IDLE, State.START),
        (State.INIT, State.SYNCING), (State.INIT, State.IDLE), (State.SYNCING,), (State.SYNCING, State.IDLE),
        (State.IDLE,),
    )
)  # fmt: skip
"""Compound states that the notes allow. Their ``initlow`` is ``init``, their ``inithigh`` is ``start``; (init, init)
is the one that is missing, as "high vs low is determined by the relative hello messages". That is so while heads only
get better. A ban, or a final point that overrules a branch, can make a head worse while hellos are under way; then both
may hear of a better head than they have, until the next hello arrives."""


@attrs.frozen
class Between:
    """The properties of two nodes that may be linked."""

    a: str
    b: str
    tree: Tree
    heads_may_worsen: bool

    def linked(self, a: Node, b: Node) -> bool:
        return self.b in a.links and self.a in b.links

    def compound(self, a: tuple[tuple[str, State], ...], b: tuple[tuple[str, State], ...]) -> bool:
        here, there = dict(a).get(self.b), dict(b).get(self.a)
        if here is None or there is None or frozenset((here, there)) in COMPOUND:
            return True
        return self.heads_may_worsen and here is there is State.INIT

    def settled(self, a: Node, b: Node) -> bool:
        """Both are linked or neither; if they are, both links are idle and both have the same head, unless a final
        or confirmed point or a ban rules the better one out for the other. A link is not idle if it is off and the peer
        lacks our head; nor if the peer wants no blocks over it and has a better head, or one that we may not have, or
        is off to us and so does not say that it has ours."""
        if not self.linked(a, b):
            return self.b not in a.links and self.a not in b.links
        ours, theirs = links(a)[self.b], links(b)[self.a]
        rest = self._rests(a, ours, b, theirs) and self._rests(b, theirs, a, ours)
        return rest and self._agrees(a, b, theirs) and self._agrees(b, a, ours)

    def _rests(self, node: Node, link: Link, other: Node, back: Link) -> bool:
        """The other is not sent our head: it has a better one, or may not have or follow ours."""
        if link.state is State.SYNCING and link.mode is not Mode.ACTIVE:
            head, theirs = node.chain.head, other.chain
            refused = not self.tree.descends(head.id, theirs.confirmed.id)
            refused = refused or any(id in theirs.banned for id in self.tree.line(head.id))
            off = Mode.OFF in (link.mode, back.mode)
            return off or theirs.head.rank > head.rank or refused
        return link.state is State.IDLE

    def _agrees(self, node: Node, other: Node, link: Link) -> bool:
        """It holds the head of the other, or wants no blocks over that one's ``link``; and has none worse, unless it
        may not have or follow it, or the other's operator gives it none."""
        chain, head = node.chain, other.chain.head
        if link.mode is Mode.OFF or not self.tree.descends(head.id, chain.final.id):
            return True
        banned = any(id in chain.banned for id in self.tree.line(head.id))
        held = head.id in chain or link.mode is not Mode.ACTIVE
        pinned = not self.tree.descends(head.id, chain.confirmed.id)
        return held and (banned or pinned or chain.head.rank >= head.rank)

    def final_advances(self, a: Node, b: Node) -> bool:
        """Linked and at rest, each has the other's final block, or has dropped it because it lies below its base;
        unless the other's operator gives it none. (If the two contradict, there is nothing to advance to: that is for
        ``no_contradiction``.)"""
        if not self.linked(a, b) or self._contradict(a, b):
            return True
        return self._has_final(a, b, links(b)[self.a]) and self._has_final(b, a, links(a)[self.b])

    def _has_final(self, node: Node, other: Node, link: Link) -> bool:
        final = other.chain.final
        dropped = self.tree.descends(node.chain.base.id, final.id)
        return final.id in node.chain or dropped or link.mode is Mode.OFF

    def no_contradiction(self, a: Node, b: Node) -> bool:
        """Linked and at rest, the final points of two peers do not contradict each other: else they have parted. What
        nobody can know is left out: the higher one has dropped all at the height of the lower one's final point, and
        its own final block is not the last that it gave the lower one."""
        if not self.linked(a, b) or not self._contradict(a, b):
            return True
        low, high, peer = (a, b, self.b) if a.chain.final.height <= b.chain.final.height else (b, a, self.a)
        dropped = low.chain.final.height < high.chain.base.height
        return dropped and links(low)[peer].received != high.chain.final

    def parts_rightly(self, moment: Moment, b: Node) -> bool:
        """If a leaves b because their final points contradict, they do."""
        left = [output.reason for output in moment.outputs if isinstance(output, Disconnect) and output.peer == self.b]
        return Parting.CONTRADICTION not in left or self._contradict(moment.after, b)

    def _contradict(self, a: Node, b: Node) -> bool:
        return self.tree.contradict(a.chain.final.id, b.chain.final.id)


@attrs.frozen
class Conserved:
    """``Bounded``, for what is on its way: the room that a link has given out is under way to this peer, or owed to
    the link. So no more can be under way than ``Limits.room``, the last block or hello aside."""

    peer: str
    room: int

    def __call__(self, rooms: tuple[tuple[str, int], ...], given: int | None) -> bool:
        left = dict(rooms).get(self.peer)
        return left is None or given is None or left + given == self.room


@attrs.frozen
class Along:
    """The properties of one step of a node that need to know all blocks, or what its peers hold."""

    tree: Tree
    liars: frozenset[str] = frozenset()

    def only_child(self, moment: Moment) -> bool:
        """What is sent to a peer is one unbroken run. The parent of its first block is known to be there. Afterwards
        the peer's head is the last block sent, or the block received."""
        for peer in peers_of(moment):
            run, link = sent_to(moment, peer), link_to(moment.after, peer)
            chained = all(parent.id == header.parent for parent, header in pairwise(run))
            if not chained or not self._known(moment, peer, run[0].parent):
                return False
            if link is not None and link.sent != run[-1]:
                return False
        event = moment.stimulus
        if isinstance(event, Received) and isinstance(event.message, Blocks):
            link = link_to(moment.after, event.peer)
            return link is None or link.received == event.message.headers[-1]
        return True

    def no_echo(self, moment: Moment) -> bool:
        """Nothing is sent that the peer is known to have, by itself or as an ancestor."""
        return not any(self._known(moment, peer, h.id) for peer in peers_of(moment) for h in sent_to(moment, peer))

    def _known(self, moment: Moment, peer: str, id: bytes) -> bool:
        chains = (moment.before.chain, moment.after.chain)
        held = [known for known in known_to(moment, peer) if any(known in chain for chain in chains)]
        return any(self.tree.descends(known, id) for known in held)

    def never_below_final(self, moment: Moment) -> bool:
        """The head descends from the final point, and that from the one before; so a reorganisation stays above it.
        Head and final point do not move in silence, nor without need, and what is said of it is so."""
        before: Chain = moment.before.chain
        after: Chain = moment.after.chain
        heads = [output for output in moment.outputs if isinstance(output, HeadMoved)]
        finals = [output for output in moment.outputs if isinstance(output, FinalMoved)]
        if before is after:
            return not heads and not finals
        common = self.tree.blocks[self.tree.common(before.head.id, after.head.id)]
        moved = [HeadMoved(before.head.point, after.head.point, common.point)] if before.head != after.head else []
        rose = [FinalMoved(before.final.point, after.final.point)] if before.final != after.final else []
        rises = self.tree.descends(after.final.id, before.final.id)
        above = self.tree.descends(after.head.id, after.final.id) and common.height >= before.final.height
        return rises and above and heads == moved and finals == rose

    def confirmed_on_best(self, moment: Moment) -> bool:
        """Final, confirmed and head descend from one another, and no block that may be the head is better. What is
        confirmed does not move in silence."""
        before, after = moment.before.chain, moment.after.chain
        told = [output for output in moment.outputs if isinstance(output, ConfirmedMoved)]
        moved = before.confirmed != after.confirmed
        pins = after.confirmed.id
        line = [self.tree.descends(pins, after.final.id), self.tree.descends(after.head.id, pins)]
        better = [
            header
            for header in after.blocks.headers()
            if header.rank > after.head.rank and self.tree.descends(header.id, pins) and not after.barred(header.id)
        ]
        said = [ConfirmedMoved(before.confirmed.point, after.confirmed.point)] if moved else []
        return all(line) and not better and told == said

    def parent_known(self, moment: Moment) -> bool:
        """A block that arrives is held, or its parent is, unless finality dropped its branch. If so, or if the link is
        in step, the link does not end as out of step or for a fault: what is late is not wrong. (That a node has no
        room for it is for ``PartsOnlyFor`` to judge.)"""
        if moment.stimulus.peer in self.liars:
            return True
        message, chain = moment.stimulus.message, moment.before.chain
        link = links(moment.before)[moment.stimulus.peer]
        known = message.headers[0].id in chain or message.headers[0].parent in chain
        ended = (output.reason for output in moment.outputs if isinstance(output, Disconnect))
        if (known or link.state in IN_STEP) and any(why in (Parting.OUT_OF_STEP, Parting.FAULT) for why in ended):
            return False
        return known or not self.tree.descends(message.headers[0].parent, chain.final.id)

    def only_liars_punished(self, moment: Moment) -> bool:
        return all(output.peer in self.liars for output in moment.outputs if isinstance(output, Misbehaviour))

    def ancestor_exact(self, moment: Moment) -> bool:
        """Who ends the search (it says so with a ``Found``) streams from the nearest common ancestor of its best chain
        and the one that the peer last announced. If the peer is known to hold more of our best chain than that, the
        start is as much higher. What it says is nothing that the peer had dropped when it said its hello. Who is told
        streams from the block it is told of, from where its own best chain has left that one, or likewise from higher
        up."""
        return all(self._exact(moment, peer) for peer in moment.before.links if peer not in self.liars)

    def _exact(self, moment: Moment, peer: str) -> bool:
        before, after = links(moment.before)[peer], link_to(moment.after, peer)
        if after is None or before.state not in GREETING or after.state not in IN_STEP:
            return True
        run, best = sent_to(moment, peer), moment.after.chain.head.id
        start = run[0].parent if run else after.sent and after.sent.id
        message = moment.stimulus.message if isinstance(moment.stimulus, Received) else None
        says = [o.message for o in moment.outputs if isinstance(o, Send) and o.peer == peer]
        points = [said.common for said in says if isinstance(said, Found)]
        if points:
            hello = message if isinstance(message, Hello) and moment.stimulus.peer == peer else before.heard
            if hello is None or any(point.height < hello.base.height for point in points):
                return False
            found = hello.head.id
        elif isinstance(message, Found):
            found = message.common.id
        else:
            return True
        named = [found, *(id for id in known_to(moment, peer) if id in moment.after.chain)]
        shared = {self.tree.common(best, id) for id in named}
        return bool(start == max(shared, key=lambda id: self.tree.blocks[id].height))


def told_pruned(moment: Moment) -> bool:
    peer = moment.stimulus.peer
    byes = [o.message for o in moment.outputs if isinstance(o, Send) and o.peer == peer and isinstance(o.message, Bye)]
    return [bye.reason for bye in byes] == [Parting.PRUNED] and peer not in moment.after.links
