"""What properties look at: the blocks of a world, what a step sends, and what a peer is known to have."""

from collections.abc import Iterable
from typing import Any

from syncfsm.blocks import Header
from syncfsm.check import Moment
from syncfsm.check.nodes import Line, Wait
from syncfsm.events import Received
from syncfsm.node.node import Node
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.outputs import Disconnect, SendBlocks
from syncfsm.peer.protocol import PEER
from syncfsm.sync.messages import Blocks, Found, Has, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import GREETING, IN_STEP, Link, State

# The blocks of a world ------------------------------------------------------------------------------------------


class Tree:
    """All blocks of a world, dropped or not."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self.blocks = {header.id: header for header in headers}

    def line(self, id: bytes) -> list[bytes]:
        """The block and its ancestors, newest first."""
        found = []
        while id in self.blocks:
            found.append(id)
            id = self.blocks[id].parent
        return found

    def descends(self, id: bytes, ancestor: bytes) -> bool:
        """Is ``ancestor`` the block, or an ancestor of it?"""
        return ancestor in self.line(id)

    def common(self, a: bytes, b: bytes) -> bytes:
        """The nearest common ancestor."""
        other = set(self.line(b))
        return next(id for id in self.line(a) if id in other)

    def contradict(self, a: bytes, b: bytes) -> bool:
        """Two blocks of which neither descends from the other."""
        return not self.descends(a, b) and not self.descends(b, a)


# What a node knows of a peer -------------------------------------------------------------------------------------


def links(node: Node) -> dict[str, Link]:
    """Sync's value of each connection."""
    return node.all(SYNC)


def link_to(node: Node, peer: str) -> Link | None:
    """Sync's value of the connection to this peer, if there is one."""
    return node.at(SYNC, peer)


def room_of(node: Node, peer: str) -> int:
    """The room that the connection to this peer has left."""
    return node.all(PEER)[peer].room


def passed(moment: Moment, peer: str) -> float:
    """By how much this step has moved back all that the connection remembers of time: in worlds of the checker, where
    the clock stands at 0, time passes so."""
    if not isinstance(moment.stimulus, Wait):
        return 0.0
    was, now = moment.before.all(PEER)[peer], moment.after.all(PEER)[peer]
    return float(max(was.heard_at - now.heard_at, 0.0))


def sent_to(moment: Moment, peer: str) -> list[Header]:
    """The blocks that this step sends to the peer, in order."""
    runs = (output for output in moment.outputs if isinstance(output, SendBlocks) and output.peer == peer)
    return [header for run in runs for header in run.headers]


def peers_of(moment: Moment) -> set[str]:
    """The peers to which this step sends blocks."""
    return {output.peer for output in moment.outputs if isinstance(output, SendBlocks)}


def known_to(moment: Moment, peer: str) -> list[bytes]:
    """What the peer is known to have at this step, before anything is sent in it: what its link remembers, and what the
    peer says just now. (That a link forgets nothing is for ``ledgers.py`` to show.)"""
    links = [link for link in (link_to(moment.before, peer), link_to(moment.after, peer)) if link is not None]
    known = [link.received.id for link in links if link.received is not None]
    before = link_to(moment.before, peer)
    if before is not None:
        known += [before.sent.id] if before.sent is not None else []
        known += [block.id for block in before.left] + [point.id for point in before.claims]
    return [*known, *told_by(moment, peer)]


def told_by(moment: Moment, peer: str) -> list[bytes]:
    """The blocks that the peer has by what it says at this step."""
    message: Any = moment.stimulus.message if isinstance(moment.stimulus, Received) else None
    if message is None or moment.stimulus.peer != peer:
        return []
    if isinstance(message, Blocks):
        return [id for header in message.headers for id in (header.id, header.parent)]
    if isinstance(message, Found):
        return [message.common.id]
    if isinstance(message, Has):
        return [message.head.id]
    return [message.head.id, *(point.id for point in message.points)] if isinstance(message, Hello) else []


# Views, and moments that matter ----------------------------------------------------------------------------------


def link_states(node: Node) -> tuple[tuple[str, State], ...]:
    """The view for properties that look at link states only."""
    return tuple((peer, link.state) for peer, link in sorted(links(node).items()))


def sends_blocks(moment: Moment) -> bool:
    return any(isinstance(output, SendBlocks) for output in moment.outputs)


def ends_link(moment: Moment) -> bool:
    return any(isinstance(output, Disconnect) for output in moment.outputs)


def search_ends(moment: Moment) -> bool:
    return any(
        link.state in GREETING and (after := link_to(moment.after, peer)) is not None and after.state in IN_STEP
        for peer, link in links(moment.before).items()
    )


def blocks_arrive(moment: Moment) -> bool:
    event = moment.stimulus
    return isinstance(event, Received) and isinstance(event.message, Blocks) and event.peer in moment.before.links


def payload_arrives(moment: Moment) -> bool:
    event = moment.stimulus
    return isinstance(event, Received) and isinstance(event.message, Note) and event.peer in moment.before.links


def hello_from_below(moment: Moment) -> bool:
    """A greeted peer says hello, and its head is below all that we hold."""
    event = moment.stimulus
    if not isinstance(event, Received) or not isinstance(event.message, Hello):
        return False
    link = link_to(moment.before, event.peer)
    searching = link is not None and link.state in GREETING and link.said is not None
    return searching and event.message.head.height < moment.before.chain.base.height


def room_and_way(local: Node | Line) -> tuple[tuple[str, int], ...] | int | None:
    """The view for ``Conserved``: the room of each link of a node; what is under way on an open line, and owed."""
    if isinstance(local, Line):
        return local.owed + sum(STANDARD.cost(message) for message in local.under_way) if local.open else None
    return tuple((peer, connection.room) for peer, connection in sorted(local.all(PEER).items()))
