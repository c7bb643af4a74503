"""The connection itself: signs of life, the purse of room, its one name and its one end."""

import pytest

from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Lost, Room, Tick
from syncfsm.limits import BLOCK_OVERHEAD, Limits
from syncfsm.node.node import Node
from syncfsm.notes.messages import Note
from syncfsm.outputs import Output, Send
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.peer.protocol import PEER
from syncfsm.sync.messages import Finality
from syncfsm.testing import GENESIS, branch
from tests.building import (
    connected,
    hear,
    hello_of,
    in_step,
    messages,
    node,
    parted,
    partings,
    sent_blocks,
)

TRUNK = branch(GENESIS, 10, "trunk")


def step(made: Node, *events: Event) -> tuple[Node, list[Output]]:
    said: list[Output] = []
    for event in events:
        made, outputs = made.step(event)
        said += outputs
    return made, said


# Signs of life ----------------------------------------------------------------------------------------------------


def test_silence_is_first_asked_about_and_then_ends_the_link() -> None:
    made = in_step(node(TRUNK))
    made, outputs = made.step(Tick(1.0))
    assert messages(outputs) == [Ping()]
    made, outputs = made.step(Tick(4.9))
    assert messages(outputs) == [Ping()]
    made, outputs = made.step(Tick(5.0))
    assert parted(outputs, Parting.SILENT)
    assert made.links.get("p") is None


def test_any_message_is_a_sign_of_life() -> None:
    made = in_step(node(TRUNK))
    now = 0.0
    for message in (Ping(), Pong(), Note(b"x"), Finality(GENESIS.point), hello_of(TRUNK[-1])):
        now += 4.9
        made, outputs = hear(made, "p", message, now=now)
        made, more = made.step(Tick(now))
        assert not partings([*outputs, *more])


def test_a_quiet_link_is_kept_alive_by_answers() -> None:
    made, _ = connected(node(TRUNK), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    now = 0.0
    for _ in range(50):
        assert made.next_deadline is not None
        now = made.next_deadline
        made, outputs = made.step(Tick(now))
        assert messages(outputs) == [Ping()]
        made, answer = hear(made, "p", Pong(), now=now + 0.1)
        assert answer == []
    assert now == pytest.approx(50 * 1.1 - 0.1)
    assert set(made.links) == {"p"}


def test_a_ping_is_answered() -> None:
    made, _ = connected(node(TRUNK), "p")
    assert hear(made, "p", Ping())[1] == [Send("p", Pong())]


# The purse --------------------------------------------------------------------------------------------------------


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
    assert made.all(PEER)["p"].room == room


def test_room_is_never_more_than_the_limit() -> None:
    made = in_step(node(TRUNK, limits=Limits(room=1000)))
    made, _ = step(made, Room("p", 10**9, 0.0))
    assert made.all(PEER)["p"].room == 1000


# Beginning and end --------------------------------------------------------------------------------------------------


def test_a_peer_that_leaves_is_not_answered() -> None:
    made, outputs = hear(in_step(node(TRUNK)), "p", Bye(Parting.PRUNED, TRUNK[3].point))
    assert [(said.reason, said.detail) for said in partings(outputs)] == [
        (Parting.PEER_LEFT, f"pruned at {TRUNK[3].point}")
    ]
    assert len(outputs) == 1
    assert not made.links


def test_one_name_is_one_connection() -> None:
    made = in_step(node(TRUNK))
    with pytest.raises(LocalError, match="connection 'p' is open already"):
        made.step(Connected("p", 0.0))


def test_one_link_too_many_is_refused_with_a_reason() -> None:
    made, _ = connected(node(TRUNK, limits=Limits(links=2)), "p", "q")
    full, outputs = connected(made, "r")
    assert parted(outputs, Parting.FULL)
    assert full == made
    made, _ = made.step(Lost("q", 0.0))
    _, outputs = connected(made, "r")
    assert not partings(outputs)
