"""A step under way: how a protocol of a connection is moved, and what that moves in turn.

Points 3 to 6 of the order that ``step.py`` states: who has room uses it, what one learns is told to others, what ends
is over for all on it, and what is decided across peers comes last.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from immutables import Map

from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Event
from syncfsm.outputs import Ended, Output, Send, SendBlocks
from syncfsm.peer.types import Event as PeerEvent
from syncfsm.peer.types import State as PeerState
from syncfsm.protocol import PEER_PLACE, Across, Hook, Notice, Part, Poke, Report, Said, View
from syncfsm.registry import Told

if TYPE_CHECKING:
    from syncfsm.node.node import Node, Rules

TELLINGS: Final = 16
"""How much more than what happened may be told to what is decided across peers in one step, for each connection and
once more. Beyond that, a table goes round in circles."""


class Moving:
    """One step under way: the only mutable thing in the core, and it lives for one call.

    ``open`` has the values of the connections that the step has come to, to be changed; ``None`` for one that is over.
    ``changed`` names those of which a value has changed. ``views`` has what their tables look at, which is good until
    the chain changes. ``reports`` is what is to be told across peers.
    """

    __slots__ = (
        "across", "chain", "changed", "floor", "node", "now", "open", "out", "protocols", "registry", "reports",
        "tables", "views",
    )  # fmt: skip

    def __init__(self, node: "Node", event: Event, rules: "Mapping[str, Rules] | None") -> None:
        self.node, self.registry = node, node.config.registry
        self.protocols, self.tables = self.registry.protocols, rules or {}
        self.chain, self.across = node.chain, node.across
        self.floor = node.chain.base.height
        self.open: dict[str, list[Any] | None] = {}
        self.changed: set[str] = set()
        self.views: dict[str, View] = {}
        self.out: list[Output] = []
        self.reports: deque[tuple[int, StrEnum, object]] = deque()
        now = getattr(event, "now", None)
        if not isinstance(now, int | float):
            raise LocalError(f"{event!r} is no event of a node; see syncfsm.events, and the requests of its protocols")
        if not now >= node.now:  # nor is it no number at all
            raise LocalError(
                f"time ran backwards: {type(event).__name__} happened at {now}, and the event before it at {node.now}; "
                "take now from a clock that never does, such as time.monotonic"
            )
        self.now = now

    # The connections ----------------------------------------------------------------------------------------------

    def _values(self, peer: str) -> list[Any] | None:
        """The values of a connection, to be changed in place; ``None`` if there is none."""
        try:
            return self.open[peer]
        except KeyError:
            values = self.node.links.get(peer)
            found = self.open[peer] = None if values is None else list(values)
            return found

    def _peers(self) -> list[str]:
        """The connections there are, in the order in which they are told of things."""
        names = {*self.node.links, *self.open} if self.open else self.node.links
        return [peer for peer in sorted(names) if self._values(peer) is not None]

    def _links(self) -> Map[str, tuple[Any, ...]]:
        """What the connections have become."""
        before = self.node.links
        if not self.changed:
            return before
        links = before.mutate()
        for peer in self.changed:
            values = self.open[peer]
            if values is not None:
                links[peer] = tuple(values)
            elif peer in before:
                del links[peer]
        return links.finish()

    def _view(self, peer: str, values: list[Any]) -> View:
        """What the tables of a connection look at."""
        config = self.node.config
        view = self.views[peer] = View(
            self.chain, self.floor, self.now, config.limits, config.strategy, values, self.registry.places
        )
        return view

    def _turn_to(self, chain: Chain, floor: int) -> None:
        """From now on all look at this chain."""
        self.chain, self.floor = chain, floor
        self.views.clear()

    # One protocol of one connection -------------------------------------------------------------------------------

    def feed(self, peer: str, place: int, event: StrEnum, came: object = None) -> None:
        """Move one protocol of one connection, then let the connection use its room. Late events are ignored."""
        values = self._values(peer)
        if values is not None and self._move(peer, values, place, event, came):
            self._take_turns(peer, values)

    def _move(self, peer: str, values: list[Any], place: int, event: StrEnum, came: object = None) -> bool:
        """Move one value. Says whether the connection is still there."""
        value, protocol = values[place], self.protocols[place]
        if value is None:
            return True
        view, table = self.views.get(peer) or self._view(peer, values), protocol.table
        reader = protocol.readers.get(event)
        carried = came if reader is None else reader(value, came, view)
        step = (self.tables.get(table.name, table) if self.tables else table).step(value, event, carried, view)
        if place == PEER_PLACE and step.value.state is PeerState.CLOSED:
            self._over(peer, values, step.outputs)
            return False
        after, outputs, _ = step
        if after is not value:
            values[place] = after
            self.changed.add(peer)
        return self._carry(peer, values, place, outputs) if outputs else True

    def _carry(self, peer: str, values: list[Any], place: int, outputs: Iterable[Any]) -> bool:
        """Hand on what a table says, pay for it, and tell the others. Says whether the connection is still there."""
        spent, costs = 0, self.registry.costs
        for output in outputs:
            kind = type(output)
            if kind is Notice:
                for told in self.registry.noticed[output]:
                    self._tell(peer, values, told)
            elif kind is Report:
                event = output.event
                self._report(lambda across: event, Said(peer, output.carried), place)  # noqa: B023  called at once
            elif kind is Part:
                return self._part(peer, values, place, output)
            else:
                self.out.append(output)
                if kind is SendBlocks:
                    for header in output.headers:
                        spent += header.cost
                elif kind is Send:
                    spent += costs.get(type(output.message), 0)
        if spent:
            table, view = self.protocols[PEER_PLACE].table, self.views[peer]
            table = self.tables.get(table.name, table) if self.tables else table
            values[PEER_PLACE] = table.step(values[PEER_PLACE], PeerEvent.SPENT, spent, view)[0]
            self.changed.add(peer)
        return True

    def _tell(self, peer: str, values: list[Any], told: Told, came: object = None) -> bool:
        """Tell one protocol of a connection, if that can matter to it. Says whether the connection is still there."""
        value = values[told.place]
        if value is None or (told.heeds is not None and not told.heeds(value, came)):
            return True
        return self._move(peer, values, told.place, told.event, came)

    def _take_turns(self, peer: str, values: list[Any]) -> None:
        """Let protocols use what room there is, one after the other, until none has anything to send."""
        turns = self.registry.turns
        busy = True
        while busy:
            busy = False
            for place, event, acting in turns:
                value = values[place]
                if value is not None and value.state in acting and values[PEER_PLACE].room > 0:
                    if not self._move(peer, values, place, event):
                        return
                    busy = busy or values[place] is not value

    def _hook(self, peer: str, hook: Hook, came: object = None, but: int | None = None) -> None:
        """Tell every protocol on a connection, in the order of the registry, and let each use the room there is."""
        values = self._values(peer)
        if values is None:
            return
        for told in self.registry.told[hook]:
            value = values[told.place]
            if told.place == but or value is None or (told.heeds is not None and not told.heeds(value, came)):
                continue
            if not self._move(peer, values, told.place, told.event, came):
                return
            self._take_turns(peer, values)

    # A connection ends --------------------------------------------------------------------------------------------

    def _part(self, peer: str, values: list[Any], place: int, part: Part) -> bool:
        """A protocol cannot go on. Says whether the connection is still there."""
        protocol = self.protocols[place]
        if protocol.essential:
            return self._move(peer, values, PEER_PLACE, PeerEvent.LEAVE, part)
        self.out.append(Ended(peer, protocol.name, str(part.reason), part.detail))
        return True

    def _over(self, peer: str, values: list[Any], last_words: Sequence[Output]) -> None:
        """The connection itself has ended: the protocols on it learn of it first."""
        for told in self.registry.told[Hook.ENDED]:
            self._tell(peer, values, told)
        self.out += last_words
        self.open[peer] = None
        self.changed.add(peer)
        self._report(lambda across: across.left, peer)

    # Across peers -------------------------------------------------------------------------------------------------

    def _report(
        self, event_of: Callable[[Across[Any]], StrEnum | None], came: object = None, of: int | None = None
    ) -> None:
        """To be told at the end of the step to what is decided across peers, for all protocols or one of them."""
        for place, (owner, across) in enumerate(self.registry.across):
            event = event_of(across)
            if event is not None and of in (owner, None):
                self.reports.append((place, event, came))

    def _tell_across(self) -> None:
        """Tell what is decided across peers all that happened, and of deadlines that have come, until all is said."""
        if not self.reports and not self._late():
            return
        most = len(self.reports) + TELLINGS * (len(self.node.links) + len(self.open) + 1)
        for _ in range(most):
            if self.reports:
                self._decide(*self.reports.popleft())
            elif not self._late():
                return
        raise RuntimeError("what is decided across peers goes round in circles; look at its table")

    def _late(self) -> bool:
        """Has a deadline come? It is to be told."""
        limits = self.node.config.limits
        for place, (_, across) in enumerate(self.registry.across):
            due = across.deadline(self.across[place], limits)
            if across.late is not None and due is not None and due <= self.now:
                self.reports.append((place, across.late, None))
        return bool(self.reports)

    def _decide(self, place: int, event: StrEnum, came: object) -> None:
        """Move what is decided across peers, and do what it says."""
        of, across = self.registry.across[place]
        config, value = self.node.config, self.across[place]
        view = View(
            self.chain, self.floor, self.now, config.limits, config.strategy, (), self.registry.places, self._at,
            config.sentries,
        )  # fmt: skip
        step = self.tables.get(across.table.name, across.table).step(value, event, came, view)
        if step.value is not value:
            self.across = (*self.across[:place], step.value, *self.across[place + 1 :])
        for poke in step.outputs:
            if type(poke) is Poke:
                self.feed(poke.peer, of, poke.event, poke.carried)
            else:
                self.out.append(poke)

    def _at(self, peer: str, number: int) -> Any:
        """The value of a protocol on a connection."""
        values = self._values(peer)
        return values[self.registry.places[number]] if values is not None else None
