"""Who a node neither dials nor takes, as its connections ask for it: penalties, a clock, and a file that keeps them."""

from collections.abc import Callable
from typing import Final

from syncfsm.errors import Fault, LocalError
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.penalties import Ledger, Sentence, culprit, names_of, parsed
from syncfsm_adapters.host.journal import Write

LOOK_AGAIN: Final = 1.0
"""Seconds after which it is looked again whether one who is shunned was pardoned."""


class Shunned:
    """All of them, kept by ``ledger``. ``proves`` says whether the ids of peers are proved; ``wall`` is Unix time.
    ``journal`` is told of ``banned``, ``pardoned`` and ``penalty``."""

    def __init__(self, ledger: Ledger, proves: bool, journal: Write, wall: Callable[[], float]) -> None:
        self._ledger, self._proves, self._journal, self._wall = ledger, proves, journal, wall
        self._penalties = ledger.load()
        self._met: dict[str, bytes] = {}
        """Who was met last at an address that was dialled, and refused."""

    def met(self, node_id: bytes, proved: bool, address: str, dialled: bool) -> str | None:
        """Why there will be no link to one that has greeted, in words that it may hear; ``None`` if there may be one.
        An operator's notes are not for it."""
        against = self._penalties.against(names_of(node_id, proved, address, dialled), self._wall())
        if against is None:
            return None
        if dialled:
            self._met[address] = node_id
        if against.is_ban:
            return "the operator of this node does not talk to you"
        return f"you broke the protocol ({against.why}); come again in {self.left(against):.0f} s"

    def left(self, against: Sentence) -> float | None:
        """Seconds that it still holds; ``None`` for good."""
        return against.until - self._wall() if against.until is not None else None

    def against(self, expected: bytes | None, address: str) -> Sentence | None:
        """Why this peer may not be dialled; ``None`` if it may be. ``expected`` is its id, if that is known."""
        node_id = expected or self._met.get(address)
        return self._penalties.against(names_of(node_id, self._proves, address, dialled=True), self._wall())

    def barred(self, expected: bytes | None, address: str, now: float) -> float | None:
        """When to ask again whether this peer may be dialled, on the clock of ``now``; ``None`` if it may be now."""
        against = self.against(expected, address)
        if against is None:
            return None
        left = self.left(against)
        return now + (LOOK_AGAIN if left is None else min(LOOK_AGAIN, left))

    def listed(self) -> list[Sentence]:
        """Bans first."""
        return self._penalties.listed(self._wall())

    def ban(self, who: str, seconds: float | None, why: str) -> Sentence:
        """A node id, an address that is dialled, or a host, for so many seconds, or for good. ``LocalError`` if it is
        none of them."""
        found = self._penalties.ban(parsed(who), seconds, why, self._wall())
        self._ledger.keep(self._penalties)
        self._journal("banned", who=found.who, seconds=seconds, why=found.why)
        return found

    def pardon(self, who: str) -> None:
        """Take back a ban, or a penalty. ``LocalError`` if there is none."""
        name = parsed(who)
        if not self._penalties.pardon(name):
            there = ", ".join(each.who for each in self.listed()) or "nobody"
            raise LocalError(f"there is nothing against {name}; shunned are {there}")
        self._ledger.keep(self._penalties)
        self._journal("pardoned", who=name)

    def strike(self, link: Link, fault: Fault) -> None:
        """A peer did what no correct peer does."""
        who = culprit(link.node_id, link.proved, link.address, link.dialled)
        found = self._penalties.strike(who, fault.penalty, fault.rule, self._wall()) if who else None
        if found is not None and found.until is not None:
            self._ledger.keep(self._penalties)
            seconds = round(found.until - self._wall())
            self._journal("penalty", peer=link.name, who=who, rule=fault.rule, seconds=seconds, strikes=found.strikes)
