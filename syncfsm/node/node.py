"""A node: many connections and one chain. Events in, a new node and outputs out; nothing else.

    node, outputs = node.step(event)

A node has a value for each protocol on each connection, and one for each thing that a protocol decides across peers. It
routes events to their tables and keeps the order that makes them safe (``step.py``). A mistake of the caller raises
``LocalError`` and the old node is still good; a mistake of a peer is an output.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import attrs
from immutables import Map

from syncfsm.blocks import HeaderCheck
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Event
from syncfsm.limits import Limits, Strategy
from syncfsm.machine import Step
from syncfsm.node.registry import STANDARD
from syncfsm.node.status import Status, status
from syncfsm.node.step import run
from syncfsm.outputs import Output
from syncfsm.protocol import Across
from syncfsm.protocol import Protocol as Room
from syncfsm.registry import Registry

V = TypeVar("V")


@attrs.frozen
class Config:
    """A node's choices, the same for its whole life. ``registry`` has the protocols that it speaks.

    ``sentries`` are nodes, by id, for each of which one of ``Limits.gates`` is kept: where the few copies go that a
    node sends decides how soon all others have the block, and the node can not know that; its operator can. They are
    served even if they are more than there are gates.
    """

    check: HeaderCheck
    strategy: Strategy = Strategy.LOCATOR
    limits: Limits = attrs.field(factory=Limits)
    registry: Registry = STANDARD
    sentries: frozenset[bytes] = frozenset()


class Rules(Protocol):
    """What moves a value: a ``Table``, or something that stands in for one."""

    def step(self, value: Any, event: StrEnum, message: object, view: Any) -> Step[Any]: ...


@attrs.frozen
class Node:
    """One node, as a value. Make one with ``Node.start``, move it with ``step``.

    ``links`` has, for each connection, the value of each protocol, in the order of the registry; ``None`` for what the
    peer does not speak. ``across`` has what is decided across peers. Ask with ``all``, ``at`` and ``decided``.
    """

    config: Config
    chain: Chain
    links: Map[str, tuple[Any, ...]] = attrs.field(factory=Map)
    across: tuple[Any, ...] = ()
    now: float = 0.0
    """When the last event happened; none may come that happened before."""

    @classmethod
    def start(cls, config: Config, chain: Chain) -> "Node":
        """A node without links. ``chain`` is ``Chain.start(genesis, limits)``, or what a store loaded.

        ``LocalError`` if the chain was made with other limits than ``config`` has: one node, one set of limits.
        """
        if chain.limits != config.limits:
            raise LocalError("the chain and the configuration have different limits; make both with the same Limits")
        return cls(config, chain, across=tuple(across.start for _, across in config.registry.across))

    def step(self, event: Event, rules: Mapping[str, Rules] | None = None) -> "tuple[Node, tuple[Output, ...]]":
        """Apply one event. Raises ``LocalError`` for a caller's mistake; the old value stays valid.

        ``rules`` move the values instead of the tables that have those names. Give some only to watch which rows fire,
        or to learn what breaks if one is changed: that is what the checker does.
        """
        return run(self, event, rules)

    # Asking -------------------------------------------------------------------------------------------------------

    def all(self, protocol: Room[V]) -> dict[str, V]:
        """The values of this protocol on all connections whose peers speak it, by connection."""
        place = self.config.registry.places[protocol.number]
        return {peer: values[place] for peer, values in self.links.items() if values[place] is not None}

    def at(self, protocol: Room[V], peer: str) -> V | None:
        """The value of this protocol on one connection; ``None`` if there is none."""
        values = self.links.get(peer)
        found: V | None = values[self.config.registry.places[protocol.number]] if values is not None else None
        return found

    def decided(self, across: Across[V]) -> V:
        """What is decided across peers, for one protocol."""
        for (_, one), value in zip(self.config.registry.across, self.across, strict=True):
            if one is across:
                found: V = value
                return found
        raise LocalError(f"this node has no {across.table.name}; its registry lacks the protocol")

    def status(self) -> Status:
        """What an operator wants to know: heads, lag, every peer, and why this node is not in step."""
        return status(self)

    @property
    def next_deadline(self) -> float | None:
        """When ``Tick`` is due, on the clock of ``now``; ``None`` while nothing waits for time."""
        limits, registry = self.config.limits, self.config.registry
        protocols = registry.protocols
        due = [
            when
            for values in self.links.values()
            for protocol, value in zip(protocols, values, strict=True)
            if value is not None and (when := protocol.deadline(value, limits)) is not None
        ]
        for (_, across), value in zip(registry.across, self.across, strict=True):
            when = across.deadline(value, limits)
            if when is not None:
                due.append(when)
        return min(due, default=None)
