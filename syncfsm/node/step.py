"""One step of a node, in its one order.

1. What came is given to the protocol that it belongs to; a message is first of all a sign of life of its connection.
2. If it brings blocks, they are judged as one run, then taken as one run: the node says ``Accepted``, ``HeadMoved``,
   ``ConfirmedMoved`` and ``FinalMoved``; who brought them learns what became of them; and every protocol looks at the
   new chain, connection by connection in the order of their names, and on each in the order of the registry. Only then
   is anything pruned.
3. After each event, a connection that has room lets its protocols use it, in the order of the registry. What they hand
   out is paid for from the connection's purse.
4. What one protocol learns that another needs (a ``Notice``) is told to it at once, before the next connection.
5. A protocol that cannot go on ends: alone, or, if it is essential, with its connection. Then the others on it are
   told, in order, and the connection's last words come last.
6. At the end, what is decided across peers is told what happened, in order, and whether its deadline has come.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from syncfsm.blocks import Header, broken, flaw
from syncfsm.chain import Chain, Outcome
from syncfsm.errors import Fault, LocalError
from syncfsm.events import (
    Confirmed,
    Connected,
    Event,
    Finalised,
    Garbled,
    Leave,
    Lost,
    Produced,
    Received,
    Room,
    Tick,
    Verdict,
)
from syncfsm.node.moving import Moving
from syncfsm.outputs import Accepted, ConfirmedMoved, Disconnect, Dropped, FinalMoved, HeadMoved, Output, Send
from syncfsm.peer.messages import Bye, Parting, Reason
from syncfsm.peer.types import Event as PeerEvent
from syncfsm.peer.types import Opened
from syncfsm.protocol import PEER_PLACE, Brought, Change, Hook, Joined, Kind, Part, Taken

if TYPE_CHECKING:
    from syncfsm.node.node import Node, Rules

HELD: Final = (Outcome.NEW, Outcome.KNOWN, Outcome.BANNED)
"""Outcomes after which a block is in the tree."""
FRESH: Final = (Outcome.NEW, Outcome.BANNED)
"""Outcomes that add a block to the tree."""


def run(node: "Node", event: Event, rules: "Mapping[str, Rules] | None") -> "tuple[Node, tuple[Output, ...]]":
    """Apply one event to a node."""
    return _Step(node, event, rules).run(event)


class _Step(Moving):
    """What each event does."""

    __slots__ = ()

    def run(self, event: Event) -> "tuple[Node, tuple[Output, ...]]":
        handler = self.HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        else:
            self.request(event)
        self._tell_across()
        node = self.node
        return type(node)(node.config, self.chain, self._links(), self.across, self.now), tuple(self.out)

    # What happens to connections ----------------------------------------------------------------------------------

    def connected(self, event: Connected) -> None:
        peer, most, here = event.peer, self.node.config.limits.links, len(self.node.links)
        values = self._values(peer)
        new = values is None
        if values is None:
            if here >= most:
                detail = f"{here} links are open; raise Limits.links or try another node"
                self.out += (Send(peer, Bye(Parting.FULL)), Disconnect(peer, Parting.FULL, detail))
                return
            values = self.open[peer] = [
                protocol.begin(peer) if place == PEER_PLACE or self._version(event, protocol) else None
                for place, protocol in enumerate(self.protocols)
            ]
            self.changed.add(peer)
        self._move(peer, values, PEER_PLACE, PeerEvent.CONNECT, Opened(event.id, event.proved))
        for told in self.registry.told[Hook.OPENED]:
            if told.place != PEER_PLACE:
                self._tell(peer, values, told)
        for of, _ in self.registry.across if new else ():
            if values[of] is not None:
                joined = Joined(peer, self._version(event, self.protocols[of]))
                self._report(lambda across: across.joined, joined, of)

    def _version(self, event: Connected, protocol: Any) -> int:
        """Which version of a protocol both ends speak; 0 if the other does not speak it."""
        shared = event.protocols
        return int(protocol.version if shared is None else shared.get(protocol.number, 0))

    def lost(self, event: Lost) -> None:
        self.feed(event.peer, PEER_PLACE, PeerEvent.LOST)

    def leave(self, event: Leave) -> None:
        try:
            msgspec.convert(event.reason, Reason)
        except msgspec.ValidationError as wrong:
            raise LocalError(
                f"Leave: no peer would take {event.reason!r} as a reason: {wrong}; give a Parting, see "
                "syncfsm.peer.messages"
            ) from wrong
        self.feed(event.peer, PEER_PLACE, PeerEvent.LEAVE, Part(event.reason))

    def room(self, event: Room) -> None:
        self.feed(event.peer, PEER_PLACE, PeerEvent.ROOM, event.freed)

    def garbled(self, event: Garbled) -> None:
        """What is wrong with one message of one protocol is that protocol's; all else is the connection's."""
        place = self.registry.places.get(event.protocol, PEER_PLACE)
        told = next((told for told in self.registry.told[Hook.FAULT] if told.place == place), None)
        if told is None:
            self.feed(event.peer, PEER_PLACE, PeerEvent.FAULT, event.fault)
        else:
            self.feed(event.peer, place, told.event, event.fault)

    def request(self, event: Any) -> None:
        """The integrator asks something of a protocol, or of what it decides across peers."""
        asked_across = self.registry.asked.get(type(event))
        if asked_across is not None:
            of, means = asked_across
            self._report(lambda across: means, event, of)
            return
        found = self.registry.requests.get(type(event))
        if found is None:
            takes = (*self.HANDLERS, *self.registry.requests, *self.registry.asked)
            known = ", ".join(sorted(type_.__name__ for type_ in takes))
            raise LocalError(f"{event!r} is no event of this node; it takes {known}")
        place, asked = found
        here = self._peers()
        peers = here if event.peers is None else event.peers
        for peer in peers:
            if peer not in here:
                there = ", ".join(here) or "none"
                raise LocalError(
                    f"{type(event).__name__}: there is no connection {peer!r}; there are {there}, "
                    "and peers=None stands for all"
                )
        for peer in peers:
            self.feed(peer, place, asked, event)

    def tick(self, event: Tick) -> None:
        for peer in self._peers():
            self._hook(peer, Hook.TICK)

    # Messages -----------------------------------------------------------------------------------------------------

    def received(self, event: Received) -> None:
        message, peer = event.message, event.peer
        found = self.registry.kinds.get(type(message))
        if found is None:
            raise LocalError(f"{type(message).__name__} is a message of none of this node's protocols")
        place, kind = found
        values = self._values(peer)
        if values is None or values[place] is None or not self._move(peer, values, PEER_PLACE, PeerEvent.HEARD):
            return
        if kind.blocks:
            self._blocks(peer, place, kind, self.registry.headers(message))
        else:
            self.feed(peer, place, kind.event, message)

    def _blocks(self, peer: str, place: int, kind: Kind, headers: tuple[Header, ...]) -> None:
        """Judge a run as a whole, then take it as a whole: nothing of it is adopted unless all of it may be."""
        fault = broken(headers) or self._judge(headers)
        if fault is not None:
            self._fail(peer, place, fault)
            return
        held = self.chain.get(headers[-1].id)
        if held is not None:  # all held already: another peer was faster. What else it says of that id is not believed
            self.feed(peer, place, kind.event, Brought((*headers[:-1], held), Outcome.KNOWN))
            return
        chain, outcomes = self.chain.extend(headers)
        full = Outcome.FULL if Outcome.FULL in outcomes else None
        refused = full or next((outcome for outcome in outcomes if outcome not in HELD), None)
        fresh = tuple([header for header, outcome in zip(headers, outcomes, strict=True) if outcome in FRESH])
        if fresh:
            self._report(lambda across: across.gained, peer, place)
            self._report(lambda across: across.taken, Taken(peer, fresh))
        self._adopt(chain, fresh, (peer, place, kind.event, Brought(headers, refused or outcomes[-1], fresh)))

    def _fail(self, peer: str, place: int, fault: Fault) -> None:
        event = self.protocols[place].hooks.get(Hook.FAULT)
        if event is None:
            self.feed(peer, PEER_PLACE, PeerEvent.FAULT, fault)
        else:
            self.feed(peer, place, event, fault)

    def _judge(self, headers: Sequence[Header]) -> Fault | None:
        """The integrator's check, for what could be adopted: blocks not held yet whose parent is."""
        chain = self.chain
        first = next((at for at, header in enumerate(headers) if header.id not in chain), len(headers))
        fresh = headers[first:]
        if not fresh or fresh[0].parent not in chain:
            return None
        fault = self.node.config.check.run(fresh, chain.past(fresh[0].parent))
        if fault is not None and not isinstance(fault, Fault):
            raise LocalError(f"HeaderCheck.run returned {fault!r}; it returns a Fault, or None if all is well")
        return fault

    # The chain ----------------------------------------------------------------------------------------------------

    def produced(self, event: Produced) -> None:
        self._adopt(*self._own("Produced", event.headers, made=True))

    def confirmed(self, event: Confirmed) -> None:
        """Blocks at or below the final one were taken before, and what is confirmed of them is known."""
        chain, headers = self.chain, event.headers
        fresh: tuple[Header, ...] = ()
        if headers and headers[0].height <= chain.final.height:
            headers = tuple(header for header in headers if header.height > chain.final.height)
        if headers:
            chain, fresh = self._own("Confirmed", headers, made=False)
        self._adopt(chain.confirm(event.point), fresh)

    def _own(self, what: str, headers: object, made: bool) -> tuple[Chain, tuple[Header, ...]]:
        """The chain with blocks from a source of this node's own, and those that are new. What it ``made`` has to keep
        to the limits, unlike what the source of truth has."""
        if not isinstance(headers, tuple):
            raise LocalError(
                f"{what} takes a tuple of headers, not {type(headers).__name__}; write {what}((header,), now)"
            )
        for at, header in enumerate(headers):
            if (wrong := flaw(header)) is not None:
                raise LocalError(
                    f"{what}: no peer would take block {at} of these: {wrong}; see syncfsm.blocks and "
                    f"syncfsm.limits. It begins {repr(header)[:100]}"
                )
        fault = broken(headers) or self._judge(headers)
        if fault is not None:
            raise LocalError(f"these blocks are not accepted ({fault.rule}): {fault.detail}")
        chain, outcomes = self.chain.extend(headers, bounded=made)
        for header, outcome in zip(headers, outcomes, strict=True):
            if outcome not in HELD:
                stand = f"the chain ends at {self.chain.head.point}, final is {self.chain.final.point}"
                raise LocalError(f"block {header.point} cannot be added: {outcome.value}; {stand}")
        fresh = tuple([header for header, outcome in zip(headers, outcomes, strict=True) if outcome in FRESH])
        if fresh and made:
            self._report(lambda across: across.made)
        if fresh:
            self._report(lambda across: across.taken, Taken(None, fresh))
        return chain, fresh

    def finalised(self, event: Finalised) -> None:
        self._adopt(self.chain.finalise(event.point))

    def verdict(self, event: Verdict) -> None:
        self._adopt(self.chain.unban(event.id) if event.valid else self.chain.ban(event.id))

    def _adopt(
        self,
        chain: Chain,
        fresh: tuple[Header, ...] = (),
        source: tuple[str, int, StrEnum, Brought] | None = None,
    ) -> None:
        """The chain changed: say so, let every protocol look at it, and only then prune."""
        old, head = self.chain, chain.head
        pruned, dropped = chain.pruned()
        extends = old.head.id in (head.id, head.parent) or chain.is_ancestor(old.head.id, head.id)
        if fresh:
            self.out.append(Accepted(fresh))
        if head.id != old.head.id:
            common = old.head if extends else chain.common(old.head.id, head.id)
            self.out.append(HeadMoved(old.head.point, head.point, common.point))
        if chain.confirmed.id != old.confirmed.id:
            self.out.append(ConfirmedMoved(old.confirmed.point, chain.confirmed.point))
        if chain.final.id != old.final.id:
            self.out.append(FinalMoved(old.final.point, chain.final.point))
        self._turn_to(chain, pruned.base.height)
        if source is not None:
            self.feed(*source)
        if chain is not old:
            final, overrules = chain.final.id != old.final.id, len(dropped) > pruned.base.height - chain.base.height
            self._show_chain(Change(extends, final or head.id != old.head.id, overrules), final, source)
        if pruned is not chain:
            self._turn_to(pruned, pruned.base.height)
        if dropped:
            self.out.append(Dropped(dropped, pruned.base.point))

    def _show_chain(self, change: Change, final: bool, source: tuple[str, int, StrEnum, Brought] | None) -> None:
        """Every protocol looks at the new chain, but for the one that brought the blocks: it knows."""
        if final:
            for peer in self._peers():
                self._hook(peer, Hook.FINALISED, change)
        for peer in self._peers():
            but = source[1] if source is not None and source[0] == peer else None
            self._hook(peer, Hook.MOVED, change, but)

    HANDLERS: ClassVar[dict[type, Callable[["_Step", Any], None]]] = {
        Connected: connected,
        Received: received,
        Garbled: garbled,
        Room: room,
        Lost: lost,
        Leave: leave,
        Produced: produced,
        Confirmed: confirmed,
        Finalised: finalised,
        Verdict: verdict,
        Tick: tick,
    }
