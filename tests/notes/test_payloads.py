"""Payloads about blocks: sent once the peer has the block, delivered where it is held, given back if neither."""

import pytest

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Event, Finalised, Lost, Produced, Room
from syncfsm.limits import BLOCK_OVERHEAD, Limits, Strategy
from syncfsm.node.node import Node
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Say, Undelivered
from syncfsm.outputs import Misbehaviour, Output, Send, SendBlocks
from syncfsm.sync.messages import Blocks
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import IN_STEP
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, hear, hello_of, joined, messages, node, partings

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
    _, outputs = step(made, Say(Note(b"x"), 0.0, ("r", "p")))
    assert [said.peer for said in outputs if isinstance(said, Send)] == ["r", "p"]
    _, outputs = step(made, Say(Note(b"x"), 0.0))
    assert [said.peer for said in outputs if isinstance(said, Send)] == ["p", "q", "r"]
    with pytest.raises(LocalError, match="Say: there is no connection 'gone'; there are p, q, r, and peers=None"):
        made.step(Say(Note(b"x"), 0.0, ("r", "gone")))


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
    assert made.all(SYNC)["p"].state not in IN_STEP


def test_payloads_that_wait_when_a_link_ends_are_given_back() -> None:
    made = in_step(node(TRUNK))
    note = Note(b"x", child(TRUNK[-1]).point)
    made, _ = step(made, Say(note, 0.0))
    _, outputs = step(made, Lost("p", 0.0))
    assert Undelivered("p", note) in outputs
