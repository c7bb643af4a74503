"""How new blocks go to a peer in step: off, backup or active, and what each end is told instead of blocks."""

import attrs
import pytest
from immutables import Map

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Produced, Room
from syncfsm.limits import Limits
from syncfsm.node.node import Node
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import Output, SendBlocks
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Give, Has, Hello, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import Mode, State, Switch
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, feed, hear, hello_of, messages, node, sent_blocks, served, wanted

TRUNK = branch(GENESIS, 4, "trunk")
NEW = branch(TRUNK[-1], 30, "new")
OLD = Map[int, int](dict.fromkeys(map(int, ProtocolNumber), 1))
"""What a peer of the release before speaks."""


def has(block: Header) -> Has:
    return Has(block.point, block.score)


def among(*peers: str, limits: Limits | None = None) -> Node:
    """A node in step with these peers, of which the first is its feed, and has brought a block; all want its blocks."""
    made, _ = connected(node(TRUNK[:-1], limits=limits), *peers)
    made, _ = hear(made, peers[0], hello_of(TRUNK[-1]), Blocks((TRUNK[-1],)))
    for peer in peers[1:]:
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    assert (feed(made).peer, served(made)) == (peers[0], sorted(peers))
    return made


def made_here(made: Node, *blocks: Header) -> tuple[Node, list[Output]]:
    made, outputs = made.step(Produced(blocks, made.now))
    return made, list(outputs)


def switched(made: Node, off: bool, *peers: str) -> tuple[Node, list[Output]]:
    made, outputs = made.step(Switch(off, made.now, peers or None))
    return made, list(outputs)


# Who is told what -------------------------------------------------------------------------------------------------


def test_all_peers_are_greeted_at_once_and_told_first_whether_blocks_are_wanted() -> None:
    made, outputs = connected(node(TRUNK), "p", "q", "r")
    said = [(output.peer, type(output.message)) for output in outputs]  # type: ignore[union-attr]
    assert said == [("p", Hello), ("q", DoNotWant), ("q", Hello), ("r", DoNotWant), ("r", Hello)]
    assert wanted(made) == ["p"]


def test_who_wants_no_blocks_is_told_of_each_new_head_and_sent_none() -> None:
    made, nothing = hear(among("feed", "q"), "q", DoNotWant())
    assert nothing == [], "it has all that we have"
    made, outputs = hear(made, "feed", Blocks(tuple(NEW[:3])))
    assert sent_blocks(outputs) == []
    assert messages(outputs) == [has(NEW[2])]
    assert made.all(SYNC)["q"].state is State.SYNCING, "what it lacks is known"


def test_who_wants_none_before_its_hello_gets_no_block_even_if_it_is_behind() -> None:
    made, _ = connected(node(TRUNK), "feed", "q")
    made, nothing = hear(made, "q", DoNotWant())
    assert nothing == []
    made, outputs = hear(made, "q", hello_of(TRUNK[0]))
    assert sent_blocks(outputs) == []
    made, outputs = hear(made, "q", Want())
    assert sent_blocks(outputs) == TRUNK[1:]


def test_who_says_that_it_wants_no_more_is_told_what_it_was_not_sent() -> None:
    made = among("feed", "q", limits=Limits(room=1))
    made, outputs = made_here(made, NEW[0])
    made, outputs = made_here(made, NEW[1])  # no room is left
    made, outputs = hear(made, "q", DoNotWant())
    assert messages(outputs) == [has(NEW[1])]
    _, room = made.step(Room("q", 10**6, 0.0))
    assert sent_blocks(room) == []


def test_a_peer_that_has_what_is_new_is_told_now_and_then_that_we_have_it_too() -> None:
    """So it never knows less of us than some blocks, and nobody says a word for each block that all have."""
    limits = Limits(join=4)
    made, _ = hear(among("feed", "q", limits=limits), "q", DoNotWant())
    told = []
    for block in NEW[:20]:
        made, outputs = hear(made, "q", has(block))
        assert messages(outputs) == []
        made, outputs = hear(made, "feed", Blocks((block,)))
        told += messages(outputs)
    assert told == [has(block) for block in NEW[3:20:4]]


def test_before_it_asks_a_node_says_exactly_what_it_has() -> None:
    made, _ = hear(among("feed", "q"), "q", DoNotWant())
    for block in NEW[:2]:
        made, _ = hear(made, "q", has(block))
        made, _ = hear(made, "feed", Blocks((block,)))
    made, _ = hear(made, "q", has(NEW[2]))
    _, outputs = hear(made, "feed", Busy())
    assert messages(outputs) == [has(NEW[1]), Want()]


def test_a_peer_that_tells_of_what_we_have_is_sent_nothing_twice() -> None:
    made, _ = hear(among("feed", "q"), "q", has(NEW[1]))
    made, outputs = hear(made, "feed", Blocks(tuple(NEW[:2])))
    assert sent_blocks(outputs) == []
    assert made.all(SYNC)["q"].sent == NEW[1]


def test_what_a_peer_tells_of_a_branch_we_left_is_sent_nothing_twice_either() -> None:
    made = among("feed", "q")
    side = branch(TRUNK[2], 2, "side", gain=9)
    made, _ = made_here(made, *side)
    made, outputs = hear(made, "q", has(side[0]))
    assert made.all(SYNC)["q"].says is None, "it is held"
    assert sent_blocks(outputs) == []


# Gates ------------------------------------------------------------------------------------------------------------


def test_as_many_are_served_as_there_are_gates_and_others_are_told_of_them() -> None:
    made, _ = connected(node(TRUNK, limits=Limits(gates=3)), "feed")
    made, _ = hear(made, "feed", hello_of(TRUNK[-1]), DoNotWant())
    for number, peer in enumerate("pqr", 1):
        made, _ = made.step(Connected(peer, 0.0, bytes([number]) * 32, proved=True))
        made, outputs = hear(made, peer, hello_of(TRUNK[0]))
    assert Busy(others=(b"\1" * 32, b"\2" * 32)) in messages(outputs)
    assert served(made) == ["p", "q"]
    made, outputs = hear(made, "feed", Blocks((NEW[0],)))
    assert {output.peer for output in outputs if isinstance(output, SendBlocks)} == {"p", "q"}
    assert messages(outputs) == [has(NEW[0])], "who was refused is told"
    made, outputs = hear(made, "r", Want(insist=True))
    assert sent_blocks(outputs) == [*TRUNK[1:], NEW[0]], "a node yields to one that has nobody else"
    assert served(made) == ["p", "q", "r"]
    made, _ = hear(made, "p", DoNotWant())
    made, _ = hear(made, "q", DoNotWant())
    made, outputs = hear(made, "q", Want())
    assert Busy not in map(type, messages(outputs)), "a gate is free"


def test_a_gate_is_kept_for_a_sentry_and_it_is_served_whoever_asked_first() -> None:
    ids = {peer: bytes([number]) * 32 for number, peer in enumerate("pqrs", 1)}
    start = node(TRUNK, limits=Limits(gates=3))
    config = attrs.evolve(start.config, sentries=frozenset((ids["r"], ids["s"])))
    made, _ = connected(attrs.evolve(start, config=config), "feed")
    made, _ = hear(made, "feed", hello_of(TRUNK[-1]), DoNotWant())
    got = []
    for peer, id in ids.items():
        made, _ = made.step(Connected(peer, 0.0, id, proved=True))
        made, _ = hear(made, peer, hello_of(TRUNK[0]))
        got.append(served(made))
    assert got == [[], [], ["r"], ["r", "s"]], "two gates are kept, and one for the feed"
    made, _ = hear(made, "p", Want(insist=True))
    assert served(made) == ["p", "r", "s"], "who has nobody else is served all the same"


def test_who_asks_or_gives_again_and_again_is_answered_so_often_and_no_more() -> None:
    made, _ = connected(node(TRUNK, limits=Limits(gates=1)), "feed", "q")
    for peer in ("feed", "q"):
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    answers = 0
    for _ in range(500):
        made, outputs = hear(made, "q", Want())
        answers += len(outputs)
    assert 0 < answers < 100
    assert "q" in made.links


def test_who_is_given_blocks_unasked_takes_them_from_there() -> None:
    made = among("feed", "q")
    made, nothing = hear(made, "q", Give())
    assert nothing == []
    made, outputs = hear(made, "q", Blocks((NEW[0],)))
    assert feed(made).peer == "q"
    assert wanted(made) == ["q"]
    assert [type(message) for message in messages(outputs)][:2] == [DoNotWant, Has]
    assert Give() not in messages(outputs), "the old feed gets them from us already"


# Off --------------------------------------------------------------------------------------------------------------


def test_off_is_turned_on_and_off_by_an_operator_only() -> None:
    made, outputs = switched(among("feed", "q"), True, "q")
    assert messages(outputs) == [Busy(off=True)]
    made, outputs = made_here(made, NEW[0])
    assert {getattr(output, "peer", "feed") for output in outputs} == {"feed"}
    for message in (Want(), Want(insist=True), DoNotWant(), Give(), has(NEW[0])):
        made, outputs = hear(made, "q", message)
        assert sent_blocks(outputs) == []
        assert made.all(SYNC)["q"].mode is Mode.OFF
    made, outputs = hear(made, "q", Want())
    assert messages(outputs) == [Busy(off=True)], "who asks is told why"
    made, outputs = switched(made, False, "q")
    assert messages(outputs) == [has(NEW[0])], "it may ask again"
    made, outputs = made_here(made, NEW[1])
    assert sent_blocks(outputs) == [NEW[1]], "to the feed alone"
    made, outputs = hear(made, "q", Want())
    assert sent_blocks(outputs) == [NEW[1]]


def test_off_can_be_said_of_all_and_twice_and_of_none_that_is_not_there() -> None:
    made = among("feed", "q")
    made, outputs = switched(made, True)
    assert messages(outputs) == [Busy(off=True)] * 2
    assert served(made) == []
    assert made.step(Switch(True, 0.0)) == (made, ())
    made, _ = made.step(Switch(False, 0.0))
    assert made.step(Switch(False, 0.0)) == (made, ())
    with pytest.raises(LocalError, match="there is no connection 'who'"):
        made.step(Switch(True, 0.0, ("who",)))


# A peer of the release before -------------------------------------------------------------------------------------


def older() -> Node:
    """A node with a feed and, beside it, a peer whose sync is of version 1."""
    made, _ = connected(node(TRUNK), "feed")
    made, _ = hear(made, "feed", hello_of(TRUNK[-1]))
    made, said = made.step(Connected("old", 0.0, protocols=OLD))
    assert [type(message) for message in messages(said)] == [Hello]
    return hear(made, "old", hello_of(TRUNK[-1]))[0]


def test_a_peer_of_the_release_before_gets_every_block_and_none_of_the_new_words() -> None:
    made, new = older(), (Has, Want, DoNotWant, Give, Busy)
    said = []
    for at, block in enumerate(NEW[:20]):
        bringer = "feed" if at % 2 else "old"
        made, outputs = hear(made, bringer, Blocks((block,)), now=float(at))
        said += [o.message for o in outputs if getattr(o, "peer", "") == "old" and hasattr(o, "message")]
        assert sent_blocks(outputs) == ([block] if bringer == "feed" or made.all(SYNC)["feed"].sent == block else [])
    assert not [message for message in said if isinstance(message, new)]
    assert made.all(SYNC)["old"].state is State.IDLE


def test_a_peer_of_the_release_before_is_never_refused() -> None:
    limits = Limits(gates=1)
    made, _ = connected(node(TRUNK, limits=limits), "feed", "p")
    for peer in ("feed", "p"):
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    for peer in ("old 1", "old 2"):
        made, _ = made.step(Connected(peer, 0.0, protocols=Map(dict.fromkeys(ProtocolNumber, 1))))
        made, outputs = hear(made, peer, hello_of(TRUNK[0]))
        assert sent_blocks(outputs) == TRUNK[1:]
        assert Busy not in map(type, messages(outputs))


def test_a_node_of_this_release_whose_only_peer_is_older_lives_from_it() -> None:
    made, _ = node(TRUNK).step(Connected("old", 0.0, protocols=Map(dict.fromkeys(ProtocolNumber, 1))))
    made, _ = hear(made, "old", hello_of(NEW[5]), Blocks(tuple(NEW[:6])))
    assert made.chain.head == NEW[5]
    made, outputs = made_here(made, child(NEW[5]))
    assert sent_blocks(outputs) == [child(NEW[5])]
