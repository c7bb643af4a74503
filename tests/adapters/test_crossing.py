"""Two connections to one id: of two honest nodes one connection stays, whatever the order in which they see things; and
where ids are mere claims, nobody ends what a node has dialled by coming in under the id of who is there."""

import itertools
from random import Random
from typing import Final

import pytest
import trio

from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.wire.session import Met
from syncfsm_adapters.connect.connector import Connector
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store import MemoryStore, load_chain
from tests.adapters.tcp_nodes import CHAIN_ID, CHECK, GENESIS, Carriers, Running, an_id, in_trio, start

NOW: Final = 1.0
STAMPS: Final = itertools.count(1)
SOMEWHERE: Final = "127.0.0.1:1"
IDENTITIES: Final = sorted((Identity(an_id(name)) for name in (b"a", b"b")), key=lambda each: each.id)
ORDERS: Final = pytest.mark.parametrize(("node", "peer"), [(b"a", b"b"), (b"b", b"a")], ids=["smaller", "larger"])
"""Of the two ids the node's is the smaller, or the larger."""


def connector(who: bytes | Identity, links: int = 16) -> Connector:
    store, limits = MemoryStore(GENESIS, CHAIN_ID), Limits(links=links)
    node = Node.start(Config(CHECK, limits=limits), load_chain(store, limits))
    return Connector(node, store, who, stamp=lambda: next(STAMPS))


class End:
    """One end of a connection: it writes, and reads what has come, when it is told to."""

    def __init__(self, node: Connector, dialled: bool) -> None:
        self.node, self.dialled, self.line = node, dialled, node.line(dialled)
        self.link: Link | None = None
        self.came = b""
        self.shut = self.deaf = False
        """Does it say no more; and has it read that the other does not?"""
        self.other: End

    def write(self) -> bool:
        """Say what waits. Was there something?"""
        data = self.line.take(2**20)
        self.other.came += data
        if data or self.shut or self.link is None or not self.link.over:
            return bool(data)
        self.shut = True
        return True

    def read(self) -> bool:
        """Take note of what has come. Was there something?"""
        data, self.came = self.came, b""
        if data:
            self.line.receive(data)
            self._note()
        if not data and self.other.shut and not self.deaf:
            self.deaf = True
            if self.link is not None:
                self.node.lost(self.link, NOW)
            return True
        return bool(data)

    def _note(self) -> None:
        met = self.node.meeting(self.line, SOMEWHERE, self.dialled) if self.link is None else None
        if isinstance(met, Met):
            self.link = self.node.join(
                self.line, met, dialled=self.dialled, address=SOMEWHERE, now=NOW, wake=lambda: None
            )
        while self.link is not None and self.node.turn(self.link, NOW):
            pass


def dial(dialler: Connector, listener: Connector) -> tuple[End, End]:
    """A connection, by its two ends."""
    here, there = End(dialler, True), End(listener, False)
    here.other, there.other = there, here
    return here, there


def settle(ends: list[End], chance: Random | None = None) -> None:
    """Let them write and read, in an order of chance if one is given, until there is nothing more."""
    steps = [step for end in ends for step in (end.write, end.read)]
    while True:
        if chance is not None:
            for step in chance.choices(steps, k=5):
                step()
            chance.shuffle(steps)
        if sum(step() for step in steps) == 0:
            return


@pytest.mark.parametrize("who", [(an_id(b"a"), an_id(b"b")), IDENTITIES], ids=["plain", "tls"])
def test_of_two_dials_that_cross_both_keep_the_one_of_the_smaller_id(
    who: tuple[bytes | Identity, bytes | Identity],
) -> None:
    for seed in range(200):
        smaller, larger = map(connector, who)
        ours, theirs = dial(smaller, larger), dial(larger, smaller)
        settle([*ours, *theirs], Random(seed))
        assert list(smaller.links.values()) == [ours[0].link], seed
        assert list(larger.links.values()) == [ours[1].link], seed


def test_of_two_dials_that_cross_at_a_node_without_a_second_link_both_keep_one_or_none_and_then_one() -> None:
    """There is none if each refuses the other's. Who is refused dials later than who was parted from."""
    without = 0
    for seed in range(200):
        smaller, larger = (connector(an_id(name), links=1) for name in (b"a", b"b"))
        dials = [dial(smaller, larger), dial(larger, smaller)]
        settle([end for ends in dials for end in ends], Random(seed))
        if not smaller.links:
            without += 1
            assert not larger.links
            dials = [dial(larger, smaller)]
            settle(list(dials[0]))
        kept = [list(node.links.values()) for node in (smaller, larger)]
        assert kept in [[[ends[0].link], [ends[1].link]] for ends in (*dials, dials[-1][::-1])], seed
    assert 0 < without < 200


@pytest.mark.parametrize("first", [True, False], ids=["dialled-first", "came-first"])
@ORDERS
def test_who_comes_in_under_the_id_of_a_peer_that_was_dialled_does_not_end_that_link(
    node: bytes, peer: bytes, first: bool
) -> None:
    ours, theirs, liar = connector(an_id(node)), connector(an_id(peer)), connector(an_id(peer))
    dials = [(ours, theirs), (liar, ours)]
    ends = []
    for pair in dials if first else reversed(dials):
        ends.append(dial(*pair))
        settle(list(ends[-1]))
    for _ in range(3):  # with a later stamp each time
        ends.append(dial(liar, ours))
        settle([end for pair in ends for end in pair])
    dialled = ends[0] if first else ends[1]
    assert [end.link and end.link.over for end in dialled] == [False, False]
    assert dialled[0].link in ours.links.values()
    assert len(ours.links) <= 2
    assert ours.link_to(an_id(peer)) is not None


@ORDERS
@in_trio
async def test_a_node_that_was_dialled_feeds_on_beside_one_that_claims_its_id(
    carriers: Carriers, node: bytes, peer: bytes
) -> None:
    ours, theirs, liar = Running(carriers, node), Running(carriers, peer), Running(carriers, peer)
    async with trio.open_nursery() as nursery:
        await start(nursery, theirs)
        await start(nursery, ours, theirs)
        await ours.until(lambda: ours.tcp.links)
        await start(nursery, liar, ours)
        await ours.until(lambda: len(ours.wrote("connected")) > 1)
        for body in (b"1", b"2"):
            theirs.grow(body)
            await ours.at(theirs.host.head)
        (link,) = [link for link in ours.tcp.links.values() if link.dialled]
        assert link.address == theirs.address
        assert len([made for made in ours.wrote("connected") if made["dialled"]]) == 1
        assert theirs.partings == []
        nursery.cancel_scope.cancel()
