"""Each link tracks the last block sent and the last received; streaming and fork switches follow."""

from syncfsm.blocks import Header
from syncfsm.events import Event, Finalised, Produced, Room, Verdict
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.node.node import Node
from syncfsm.outputs import Output, SendBlocks
from syncfsm.sync.messages import Blocks
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import connected, hear, hello_of, joined, link_of, node, sent_blocks

TRUNK = branch(GENESIS, 6, "trunk")
OLD, NEW = branch(TRUNK[2], 3, "old"), branch(TRUNK[2], 5, "new")


def in_step(made: Node, head: Header | None = None) -> Node:
    """``made`` after "p" connected and said it stands at ``head`` (our own head unless told otherwise)."""
    made, _ = connected(made, "p")
    made, _ = hear(made, "p", hello_of(head or made.chain.head))
    return made


def step(made: Node, *events: Event) -> tuple[Node, list[Output]]:
    said: list[Output] = []
    for event in events:
        made, outputs = made.step(event)
        said += outputs
    return made, said


# Sent and received ------------------------------------------------------------------------------------------------


def test_a_new_block_goes_to_the_peer_and_becomes_its_head() -> None:
    pair = joined(node(TRUNK), node(TRUNK))
    block = child(TRUNK[-1])
    assert sent_blocks(pair.feed(0, Produced((block,), 0.0))) == [block]
    assert link_of(pair, 0).sent == block
    pair.settle()
    assert link_of(pair, 1).received == block
    assert link_of(pair, 1).sent == block
    assert sent_blocks(pair.outputs[1]) == []


def test_what_a_peer_gave_us_goes_to_the_others_and_never_back() -> None:
    made, _ = connected(node(TRUNK), "p", "q", "r")
    for peer in "pqr":
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    block = child(TRUNK[-1])
    made, outputs = hear(made, "q", Blocks((block,)))
    assert {said.peer for said in outputs if isinstance(said, SendBlocks)} == {"p", "r"}
    assert {link.state for link in made.all(SYNC).values()} == {State.IDLE}
    made, outputs = hear(made, "p", Blocks((block,)))
    assert outputs == [], "the peer crossed us: it has the block, and nothing is left to say"


def test_blocks_that_cross_on_the_way_are_not_sent_again() -> None:
    pair = joined(node(TRUNK), node(TRUNK))
    a, b = child(TRUNK[-1], "a"), child(TRUNK[-1], "b", gain=2)
    pair.feed(0, Produced((a,), 0.0))
    pair.feed(1, Produced((b,), 0.0))
    pair.settle()
    assert sent_blocks(pair.outputs[0]) == [a]
    assert sent_blocks(pair.outputs[1]) == [b]
    assert pair.nodes[0].chain == pair.nodes[1].chain


def test_blocks_are_sent_as_children_one_after_the_other() -> None:
    for room in (1, 1000, 10**6):
        for run in (1, 2, 512):
            limits = Limits(room=room, run=run)
            pair = joined(node(TRUNK, limits=limits), node(TRUNK[:1], limits=limits))
            batches = [said.headers for said in pair.outputs[0] if isinstance(said, SendBlocks)]
            assert [header for headers in batches for header in headers] == TRUNK[1:]
            assert max(len(headers) for headers in batches) <= run


def test_only_the_best_chain_is_sent() -> None:
    best, beside = branch(TRUNK[2], 6, "best"), branch(TRUNK[2], 4, "beside")
    pair = joined(node(TRUNK[:3], best, beside), node(TRUNK[:1]))
    assert sent_blocks(pair.outputs[0]) == [*TRUNK[1:3], *best]
    assert sent_blocks(pair.feed(0, Produced((child(beside[-1]),), 0.0))) == []


# Fork switches ----------------------------------------------------------------------------------------------------


def test_a_fork_switch_backs_up_to_the_last_block_sent_that_is_on_the_new_chain() -> None:
    pair = joined(node(TRUNK[:3], OLD), node(TRUNK[:3], OLD))
    outputs = pair.feed(0, Produced(tuple(NEW), 0.0))
    assert sent_blocks(outputs) == NEW
    pair.settle()
    assert pair.nodes[1].chain.head == NEW[-1]


def test_a_fork_switch_backs_up_to_the_last_block_received_if_that_is_nearer() -> None:
    made = in_step(node(TRUNK[:3], OLD))
    made, outputs = hear(made, "p", Blocks(tuple(NEW[:2])))
    assert sent_blocks(outputs) == []
    made, outputs = step(made, Produced(tuple(NEW[2:]), 0.0))
    assert sent_blocks(outputs) == NEW[2:]


def test_a_switch_while_streaming_goes_on_from_the_nearest_block() -> None:
    limits = Limits(room=1)
    pair = Pair(node(TRUNK[:3], OLD, limits=limits), node(TRUNK[:1], limits=limits))
    pair.connect()
    while not (link := link_of(pair, 0)).sent or link.sent.height < OLD[0].height:
        pair.round()
    assert link.state is State.SYNCING
    pair.feed(0, Produced(tuple(NEW), 0.0))
    pair.settle()
    assert sent_blocks(pair.outputs[0]) == [*TRUNK[1:3], OLD[0], *NEW]
    assert pair.nodes[1].chain.head == NEW[-1]


def test_a_block_received_while_streaming_is_neither_echoed_nor_a_hindrance() -> None:
    limits = Limits(room=1)
    pair = Pair(node(TRUNK, limits=limits), node(TRUNK[:1], limits=limits))
    pair.connect()
    for _ in range(4):
        pair.round()
    assert link_of(pair, 0).state is State.SYNCING
    better = branch(TRUNK[0], 2, "better", gain=50)
    pair.feed(1, Produced(tuple(better), 0.0))
    pair.settle()
    assert [made.chain.head for made in pair.nodes] == [better[-1]] * 2
    assert not set(better) & set(sent_blocks(pair.outputs[0]))
    assert sent_blocks(pair.outputs[1]) == better


def test_a_ban_while_streaming_ends_the_stream_at_the_last_good_block() -> None:
    limits = Limits(room=1)
    made, _ = connected(node(TRUNK, limits=limits), "p")
    made, outputs = hear(made, "p", hello_of(TRUNK[0]))
    made, more = step(made, Room("p", 2 * BLOCK_OVERHEAD, 0.0))
    sent = [*sent_blocks(outputs), *sent_blocks(more)]
    assert sent == TRUNK[1 : 1 + len(sent)]
    made, outputs = step(made, Verdict(TRUNK[4].id, False, 0.0))
    for _ in range(10):
        made, more = step(made, Room("p", BLOCK_OVERHEAD, 0.0))
        outputs += more
    assert sent + sent_blocks(outputs) == TRUNK[1:4]
    assert made.all(SYNC)["p"].state is State.IDLE


def test_a_ban_of_what_the_peer_sent_leaves_the_link_in_step() -> None:
    pair = joined(node(TRUNK), node(TRUNK[:2]))
    pair.feed(1, Verdict(TRUNK[3].id, False, 0.0))
    assert pair.nodes[1].chain.head == TRUNK[2]
    rival = branch(TRUNK[2], 9, "rival")
    pair.feed(1, Produced(tuple(rival), 0.0))
    pair.settle()
    assert [made.chain.head for made in pair.nodes] == [rival[-1]] * 2
    assert sent_blocks(pair.outputs[1]) == rival


def test_a_ban_that_is_taken_back_sends_nothing_twice() -> None:
    pair = joined(node(TRUNK), node(TRUNK[:1]))
    pair.feed(0, Verdict(TRUNK[2].id, False, 0.0))
    outputs = pair.feed(0, Verdict(TRUNK[2].id, True, 0.0))
    assert sent_blocks(outputs) == []


def test_a_block_on_a_branch_that_lost_to_finality_is_late_and_nobodys_fault() -> None:
    made = in_step(node(TRUNK[:3], OLD, limits=Limits(retention=0)))
    made, _ = step(made, Finalised(OLD[0].point, 0.0))
    made, outputs = hear(made, "p", Blocks((NEW[0],)), Blocks((NEW[1],)))
    assert outputs == []
    assert "p" in made.links
    made, outputs = step(made, Produced((child(OLD[-1]),), 0.0))
    assert sent_blocks(outputs) == [child(OLD[-1])]
