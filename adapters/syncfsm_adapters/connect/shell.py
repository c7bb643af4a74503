"""What a node on TCP is under any event loop. ``tcp.TcpNode`` (trio) and ``asyncio.TcpNode`` add the waiting."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from random import Random

from syncfsm.errors import LocalError
from syncfsm.events import Leave
from syncfsm.node.node import Node
from syncfsm.peer.messages import Parting
from syncfsm.wire.session import NoLink
from syncfsm_adapters.connect.connector import HANDSHAKE, Connector, silent
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.off import Named, Off
from syncfsm_adapters.connect.penalties import Ledger, Sentence
from syncfsm_adapters.connect.target import Attempt, Target
from syncfsm_adapters.connect.useful import Useful
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store.base import BlockStore


class Shell(ABC):
    """Runs ``node`` with its ``store``.

    ``who`` is the node's ``Identity``, its key: then all is TLS 1.3, ids are proved, peers may be given as
    ``id@host:port``, and ``allowed`` may name those that this node takes. Or it is a bare id of 32 bytes: then nothing
    is encrypted or proved, which is for tests, and for transports that see to that themselves. No other node may have
    the id, and all nodes of a network do it alike.

    ``chance`` spreads the times at which peers are dialled. ``handshake`` is how many seconds an attempt may take until
    both have greeted. ``stamp`` gives numbers that grow, over restarts too. ``journal`` is told of what the core does
    not know: ``listening``, ``connected`` with the address, ``duplicate``, ``no-link`` with the reason,
    ``accept-failed``, ``switched``, ``broken``, ``twin``. To nodes that ``off`` names no blocks go, nor word of new
    ones: see ``switch``. ``penalties`` is the file in which it is kept who is shunned, over restarts, ``useful`` that
    of who has been of use; ``wall`` gives Unix time for them.
    """

    def __init__(
        self,
        node: Node,
        store: BlockStore,
        who: bytes | Identity,
        *,
        chance: Random,
        allowed: Collection[bytes] | None = None,
        journal: Write = silent,
        handshake: float = HANDSHAKE,
        stamp: Callable[[], int] = time.time_ns,
        off: Iterable[Named] = (),
        penalties: Path | None = None,
        useful: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.connector = Connector(
            node, store, who, stamp=stamp, journal=journal, allowed=allowed, off=off,
            ledger=Ledger(penalties, journal), useful=Useful(useful, journal), wall=wall,
        )  # fmt: skip
        self._chance, self._journal, self._handshake = chance, journal, handshake
        self.targets: dict[str, Target] = {}
        """By address, the peers that are dialled."""
        self.connector.seats.targets = self.targets
        self._dials = False
        """Are peers dialled? Kept by ``run``."""
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the event loop needs."""

    @abstractmethod
    def stop(self) -> None:
        """Say goodbye to all peers and have ``run`` return, after ``FAREWELL`` seconds at the latest."""

    @abstractmethod
    def _now(self) -> float:
        """The time on the clock of the event loop."""

    def switch(self, peer: Named, off: bool) -> None:
        """Turn all blocks, and all word of new ones, to a node off or on: now, and on every connection to come. Call it
        while the event loop runs.

        ``peer`` is a node id, or the address at which this node dials it; who dials us is known by its id alone, until
        we have reached it at that address. ``LocalError`` if it is neither, or an address that is not dialled.
        """
        if off and isinstance(peer, str):
            Off([peer]).check([target.address for target in self.targets.values()])
        self.connector.switch(peer, off, self._now())

    def ban(self, who: str, seconds: float | None = None, why: str = "") -> Sentence:
        """Neither dial nor take this peer any more: a node id, an address that is dialled, or a host; for so many
        seconds, or for good. Its link ends. ``LocalError`` if it is none of them."""
        return self.connector.ban(who, seconds, why, self._now())

    def pardon(self, who: str) -> None:
        """Take back a ban, or a penalty. ``LocalError`` if there is none."""
        self.connector.shunned.pardon(who)

    @property
    def host(self) -> Host:
        """The node, its store and its watchers."""
        return self.connector.host

    @property
    def links(self) -> dict[str, Link]:
        """The links of the core, by its names for them."""
        return self.connector.links

    @property
    def drained(self) -> bool:
        """Is nothing left to write, and nothing left to send to a peer in step?"""
        return self.connector.drained

    def add(self, peer: str) -> None:
        """From now on stay linked to ``peer``, as if it had been given at first. Call it while ``run`` runs.

        ``LocalError`` if it is none, or is there already, or if the node does not run.
        """
        if not self._dials:
            raise LocalError(
                f"this node has not begun to dial yet, or is about to stop, so {peer} can not be added now"
            )
        target = Target(self.connector, peer, self._chance)
        if target.address in self.targets:
            raise LocalError(f"{target.address} is a peer already; there are {', '.join(sorted(self.targets))}")
        self.targets[target.address] = target
        self._start_dialling(target)

    def remove(self, address: str) -> None:
        """Dial this peer no more, and end the link. If it dials us, it is taken all the same: ban it to prevent that.

        ``LocalError`` if it is none of the peers that are dialled.
        """
        target = self.targets.pop(address, None)
        if target is None:
            there = ", ".join(sorted(self.targets)) or "none"
            raise LocalError(f"{address} is none of the peers that are dialled; there are {there}")
        target.drop()
        link = target.linked()
        if link is not None and not link.over:
            self.connector.feed(Leave(link.name, Parting.SHUTDOWN, self._now()))

    def attempts(self) -> list[Attempt]:
        """Whom it dials in vain, and why. Call it while the event loop runs."""
        now = self._now()
        return [found for target in self.targets.values() if (found := target.attempt(now)) is not None]

    @abstractmethod
    def _start_dialling(self, target: Target) -> None:
        """Keep a link to the node at this address."""

    def _targets(self, peers: Sequence[str]) -> list[Target]:
        targets = [Target(self.connector, peer, self._chance) for peer in peers]
        self.connector.off.check([target.address for target in targets])
        self.targets.update((target.address, target) for target in targets)
        return targets

    def _too_late(self) -> NoLink:
        return NoLink("timeout", f"the two had not greeted within {self._handshake:g} s")
