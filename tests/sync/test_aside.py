"""What one peer can fill of a disk: blocks beside our best chain are counted, for each connection, and no others."""

from collections.abc import Sequence
from typing import Final

from syncfsm.blocks import Header
from syncfsm.events import Finalised, Lost, Produced
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.node.node import Node
from syncfsm.outputs import Accepted, Disconnect, Output, Send
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks
from syncfsm.sync.protocol import SYNC
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, hear, hello_of, in_step, joined, node, parted, partings

SIZE: Final = 10_000
"""Bytes of a body."""
COST: Final = SIZE + BLOCK_OVERHEAD
THREE: Final = Limits(aside=3 * COST)
"""Three blocks a connection, beside the best chain."""
TRUNK = branch(GENESIS, 10, "trunk", size=SIZE)


def give(made: Node, *blocks: Header, peer: str = "p") -> tuple[Node, list[Output]]:
    """One block after the other."""
    return hear(made, peer, *(Blocks((block,)) for block in blocks))


def aside(made: Node, peer: str = "p") -> int:
    return made.all(SYNC)[peer].aside


def siblings(count: int) -> Sequence[Header]:
    """Branches of one block each, on the genesis."""
    return [child(GENESIS, f"{number}", size=SIZE) for number in range(count)]


def started(*peers: str) -> Node:
    made, _ = connected(in_step(node(TRUNK, limits=THREE)), *peers)
    for peer in peers:
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    return made


def test_who_gives_too_much_beside_the_best_chain_is_told_which_limit_and_not_blamed() -> None:
    made, outputs = give(started(), *siblings(3))
    assert not partings(outputs)
    assert aside(made) == THREE.aside
    made, outputs = give(made, siblings(4)[3])
    assert parted([said for said in outputs if isinstance(said, Send | Disconnect)], Parting.FULL)
    (end,) = partings(outputs)
    assert (
        end.detail
        == f"more than {3 * COST} bytes of blocks beside our best chain; finalise some, or raise Limits.aside"
    )
    assert siblings(4)[3].id in made.chain, "what goes beyond is the last, and is held as any other"


def test_a_run_is_counted_block_by_block() -> None:
    made, outputs = hear(started(), "p", Blocks(tuple(branch(GENESIS, 3, "beside", size=SIZE))))
    assert not partings(outputs)
    assert aside(made) == 3 * COST
    _, outputs = hear(started(), "p", Blocks(tuple(branch(GENESIS, 4, "beside", size=SIZE))))
    assert partings(outputs)


def test_who_connects_again_starts_anew() -> None:
    made, _ = give(started(), *siblings(4))
    assert "p" not in made.links
    made = in_step(made)
    assert aside(made) == 0
    made, outputs = give(made, *siblings(7)[4:])
    assert not partings(outputs)
    made, _ = made.step(Lost("p", 0.0))
    made = in_step(made)
    assert aside(made) == 0


def test_catching_up_is_never_too_long() -> None:
    made, outputs = hear(in_step(node(TRUNK[:1], limits=THREE)), "p", *(Blocks((block,)) for block in TRUNK[1:]))
    assert made.chain.head == TRUNK[-1]
    assert aside(made) == 0
    assert not partings(outputs)


def test_a_better_branch_is_no_longer_counted_once_it_is_the_best() -> None:
    """Three blocks of it beside, at most, and the fourth is the best; again and again."""
    made = started()
    for name in ("one", "two", "three"):
        base = made.chain.best_at(made.chain.head.height - 3)
        assert base is not None
        better = branch(base, 4, name, size=SIZE)
        made, outputs = give(made, *better[:2])
        assert aside(made) == 2 * COST
        made, more = give(made, *better[2:])
        assert made.chain.head == better[-1]
        assert aside(made) == 0
        assert not partings([*outputs, *more])


def test_blocks_of_our_own_make_up_for_nothing() -> None:
    made = started()
    for block in siblings(3):
        made, outputs = give(made, block, TRUNK[-1])
        assert not partings(outputs)
    new = child(TRUNK[-1], size=SIZE)
    made, outputs = give(made, new)
    assert made.chain.head == new
    assert aside(made) == 3 * COST
    assert not partings(outputs)
    assert partings(give(made, siblings(4)[3])[1])


def test_a_branch_that_was_left_stays_counted_when_the_next_becomes_the_best() -> None:
    made, _ = give(started(), *branch(TRUNK[6], 2, "left", size=SIZE), *branch(TRUNK[8], 2, "better", size=SIZE))
    assert made.chain.head.height == 11
    assert aside(made) == 2 * COST


def test_final_points_let_the_count_begin_anew() -> None:
    made, _ = give(started(), *branch(TRUNK[5], 3, "beside", size=SIZE))
    assert aside(made) == 3 * COST
    made, _ = made.step(Finalised(TRUNK[2].point, 0.0))
    assert aside(made) == 0
    assert not partings(give(made, *branch(TRUNK[6], 3, "more", size=SIZE))[1])


def test_a_branch_that_others_make_the_best_is_not_counted() -> None:
    """Another peer gives its last blocks; or we make them."""
    better = branch(TRUNK[6], 4, "better", size=SIZE)
    made, _ = give(started("q"), *better[:2])
    assert aside(made) == 2 * COST
    by_peer, _ = give(made, *better[2:], peer="q")
    ours, _ = made.step(Produced(tuple(better[2:]), 0.0))
    for each in (by_peer, ours):
        assert each.chain.head == better[-1]
        assert aside(each) == 0
    assert aside(by_peer, "q") == 0


def test_what_another_peer_gave_first_is_not_counted() -> None:
    made, _ = give(started("q"), *siblings(3))
    made, outputs = give(made, *siblings(3), peer="q")
    made, more = hear(made, "q", Blocks(tuple(branch(siblings(1)[0], 1, "next", size=SIZE))))
    assert aside(made) == 3 * COST
    assert aside(made, "q") == COST
    assert not partings([*outputs, *more])


def test_two_nodes_on_long_branches_get_in_step_by_and_by() -> None:
    """A better branch that is longer than the limit, before it is the best: each connection brings some of it."""
    behind = node(TRUNK, limits=THREE)
    ahead = node(branch(GENESIS, 12, "other", size=SIZE), limits=Limits())
    connections, took = 0, 0
    pair = joined(behind, ahead)
    while pair.nodes[0].chain.head != ahead.chain.head:
        assert [end.reason for end in partings(pair.outputs[0])][connections:] == [Parting.FULL]
        connections += 1
        accepted = sum(len(said.headers) for said in pair.outputs[0] if isinstance(said, Accepted))
        assert accepted > took, "each connection brings more"
        took = accepted
        pair.connect()
        pair.settle()
    assert connections
