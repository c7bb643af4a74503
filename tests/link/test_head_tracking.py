"""Each link tracks the last block sent and the last received; streaming, fork switches, room and payloads follow."""

import pytest

from syncfsm.blocks import Header
from syncfsm.events import Event, Finalised, Lost, Produced, Room, Say, Verdict
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.link import State, Strategy
from syncfsm.link.types import IN_STEP
from syncfsm.messages import Blocks, Note
from syncfsm.node import Node
from syncfsm.outputs import Deliver, Misbehaviour, Output, Send, SendBlocks, Undelivered
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import connected, hear, hello_of, joined, link_of, messages, node, partings, sent_blocks

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
    assert {link.state for link in made.links.values()} == {State.IDLE}
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
    assert made.links["p"].state is State.IDLE


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


# Room -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 1500, 4000, 10_000])
@pytest.mark.parametrize("size", [0, 700, 5000])
def test_no_more_is_under_way_than_the_room_and_one_block(room: int, size: int) -> None:
    blocks = branch(GENESIS, 20, size=size)
    made, _ = connected(node(blocks, limits=Limits(room=room)), "p")
    made, _ = step(made, Room("p", BLOCK_OVERHEAD, 0.0))
    made, outputs = hear(made, "p", hello_of(GENESIS))
    under_way, seen = sent_blocks(outputs), sent_blocks(outputs)
    while under_way:
        assert sum(block.cost for block in under_way) <= room - 1 + under_way[-1].cost
        written = under_way.pop(0)
        made, outputs = step(made, Room("p", written.cost, 0.0))
        under_way += sent_blocks(outputs)
        seen += sent_blocks(outputs)
    assert seen == blocks
    assert made.links["p"].room == room


def test_room_is_never_more_than_the_limit() -> None:
    made = in_step(node(TRUNK, limits=Limits(room=1000)))
    made, _ = step(made, Room("p", 10**9, 0.0))
    assert made.links["p"].room == 1000


# Payloads ---------------------------------------------------------------------------------------------------------


def notes_sent(outputs: list[Output]) -> list[Note]:
    return [message for message in messages(outputs) if isinstance(message, Note)]


def test_a_payload_about_nothing_or_about_a_known_block_goes_at_once() -> None:
    made = in_step(node(TRUNK))
    for note in (Note(b"x"), Note(b"x", TRUNK[-1].point), Note(b"x", TRUNK[0].point)):
        _, outputs = step(made, Say(note, 0.0))
        assert notes_sent(outputs) == [note]


def test_payloads_wait_for_their_block_and_follow_it_in_order() -> None:
    limits = Limits(room=1)
    blocks = branch(GENESIS, 4)
    made, _ = connected(node(blocks, limits=limits), "p")
    first, second, later = Note(b"1", blocks[1].point), Note(b"2", blocks[1].point), Note(b"3", blocks[3].point)
    made, outputs = step(made, Say(later, 0.0), Say(first, 0.0), Say(second, 0.0))
    assert outputs == []
    made, outputs = hear(made, "p", hello_of(GENESIS))
    for _ in range(20):
        made, more = step(made, Room("p", BLOCK_OVERHEAD, 0.0))
        outputs += more
    told = [
        said.message if isinstance(said, Send) else said.headers[-1]
        for said in outputs
        if isinstance(said, SendBlocks) or (isinstance(said, Send) and isinstance(said.message, Note))
    ]
    assert told == [blocks[0], blocks[1], first, second, blocks[2], blocks[3], later]


def test_the_oldest_waiting_payload_gives_way_and_is_given_back() -> None:
    made = in_step(node(TRUNK, limits=Limits(notes=2)))
    block = child(TRUNK[-1])
    notes = [Note(bytes([at]), block.point) for at in range(4)]
    made, outputs = step(made, *(Say(note, 0.0) for note in notes))
    assert outputs == [Undelivered("p", notes[0]), Undelivered("p", notes[1])]
    made, outputs = step(made, Produced((block,), 0.0))
    assert notes_sent(outputs) == notes[2:]


def test_a_node_may_hold_no_payload_back() -> None:
    made = in_step(node(TRUNK, limits=Limits(notes=0)))
    note = Note(b"x", child(TRUNK[-1]).point)
    assert step(made, Say(note, 0.0))[1] == [Undelivered("p", note)]


def test_a_fork_switch_gives_back_payloads_whose_block_left_the_best_chain() -> None:
    made, _ = connected(node(TRUNK[:3], OLD, limits=Limits(room=1)), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[0]))
    note = Note(b"x", OLD[-1].point)
    made, outputs = step(made, Say(note, 0.0))
    assert outputs == []
    _, outputs = step(made, Produced(tuple(NEW), 0.0))
    assert [said for said in outputs if isinstance(said, Undelivered)] == [Undelivered("p", note)]


def test_a_payload_is_delivered_only_where_its_block_is_held() -> None:
    made = in_step(node(TRUNK))
    known, unknown = Note(b"x", TRUNK[0].point), Note(b"x", child(TRUNK[-1]).point)
    made, outputs = hear(made, "p", known, Note(b"y"), unknown)
    assert outputs == [Deliver("p", known), Deliver("p", Note(b"y"))]
    assert not partings(outputs)
    made, outputs = hear(made, "p", Blocks((child(TRUNK[-1]),)), unknown)
    assert [said for said in outputs if isinstance(said, Deliver)] == [Deliver("p", unknown)]


def test_payloads_of_both_sides_arrive_after_their_blocks() -> None:
    pair = joined(node(TRUNK, limits=Limits(room=1)), node(TRUNK, limits=Limits(room=1)))
    for at, block in enumerate(branch(TRUNK[-1], 5)):
        pair.feed(at % 2, Produced((block,), 0.0))
        pair.feed(at % 2, Say(Note(bytes([at]), block.point), 0.0))
        pair.settle()
    delivered = [said.note.payload for side in (0, 1) for said in pair.outputs[side] if isinstance(said, Deliver)]
    assert sorted(delivered) == [bytes([at]) for at in range(5)]
    assert not [said for side in (0, 1) for said in pair.outputs[side] if isinstance(said, Undelivered | Misbehaviour)]


def test_say_reaches_those_it_names() -> None:
    made, _ = connected(node(TRUNK), "p", "q", "r")
    for peer in "pqr":
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    _, outputs = step(made, Say(Note(b"x"), 0.0, ("r", "p", "gone")))
    assert [said.peer for said in outputs if isinstance(said, Send)] == ["r", "p"]
    _, outputs = step(made, Say(Note(b"x"), 0.0))
    assert [said.peer for said in outputs if isinstance(said, Send)] == ["p", "q", "r"]


def test_a_payload_about_a_final_block_that_was_pruned_goes_at_once() -> None:
    made = in_step(node(TRUNK, limits=Limits(retention=0)))
    made, _ = step(made, Finalised(TRUNK[-1].point, 0.0))
    note = Note(b"x", TRUNK[0].point)
    assert notes_sent(step(made, Say(note, 0.0))[1]) == [note]


def test_a_payload_goes_once_finality_has_dropped_the_block_that_it_waits_for() -> None:
    made = in_step(node(TRUNK, limits=Limits(retention=0)))
    note = Note(b"x", child(TRUNK[2], "not held").point)
    made, outputs = step(made, Say(note, 0.0))
    assert outputs == []
    assert notes_sent(step(made, Finalised(TRUNK[-1].point, 0.0))[1]) == [note]


@pytest.mark.parametrize("greeted", [True, False])
@pytest.mark.parametrize("strategy", Strategy)
def test_a_payload_goes_as_soon_as_a_hello_names_its_block(strategy: Strategy, greeted: bool) -> None:
    """A peer that is not greeted waits for another; one that is greeted is not in step yet."""
    made, _ = connected(node(TRUNK, strategy=strategy), *(["p"] if greeted else ["other", "p"]))
    note = Note(b"x", TRUNK[1].point)
    made, outputs = step(made, Say(note, 0.0, ("p",)))
    assert outputs == []
    made, outputs = hear(made, "p", hello_of(child(OLD[-1]), OLD[-1], TRUNK[1]))
    assert notes_sent(outputs) == [note]
    assert made.links["p"].state not in IN_STEP


def test_payloads_that_wait_when_a_link_ends_are_given_back() -> None:
    made = in_step(node(TRUNK))
    note = Note(b"x", child(TRUNK[-1]).point)
    made, _ = step(made, Say(note, 0.0))
    _, outputs = step(made, Lost("p", 0.0))
    assert Undelivered("p", note) in outputs
