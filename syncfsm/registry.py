"""The protocols of a node, together: what each says of itself (``protocol``), looked up by all who name none.

``Told`` is who is told of a hook, ``Registry`` everything that node, codec, lanes, checker and kit ask for.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

import attrs
import msgspec

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.machine import IGNORE, Table
from syncfsm.numbers import OWN_MESSAGES
from syncfsm.protocol import Across, Hook, Kind, Notice, Protocol


class Told(msgspec.Struct, frozen=True):
    """Who is told of a hook: the protocol's place, the event, and the question that comes before."""

    place: int
    event: StrEnum
    heeds: Callable[[Any, Any], bool] | None


@attrs.frozen(slots=False, eq=False)
class Registry:
    """The protocols of a node, in the order in which each of them is told of what happens. The first is the connection
    itself. ``LocalError`` if two have a number, a name, a type of message or of request in common."""

    protocols: tuple[Protocol[Any], ...]

    def __attrs_post_init__(self) -> None:
        protocols = self.protocols
        unique: tuple[tuple[str, list[Any]], ...] = (
            ("the number", [p.number for p in protocols]),
            ("the name", [p.name for p in protocols]),
            ("the table", [p.table.name for p in protocols]),
            ("a type of message", [kind.type for p in protocols for kind in p.kinds]),
            ("a type of request", [*(each for p in protocols for each in p.requests), *self.asked]),
        )
        for what, found in unique:
            twice = next((each for each in found if found.count(each) > 1), None)
            if twice is not None:
                raise LocalError(f"two protocols have {what} {twice!r}; give each its own")
        for p in protocols:
            numbers = [kind.number for kind in p.kinds]
            if len(set(numbers)) < len(numbers) or not set(numbers) <= set(OWN_MESSAGES):
                raise LocalError(
                    f"protocol {p.name}: number its messages 1 to 255, each with its own; it has {numbers}"
                )
            if not 0 < p.number < 256:
                raise LocalError(f"protocol {p.name}: {p.number} is no number of a protocol; see syncfsm.numbers")

    def plus(self, *more: Protocol[Any]) -> "Registry":
        """These protocols and some of your own, which come after them."""
        return Registry((*self.protocols, *more))

    @cached_property
    def places(self) -> dict[int, int]:
        """Where each protocol stands, by its number."""
        return {protocol.number: place for place, protocol in enumerate(self.protocols)}

    @cached_property
    def kinds(self) -> dict[type[Any], tuple[int, Kind]]:
        """The place of the protocol of each type of message, and its kind."""
        return {kind.type: (place, kind) for place, p in enumerate(self.protocols) for kind in p.kinds}

    @cached_property
    def requests(self) -> dict[type[Any], tuple[int, StrEnum]]:
        """The place of the protocol of each type of request, and the event that it is."""
        return {type_: (place, event) for place, p in enumerate(self.protocols) for type_, event in p.requests.items()}

    @cached_property
    def asked(self) -> dict[type[Any], tuple[int, StrEnum]]:
        """The same, for each type of request to what is decided across peers."""
        return {type_: (of, event) for of, across in self.across for type_, event in across.requests.items()}

    @cached_property
    def costs(self) -> dict[type[Any], int]:
        """What messages count against the room of a connection, where that is anything."""
        return {type_: kind.cost for type_, (_, kind) in self.kinds.items() if kind.cost}

    @cached_property
    def told(self) -> dict[Hook, tuple[Told, ...]]:
        """Who is told of each hook, in order."""
        return {
            hook: tuple(
                Told(place, p.hooks[hook], p.heeds.get(hook))
                for place, p in enumerate(self.protocols)
                if hook in p.hooks
            )
            for hook in Hook
        }

    @cached_property
    def noticed(self) -> dict[Notice, tuple[Told, ...]]:
        """Who is told of each notice, in order."""
        return {
            notice: tuple(
                Told(place, p.notices[notice], p.heeds.get(notice))
                for place, p in enumerate(self.protocols)
                if notice in p.notices
            )
            for notice in Notice
        }

    @cached_property
    def turns(self) -> tuple[tuple[int, StrEnum, frozenset[StrEnum]], ...]:
        """Who uses room: place, event, and the states in which it can."""
        return tuple(
            (told.place, told.event, self.protocols[told.place].table.acting(told.event))
            for told in self.told[Hook.TURN]
        )

    @cached_property
    def across(self) -> tuple[tuple[int, Across[Any]], ...]:
        """What is decided across peers, with the place of the protocol for which it is."""
        return tuple((place, p.across) for place, p in enumerate(self.protocols) if p.across is not None)

    @cached_property
    def tables(self) -> dict[str, Table[Any]]:
        """Every table, by its name."""
        tables = [p.table for p in self.protocols] + [across.table for _, across in self.across]
        return {table.name: table for table in tables}

    @cached_property
    def names(self) -> dict[Any, str]:
        """The name of the table of every rule that a story tells of: of those that do something, on events that are not
        quiet."""
        quiet = {event for p in self.protocols for event in p.quiet}
        return {
            rule: table.name
            for table in self.tables.values()
            for rule in table.rules
            if rule.action != IGNORE and not quiet.issuperset(rule.event)
        }

    def protocol(self, name: str) -> Protocol[Any]:
        """The protocol of this name. ``LocalError`` if there is none."""
        found = next((protocol for protocol in self.protocols if protocol.name == name), None)
        if found is None:
            raise LocalError(f"there is no protocol {name!r}; there are {', '.join(p.name for p in self.protocols)}")
        return found

    # What may overtake what ---------------------------------------------------------------------------------------

    def cost(self, message: Any) -> int:
        """What a message counts against the room of its connection."""
        headers = self.headers(message)
        return sum(header.cost for header in headers) if headers else self.costs.get(type(message), 0)

    def headers(self, message: Any) -> tuple[Header, ...]:
        """The blocks that a message brings, if it brings any."""
        found = self.kinds.get(type(message))
        headers: tuple[Header, ...] = message.headers if found is not None and found[1].blocks else ()
        return headers

    @cached_property
    def lasts(self) -> frozenset[type[Any]]:
        """The messages after which nothing is sent on a connection."""
        return frozenset(kind.type for p in self.protocols for kind in p.kinds if kind.last)

    def number(self, message: Any) -> int:
        """The number of the protocol to which a message belongs."""
        return self.protocols[self.kinds[type(message)][0]].number

    def bare(self, message: Any) -> Any:
        """The same message without the bodies of its blocks, if it brings any: what the core looks at."""
        headers = self.headers(message)
        return type(message)(headers) if headers else message

    @cached_property
    def _runs(self) -> dict[int, type[Any]]:
        return {p.number: kind.type for p in self.protocols for kind in p.kinds if kind.blocks}

    def run(self, number: int, headers: tuple[Header, ...], bodies: tuple[bytes, ...] = ()) -> Any:
        """The message that brings these blocks in this protocol. ``LocalError`` if it has none that brings blocks."""
        if number not in self._runs:
            raise LocalError(f"protocol {number} has no kind of message that brings blocks")
        return self._runs[number](headers, bodies)

    def waits_for(self, message: Any) -> bytes | None:
        """The id of the block that this message must not overtake, if there is one."""
        found = self.kinds.get(type(message))
        return found[1].waits_for(message) if found is not None else None

    def first_small(self, under_way: Sequence[Any]) -> int:
        """The place of the message that may go first of all that is under way in one direction, oldest first: the
        oldest small one that does not wait for a block before it. 0, the oldest, if that is none.

        The one rule of what may overtake what: small messages overtake blocks, never the block they wait for, and
        apart from that keep their order. What is no message (the end of a line) lets nothing pass.
        """
        before: set[bytes] = set()
        for at, message in enumerate(under_way):
            found = self.kinds.get(type(message))
            if found is None:
                return 0
            if found[1].blocks:
                before.update([header.id for header in message.headers])
            elif found[1].waits_for(message) not in before:
                return at
        return 0

    def words(self, message: Any) -> str:
        """A message in a few words."""
        found = self.kinds.get(type(message))
        return found[1].words(message) if found is not None else str(message)
