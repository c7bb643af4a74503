"""What properties look at: the blocks of a world, what a step sends, and what a peer is known to have."""

from collections.abc import Iterable

from syncfsm.blocks import Header
from syncfsm.check import Moment
from syncfsm.check.nodes import Line, cost
from syncfsm.events import Received
from syncfsm.link import State
from syncfsm.link.types import GREETING, IN_STEP
from syncfsm.messages import Blocks, Found, Hello, Note
from syncfsm.node import Node
from syncfsm.outputs import Disconnect, SendBlocks

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


def sent_to(moment: Moment, peer: str) -> list[Header]:
    """The blocks that this step sends to the peer, in order."""
    runs = (output for output in moment.outputs if isinstance(output, SendBlocks) and output.peer == peer)
    return [header for run in runs for header in run.headers]


def peers_of(moment: Moment) -> set[str]:
    """The peers to which this step sends blocks."""
    return {output.peer for output in moment.outputs if isinstance(output, SendBlocks)}


def known_to(moment: Moment, peer: str) -> list[bytes]:
    """What the peer is known to have at this step, before anything is sent in it: what its link remembers, and what the
    peer says just now. (That a link forgets nothing is for the ledgers of ``memory.py`` to show.)"""
    links = [link for link in (moment.before.links.get(peer), moment.after.links.get(peer)) if link is not None]
    known = [link.received.id for link in links if link.received is not None]
    before = moment.before.links.get(peer)
    if before is not None:
        known += [before.sent.id] if before.sent is not None else []
        known += [block.id for block in (*before.left, *before.claims)]
    return [*known, *told_by(moment, peer)]


def told_by(moment: Moment, peer: str) -> list[bytes]:
    """The blocks that the peer has by what it says at this step."""
    message = moment.stimulus.message if isinstance(moment.stimulus, Received) else None
    if message is None or moment.stimulus.peer != peer:
        return []
    if isinstance(message, Blocks):
        return [id for header in message.headers for id in (header.id, header.parent)]
    if isinstance(message, Found):
        return [message.common.id]
    return [message.head.id, *(point.id for point in message.points)] if isinstance(message, Hello) else []


# Views, and moments that matter ----------------------------------------------------------------------------------


def link_states(node: Node) -> tuple[tuple[str, State], ...]:
    """The view for properties that look at link states only."""
    return tuple((peer, link.state) for peer, link in sorted(node.links.items()))


def any_step(moment: Moment) -> bool:
    return True


def sends_blocks(moment: Moment) -> bool:
    return any(isinstance(output, SendBlocks) for output in moment.outputs)


def ends_link(moment: Moment) -> bool:
    return any(isinstance(output, Disconnect) for output in moment.outputs)


def search_ends(moment: Moment) -> bool:
    return any(
        link.state in GREETING and peer in moment.after.links and moment.after.links[peer].state in IN_STEP
        for peer, link in moment.before.links.items()
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
    link = moment.before.links.get(event.peer)
    searching = link is not None and link.state in GREETING and link.said is not None
    return searching and event.message.head.height < moment.before.chain.base.height


def room_and_way(local: Node | Line) -> tuple[tuple[str, int], ...] | int | None:
    """The view for ``Conserved``: the room of each link of a node; what is under way on an open line, and owed."""
    if isinstance(local, Line):
        return local.owed + sum(cost(message) for message in local.under_way) if local.open else None
    return tuple((peer, link.room) for peer, link in sorted(local.links.items()))
