"""Nodes and pairs for the tests of the link and the node: small, quick to write, easy to read in a failure."""

from collections.abc import Iterable, Sequence

from syncfsm.blocks import Header, HeaderCheck, Unchecked
from syncfsm.chain import Chain
from syncfsm.errors import Penalty
from syncfsm.events import Connected, Finalised, Produced, Received
from syncfsm.limits import Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting
from syncfsm.protocol import Message as Control
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.feed.types import Feed
from syncfsm.sync.messages import Blocks, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import Link, Mode, State
from syncfsm.testing import GENESIS, Pair


def node(
    *runs: Sequence[Header],
    final: Header | None = None,
    strategy: Strategy = Strategy.LOCATOR,
    limits: Limits | None = None,
    check: HeaderCheck | None = None,
    root: Header = GENESIS,
) -> Node:
    """A node that holds ``runs`` on ``root``, and for which ``final`` is final."""
    limits = limits or Limits()
    made = Node.start(Config(check or Unchecked(), strategy, limits), Chain.start(root, limits))
    for run in runs:
        if run:
            made, _ = made.step(Produced(tuple(run), 0.0))
    if final is not None:
        made, _ = made.step(Finalised(final.point, 0.0))
    return made


def joined(a: Node, b: Node) -> Pair:
    """A pair, connected and settled."""
    pair = Pair(a, b)
    pair.connect()
    pair.settle()
    return pair


def link_of(pair: Pair, side: int) -> Link:
    """The present link, as one side sees it."""
    return pair.nodes[side].all(SYNC)[pair.name]


def feed(made: Node) -> Feed:
    """What the node has decided across its peers."""
    return made.decided(FEED)


def asked(made: Node) -> list[str]:
    """Who beside the feed is to bring blocks."""
    return [each.peer for each in feed(made).asked]


def wanted(made: Node) -> list[str]:
    """From whom the node wants blocks, as it has told them."""
    return sorted(peer for peer, link in made.all(SYNC).items() if link.wanted)


def served(made: Node) -> list[str]:
    """To whom new blocks are sent."""
    return sorted(peer for peer, link in made.all(SYNC).items() if link.mode is Mode.ACTIVE)


def sent_blocks(outputs: Iterable[Output]) -> list[Header]:
    return [header for output in outputs if isinstance(output, SendBlocks) for header in output.headers]


def messages(outputs: Iterable[Output]) -> list[Control]:
    return [output.message for output in outputs if isinstance(output, Send)]


def hellos(outputs: Iterable[Output]) -> list[Hello]:
    return [message for message in messages(outputs) if isinstance(message, Hello)]


def partings(outputs: Iterable[Output]) -> list[Disconnect]:
    return [output for output in outputs if isinstance(output, Disconnect)]


def hello_of(head: Header, *points: Header, final: Header = GENESIS, base: Header = GENESIS) -> Hello:
    """The hello of a peer whose head is ``head``; it offers the head alone unless told otherwise."""
    offered = tuple(point.point for point in points) or (head.point,)
    return Hello(head.point, head.score, final.point, base.point, offered, head.height + 1)


def connected(made: Node, *peers: str, now: float = 0.0) -> tuple[Node, list[Output]]:
    """The node with these peers connected, and what it said."""
    said: list[Output] = []
    for peer in peers:
        made, outputs = made.step(Connected(peer, now))
        said += outputs
    return made, said


def hear(made: Node, peer: str, *received: Control | Blocks, now: float = 0.0) -> tuple[Node, list[Output]]:
    """The node after ``peer`` sent these messages, and what it said."""
    said: list[Output] = []
    for message in received:
        made, outputs = made.step(Received(peer, message, now))
        said += outputs
    return made, said


def greeted(made: Node) -> Node:
    return connected(made, "p")[0]


def in_step(made: Node) -> Node:
    made, _ = hear(greeted(made), "p", hello_of(made.chain.head))
    assert made.all(SYNC)["p"].state is State.IDLE
    return made


def parted(
    outputs: Sequence[Output], reason: Parting, point: Header | None = None, blame: Penalty | None = None
) -> bool:
    """One bye with this reason and one disconnect; a misbehaviour exactly if somebody is to blame."""
    byes = [message for message in messages(outputs) if isinstance(message, Bye)]
    faults = [output.fault.penalty for output in outputs if isinstance(output, Misbehaviour)]
    assert byes == [Bye(reason, point.point if point else None)]
    assert [output.reason for output in partings(outputs)] == [reason]
    assert faults == ([] if blame is None else [blame])
    assert isinstance(outputs[-1], Disconnect)
    return True
