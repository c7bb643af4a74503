"""A host: one node, its store, and whoever carries its messages. The same under TCP, memory, or your own transport.

    host.feed(event)        # the core decides
      -> store              # first what must not be lost,
      -> carrier            # then what is to be sent,
      -> watchers           # then what others want to know

There is no decision here: outputs are carried out in the order in which the core gave them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.events import Confirmed, Event, Leave, Produced, Received, Verdict
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Disconnect, Dropped, FinalMoved, HeadMoved, Output, Send, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.protocol import Message
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.messages import Hello
from syncfsm_adapters.store.base import BlockStore, Change

Watcher = Callable[[Output, float], None]
"""Told of every output, and of when; for logs, metrics, and the integrator's own execution."""

Observer = Callable[[Node, Node, float], None]
"""Shown the node before and after every step, and when it was."""


class Carrier(Protocol):
    """What moves messages between nodes. Calls return at once: they queue, and never call the host back."""

    def send(self, peer: str, message: Message) -> None:
        """Queue a small message; it overtakes blocks, never the block it refers to."""
        ...

    def send_blocks(self, peer: str, protocol: int, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks, in order, on the lane of this protocol."""
        ...

    def disconnect(self, peer: str, reason: str, detail: str) -> None:
        """End the connection after what is queued; the core will say nothing more of it."""
        ...


@attrs.define
class Tally:
    """What a host counts: hellos and blocks that peers sent, how many of those blocks were held already; blocks and
    small messages that it gave its carrier to send, one for each peer; and the bytes that its carrier has written."""

    received: int = 0
    repeated: int = 0
    read: int = 0
    """Blocks that the source of truth brought before any peer did."""
    made: int = 0
    """Blocks of this node's own."""
    hellos: int = 0
    sent_bytes: int = 0
    sent_blocks: int = 0
    """Each with its body."""
    sent_messages: int = 0
    sent_message_bytes: int = 0
    """What the small messages come to on the wire; kept by carriers that have one."""

    def __add__(self, other: "Tally") -> "Tally":
        pairs = zip(attrs.astuple(self), attrs.astuple(other), strict=True)
        return Tally(*(ours + theirs for ours, theirs in pairs))


class Host:
    """Runs one node. Not safe for threads: feed one event at a time."""

    def __init__(self, node: Node, store: BlockStore, carrier: Carrier) -> None:
        self.node = node
        self.store = store
        self.tally = Tally()
        self._registry = node.config.registry
        self._carrier = carrier
        self._unserved: list[str] = []
        """Peers that need a block whose body is lost."""
        self._watchers: list[Watcher] = []
        self._observers: list[Observer] = []

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` told of all outputs from now on, after they are carried out."""
        self._watchers.append(watcher)

    def observe(self, observer: Observer) -> None:
        """Have ``observer`` shown every step from now on, after its outputs are carried out."""
        self._observers.append(observer)

    @property
    def head(self) -> Point:
        return self.node.chain.head.point

    @property
    def fed_by(self) -> str:
        """The peer that this node takes blocks from: its feed. Empty if there is none."""
        return self.node.decided(FEED).peer

    def feed(self, event: Event) -> None:
        """Let the core decide about ``event``, and carry out what it says.

        An event that brings blocks brings their bodies too. Raises ``LocalError`` for a mistake of the caller, and if
        the store fails; then nothing has been sent that the store does not hold.
        """
        bodies = self._bodies(event)
        node, outputs = self.node.step(event)
        self._keep(event, node, outputs, bodies)
        before, self.node = self.node, node
        self._count(event, outputs)
        for output in outputs:
            self._carry(output, bodies)
        for watcher in self._watchers:
            for output in outputs:
                watcher(output, event.now)
        for observer in self._observers:
            observer(before, node, event.now)
        while self._unserved:
            peer = self._unserved.pop()
            if peer in self.node.links:
                self.feed(Leave(peer, Parting.PRUNED, event.now))

    def tidy(self) -> None:
        """Have the store do a portion of what can wait; to be called now and then."""
        self.store.tidy()

    def _keep(self, event: Event, node: Node, outputs: Sequence[Output], bodies: Mapping[bytes, bytes]) -> None:
        """One change in the store for all that one event changes, before anything is sent."""
        if self.store.lost:
            self._mend(event, bodies)
        blocks: list[tuple[Header, bytes]] = []
        dropped: list[Header] = []
        for output in outputs:
            if isinstance(output, Accepted):
                blocks += ((header, _body(header, bodies)) for header in output.headers)
            elif isinstance(output, Dropped):
                dropped += output.headers
        verdict = event if isinstance(event, Verdict) else None
        moved = any(isinstance(output, HeadMoved | FinalMoved) for output in outputs)
        if not (blocks or dropped or moved or verdict):
            return
        chain = node.chain
        change = Change(
            blocks=blocks,
            dropped=dropped,
            head=chain.head.point,
            final=chain.final.point,
            base=chain.base.point,
            ban=(verdict.id,) if verdict and not verdict.valid else (),
            unban=(verdict.id,) if verdict and verdict.valid else (),
        )
        self.store.commit(change)

    def _mend(self, event: Event, bodies: Mapping[bytes, bytes]) -> None:
        """Bodies that were lost, and come again."""
        for header in self._headers(event) if bodies else ():
            if header.point in self.store.lost and header.id in bodies:
                self.store.mend(header, bodies[header.id])

    def _count(self, event: Event, outputs: Sequence[Output]) -> None:
        if isinstance(event, Confirmed | Produced):
            new = sum(len(output.headers) for output in outputs if isinstance(output, Accepted))
            if isinstance(event, Confirmed):
                self.tally.read += new
            else:
                self.tally.made += new
        if not isinstance(event, Received):
            return
        self.tally.hellos += isinstance(event.message, Hello)
        headers = self._registry.headers(event.message)
        if headers:
            new = sum(len(output.headers) for output in outputs if isinstance(output, Accepted))
            self.tally.received += len(headers)
            self.tally.repeated += len(headers) - new

    def _bodies(self, event: Event) -> Mapping[bytes, bytes]:
        """The bodies that an event brings, by the ids of their blocks."""
        given: Sequence[bytes] = ()
        headers = self._headers(event)
        if headers:
            given = event.bodies if isinstance(event, Produced | Confirmed) else event.message.bodies  # type: ignore[union-attr]
        return dict(zip([header.id for header in headers], given, strict=False))

    def _headers(self, event: Event) -> Sequence[Header]:
        """The headers that an event brings with their bodies."""
        if isinstance(event, Produced | Confirmed):
            return event.headers
        return self._registry.headers(event.message) if isinstance(event, Received) else ()

    def _carry(self, output: Output, bodies: Mapping[bytes, bytes]) -> None:
        match output:
            case Send(peer, message):
                self.tally.sent_messages += 1
                self._carrier.send(peer, message)
            case SendBlocks(peer, headers, protocol) if peer not in self._unserved:
                blocks = self._with_bodies(headers, bodies)
                if blocks:
                    self.tally.sent_blocks += len(blocks)
                    self._carrier.send_blocks(peer, protocol, blocks)
                if len(blocks) < len(headers):  # it can not have the others from us: as if they were pruned
                    self._unserved.append(peer)
            case Disconnect(peer, reason, detail):
                self._carrier.disconnect(peer, reason, detail)
            case _:
                pass

    def _with_bodies(self, headers: Sequence[Header], fresh: Mapping[bytes, bytes]) -> list[tuple[Header, bytes]]:
        """The blocks to send, up to the first whose body is lost. Bodies that have just come need not be read back."""
        if all(header.id in fresh for header in headers):
            return [(header, fresh[header.id]) for header in headers]
        blocks = []
        for header, body in zip(headers, self.store.bodies([header.point for header in headers]), strict=True):
            if body is None:
                break
            blocks.append((header, body))
        return blocks


def _body(header: Header, bodies: Mapping[bytes, bytes]) -> bytes:
    if header.id not in bodies:
        raise LocalError(f"no body was given for block {header.point}; give the event the bodies beside the headers")
    return bodies[header.id]
