"""Power failures at any write of a guard, and stores that come back in any state: no height is signed twice.

The disk is simulated; guard, chain and signatures are real. The store of the sequencer is the worst that there can be:
after every failure it is some old state of itself. One peer has all that was ever sent.
"""

from pathlib import Path
from random import Random

import attrs
import pytest
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.node.making import Stand, stands
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.guard import Guard
from tests.adapters.guard_disk import Disk, PowerLostError

CHAIN_ID = b"power"
KEY = SigningKey(b"power".ljust(32))
GENESIS = signed.genesis(CHAIN_ID)
SEAL = Producer(KEY, CHAIN_ID).seal
STARTS = 25
"""Of one sequencer, each ended by a power failure."""


class TwiceError(Exception):
    """Of two blocks at one height, one is kept and the other was sent."""


@attrs.define
class World:
    """A sequencer, its disk, and its peer. ``sent`` has all ids that were ever sent, by height."""

    chance: Random
    disk: Disk
    guard: type[Guard]
    store: list[Header] = attrs.field(factory=lambda: [GENESIS])
    peer: list[Header] = attrs.field(factory=lambda: [GENESIS])
    sent: dict[int, set[bytes]] = attrs.field(factory=dict)
    adopted: int = 0
    fetched: int = 0
    has_key: bool = False

    def run(self) -> None:
        for _ in range(STARTS):
            self.disk.fails_at = self.disk.writes + self.chance.randint(1, 8)
            try:
                self.live()
            except PowerLostError:
                held = len(self.store)
                self.store = self.store[: self.chance.choice((1, self.chance.randint(1, held), max(1, held - 1), held))]

    def live(self) -> None:
        guard = self.guard.open(
            Path("guard"), bytes(KEY.verify_key), CHAIN_ID, self.store[-1], new=not self.has_key, files=self.disk
        )
        self.has_key = True
        self.resume(guard)
        while True:
            body = self.chance.randbytes(self.chance.choice((0, 10, 400, 2000)))
            header = SEAL(self.store[-1], body)
            guard.keep(header, body)
            self.send(header)

    def resume(self, guard: Guard) -> None:
        while (stand := self.stand(guard)) is not Stand.REACHED:
            last = guard.signed.header
            if stand is Stand.NEXT:
                self.adopted += 1
                self.send(last)
            else:
                self.fetched += 1
                self.store = list(self.peer)
                if self.stand(guard) not in (Stand.REACHED, Stand.NEXT):
                    raise TwiceError(f"{last.point} is kept, and the peer has another block there, or just below")

    def stand(self, guard: Guard) -> Stand:
        chain, _ = Chain.start(GENESIS).extend(self.store[1:])
        return stands(guard.signed.header, chain)

    def send(self, header: Header) -> None:
        """What is signed goes to the store and to the peer, or is lost on the way to either."""
        self.sent.setdefault(header.height, set()).add(header.id)
        self.store.append(header)
        if self.peer[-1].id == header.parent:
            self.peer.append(header)

    @property
    def twice(self) -> dict[int, set[bytes]]:
        return {height: ids for height, ids in self.sent.items() if len(ids) > 1}


def world(seed: int, guard: type[Guard] = Guard, disk: type[Disk] = Disk) -> World:
    chance = Random(seed)
    made = World(chance, disk(chance), guard)
    made.run()
    return made


def test_power_failures_never_make_it_sign_twice() -> None:
    worlds = [world(seed) for seed in range(80)]  # 2,000 failures
    assert not [made.twice for made in worlds if made.twice]
    assert sum(made.adopted for made in worlds) > 20
    assert sum(made.fetched for made in worlds) > 20
    assert sum(len(made.sent) for made in worlds) > 2000


# Without it ---------------------------------------------------------------------------------------------------------


class Unguarded(Guard):
    """Keeps nothing."""

    def keep(self, header: Header, body: bytes) -> None:
        self._files.write(9, b"as many failures as with it")


class OneSlot(Guard):
    """Overwrites what it kept last."""

    def keep(self, header: Header, body: bytes) -> None:
        self._next = 1 - self._next
        super().keep(header, body)


class AfterSending(Guard):
    """Returns before what it keeps is on the disk: that happens when the next block is kept."""

    _late: tuple[Header, bytes] | None = None

    def keep(self, header: Header, body: bytes) -> None:
        if self._late is not None:
            super().keep(*self._late)
        self._late = (header, body)


class Forgetful(Disk):
    """Does not wait for the disk: the write that a power failure meets is the last but one."""

    late: tuple[int, bytes] | None = None

    def write(self, slot: int, data: bytes) -> None:
        before = dict(self.slots)
        try:
            super().write(slot, data)
        except PowerLostError:
            if self.late is not None:
                self.slots = {**before, self.late[0]: self.late[1]}
            raise
        if slot in before:
            self.late = (slot, before[slot])


@pytest.mark.parametrize(
    ("guard", "disk", "then"),
    [
        (Unguarded, Disk, "signed twice"),
        (AfterSending, Disk, "signed twice"),
        (Guard, Forgetful, "signed twice"),
        (OneSlot, Disk, "refused to start"),
    ],
)
def test_whatever_is_left_out_of_it_shows(guard: type[Guard], disk: type[Disk], then: str) -> None:
    found = set()
    for seed in range(40):
        try:
            found.add("signed twice" if world(seed, guard, disk).twice else "held")
        except LocalError:
            found.add("refused to start")
        except TwiceError:
            found.add("signed twice")
    assert then in found
