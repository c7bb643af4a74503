"""What the source of truth confirms pins a node's chain, whatever its peers say."""

import pytest

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Confirmed, Finalised, Produced
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Accepted, ConfirmedMoved, HeadMoved
from syncfsm.testing import Pair
from tests.chains import branch, root

OURS, THEIRS = branch(root(), 6), branch(root(), 3, "theirs")


def node(*runs: list[Header], limits: Limits = Limits()) -> Node:  # noqa: B008  a frozen value
    chain = Chain.start(root(), limits)
    for run in runs:
        chain, _ = chain.extend(run)
    return Node.start(Config(Unchecked(), limits=limits), chain)


def test_blocks_of_the_source_are_taken_and_followed_although_others_are_better() -> None:
    made, outputs = node(OURS).step(Confirmed(THEIRS[1].point, 1.0, tuple(THEIRS[:2])))
    assert outputs == (
        Accepted(tuple(THEIRS[:2])),
        HeadMoved(OURS[-1].point, THEIRS[1].point, root().point),
        ConfirmedMoved(root().point, THEIRS[1].point),
    )
    assert made.status().confirmed == THEIRS[1].point
    made, outputs = made.step(Produced(tuple(branch(OURS[-1], 2)), 2.0))
    assert [type(output) for output in outputs] == [Accepted], "a better branch is kept, and not followed"
    made, outputs = made.step(Confirmed(OURS[2].point, 3.0))
    assert made.chain.head.height == 8, "the source has taken its blocks back, and has others"


def test_no_limit_holds_up_what_the_source_has() -> None:
    full = node(OURS, limits=Limits(unfinal=6, tips=1))
    with pytest.raises(LocalError, match="full"):
        full.step(Produced((THEIRS[0],), 1.0))
    made, _ = full.step(Confirmed(THEIRS[2].point, 1.0, tuple(THEIRS)))
    assert made.chain.head == THEIRS[2]


def test_what_was_read_before_a_restart_is_read_again() -> None:
    made, _ = node(OURS, limits=Limits(retention=1)).step(Finalised(OURS[4].point, 1.0))
    assert made.chain.base.height == 4
    for count in (1, 3, 5):  # of the blocks below the base nothing is known any more
        after, outputs = made.step(Confirmed(OURS[count - 1].point, 2.0, tuple(OURS[:count])))
        assert (after.chain, outputs) == (made.chain, ())
    made, _ = made.step(Confirmed(OURS[5].point, 2.0, tuple(OURS)))
    assert made.chain.confirmed == OURS[5]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Confirmed(THEIRS[2].point, 2.0), "feed the block first"),
        (Confirmed(THEIRS[2].point, 2.0, tuple(THEIRS[1:])), "unlinkable"),
        (Confirmed(THEIRS[2].point, 2.0, tuple(THEIRS)), "unlinkable"),
        (Confirmed(THEIRS[0].point, 2.0, tuple(THEIRS[:1])), "contradicts"),
    ],
)
def test_what_cannot_be_confirmed_changes_nothing_and_is_told(event: Confirmed, said: str) -> None:
    made, _ = node(OURS).step(Finalised(OURS[1].point, 1.0))
    with pytest.raises(LocalError, match=said):
        made.step(event)


def test_two_nodes_agree_once_both_know_and_share_the_blocks_meanwhile() -> None:
    pair = Pair(node(OURS), node(THEIRS))
    pair.connect()
    pair.settle()
    assert {each.chain.head for each in pair.nodes} == {OURS[-1]}
    pair.feed(0, Confirmed(THEIRS[2].point, pair.now, tuple(THEIRS)))
    pair.settle()
    assert [each.chain.head for each in pair.nodes] == [THEIRS[2], OURS[-1]]
    pair.feed(0, Produced(tuple(branch(THEIRS[2], 1, "theirs")), pair.now))
    pair.settle()
    pair.feed(1, Confirmed(THEIRS[2].point, pair.now, tuple(THEIRS)))
    pair.settle()
    assert len({each.chain.head for each in pair.nodes}) == 1
    assert pair.nodes[1].chain.head.height == 4
