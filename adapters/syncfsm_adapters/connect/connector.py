"""All that decides about the connections of a node, and nothing that waits.

A shell (``syncfsm_adapters.tcp`` under trio, ``syncfsm_adapters.asyncio``) moves bytes and calls this:

    connector.line(dialled, expected)          a connection is up: its bytes, what to write and read first
    connector.meeting(line)                    what comes of the greetings, once something does
    connector.join(line, ...)                  the two have met: the link that comes of it
    connector.turn(link, now)                  bytes have arrived: one turn of what they say; again while it says so
    connector.wrote(link, data, began, now)    bytes were written
    connector.lost(link, now)                  the transport ended
    connector.switch(peer, off, now)           an operator turns blocks to a node off, or on again
    connector.tick(now)                        time has passed

Every call is made from one thread, returns at once, and leaves all in order: if the shell is cancelled at any instant,
it calls ``lost``, and nothing of the connection remains.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import LocalError, Penalty
from syncfsm.events import Event, Leave, Received, Tick
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Disconnect, Misbehaviour, Output
from syncfsm.peer.messages import Bye, Parting
from syncfsm.protocol import Message
from syncfsm.sync.types import Switch
from syncfsm.wire.handshake import VERSION, Dial, Greeting, Refusal, RefusalReason, compete, first_frame, survives
from syncfsm.wire.session import Met, NoLink, Session
from syncfsm_adapters.connect.line import Line, SecureLine
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.off import Named, Off
from syncfsm_adapters.connect.penalties import Ledger, Sentence
from syncfsm_adapters.connect.seats import Admission, Seats
from syncfsm_adapters.connect.shunned import Shunned
from syncfsm_adapters.connect.strangers import Strangers
from syncfsm_adapters.connect.useful import Useful
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store.base import BlockStore

HANDSHAKE: Final = 5.0
"""Seconds from the start of an attempt in which the two sides must have greeted."""
FAREWELL: Final = 1.0
"""Seconds in which the last words of a connection must be written and the peer must close, too."""
STRANGERS: Final = 256
"""Most incoming connections that have not greeted yet; further ones are closed without a word."""
STRANGERS_OF_HOST: Final = 32
"""Most of them from one host, so that it can not take the places of all others."""
NO_ROOM: Final = "this node has no link left for peers that it does not know; raise Limits.links or try another node"
GRAIN: Final = 0.1
"""Seconds before what failed is tried again."""
LOOK: Final = 0.02
"""Seconds between two looks at what is due: less than the least time for which a block is waited for. So the deadlines
of many links cost one step, not one each."""
SIGNS: Final = 3
"""So often, within ``SIGNS_WITHIN`` seconds, a peer ends our only link to it as one too many: then another process runs
under our id. Two nodes that dial each other at the same time may see it once."""
SIGNS_WITHIN: Final = 60.0
TWIN: Final = (
    "another process runs under this node's id: stop one of the two, or give it a key of its own with --node-key"
)
NEEDS_PROOF: Final = "needs TLS, as ids are mere claims without it: give the node its key, or leave this out"
READ_BYTES: Final = 512 * 1024
"""Most bytes to read at once, and so most that are checked and stored together. For blocks of 64 KiB a node needs 40 %
less processor time than with 64 KiB; 1 MiB saves no more than another tenth."""


def silent(event: str, **fields: object) -> None:
    """A journal that nobody reads."""


class Connector:
    """The connections of ``node``, which keeps its blocks in ``store``.

    ``who`` it is decides how it talks. With an ``Identity`` all is TLS 1.3, and both ends prove their ids; then
    ``allowed`` are the ids of those it talks to, all if it is ``None``. With a bare id, 32 bytes in the form of an
    Ed25519 public key, nothing is encrypted or proved. No other node may have the id.

    ``stamp`` gives numbers that grow, over restarts too: when each connection began. ``journal`` is told of what the
    core does not know: ``connected`` with the address, ``duplicate``, ``no-link`` with the reason, ``switched``,
    ``broken`` if a connection did not end as it should, ``displaced`` if a stranger's link ends for one that goes
    before, ``twin`` if another process seems to run under this node's id. ``useful`` remembers who has been of use. To
    nodes that ``off`` names no blocks go, nor word of new ones, on whatever connection.
    """

    def __init__(
        self,
        node: Node,
        store: BlockStore,
        who: bytes | Identity,
        *,
        stamp: Callable[[], int],
        journal: Write = silent,
        allowed: Collection[bytes] | None = None,
        off: Iterable[Named] = (),
        ledger: Ledger | None = None,
        useful: Useful | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        standing = store.standing
        self._identity = who if isinstance(who, Identity) else None
        node_id = who.id if isinstance(who, Identity) else who
        if self._identity is None and allowed is not None:
            raise LocalError(f"a list of peers that may connect {NEEDS_PROOF}")
        self._allowed = allowed
        self._greeting = Greeting(VERSION, standing.chain_id, node_id, standing.genesis.point)
        first_frame(self._greeting)  # says now what is wrong with the id, not at the first connection
        if len(node_id) != 32:
            raise LocalError(
                f"a node id has 32 bytes, as an Ed25519 public key has, not {len(node_id)}: give such an id"
            )
        self.links: dict[str, Link] = {}
        """The links of the core, by its names for them."""
        self.host = Host(node, store, self)
        self.host.watch(self._told)
        self.strangers = Strangers()
        """Incoming connections that have not greeted yet."""
        self.off = Off(off)
        self.shunned = Shunned(ledger or Ledger(None, journal), self.proves, journal, wall)
        """Who is neither dialled nor taken."""
        self._wall = wall  # Unix time
        self.seats = Seats(node.config.limits.links, useful or Useful(None, journal))
        self._giver = ""
        """The peer whose message the step under way is about."""
        self._stamp, self._journal = stamp, journal
        self._stamps: deque[int] = deque(maxlen=2 * STRANGERS)  # of our latest greetings
        self._evicted: deque[float] = deque(maxlen=SIGNS)  # when peers said that we are linked to them already
        self._ended: dict[str, Link] = {}
        """Links that the step under way has ended."""
        self._named = 0
        self._slow: list[str] = []

    # Before there is a link ---------------------------------------------------------------------------------------

    def crowded(self, address: str) -> bool:
        """Have as many incoming connections as there may be not greeted yet, in all or from this host? Then close the
        next without a word."""
        return len(self.strangers) >= STRANGERS or self.strangers.beside(address) >= STRANGERS_OF_HOST

    @property
    def node_id(self) -> bytes:
        """Who this node is to its peers."""
        return self._greeting.node_id

    @property
    def proves(self) -> bool:
        """Do both ends prove their ids?"""
        return self._identity is not None

    def line(self, dialled: bool, expected: bytes | None = None) -> Line:
        """A connection is up. ``expected`` is the id of the node that was dialled, if it is known beforehand."""
        config, stamp = self.host.node.config, self._stamp()
        self._stamps.append(stamp)
        session = Session(replace(self._greeting, stamp=stamp), config.check, config.limits, config.registry)
        if self._identity is None:
            return Line(session)
        return SecureLine(session, self._identity, dialled=dialled, expected=expected, allowed=self._allowed)

    def meeting(self, line: Line, address: str, dialled: bool) -> Met | NoLink | None:
        """What came of the greetings; ``None`` while more must be received. Tells a node that met itself from one that
        met another process with its id, who is shunned why, and for whom there is no link left."""
        outcome, theirs = line.meeting(), line.session.theirs
        if isinstance(outcome, Met):
            against = self.shunned.met(outcome.theirs.node_id, line.proved, address, dialled)
            if against is not None:
                return refuse(line.session, RefusalReason.BANNED, against)
            if self._admit(outcome.theirs.node_id, line.proved, dialled).taken:
                return outcome
            return refuse(line.session, RefusalReason.FULL, NO_ROOM)
        if not isinstance(outcome, NoLink) or outcome.reason != RefusalReason.SELF:
            return outcome
        if theirs is not None and theirs.stamp in self._stamps:
            return outcome
        return NoLink(str(RefusalReason.TWIN), TWIN)

    def join(self, line: Line, met: Met, *, dialled: bool, address: str, now: float, wake: Callable[[], None]) -> Link:
        """The two have met. From here on both sides take the connection for good, so the one that is too many ends with
        a bye: the answer is then a link that is ``over``, and ``links`` has the one that stays."""
        self._named += 1
        node_id = met.theirs.node_id
        name = f"{node_id[:8].hex()}#{self._named}"
        dial = Dial(dialled, met.ours.stamp if dialled else met.theirs.stamp)
        link = Link(name, node_id, dial, line, address, wake, dialled)
        link.since = now
        connected = line.session.begin(name, now, line.proved)
        self._journal("connected", peer=name, address=address, dialled=dialled, id=node_id, proved=line.proved)
        if dialled:
            self.off.met(address, node_id)
        old = self._rival(node_id, line.proved, dial)
        if old is not None and not survives(self._greeting.node_id, node_id, old.dial, dial):
            self._journal("duplicate", peer=name, stays=old.name)
            link.send(Bye(Parting.DUPLICATE))
            link.end()
            self._switch(self._links_to(node_id), now)
            return link
        if old is not None:
            self._journal("duplicate", peer=old.name, stays=name)
            self.feed(Leave(old.name, Parting.DUPLICATE, now))
        displaced = self._admit(node_id, line.proved, dialled).displaced
        if displaced:
            self._journal("displaced", peer=displaced, by=name)
            self.feed(Leave(displaced, Parting.FULL, now))
        self.links[name] = link
        self.feed(connected)
        self._switch(self._links_to(node_id), now)
        return link

    def _admit(self, node_id: bytes, proved: bool, dialled: bool) -> Admission:
        """Whether there is a link for this peer, beside those that stay."""
        rival = self._rival(node_id, proved, Dial(dialled, 0))
        others = [link for link in self.links.values() if link is not rival]
        return self.seats.admit(node_id, proved, dialled, others)

    def _rival(self, node_id: bytes, proved: bool, new: Dial) -> Link | None:
        """The link to this peer of which, and of a new one, only one stays."""
        links = self._links_to(node_id)
        return next((link for link in links if compete(self.node_id, node_id, proved, link.dial, new)), None)

    def ban(self, who: str, seconds: float | None, why: str, now: float) -> Sentence:
        """Neither dial nor take this peer any more, and leave it: a node id, an address that is dialled, or a host.
        ``seconds`` is for how long; ``None`` for good. ``LocalError`` if it is none of them."""
        found = self.shunned.ban(who, seconds, why)
        for link in tuple(self.links.values()):
            if found.who in link.names:
                self.feed(Leave(link.name, Parting.BANNED, now))
        return found

    # What an operator turns off -----------------------------------------------------------------------------------

    def switch(self, peer: Named, off: bool, now: float) -> None:
        """An operator turns blocks to a node off or on: on the link that there is, and on those to come."""
        self.off.turn(peer, off)
        self._switch(tuple(self.links.values()), now)

    def _switch(self, links: Iterable[Link], now: float) -> None:
        """Tell the core what the operator wants of these links, where it does not know: the address under which a node
        is off may have been met only now."""
        for link in links:
            off = link.node_id in self.off
            if not link.over and off is not link.off:
                link.off = off
                self._journal("switched", peer=link.name, off=off)
                self.feed(Switch(off, now, (link.name,)))

    def link_to(self, node_id: bytes) -> Link | None:
        """A link to this node, or to who claims to be it, if there is one."""
        return next(iter(self._links_to(node_id)), None)

    def _links_to(self, node_id: bytes) -> list[Link]:
        return [link for link in self.links.values() if link.node_id == node_id]

    def no_link(self, outcome: NoLink, address: str) -> NoLink:
        """An attempt came to nothing: have it written down."""
        said_by = "peer" if outcome.peer_says else "us"
        self._journal("no-link", address=address, reason=outcome.reason, detail=outcome.detail, said_by=said_by)
        return outcome

    # While there is one -------------------------------------------------------------------------------------------

    def turn(self, link: Link, now: float) -> bool:
        """Give the node one turn of what has arrived. Says whether there is more; let others have their turn first."""
        for event in link.session.events(now):
            if link.over:
                return False
            self.feed(event)
        return link.session.more and not link.over

    def wrote(self, link: Link, data: bytes, began: float, now: float) -> None:
        """These bytes were written; ``began`` is when that began."""
        link.pace.wrote(len(data), now - began)
        self.host.tally.sent_bytes += len(data)
        for event in () if link.over else link.session.room(now):
            self.feed(event)

    def lost(self, link: Link, now: float) -> None:
        """The transport ended, or the shell gives it up. Nothing happens if the node has ended the link already."""
        if not link.over:
            if link.line.failed:
                self._journal("broken", peer=link.name, detail=link.line.failed)
            self.feed(link.session.lost(now))

    def tick(self, now: float) -> None:
        """Time has passed."""
        due = self.host.node.next_deadline
        if due is not None and due <= now:
            self.feed(Tick(now))
        self.host.tidy()

    def leave(self, now: float, reason: Parting = Parting.SHUTDOWN) -> None:
        """End all links, telling the peers why."""
        for name in tuple(self.links):
            self.feed(Leave(name, reason, now))

    def feed(self, event: Event) -> None:
        """Give the node an event, and then have it leave who does not read."""
        self._giver = event.peer if isinstance(event, Received) else ""
        self.host.feed(event)
        while self._slow:
            self.host.feed(Leave(self._slow.pop(), Parting.SLOW, event.now))

    @property
    def drained(self) -> bool:
        """Is nothing left to write, and nothing left to send to a peer?"""
        status = self.host.node.status()
        unsent = any(standing.lacks for peer in status.peers for standing in peer.standing.values())
        return not unsent and not any(link.session.waiting for link in self.links.values())

    # What the host wants carried ----------------------------------------------------------------------------------

    def send(self, peer: str, message: Message) -> None:
        """Queue a small message."""
        link = self.links[peer]
        waited = link.session.pending
        if not link.send(message) and not link.full:
            link.full = True
            self._slow.append(peer)
        self.host.tally.sent_message_bytes += link.session.pending - waited

    def send_blocks(self, peer: str, protocol: int, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks."""
        self.links[peer].send_blocks(protocol, blocks)

    def disconnect(self, peer: str, reason: str, detail: str) -> None:
        """The node has ended the link."""
        link = self._ended[peer] = self.links.pop(peer)
        link.end()

    def _told(self, output: Output, now: float) -> None:
        if isinstance(output, Accepted):
            if self._giver in self.links:
                self.seats.given(self.links[self._giver], len(output.headers), self._wall())
        elif isinstance(output, Misbehaviour):
            link = self.links.get(output.peer) or self._ended[output.peer]
            link.blamed = output.fault.penalty is Penalty.GRAVE
            if link.blamed:
                self.seats.blamed(link)
            self.shunned.strike(link, output.fault)
        elif isinstance(output, Disconnect):
            self._ended.pop(output.peer, None)
            self._slow = [peer for peer in self._slow if peer != output.peer]
            if isinstance(output.said, Bye) and output.said.reason == Parting.DUPLICATE:
                self._evicted_from(output.peer, now)

    def _evicted_from(self, name: str, now: float) -> None:
        """A peer has ended this link as one too many. If it was our only one, whose is the other?"""
        node = name.partition("#")[0]
        if any(other.partition("#")[0] == node for other in self.links):
            return
        self._evicted.append(now)
        if len(self._evicted) == SIGNS and now - self._evicted[0] < SIGNS_WITHIN:
            self._evicted.clear()
            self._journal("twin", peer=name, sentence=TWIN)


def refuse(session: Session, reason: RefusalReason, text: str) -> NoLink:
    """Say why there will be no link; what ``session.take`` gives is to be written."""
    return session.refuse(Refusal(reason, text))


def shown_address(name: tuple[Any, ...]) -> str:
    """A socket's name as ``host:port``."""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
