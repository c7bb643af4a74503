"""One address to which a node wants a link: whether to dial it, and when. Without I/O.

    target = Target(connector, peer, chance)
    while (due := target.due(now)) is not None:
        ...wait until due, or for as long as target.linked() holds, and ask again...
        target.begin(now)
        ...dial, meet...
        target.end(outcome, now)

A peer that is linked already, whoever dialled, is not dialled; an address that turns out to be this node's own is given
up. Who refuses us, or did what no correct peer does, is tried again later than one that was merely lost.
"""

from random import Random
from typing import Final

import attrs

from syncfsm.errors import LocalError
from syncfsm.events import Leave
from syncfsm.peer.messages import Parting
from syncfsm.wire.handshake import RefusalReason
from syncfsm.wire.session import NoLink
from syncfsm_adapters.connect.backoff import Backoff, parse_address
from syncfsm_adapters.connect.connector import NEEDS_PROOF, Connector
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.secure import parse_id

SHUNNED: Final = "shunned"


@attrs.frozen
class Attempt:
    """Why there is no link to an address: what came of the last attempt, and how many came to nothing in a row."""

    address: str
    reason: str
    """``SHUNNED`` if this node does not want to dial it now."""
    detail: str
    said_by: str
    """``peer`` if the peer refuses us, else ``us``."""
    count: int
    ago: float
    """Seconds since then."""
    again: float | None
    """Seconds until the next; ``None`` if there is none, as the address is this node's own, or banned for good."""


class Target:
    """``peer`` is ``host:port``, or ``id@host:port`` if nobody but the node with this id will do; ``LocalError`` if it
    is neither, or if ids are not proved. ``chance`` spreads the times at which peers are dialled."""

    def __init__(self, connector: Connector, peer: str, chance: Random) -> None:
        self.expected, self.address = parse_peer(peer)
        if self.expected is not None and not connector.proves:
            raise LocalError(f"the id in {peer!r} {NEEDS_PROOF}")
        self.host, self.port = parse_address(self.address)
        self._connector = connector
        self._backoff = Backoff(chance)
        self._met = self.expected
        self._link: Link | None = None
        self._next = 0.0
        self._over = False
        self._failed: NoLink | None = None
        self._failed_at = 0.0
        self._failures = 0

    @property
    def node_id(self) -> bytes | None:
        """Who is there: the node that was met at this address last, or that must be there; ``None`` if nobody knows."""
        return self._met

    def drop(self) -> None:
        """It is not wanted any more: never dial it again."""
        self._over = True

    def ready(self, now: float) -> bool:
        """Is it to be dialled now?"""
        due = self.due(now)
        return due is not None and due <= now and self.linked() is None

    def linked(self) -> Link | None:
        """The link to the node that was last met at this address, if there is one: wait until it is over."""
        if self._link is not None and not self._link.over:
            return self._link
        return self._connector.link_to(self._met) if self._met is not None else None

    def due(self, now: float) -> float | None:
        """When to dial if it is ``ready`` then, or to ask again; ``None`` if never again."""
        self._settle(now)
        if self._over:
            return None
        barred = self._connector.shunned.barred(self._met, self.address, now)
        return max(self._next, barred) if barred is not None else self._next

    def begin(self, now: float) -> None:
        """An attempt starts."""
        self._backoff.begin(now)

    def end(self, outcome: Link | NoLink, now: float) -> None:
        """What came of the attempt."""
        if isinstance(outcome, Link):
            self._met, self._link, self._failed, self._failures = outcome.node_id, outcome, None, 0
            if self._over and not outcome.over:  # it was dropped meanwhile
                self._connector.feed(Leave(outcome.name, Parting.SHUTDOWN, now))
            return
        self._failed, self._failed_at, self._failures = outcome, now, self._failures + 1
        if outcome.reason == RefusalReason.SELF:
            self._over = True
            return
        if outcome.refused:
            self._backoff.slow_down()
        self._next = self._backoff.next(now)

    def attempt(self, now: float) -> Attempt | None:
        """The last attempt, if it came to nothing and there is no link; or why there is none now."""
        if self.linked() is not None:
            return None
        against = self._connector.shunned.against(self._met, self.address)
        if against is not None:
            left = self._connector.shunned.left(against)
            return Attempt(self.address, SHUNNED, against.why, "us", self._failures, now - self._failed_at, left)
        failed = self._failed
        if failed is None:
            return None
        said_by = "peer" if failed.peer_says else "us"
        again = None if self._over else max(0.0, self._next - now)
        return Attempt(
            self.address, failed.reason, failed.detail, said_by, self._failures, now - self._failed_at, again
        )

    def _settle(self, now: float) -> None:
        """If the link has ended since, work out when to dial again."""
        link = self._link
        if link is not None and link.over:
            if link.blamed:
                self._backoff.slow_down()
            self._link = None
            self._next = self._backoff.next(now)


def parse_peer(peer: str) -> tuple[bytes | None, str]:
    """The id, if there is one, and the address in ``id@host:port``. ``LocalError`` if the id is none; the address is
    not looked at."""
    digits, at, address = peer.rpartition("@")
    return (parse_id(digits) if at else None), address
