"""One connection as a node sees it, without I/O: from the first greeting to the last bye.

    session = Session(greeting, check, limits, registry)
    write(session.take(n))                     # greet at once, without waiting
    session.receive(read())                    # until session.meeting() is not None
    ...                                        # Met: give it a name, and the node a Connected
    session.begin(name, now)
    session.receive(read())
    for event in session.events(now): ...      # to the node, while session.more
    session.send(message)                      # what the node says
    write(session.take(n)); session.room(now)  # the room that came free, for the node

A transport needs nothing else: whoever moves bytes calls these, in any order, and no call waits. An adapter that uses
threads calls one session from one of them at a time.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs
from immutables import Map

from syncfsm.blocks import Header, HeaderCheck, Keyed
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Garbled, Lost, Received, Room
from syncfsm.limits import Limits
from syncfsm.protocol import Message
from syncfsm.registry import Registry
from syncfsm.wire.codec import Bad
from syncfsm.wire.handshake import (
    Greeting,
    Refusal,
    RefusalReason,
    agree,
    announce,
    first_frame,
    judge,
    read_first,
    read_second,
    second_frame,
)
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox

PORTIONS: Final = 2
"""Room is given back when this part of ``Limits.room`` has come free: a step of the core for each frame would cost more
than the frame."""


@attrs.frozen
class Met:
    """Both sides have greeted, and fit. ``protocols`` are those that both speak, by number, with the version of
    each."""

    ours: Greeting
    theirs: Greeting
    protocols: dict[int, int] = attrs.field(hash=False)


@attrs.frozen
class NoLink:
    """Why no link comes of a connection: a ``RefusalReason``, a word of another release, or the rule that was
    broken. ``peer_says``: the peer refused."""

    reason: str
    detail: str
    peer_says: bool = False

    @property
    def refused(self) -> bool:
        """Whether one of the two does not want a link, for a reason known here or not, so that trying again soon is of
        no use."""
        return self.peer_says or self.reason in tuple(RefusalReason)


class Session:
    """One end of one connection. ``greeting`` is ours; ``LocalError`` if a peer would refuse it for its form.

    Before the two have met it holds at most ``limits.GREETING_BYTES + limits.ANNOUNCEMENT_BYTES`` and what was received
    last; afterwards what was received and not asked for, and one unfinished block for each protocol that sends blocks.
    """

    def __init__(self, greeting: Greeting, check: HeaderCheck, limits: Limits, registry: Registry) -> None:
        self._ours, self._check, self._limits, self._registry = greeting, check, limits, registry
        self._key = check.public_key if isinstance(check, Keyed) else b""
        self._hail = first_frame(greeting) + second_frame(announce(registry, self._key))
        self._early = b""
        self._theirs: Greeting | None = None
        self._met: Met | NoLink | None = None
        self._boxes: tuple[Inbox, Outbox] | None = None
        self._freed = 0
        self._full = self._begun = False
        self.name = ""
        """What the node calls the connection, from ``begin`` on."""

    # The handshake ------------------------------------------------------------------------------------------------

    def meeting(self) -> Met | NoLink | None:
        """What came of the greetings; ``None`` while more must be received. After ``NoLink``, write what ``take`` still
        gives (a refusal, if we are the ones who refuse), and close."""
        if self._met is None:
            self._met = self._meet()
            if isinstance(self._met, NoLink):
                self._early = b""
            elif self._met is not None:
                shared = self._met.protocols
                inbox = Inbox(self._check, self._limits, self._registry, shared)
                inbox.feed(self._early)
                self._early = b""
                self._boxes = inbox, Outbox(self._limits, self._registry, shared)
        return self._met

    @property
    def theirs(self) -> Greeting | None:
        """How the peer has greeted, whatever comes of it; ``None`` if it has not."""
        return self._theirs

    def _meet(self) -> Met | NoLink | None:
        if self._theirs is None:
            first = read_first(self._early)
            if first is None:
                return None
            if isinstance(first, Fault):
                return _broken(first)
            said, self._early = first
            if isinstance(said, Refusal):
                return _refused(said)
            self._theirs = said
            refusal = judge(self._ours, said)
            if refusal is not None:
                return self._refuse(refusal)
        second = read_second(self._early)
        if second is None:
            return None
        if isinstance(second, Fault):
            return _broken(second)
        told, self._early = second
        if isinstance(told, Refusal):
            return _refused(told)
        agreed = agree(self._registry, told, self._key)
        if isinstance(agreed, Refusal):
            return self._refuse(agreed)
        third = read_second(self._early)
        if isinstance(third, tuple) and isinstance(third[0], Refusal):  # the peer finds what we can not see
            return _refused(third[0])
        return Met(self._ours, self._theirs, agreed)

    def _refuse(self, refusal: Refusal) -> NoLink:
        self._hail += first_frame(refusal)
        return NoLink(str(refusal.reason), refusal.text)

    def refuse(self, refusal: Refusal) -> NoLink:
        """Say why there will be no link although the greetings fit; write what ``take`` gives, and close. To a peer
        that has begun, it is a bye. ``LocalError`` unless the two have met, or after ``begin``: then let the node
        leave."""
        if not isinstance(self.meeting(), Met) or self._begun:
            raise LocalError(
                "refuse between a Met and begin: before, there is nobody to tell; afterwards, let the node leave"
            )
        self._boxes = None
        self._met = self._refuse(refusal)
        return self._met

    def begin(self, name: str, now: float, proved: bool = False) -> Connected:
        """Name the connection; the event is for the node. ``proved`` says whether the transport has proved who the peer
        is. ``LocalError`` before the two have met."""
        met = self.meeting()
        if not isinstance(met, Met):
            raise LocalError("the two have not met: receive until meeting() returns a Met, then begin")
        self.name, self._begun = name, True
        return Connected(name, now, met.theirs.node_id, proved, Map(met.protocols))

    # What comes in ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes have arrived. Nothing of them is looked at yet."""
        if self._boxes is not None:
            self._boxes[0].feed(data)
        elif not isinstance(self._met, NoLink):
            self._early += bytes(data)

    @property
    def more(self) -> bool:
        """Is there something in what has arrived that ``events`` has not looked at?"""
        return self._boxes is not None and self._boxes[0].more

    def events(self, now: float) -> list[Received | Garbled]:
        """What has arrived, for the node: as much as the budget of one turn allows (``Limits.turn_frames``,
        ``Limits.turn_bytes``). Let others have their turn, and ask again while there is ``more``."""
        if self._boxes is None:
            return []
        return [
            Garbled(self.name, item.fault, now, item.protocol)
            if isinstance(item, Bad)
            else Received(self.name, item, now)
            for item in self._boxes[0].take()
        ]

    def lost(self, now: float) -> Lost:
        """The transport ended: the event for the node. What has arrived before is to be looked at first."""
        return Lost(self.name, now)

    # What goes out ------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> bool:
        """Queue a small message, after ``begin``. ``False`` once too many wait, as the peer does not read: then nothing
        is queued any more; let the node leave (``Parting.SLOW``)."""
        outbox = self._outbox()
        self._full = self._full or not outbox.message(message)
        return not self._full

    def send_blocks(self, protocol: int, blocks: Iterable[tuple[Header, bytes]]) -> None:
        """Queue blocks, with their bodies, on the lane of this protocol."""
        if not self._full:
            outbox = self._outbox()
            for header, body in blocks:
                outbox.block(protocol, header, body)

    def _outbox(self) -> Outbox:
        if self._boxes is None or not self._begun:
            raise LocalError("nothing can be sent before the two have met and begin was called, or after a refusal")
        return self._boxes[1]

    def take(self, max_bytes: int) -> bytes:
        """The next bytes to write: at most ``max_bytes``, or one frame; empty if nothing waits. See ``Outbox.take``."""
        if self._hail:
            hail, self._hail = self._hail, b""
            return hail
        if self._boxes is None:
            return b""
        data = self._boxes[1].take(max_bytes)
        self._freed += self._boxes[1].freed()
        return data

    @property
    def waiting(self) -> bool:
        """Is there anything to write?"""
        return bool(self._hail) or (self._boxes is not None and self._boxes[1].waiting)

    @property
    def pending(self) -> int:
        """Bytes of small messages that wait, those that wait for their block included: at most ``Limits.control``."""
        return self._boxes[1].pending_control if self._boxes is not None else 0

    def room(self, now: float) -> Sequence[Room]:
        """The room that came free by what was written, once it is a good part of all there is: one event for the node,
        or none."""
        if self._freed <= self._limits.room // PORTIONS:
            return ()
        freed, self._freed = self._freed, 0
        return (Room(self.name, freed, now),)


def _broken(fault: Fault) -> NoLink:
    return NoLink(fault.rule, fault.detail)


def _refused(refusal: Refusal) -> NoLink:
    """The peer says so."""
    return NoLink(str(refusal.reason), refusal.text, peer_says=True)
