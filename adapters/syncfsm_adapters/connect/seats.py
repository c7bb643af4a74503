"""Who may have a link when there are not enough for all. Decided by one function, without I/O.

Links have owners. Some are kept for the peers that this node dials, some for those that have been of use, and strangers
have the rest. Who may take more than is left displaces the stranger of least use; a stranger displaces nobody.
"""

import enum
from collections import Counter
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Final, Protocol

import attrs

from syncfsm_adapters.connect.strangers import host_at
from syncfsm_adapters.connect.useful import Useful

USEFUL: Final = 16
"""Who has given so many blocks that were new has been of use."""
USEFUL_SHARE: Final = 8
"""One link in so many is kept for those who have been of use."""
DIALLED_SHARE: Final = 2
"""No more than one link in so many is kept for peers that are dialled, so that others find room too."""


class Owner(enum.IntEnum):
    """Who has a link, or wants one; the higher, the more may be taken."""

    STRANGER = 0
    """Came, and has given nothing that counts."""
    USEFUL = 1
    """Has given ``USEFUL`` blocks that were new: on this connection, or under an id that it has proved, on another."""
    DIALLED = 2
    """This node dials it. If it came, it has proved to be such a node."""


@attrs.frozen
class Seat:
    """A link. ``order`` grows with each; ``gave`` counts blocks that were new."""

    name: str
    owner: Owner
    host: str
    gave: int
    order: int


@attrs.frozen
class Admission:
    """Whether there is a link for a newcomer, and the name of the one that ends for it, if one does."""

    taken: bool
    displaced: str = ""


REFUSED: Final = Admission(False)
TAKEN: Final = Admission(True)


def shares(links: int, dialled: int) -> dict[Owner, int]:
    """How many of ``links`` an owner and all those below it may have together, at a node that dials so many."""
    kept = min(dialled, links // DIALLED_SHARE)
    return {
        Owner.DIALLED: links,
        Owner.USEFUL: links - kept,
        Owner.STRANGER: links - kept - links // USEFUL_SHARE,
    }


def decide(newcomer: Owner, seats: Sequence[Seat], most: Mapping[Owner, int]) -> Admission:
    """Whether there is a link for a newcomer; ``most`` is what ``shares`` says."""
    if all(sum(seat.owner <= owner for seat in seats) < most[owner] for owner in Owner if owner >= newcomer):
        return TAKEN
    strangers = [seat for seat in seats if seat.owner is Owner.STRANGER]
    if newcomer is Owner.STRANGER or not strangers:
        return REFUSED
    return Admission(True, least_use(strangers).name)


def least_use(strangers: Sequence[Seat]) -> Seat:
    """Who has given least; of these, one of the host that has most; of these, the last that came."""
    crowds = Counter(seat.host for seat in strangers)
    return min(strangers, key=lambda seat: (seat.gave, -crowds[seat.host], -seat.order))


def owner_of(
    node_id: bytes,
    proved: bool,
    *,
    dialled: bool = False,
    gave: int = 0,
    targets: Container[bytes] = (),
    useful: Container[bytes] = (),
) -> Owner:
    """What a peer is to this node. ``targets`` are ids of those that are dialled, ``useful`` of those that have been of
    use; an id counts only if it is proved."""
    if dialled or (proved and node_id in targets):
        return Owner.DIALLED
    return Owner.USEFUL if gave >= USEFUL or (proved and node_id in useful) else Owner.STRANGER


# Applied to connections -----------------------------------------------------------------------------------------------


class Target(Protocol):
    """A peer that is dialled."""

    @property
    def node_id(self) -> bytes | None:
        """Who is there, if that is known."""


class Held(Protocol):
    """A link."""

    name: str
    node_id: bytes
    address: str
    dialled: bool
    gave: int

    @property
    def proved(self) -> bool:
        """Has it proved its id?"""


class Seats:
    """``links`` is how many there may be; ``useful`` remembers who has been of use."""

    def __init__(self, links: int, useful: Useful) -> None:
        self._links, self._useful = links, useful
        self.targets: Mapping[str, Target] = {}
        """The peers that are dialled, by address."""

    def admit(self, node_id: bytes, proved: bool, dialled: bool, held: Collection[Held]) -> Admission:
        """Whether this newcomer may have a link beside those ``held``, in the order in which they came."""
        most = shares(self._links, len(self.targets))
        if len(held) < most[Owner.STRANGER]:  # room for anybody, whoever they are
            return TAKEN
        ids = {target.node_id for target in self.targets.values() if target.node_id is not None}
        seats = [
            Seat(
                link.name,
                owner_of(
                    link.node_id, link.proved, dialled=link.dialled, gave=link.gave, targets=ids, useful=self._useful
                ),
                host_at(link.address),
                link.gave,
                order,
            )
            for order, link in enumerate(held)
        ]
        return decide(owner_of(node_id, proved, dialled=dialled, targets=ids, useful=self._useful), seats, most)

    def given(self, link: Held, blocks: int, wall: float) -> None:
        """So many blocks that were new came over this link; ``wall`` is Unix time."""
        link.gave += blocks
        if link.gave >= USEFUL and link.proved:
            self._useful.used(link.node_id, wall)

    def blamed(self, link: Held) -> None:
        """Its peer did what no correct peer does."""
        if link.proved:
            self._useful.forget(link.node_id)
