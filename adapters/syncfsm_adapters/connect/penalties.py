"""Who is not dialled and not taken, until when and why: penalties for faults, and what an operator bans.

A peer that has proved its id pays under that id. Else nobody knows who it was, and what it pays goes by where it was: a
dialled peer by that very address, an incoming one by its host, and for minutes at most, as others may share it. So no
stranger can have a node shunned by speaking in its name, nor a dialled peer by sitting on the same host.

Times are Unix time, so that they hold over a restart. All of it is bounded, and decides without I/O; ``Ledger`` has it
in a file.
"""

import json
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import attrs

from syncfsm.errors import LocalError, Penalty
from syncfsm.limits import NODE_ID_BYTES
from syncfsm_adapters.connect.backoff import parse_address
from syncfsm_adapters.host.whole import write_whole

FIRST: Final = {Penalty.MILD: 5.0, Penalty.GRAVE: 60.0}
"""Seconds for a first fault; each further one costs twice as much."""
MOST_ID: Final = 3600.0
"""The longest penalty of a proved id."""
MOST_PLACE: Final = 300.0
"""The longest of an address or a host."""
FORGET: Final = 24 * 3600.0
"""So long after a penalty has ended, it is forgotten that there was one."""
KEPT: Final = 1024
"""Most penalties that are remembered; of more, those that end first are forgotten. Bans are not counted."""
BANS: Final = 1024
"""Most bans of an operator."""
PREFIX: Final = 64
"""Bits of an IPv6 address that one host has for itself: the rest is its to choose."""


@attrs.frozen
class Sentence:
    """One who is shunned. ``who`` is a node id in hexadecimal digits, ``host:port`` that is dialled, or a host.
    ``until`` is ``None`` for good; ``strikes`` counts faults, and is 0 for a ban."""

    who: str
    until: float | None
    strikes: int
    why: str

    @property
    def is_ban(self) -> bool:
        return self.strikes == 0

    def holds(self, now: float) -> bool:
        return self.until is None or self.until > now


class Penalties:
    """All who are shunned, or were lately."""

    def __init__(self, kept: Iterable[Sentence] = ()) -> None:
        kept = tuple(kept)
        self._faults = {each.who: each for each in kept if not each.is_ban}
        self._bans = {each.who: each for each in kept if each.is_ban}

    def strike(self, who: str, penalty: Penalty, why: str, now: float) -> Sentence | None:
        """Someone did what no correct peer does; what it pays. ``None`` if nothing is proved."""
        first = FIRST.get(penalty)
        if first is None:
            return None
        self._forget(now)
        before = self._faults.pop(who, None)
        strikes = before.strikes + 1 if before is not None else 1
        most = MOST_ID if is_id(who) else MOST_PLACE
        found = self._faults[who] = Sentence(who, now + min(most, first * 2 ** (strikes - 1)), strikes, why)
        while len(self._faults) > KEPT:
            del self._faults[min(self._faults.values(), key=lambda each: each.until or 0.0).who]
        return found

    def ban(self, who: str, seconds: float | None, why: str, now: float) -> Sentence:
        """An operator does not want it. ``LocalError`` if there are too many bans, or if the time is none."""
        if seconds is not None and not 0 < seconds < 1e9:
            raise LocalError(f"a ban is for more than 0 seconds, not {seconds}; leave them out to ban for good")
        self._forget(now)
        if len(self._bans) >= BANS and who not in self._bans:
            raise LocalError(f"{BANS} bans are kept, and no more: pardon one first")
        found = self._bans[who] = Sentence(who, now + seconds if seconds is not None else None, 0, why or "banned")
        return found

    def pardon(self, who: str) -> bool:
        """Take back whatever there is against it. Says whether there was something."""
        ban, fault = self._bans.pop(who, None), self._faults.pop(who, None)
        return ban is not None or fault is not None

    def against(self, names: Iterable[str], now: float) -> Sentence | None:
        """What holds against someone who has these names; a ban before a penalty."""
        names = tuple(names)
        found = [of[who] for of in (self._bans, self._faults) for who in names if who in of]
        return next((each for each in found if each.holds(now)), None)

    def listed(self, now: float) -> list[Sentence]:
        """All that holds, bans first."""
        return [each for of in (self._bans, self._faults) for each in of.values() if each.holds(now)]

    def kept(self) -> list[Sentence]:
        """All that is to be remembered."""
        return [*self._bans.values(), *self._faults.values()]

    def _forget(self, now: float) -> None:
        self._bans = {who: each for who, each in self._bans.items() if each.holds(now)}
        self._faults = {
            who: each for who, each in self._faults.items() if each.until is not None and each.until + FORGET > now
        }


# Names --------------------------------------------------------------------------------------------------------------


def is_id(who: str) -> bool:
    return len(who) == 2 * NODE_ID_BYTES and not set(who) - set("0123456789abcdef")


def names_of(node_id: bytes | None, proved: bool, address: str, dialled: bool) -> list[str]:
    """The names under which a peer may be shunned: its id if it is proved, and where it is."""
    names = [node_id.hex()] if node_id is not None and proved else []
    place = place_of(address, dialled)
    return [*names, place] if place else names


def culprit(node_id: bytes, proved: bool, address: str, dialled: bool) -> str:
    """The one name under which a peer pays for a fault; empty if nobody knows where it was."""
    return node_id.hex() if proved else place_of(address, dialled)


def place_of(address: str, dialled: bool) -> str:
    """A dialled address, or the host of an incoming one. Empty for this machine itself: all its processes share it."""
    try:
        host, port = parse_address(address)
    except LocalError:
        return ""
    if dialled:
        return f"{host}:{port}"
    return "" if _is_here(host) else host_of(host)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(text: str) -> str:
    """A host as it is told apart from others: of IPv6 its network."""
    try:
        found = ip_address(text.strip("[]"))
    except ValueError:
        return text
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((int(found), PREFIX), strict=False))
    return str(found)


def parsed(text: str) -> str:
    """What an operator names: a node id, ``host:port``, or a host. ``LocalError`` if it is none of them."""
    if is_id(text.lower()):
        return text.lower()
    try:
        host, port = parse_address(text)
        return f"{host}:{port}"
    except LocalError:
        pass
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        raise LocalError(
            f"{text!r} names nobody: give a node id ({2 * NODE_ID_BYTES} hexadecimal digits), host:port of a peer that "
            "is dialled, or the IP address of a host"
        ) from None
    return host_of(text)


# The file -----------------------------------------------------------------------------------------------------------


class Ledger:
    """Keeps penalties in a file, if there is one. A damaged file is said, and taken for empty; nothing ends by it."""

    def __init__(self, path: Path | None, tell: Callable[..., None]) -> None:
        self._path, self._tell = path, tell

    def load(self) -> Penalties:
        if self._path is None:
            return Penalties()
        try:
            return Penalties(_sentence(each) for each in json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Penalties()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            self._tell("penalties-lost", detail=str(error), sentence=f"{self._path} can not be read: all are forgotten")
            return Penalties()

    def keep(self, penalties: Penalties) -> None:
        """A crash leaves the old file or the new one. If it can not be written, that is said, and all goes on."""
        if self._path is None:
            return
        try:
            write_whole(
                self._path, json.dumps([attrs.asdict(each) for each in penalties.kept()]).encode(), synced=False
            )
        except OSError as error:
            self._tell("penalties-lost", detail=str(error), sentence=f"{self._path} can not be written")


def _sentence(given: Any) -> Sentence:
    who, until, strikes, why = given["who"], given["until"], given["strikes"], given["why"]
    sound = isinstance(who, str) and isinstance(why, str) and isinstance(strikes, int) and strikes >= 0
    timed = isinstance(until, int | float) or (until is None and strikes == 0)
    if not sound or not timed:
        raise ValueError(f"this is no penalty: {given}")
    return Sentence(who, until, strikes, why)
