"""What fills a network in memory: who is linked to whom, who makes blocks, and how long a block takes to get around."""

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from itertools import combinations, pairwise
from math import inf
from random import Random
from typing import Final, Protocol

from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header, HeaderCheck, Unchecked
from syncfsm.events import Event, Produced
from syncfsm.outputs import HeadMoved, Output
from syncfsm_adapters.memory.network import MemoryNetwork

# Who is linked to whom ------------------------------------------------------------------------------------------

Pairs = list[tuple[str, str]]


def mesh(names: Sequence[str]) -> Pairs:
    """Everyone with everyone."""
    return list(combinations(names, 2))


def star(names: Sequence[str]) -> Pairs:
    """The first with each of the others."""
    return [(names[0], name) for name in names[1:]]


def line(names: Sequence[str]) -> Pairs:
    """Each with the next."""
    return list(pairwise(names))


def regular(names: Sequence[str], degree: int, seed: int) -> Pairs:
    """A ring in random order, and random links until nearly everyone has ``degree`` of them. A mesh if that is less."""
    if degree >= len(names) - 1:
        return mesh(names)
    random = Random(seed)
    ring = random.sample(names, len(names))
    pairs = {frozenset(pair): pair for pair in pairwise((*ring, ring[0]))}
    for _ in range(degree - 2):
        free = [name for name in names if sum(name in pair for pair in pairs) < degree]
        random.shuffle(free)
        while len(free) > 1:
            a = free.pop()
            b = next((name for name in free if frozenset((a, name)) not in pairs), None)
            if b is not None:
                free.remove(b)
                pairs[frozenset((a, b))] = (a, b)
    return list(pairs.values())


# Who makes blocks -----------------------------------------------------------------------------------------------


class Blocks(Protocol):
    """A kind of chain: its genesis, its check, and how to make a child."""

    @property
    def genesis(self) -> Header: ...

    @property
    def check(self) -> HeaderCheck: ...

    def child(self, parent: Header) -> tuple[Header, bytes]: ...


class PlainBlocks:
    """Unsigned blocks with short ids: cheap, for large simulations. ``salt`` tells two producers' blocks apart."""

    def __init__(self, salt: bytes = b"", body_bytes: int = 1024) -> None:
        self.genesis: Final = Header(0, b"genesis", b"", bytes(8), 0, b"")
        self.check: Final = Unchecked()
        self._salt = salt
        self._body = bytes(body_bytes)

    def child(self, parent: Header) -> tuple[Header, bytes]:
        height = parent.height + 1
        id = blake2b(self._salt + parent.id, digest_size=16).digest()
        return Header(height, id, parent.id, height.to_bytes(8), len(self._body), b""), self._body


class SignedBlocks:
    """Blocks of the reference chain, signed with a key that follows from the seed, like all of their bodies."""

    def __init__(self, seed: int, chain_id: bytes = b"memory", body_bytes: int = 1024) -> None:
        self._random = Random(seed)
        self._key = SigningKey(self._random.randbytes(32))
        self._chain_id, self._body_bytes = chain_id, body_bytes
        self.genesis: Final = signed.genesis(chain_id)
        self.check: Final = signed.SignedChain(chain_id, self._key.verify_key.encode())

    def child(self, parent: Header) -> tuple[Header, bytes]:
        body = self._random.randbytes(self._body_bytes)
        message = signed.unsigned(self._chain_id, parent, body)
        return signed.seal(parent, body, message, self._key.sign(message).signature), body


class Producer:
    """Makes a block on the head of a node every ``interval`` seconds while it is up, the first after an interval."""

    def __init__(self, network: MemoryNetwork, name: str, interval: float, blocks: Blocks) -> None:
        self.made = 0
        self._network, self._name, self._interval, self._blocks = network, name, interval, blocks
        self._start, self._stopped = network.now, False
        self._plan(1)

    def stop(self) -> None:
        """Make no more."""
        self._stopped = True

    def _plan(self, round: int) -> None:
        self._network.clock.at(self._start + round * self._interval, partial(self._make, round))

    def _make(self, round: int) -> None:
        if self._stopped:
            return
        if self._network.up(self._name):
            header, body = self._blocks.child(self._network.host(self._name).node.chain.head)
            self._network.feed(self._name, Produced((header,), self._network.now, (body,)))
            self.made += 1
        self._plan(round + 1)


# How long it takes ----------------------------------------------------------------------------------------------


class Meter:
    """Measures propagation: from when a block is made until it is on a node's best chain.

    Counted are nodes that were connected to the maker when the block was made, directly or through others.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        self.seconds: list[float] = []
        """One entry for each block and node that took it, the maker excepted."""
        self._network = network
        self._made: dict[bytes, tuple[str, float]] = {}
        self._since: dict[str, dict[str, float]] = {}  # by maker: since when each node has been connected to it
        network.probe(self._before)
        network.watch(self._after)

    def quantile(self, share: float) -> float:
        """The least time within which ``share`` of all entries lie. Nearest rank, no interpolation."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def _before(self, name: str, event: Event) -> None:
        if isinstance(event, Produced):
            for header in event.headers:
                self._made[header.id] = (name, event.now)
            before = self._since.get(name, {})
            self._since[name] = {node: before.get(node, event.now) for node in self._reach(name)}

    def _after(self, name: str, output: Output) -> None:
        if not isinstance(output, HeadMoved):
            return
        chain, now = self._network.host(name).node.chain, self._network.now
        common = chain.get(output.common.id) or chain.base  # a switch to the final branch may have pruned it
        for header in chain.path(common, output.new.height - common.height):
            maker, made_at = self._made.get(header.id, (name, now))
            if maker != name and self._since[maker].get(name, inf) <= made_at:
                self.seconds.append(now - made_at)

    def _reach(self, start: str) -> set[str]:
        reached, border = {start}, [start]
        while border:
            found = {name for near in border for name in self._network.neighbours(near)} - reached
            reached |= found
            border = list(found)
        return reached
