"""The common ancestor is found exactly, by either strategy, within the promised messages."""

import itertools
import math

import attrs
import pytest

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.limits import HELLO_POINTS, Limits, Strategy
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Misbehaviour
from syncfsm.sync.messages import Found
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, Pair, branch, child
from syncfsm.wire.codec import Codec
from tests.building import hellos, joined, link_of, messages, node, sent_blocks

S, L = Strategy.STREAMING, Strategy.LOCATOR
WAYS = [(S, S), (L, L), (S, L), (L, S)]
SHAPES = list(itertools.product((0, 1, 2, 7, 40), (0, 1, 2, 5, 33, 70), (0, 1, 3, 34)))


def forked(common: int, a: int, b: int, ways: tuple[Strategy, Strategy], limits: Limits | None = None) -> Pair:
    """Two nodes whose chains share ``common`` blocks above genesis and then part. The longer branch is the better."""
    trunk = branch(GENESIS, common, "trunk")
    forks = [branch([GENESIS, *trunk][-1], length, name) for length, name in ((a, "a"), (b, "b"))]
    return Pair(*(node(trunk, fork, strategy=way, limits=limits) for fork, way in zip(forks, ways, strict=True)))


def check_outcome(pair: Pair) -> None:
    """Connect and settle; assert what must hold of every search, whatever the chains and strategies."""
    chains = [made.chain for made in pair.nodes]
    better = 0 if chains[0].head.rank > chains[1].head.rank else 1
    pair.connect()
    pair.settle()
    top = chains[better].head
    assert [made.chain.head for made in pair.nodes] == [top, top]
    assert [link_of(pair, side).state for side in (0, 1)] == [State.IDLE, State.IDLE]
    assert not [said for said in pair.outputs[0] + pair.outputs[1] if isinstance(said, Misbehaviour)]
    ancestor = nearest(chains[0], chains[1])
    founds = {
        message.common for side in (0, 1) for message in messages(pair.outputs[side]) if isinstance(message, Found)
    }
    assert founds == {ancestor.point}
    assert sent_blocks(pair.outputs[better]) == list(chains[better].path(ancestor, top.height))
    other = sent_blocks(pair.outputs[1 - better])
    assert other == list(chains[1 - better].path(ancestor, len(other)))


def nearest(a: Chain, b: Chain) -> Header:
    """The nearest common ancestor of two best chains, the slow way."""
    header = a.head
    while not b.on_best(header.point):
        header = a.ancestor(a.head.id, header.height - 1)
    return header


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: f"{ways[0]}-{ways[1]}")
def test_both_ends_settle_on_the_better_head_from_the_nearest_common_ancestor(ways: tuple[Strategy, Strategy]) -> None:
    for common, a, b in SHAPES:
        check_outcome(forked(common, a, b, ways))


@pytest.mark.parametrize("points", [2, 3, 4, 5, 8, 13, 31, 32])
def test_any_number_of_points_finds_it(points: int) -> None:
    for common, a, b in [(0, 5, 9), (30, 1, 60), (3, 60, 61), (100, 17, 2), (200, 3, 150)]:
        check_outcome(forked(common, a, b, (L, L), Limits(points=points)))


@pytest.mark.parametrize("pair_of_points", [(2, 32), (32, 2), (3, 7)])
def test_nodes_need_not_offer_equally_many_points(pair_of_points: tuple[int, int]) -> None:
    for common, a, b in [(0, 5, 90), (30, 90, 60), (300, 170, 2)]:
        pair = forked(common, a, b, (L, L))
        for side, points in enumerate(pair_of_points):
            config = attrs.evolve(pair.nodes[side].config, limits=Limits(points=points))
            pair.nodes[side] = attrs.evolve(pair.nodes[side], config=config)
        check_outcome(pair)


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: f"{ways[0]}-{ways[1]}")
@pytest.mark.parametrize("room", [1, 700, 5000])
def test_little_room_slows_a_search_and_does_not_change_it(ways: tuple[Strategy, Strategy], room: int) -> None:
    for common, a, b in [(0, 5, 9), (30, 1, 20), (3, 20, 21)]:
        check_outcome(forked(common, a, b, ways, Limits(room=room)))


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: f"{ways[0]}-{ways[1]}")
@pytest.mark.parametrize("starts", [(0, 5), (5, 0), (5, 5), (3, 8)])
def test_chains_may_start_above_genesis(ways: tuple[Strategy, Strategy], starts: tuple[int, int]) -> None:
    trunk = [GENESIS, *branch(GENESIS, 10, "trunk")]
    for a, b in [(0, 3), (4, 2), (40, 41)]:
        nodes = []
        for start, fork, way in zip(starts, (branch(trunk[-1], a, "a"), branch(trunk[-1], b, "b")), ways, strict=True):
            fresh = Node.start(Config(node().config.check, way), Chain.start(trunk[start]))
            chain, _ = fresh.chain.extend((*trunk[start + 1 :], *fork))
            nodes.append(attrs.evolve(fresh, chain=chain))
        check_outcome(Pair(*nodes))


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: f"{ways[0]}-{ways[1]}")
@pytest.mark.parametrize("finals", [(3, 3), (0, 9), (9, 0), (20, 12)])
def test_retention_windows_that_overlap_are_enough(ways: tuple[Strategy, Strategy], finals: tuple[int, int]) -> None:
    trunk = branch(GENESIS, 20, "trunk")
    limits = Limits(retention=8)
    for a, b in [(0, 3), (4, 2), (15, 40)]:
        pair = Pair(
            *(
                node(
                    trunk, branch(trunk[-1], length, name), final=[GENESIS, *trunk][final], strategy=way, limits=limits
                )
                for length, name, final, way in zip((a, b), "ab", finals, ways, strict=True)
            )
        )
        check_outcome(pair)


@pytest.mark.parametrize("depth", [1, 2, 31, 32, 33, 200, 1000, 1025, 6000])
@pytest.mark.parametrize("common", [0, 7, 3000])
def test_locator_rounds_grow_with_the_logarithm_of_the_fork(common: int, depth: int) -> None:
    """Two rounds are one round trip: the opening, one narrowing of both brackets a trip, and the blocks."""
    pair = forked(common, depth, depth + 1, (L, L), Limits(room=2**40, run=10**6))
    found: list[int] = []
    pair.sent = lambda side, message: found.append(pair.rounds) if isinstance(message, Found) else None
    pair.connect()
    pair.settle()
    assert [made.chain.head.height for made in pair.nodes] == [common + depth + 1] * 2
    assert found[0] <= 2 * (2 + math.log(depth, HELLO_POINTS)) + 2
    assert pair.rounds <= found[0] + 3


def test_a_known_head_needs_no_search() -> None:
    """The outage story: one node stayed at X, the other went on to X + 100."""
    chain = branch(GENESIS, 300)
    pair = Pair(node(chain), node(chain[:200]))
    pair.connect()
    pair.round()
    assert sent_blocks(pair.outputs[0]) == chain[200:]
    pair.round()
    assert pair.nodes[1].chain.head == chain[-1]


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: f"{ways[0]}-{ways[1]}")
def test_streaming_says_no_more_hellos_than_its_chain_is_long(ways: tuple[Strategy, Strategy]) -> None:
    for common, a, b in SHAPES:
        pair = joined(*forked(common, a, b, ways).nodes)
        for side, length in ((0, common + a), (1, common + b)):
            if ways[side] is S:
                assert len(hellos(pair.outputs[side])) <= length + 2


def test_a_streaming_search_skips_down_to_the_height_of_the_better_head_and_stops_at_the_final_block() -> None:
    trunk = branch(GENESIS, 5, "trunk")
    low = branch(trunk[-1], 30, "long but light")
    high = branch(trunk[-1], 4, "heavy", gain=100)
    pair = Pair(node(trunk, low, final=trunk[3], strategy=S), node(trunk, high, final=trunk[2], strategy=S))
    pair.connect()
    pair.settle()
    offered = [hello.points[0].height for hello in hellos(pair.outputs[0])]
    assert offered[:2] == [35, 9]
    assert offered == sorted(offered, reverse=True)
    assert min(offered) >= 3


@pytest.mark.parametrize("height", [0, 2**32 - 1000])
def test_a_hello_is_small_and_is_what_the_codec_lets_through(height: int) -> None:
    root = Header(height, GENESIS.id, b"x" if height else b"", bytes(8), 0, b"")
    chain = branch(root, 200)
    a, b = (node(chain, branch(chain[-1], length, name), root=root) for length, name in ((50, "a"), (90, "b")))
    pair = joined(a, b)
    said = hellos(pair.outputs[0]) + hellos(pair.outputs[1])
    assert max(len(hello.points) for hello in said) == HELLO_POINTS
    for hello in said:
        encoded = Codec(STANDARD).encode(hello)
        assert Codec(STANDARD).decode(encoded) == hello
        assert len(encoded) <= 1536


@pytest.mark.parametrize("way", Strategy)
def test_a_side_branch_that_holds_their_oldest_block_is_enough(way: Strategy) -> None:
    """They hold nothing below a block that we hold only beside our best chain."""
    oldest, rival = child(GENESIS, "oldest"), branch(GENESIS, 2, "rival", gain=5)
    ahead = branch(oldest, 4, "ahead", gain=9)
    pair = joined(node(ahead, root=oldest, strategy=way), node([oldest], rival, strategy=way))
    assert [made.chain.head for made in pair.nodes] == [ahead[-1]] * 2


def test_every_hello_of_a_search_offers_points_of_the_best_chain() -> None:
    for ways in WAYS:
        pair = forked(20, 40, 70, ways)
        chains = [made.chain for made in pair.nodes]
        pair.connect()
        pair.settle()
        for side, chain in enumerate(chains):
            for hello in hellos(pair.outputs[side]):
                assert all(chain.on_best(point) for point in hello.points)
