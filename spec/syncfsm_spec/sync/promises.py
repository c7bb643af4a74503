"""What sync promises, whatever the interleaving: each promise by its name, with the properties that tell if it is kept.

Edit this file to change what is promised. Each function below is one property of a step or a node; those of two nodes
are in ``between.py``. ``Tree`` is all that the blocks of a world are: it knows ancestors even of blocks that a node has
dropped.
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
from syncfsm.sync.types import GREETING, IN_STEP, Link, State
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


# One step, with all blocks known ------------------------------------------------------------------------------


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
