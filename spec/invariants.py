"""What must hold, whatever the interleaving: every promise of the protocol, by its name.

Edit this file to change what is promised. Each function below is one property of a step, a node, or two nodes;
``promises`` binds it to its name and to the sentence it stands for. ``Tree`` is all that the blocks of a world are:
it knows ancestors even of blocks that a node has dropped.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import attrs

from spec.seen import (
    Tree,
    any_step,
    blocks_arrive,
    ends_link,
    hello_from_below,
    known_to,
    link_states,
    payload_arrives,
    peers_of,
    room_and_way,
    search_ends,
    sends_blocks,
    sent_to,
)
from spec.sentences import SENTENCES
from spec.traffic import charged, payloads, signs_of_life, within_rate
from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.check import Always, Ends, Moment, Property, Settles, Steps, channel
from syncfsm.events import Connected, Received
from syncfsm.limits import Limits
from syncfsm.link import Link, State
from syncfsm.link.types import GREETING, IN_STEP
from syncfsm.messages import Blocks, Bye, Found, Hello, Parting
from syncfsm.node import Node
from syncfsm.outputs import Disconnect, FinalMoved, HeadMoved, Misbehaviour, Send, SendBlocks
from syncfsm.wire.codec import encode_control

HELLO_BYTES: Final = 1536
"""Longest hello (founding/requirements#hello-size): kept by ``HELLO_POINTS`` points of 32-byte ids; with longer ids,
offer fewer points."""

# One step of a node ---------------------------------------------------------------------------------------------


def only_best_chain(moment: Moment) -> bool:
    chain = moment.after.chain
    return all(chain.on_best(header.point) for peer in peers_of(moment) for header in sent_to(moment, peer))


def one_disconnect(moment: Moment) -> bool:
    """In a step: nothing is sent without a link; a link ends if and only if one disconnect says so; nothing is sent
    after it; and if we are the one who parts, a bye with the same reason goes before it. That bye names our block if
    it is for what we hold. A peer's bye ends its link."""
    linked = set(moment.before.links) | ({moment.stimulus.peer} if isinstance(moment.stimulus, Connected) else set())
    ended: set[str] = set()
    said: dict[str, Parting] = {}
    for output in moment.outputs:
        if isinstance(output, Send | SendBlocks | Disconnect) and (output.peer in ended or output.peer not in linked):
            return False
        if isinstance(output, Send) and isinstance(output.message, Bye):
            said[output.peer] = output.message.reason
            if output.message.reason in (Parting.PRUNED, Parting.CONTRADICTION) and output.message.point is None:
                return False
        if isinstance(output, Disconnect):
            ended.add(output.peer)
            theirs = output.reason in (Parting.LOST, Parting.PEER_LEFT)
            if not theirs and said.get(output.peer) is not output.reason:
                return False
    event = moment.stimulus
    left = isinstance(event, Received) and isinstance(event.message, Bye) and event.peer in linked - ended
    return not left and set(moment.after.links) == linked - ended


def bounded(moment: Moment) -> bool:
    """What a node holds and hands out is within its limits: blocks only while room is left, hellos of at most
    ``Limits.points`` points and 1.5 KiB and no more than their rate, a streaming search that only ever goes down; what
    each link remembers; blocks that are not final, and branches."""
    node: Node = moment.after
    limits, chain = node.config.limits, node.chain
    hellos = [o.message for o in moment.outputs if isinstance(o, Send) and isinstance(o.message, Hello)]
    unfinal = len(chain.blocks) - (chain.final.height - chain.base.height + 1)
    return (
        all(len(hello.points) <= limits.points and len(encode_control(hello)) <= HELLO_BYTES for hello in hellos)
        and unfinal <= limits.unfinal
        and len(chain.tips) <= limits.tips
        and all(_bounded(moment, link, limits) for link in node.links.values())
    )


def _bounded(moment: Moment, link: Link, limits: Limits) -> bool:
    blocks, before = sent_to(moment, link.peer), moment.before.links.get(link.peer)
    same = before is not None and (before.said, before.heard) == (link.said, link.heard)
    rises = same and before.cursor and link.cursor and link.cursor.height > before.cursor.height
    return (
        (not blocks or link.room + blocks[-1].cost > 0)
        and link.room <= limits.room
        and len(link.held) <= limits.notes
        and len(link.left) <= limits.branches
        and len(link.claims) <= limits.claims
        and within_rate(link, limits)
        and not rises
    )


# One node -------------------------------------------------------------------------------------------------------


def init_iff_worse(node: Node) -> bool:
    """While the common ancestor is unknown and both hellos are said. A hello that the rate limit holds back counts as
    not said yet, so the one before it decides nothing."""
    return all(_init_iff_worse(node, link) for link in node.links.values())


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
        for link in node.links.values()
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
        point or a ban rules the better one out for the other."""
        if not self.linked(a, b):
            return self.b not in a.links and self.a not in b.links
        idle = a.links[self.b].state is State.IDLE and b.links[self.a].state is State.IDLE
        return idle and self._agrees(a, b.chain.head) and self._agrees(b, a.chain.head)

    def _agrees(self, node: Node, head: Header) -> bool:
        """It holds this head, and has none worse; unless it may not have it."""
        chain: Chain = node.chain
        if not self.tree.descends(head.id, chain.final.id):
            return True
        banned = any(id in chain.banned for id in self.tree.line(head.id))
        return head.id in chain and (banned or chain.head.rank >= head.rank)

    def final_advances(self, a: Node, b: Node) -> bool:
        """Linked and at rest, each has the other's final block, or has dropped it because it lies below its base."""
        return not self.linked(a, b) or (self._has_final(a, b) and self._has_final(b, a))

    def _has_final(self, node: Node, other: Node) -> bool:
        final = other.chain.final
        return final.id in node.chain or self.tree.descends(node.chain.base.id, final.id)

    def no_contradiction(self, a: Node, b: Node) -> bool:
        """Linked and at rest, the final points of two peers do not contradict each other: else they have parted."""
        return not self.linked(a, b) or not self.tree.contradict(a.chain.final.id, b.chain.final.id)


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
            run, link = sent_to(moment, peer), moment.after.links.get(peer)
            chained = all(parent.id == header.parent for parent, header in pairwise(run))
            if not chained or not self._known(moment, peer, run[0].parent):
                return False
            if link is not None and link.sent != run[-1]:
                return False
        event = moment.stimulus
        if isinstance(event, Received) and isinstance(event.message, Blocks) and event.peer in moment.after.links:
            received: Header | None = moment.after.links[event.peer].received
            return received == event.message.headers[-1]
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

    def parent_known(self, moment: Moment) -> bool:
        """A block that arrives is held, or its parent is, unless finality dropped its branch. If so, or if the link is
        in step, the link does not end as out of step or for a fault: what is late is not wrong. (That a node has no
        room for it is for ``PartsOnlyFor`` to judge.)"""
        if moment.stimulus.peer in self.liars:
            return True
        message, chain, link = moment.stimulus.message, moment.before.chain, moment.before.links[moment.stimulus.peer]
        known = message.headers[0].id in chain or message.headers[0].parent in chain
        ended = (output.reason for output in moment.outputs if isinstance(output, Disconnect))
        if (known or link.state in IN_STEP) and any(why in (Parting.OUT_OF_STEP, Parting.FAULT) for why in ended):
            return False
        return known or not self.tree.descends(message.headers[0].parent, chain.final.id)

    def payload_in_time(self, moment: Moment) -> bool:
        """When a payload arrives, its block is here already, or was, unless finality dropped its branch."""
        about, chain = moment.stimulus.message.about, moment.before.chain
        if about is None or moment.stimulus.peer in self.liars:
            return True
        return about.id in chain or about.height < chain.base.height or not self.tree.descends(about.id, chain.final.id)

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
        before, after = moment.before.links[peer], moment.after.links.get(peer)
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


@attrs.frozen
class PartsOnlyFor:
    """No link ends for a reason of its own, except these."""

    reasons: frozenset[Parting]
    liars: frozenset[str] = frozenset()

    def __call__(self, moment: Moment) -> bool:
        allowed = {*self.reasons, Parting.LOST, Parting.PEER_LEFT}
        ended = [output for output in moment.outputs if isinstance(output, Disconnect)]
        return all(output.reason in allowed or output.peer in self.liars for output in ended)


@attrs.frozen
class Parts:
    """A link ends for this reason."""

    reason: Parting

    def __call__(self, moment: Moment) -> bool:
        return any(isinstance(output, Disconnect) and output.reason is self.reason for output in moment.outputs)


# All together ---------------------------------------------------------------------------------------------------


def promises(
    nodes: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    tree: Tree,
    partings: Iterable[Parting] = (),
    heads_may_worsen: bool = False,
    liars: Sequence[str] = (),
    room: int | None = None,
    timed: bool = False,
) -> tuple[Property, ...]:
    """Every promise about these nodes. ``partings`` are the reasons for which links between correct nodes may end in
    this world, ``heads_may_worsen`` tells that bans or finality can do that. Nothing is promised to ``liars``, and
    nothing of them. If ``room`` is what each link has, and the nodes are joined by channels of the checker, what is
    under way is looked at too; if the links are ``timed``, so is what hellos cost."""
    honest = tuple(name for name in nodes if name not in liars)
    friends = [pair for pair in pairs if not set(pair) & set(liars)]
    along = Along(tree, frozenset(liars))

    def steps(name: str, holds: Callable[..., bool], when: Callable[[Moment], bool] = any_step) -> Steps:
        return Steps(name, SENTENCES[name], honest, holds, when)

    found: list[Property] = [
        steps("OnlyBestChain", only_best_chain, sends_blocks),
        steps("OnlyChild", along.only_child),
        steps("ParentKnown", along.parent_known, blocks_arrive),
        steps("NoEcho", along.no_echo, sends_blocks),
        steps("AncestorExact", along.ancestor_exact, search_ends),
        steps("NeverBelowFinal", along.never_below_final),
        steps("PrunedIsSaid", told_pruned, hello_from_below),
        steps("OneDisconnect", one_disconnect),
        steps("NoPunishHonest", along.only_liars_punished),
        steps("Bounded", bounded),
        steps("Payloads", payloads),
        steps("Payloads", along.payload_in_time, payload_arrives),
        steps("SignsOfLife", signs_of_life),
        steps("PartsOnlyFor", PartsOnlyFor(frozenset(partings), frozenset(liars)), ends_link),
        Settles("Settles", SENTENCES["Settles"]),
    ]
    if timed:
        found.append(steps("Bounded", charged))
    for name in honest:
        found.append(Always("InitIffWorse", SENTENCES["InitIffWorse"], (name,), init_iff_worse))
        found.append(Always("Tracked", SENTENCES["Tracked"], (name,), tracked))
    for a, b in friends:
        found += between(a, b, tree, heads_may_worsen)
        if room is not None:
            found += bounded_ways(a, b, room)
    return tuple(found)


def between(a: str, b: str, tree: Tree, heads_may_worsen: bool) -> list[Property]:
    """The promises about two correct nodes that may be linked."""
    two = Between(a, b, tree, heads_may_worsen)
    ends = {"Settles": two.settled, "FinalAdvances": two.final_advances, "NeverBelowFinal": two.no_contradiction}
    return [
        Always("CompoundStates", SENTENCES["CompoundStates"], (a, b), two.compound, link_states),
        *(Ends(name, SENTENCES[name], (a, b), holds) for name, holds in ends.items()),
    ]


def bounded_ways(a: str, b: str, room: int) -> list[Property]:
    """``Bounded`` for the lines between two correct nodes whose links have this much room."""
    return [
        Always("Bounded", SENTENCES["Bounded"], (here, channel(here, there)), Conserved(there, room), room_and_way)
        for here, there in ((a, b), (b, a))
    ]
