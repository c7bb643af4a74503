"""Before the first block: where the chain stands to what was signed, and what the peers have told."""

import attrs
import pytest

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.limits import Limits
from syncfsm.node.making import SENTENCES, Asking, Stand, stands
from syncfsm.node.status import PeerStatus, Status, Why

GENESIS = Header(0, b"genesis", b"", bytes(8), 0, b"")


def child(parent: Header, name: bytes = b"") -> Header:
    height = parent.height + 1
    return Header(height, name or b"block %d" % height, parent.id, height.to_bytes(8), 0, b"")


def line(length: int) -> list[Header]:
    blocks = [GENESIS]
    for _ in range(length):
        blocks.append(child(blocks[-1]))
    return blocks


BLOCKS = line(6)
CHAIN = Chain.start(GENESIS).extend(BLOCKS[1:5])[0]


@pytest.mark.parametrize(
    ("signed", "stand"),
    [
        (GENESIS, Stand.REACHED),
        (BLOCKS[2], Stand.REACHED),
        (BLOCKS[4], Stand.REACHED),
        (BLOCKS[5], Stand.NEXT),
        (BLOCKS[6], Stand.BEHIND),
        (child(BLOCKS[3], b"other"), Stand.FORKED),
        (child(BLOCKS[1], b"other"), Stand.FORKED),
        (child(child(BLOCKS[3], b"other"), b"its child"), Stand.BEHIND),
    ],
)
def test_how_a_chain_stands_to_what_was_signed(signed: Header, stand: Stand) -> None:
    assert stands(signed, CHAIN) is stand
    assert stand.sentence


def test_a_side_branch_that_holds_the_signed_block_is_not_enough() -> None:
    """What is made next goes on the best chain, so that is the one to have it."""
    other = child(BLOCKS[3], b"a")  # of two at one height the greater id is better
    chain = CHAIN.extend([other])[0]
    assert chain.head == BLOCKS[4]
    assert stands(other, chain) is Stand.FORKED
    longer = chain.extend([child(other, b"its child")])[0]
    assert stands(other, longer) is Stand.REACHED
    assert stands(BLOCKS[4], longer) is Stand.FORKED


def test_what_was_signed_below_the_base_is_past() -> None:
    chain = Chain.start(GENESIS, Limits(retention=1)).extend(BLOCKS[1:])[0]
    pruned = chain.finalise(BLOCKS[5].point).pruned()[0]
    assert pruned.base == BLOCKS[4]
    assert stands(BLOCKS[2], pruned) is Stand.REACHED
    assert stands(child(BLOCKS[4], b"other"), pruned) is Stand.FORKED


def test_every_stand_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Stand)


PEER = PeerStatus("p#1", b"", False, 0.0, 0, {}, {})
STATUS = Status(
    now=0.0, head=GENESIS.point, confirmed=GENESIS.point, final=GENESIS.point, base=GENESIS.point, blocks=1, lag=0,
    why=Why.ALONE, since=None, peers=(), decided={},
)  # fmt: skip


def at(why: Why, peers: int = 1, head: Point = GENESIS.point) -> Status:
    return attrs.evolve(STATUS, why=why, peers=(PEER,) * peers, head=head)


@pytest.mark.parametrize("why", list(Why))
def test_nobody_begins_while_a_peer_has_or_may_have_more(why: Why) -> None:
    asking = Asking.start(3.0, 1, at(Why.ALONE, 0), 10.0)
    answered = why in (Why.IN_STEP, Why.BANNED, Why.ALONE)
    assert asking.over(at(why), 12.9) is answered
    assert asking.over(at(why), 13.0)


def test_who_expects_nobody_begins_at_once_and_who_does_waits_for_all() -> None:
    assert Asking.start(3.0, 0, at(Why.ALONE, 0), 0.0).over(at(Why.ALONE, 0), 0.0)
    two = Asking.start(3.0, 2, at(Why.ALONE, 0), 0.0)
    assert not two.over(at(Why.ALONE, 0), 2.9)
    assert not two.over(at(Why.IN_STEP, 1), 2.9)
    assert two.over(at(Why.IN_STEP, 2), 0.1)
    assert two.over(at(Why.IN_STEP, 1), 3.0)


def test_new_blocks_start_the_time_anew_and_claims_do_not() -> None:
    asking = Asking.start(3.0, 1, at(Why.ALONE, 0), 0.0)
    claims = at(Why.FETCHING)
    asking = asking.look(claims, 2.9)
    assert asking.over(claims, 3.0)
    came = at(Why.FETCHING, head=BLOCKS[1].point)
    asking = asking.look(came, 2.9)
    assert not asking.over(came, 5.8)
    assert asking.look(came, 5.8).over(came, 5.9)
