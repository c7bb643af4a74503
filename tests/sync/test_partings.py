"""Why links end: once, at once, saying why, and blaming nobody who is not to blame."""

import random

import attrs
import pytest

from syncfsm.blocks import Point
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Event, Finalised, Garbled, Leave, Lost, Produced, Received, Room, Tick
from syncfsm.limits import Limits, Strategy
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say, Undelivered
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send, SendBlocks
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message as Control
from syncfsm.sync.messages import Blocks, Finality, Found
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import (
    connected,
    greeted,
    hear,
    hello_of,
    in_step,
    joined,
    link_of,
    messages,
    node,
    parted,
    partings,
)

TRUNK = branch(GENESIS, 10, "trunk")
LEFT, RIGHT = branch(TRUNK[1], 5, "left"), branch(TRUNK[1], 8, "right")


# Final points and pruning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", Strategy)
def test_a_peer_below_what_we_hold_is_told_at_once(strategy: Strategy) -> None:
    made = greeted(node(TRUNK, final=TRUNK[7], limits=Limits(retention=2), strategy=strategy))
    made, outputs = hear(made, "p", hello_of(TRUNK[2]))
    assert parted(outputs, Parting.PRUNED, TRUNK[5])
    assert "p" not in made.links


@pytest.mark.parametrize("strategy", Strategy)
def test_both_ends_of_a_pruned_link_learn_of_it_without_blame(strategy: Strategy) -> None:
    old = node(TRUNK[:3], strategy=strategy)
    new = node(TRUNK, final=TRUNK[7], limits=Limits(retention=2), strategy=strategy)
    pair = joined(old, new)
    assert partings(pair.outputs[1])[0].reason is Parting.PRUNED
    assert [len(partings(outputs)) for outputs in pair.outputs] == [1, 1]
    assert pair.rounds <= 2


@pytest.mark.parametrize("ways", [(a, b) for a in Strategy for b in Strategy], ids=lambda ways: "-".join(ways))
@pytest.mark.parametrize("after", range(6))
def test_pruning_while_they_search_leaves_nobody_waiting(ways: tuple[Strategy, Strategy], after: int) -> None:
    short, long = (
        node(TRUNK[:2], LEFT, strategy=ways[0]),
        node(TRUNK[:2], RIGHT, limits=Limits(retention=0), strategy=ways[1]),
    )
    pair = Pair(short, long)
    pair.connect()
    for _ in range(after):
        pair.round()
    pair.feed(1, Finalised(RIGHT[3].point, 0.0))
    pair.settle()
    if pair.up:
        assert pair.nodes[0].chain.head == RIGHT[-1]
    else:
        assert {output.reason for output in partings(pair.outputs[1])} <= {Parting.PRUNED, Parting.PEER_LEFT}
    assert not [said for said in pair.outputs[0] + pair.outputs[1] if isinstance(said, Misbehaviour)]


def test_contradicting_finals_part_at_the_hello() -> None:
    made = greeted(node(TRUNK[:2], LEFT, final=LEFT[2]))
    _, outputs = hear(made, "p", hello_of(RIGHT[-1], final=RIGHT[1]))
    assert parted(outputs, Parting.CONTRADICTION, LEFT[2])


def test_contradicting_finals_part_at_the_news_of_it() -> None:
    for made in (in_step(node(TRUNK[:2], LEFT, final=LEFT[2])), greeted(node(TRUNK[:2], LEFT, final=LEFT[2]))):
        _, outputs = hear(made, "p", Finality(RIGHT[1].point))
        assert parted(outputs, Parting.CONTRADICTION, LEFT[2])


def test_contradicting_finals_part_when_our_own_final_block_comes_later() -> None:
    for made in (in_step(node(TRUNK[:2], LEFT)), greeted(node(TRUNK[:2], LEFT))):
        made, nothing = hear(made, "p", Finality(RIGHT[0].point))
        assert nothing == []
        _, outputs = made.step(Finalised(LEFT[2].point, 0.0))
        assert parted([said for said in outputs if isinstance(said, Send | Disconnect)], Parting.CONTRADICTION, LEFT[2])


@pytest.mark.parametrize("ways", [(a, b) for a in Strategy for b in Strategy], ids=lambda ways: "-".join(ways))
@pytest.mark.parametrize("after", range(6))
def test_contradicting_finals_end_the_link_once_whenever_they_come(ways: tuple[Strategy, Strategy], after: int) -> None:
    pair = Pair(node(TRUNK[:2], LEFT, strategy=ways[0]), node(TRUNK[:2], RIGHT, strategy=ways[1]))
    pair.feed(0, Finalised(LEFT[1].point, 0.0))
    pair.connect()
    for _ in range(after):
        pair.round()
    pair.feed(1, Finalised(RIGHT[4].point, 0.0))
    pair.settle()
    assert [len(partings(outputs)) for outputs in pair.outputs] == [1, 1]
    assert Parting.CONTRADICTION in {output.reason for outputs in pair.outputs for output in partings(outputs)}
    assert not [said for said in pair.outputs[0] + pair.outputs[1] if isinstance(said, Misbehaviour)]


def test_a_final_block_that_ours_rules_out_contradicts_also_above_it() -> None:
    made, nothing = hear(in_step(node(TRUNK[:2], LEFT, RIGHT)), "p", Finality(RIGHT[2].point))
    assert nothing == []
    _, outputs = made.step(Finalised(LEFT[0].point, 0.0))
    assert parted([said for said in outputs if isinstance(said, Send | Disconnect)], Parting.CONTRADICTION, LEFT[0])


def test_contradicting_finals_that_cross_end_the_link() -> None:
    rival = branch(TRUNK[1], 9, "rival", gain=9)
    pair = Pair(node(TRUNK[:2], LEFT), node(TRUNK[:2], rival))
    pair.connect()
    pair.round()
    pair.feed(0, Finalised(LEFT[0].point, 0.0))
    pair.feed(1, Finalised(rival[3].point, 0.0))
    pair.settle()
    assert not pair.up
    assert Parting.CONTRADICTION in {said.reason for outputs in pair.outputs for said in partings(outputs)}


RULED_OUT: list[list[Control | Blocks]] = [
    [Blocks((RIGHT[0],)), Blocks((RIGHT[1],)), Finality(RIGHT[1].point)],
    [Blocks(tuple(RIGHT[:3])), Finality(RIGHT[2].point)],
    [Finality(RIGHT[1].point), Blocks((RIGHT[0],)), Blocks((RIGHT[1],))],
    [Finality(RIGHT[1].point), Blocks(tuple(RIGHT[:4]))],
]
"""Blocks that contradict ``LEFT[0]``, and which of them is final, in whatever order and runs they come."""


@pytest.mark.parametrize("said", RULED_OUT, ids=["claim", "claim after a run", "block", "in a run"])
def test_who_calls_final_what_we_refused_is_left(said: list[Control | Blocks]) -> None:
    made = in_step(node(TRUNK[:2], LEFT, final=LEFT[0]))
    made, outputs = hear(made, "p", *said[:-1])
    assert not partings(outputs)
    _, outputs = hear(made, "p", said[-1])
    assert parted(outputs, Parting.CONTRADICTION, LEFT[0])


def test_who_calls_final_what_it_gave_us_and_we_dropped_is_left() -> None:
    made, _ = hear(in_step(node(TRUNK[:2], LEFT)), "p", Blocks(tuple(RIGHT[:2])))
    made, said = made.step(Finalised(LEFT[0].point, 0.0))
    assert not partings(said)
    _, outputs = hear(made, "p", Finality(RIGHT[1].point))
    assert parted(outputs, Parting.CONTRADICTION, LEFT[0])


def test_what_is_final_and_still_to_come_is_no_contradiction() -> None:
    made = in_step(node(TRUNK[:2], LEFT, final=LEFT[0]))
    more = [*LEFT, *branch(LEFT[-1], 3, "more")]
    made, outputs = hear(made, "p", Finality(more[-1].point), Blocks((RIGHT[0],)), Blocks(tuple(more[5:])))
    assert not partings(outputs)
    assert made.chain.head == more[-1]


def test_a_block_that_is_pruned_already_is_no_contradiction() -> None:
    """A peer far behind gives us blocks of our own final chain, and calls them final."""
    made, _ = hear(greeted(node(TRUNK, final=TRUNK[5], limits=Limits(retention=2))), "p", hello_of(TRUNK[3]))
    _, outputs = hear(made, "p", Blocks((TRUNK[1],)), Finality(TRUNK[1].point))
    assert not partings(outputs)


def test_equal_heads_still_tell_each_other_what_is_final() -> None:
    pair = joined(node(TRUNK), node(TRUNK))
    outputs = pair.feed(0, Finalised(TRUNK[4].point, 0.0))
    assert Finality(TRUNK[4].point) in messages(outputs)
    pair.settle()
    assert link_of(pair, 1).final == TRUNK[4].point
    assert pair.up


def test_finals_that_agree_or_cannot_be_judged_never_part() -> None:
    made = in_step(node(TRUNK, final=TRUNK[5], limits=Limits(retention=2)))
    for height in (0, 1, 2**48 - 1):
        _, outputs = hear(made, "p", Finality(Point(height, b"somewhere")))
        assert outputs == []
    _, outputs = hear(made, "p", Finality(TRUNK[4].point), Finality(TRUNK[8].point))
    assert outputs == []


# Out of step, time, a full tree ------------------------------------------------------------------------------------


def test_a_block_that_fits_nowhere_ends_the_link_without_blame() -> None:
    for made in (in_step(node(TRUNK)), greeted(node(TRUNK))):
        _, outputs = hear(made, "p", Blocks((branch(TRUNK[-1], 2)[1],)))
        assert parted(outputs, Parting.OUT_OF_STEP)


def test_who_goes_on_from_a_block_that_we_gave_it_and_dropped_is_in_step() -> None:
    """Also after it turned to the final branch, and back again."""
    made = in_step(node(TRUNK[:2], LEFT[:1], RIGHT[:2]))
    made, _ = made.step(Finalised(LEFT[0].point, 0.0))
    for run in ([RIGHT[2]], LEFT[1:3], [RIGHT[3]]):
        made, outputs = hear(made, "p", Blocks(tuple(run)))
        assert not partings(outputs)
    assert made.chain.head == LEFT[2]


def test_a_common_ancestor_that_we_dropped_meanwhile_ends_the_link_without_blame() -> None:
    made = greeted(node(TRUNK))
    _, outputs = hear(made, "p", Found(Point(3, b"dropped")))
    assert parted(outputs, Parting.OUT_OF_STEP)


def test_a_search_that_makes_no_progress_ends() -> None:
    made, _ = hear(greeted(node(TRUNK[:2], LEFT)), "p", hello_of(RIGHT[-1]))
    assert made.all(SYNC)["p"].state is State.INIT
    for second in range(1, 30):
        made, _ = hear(made, "p", Pong(), now=float(second))
        made, outputs = made.step(Tick(float(second)))
        assert not partings(outputs)
    made, _ = hear(made, "p", Pong(), now=29.9)
    made, outputs = made.step(Tick(30.0))
    assert parted(outputs, Parting.SEARCH_TIMEOUT)


def test_a_peer_that_has_not_said_hello_is_waited_for_as_long_as_it_lives() -> None:
    """Its hello may be behind much else; only what is silent too has ended."""
    made = greeted(node(TRUNK))
    for second in range(1, 60):
        made, _ = hear(made, "p", Pong(), now=float(second))
        made, outputs = made.step(Tick(float(second)))
        assert not partings(outputs)


def test_a_full_tree_ends_the_link_whatever_else_of_the_run_is_refused() -> None:
    """A run begins with blocks that are pruned here and goes on to others: there is no room for these."""
    made = in_step(node(TRUNK[:7], final=TRUNK[6], limits=Limits(retention=2, unfinal=7)))
    made, _ = made.step(Produced(tuple(TRUNK[7:]), 0.0))
    beside = branch(TRUNK[7], 5, "beside")
    made, outputs = hear(made, "p", Blocks((*TRUNK[2:8], *beside)))
    assert len(made.chain.blocks) == 2 + 1 + 7
    assert parted([said for said in outputs if isinstance(said, Send | Disconnect)], Parting.FULL)


@pytest.mark.parametrize("limits", [Limits(unfinal=10), Limits(tips=1)])
def test_a_full_tree_ends_the_link_without_blame(limits: Limits) -> None:
    made = in_step(node(TRUNK, limits=limits))
    block = child(TRUNK[-1] if limits.unfinal == 10 else TRUNK[5], "one too many")
    made, outputs = hear(made, "p", Blocks((block,)))
    assert parted(outputs, Parting.FULL)
    assert block.id not in made.chain


# Ends happen once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ways", [(a, b) for a in Strategy for b in Strategy], ids=lambda ways: "-".join(ways))
def test_a_link_ends_once_and_nothing_is_sent_on_it_afterwards(ways: tuple[Strategy, Strategy]) -> None:
    for seed in range(60):
        luck = random.Random(seed)
        pair = Pair(node(TRUNK[:2], LEFT, strategy=ways[0]), node(TRUNK[:2], RIGHT, strategy=ways[1]))
        pair.connect()
        for _ in range(40):
            side = luck.randrange(2)
            for _ in range(luck.randrange(4)):
                if pair.queues[side]:
                    pair.deliver(side)
            event = luck.choice(any_events(pair, side, luck))
            try:
                pair.feed(side, event)
            except LocalError:
                assert isinstance(event, Finalised | Produced | Connected)
            if luck.random() < 0.1 and not pair.nodes[0].links and not pair.nodes[1].links:
                pair.connect()
        pair.cut()
        for outputs in pair.outputs:
            assert_ends_once(outputs, range(1, 1 + int(pair.name.removeprefix("link#"))))


def any_events(pair: Pair, side: int, luck: random.Random) -> list[Event]:
    pair.now += luck.choice((0.0, 0.0, 0.0, 1.0, 6.0))
    chain, now = pair.nodes[side].chain, pair.now
    return [
        Produced((child(chain.head, str(luck.random())),), now),
        Produced((child(TRUNK[1], str(luck.random()), gain=luck.randrange(1, 30)),), now),
        Finalised(luck.choice((*LEFT, *RIGHT)).point, now),
        Say(Note(b"x", luck.choice((*LEFT, *RIGHT)).point), now),
        Tick(now),
        Room(pair.name, 600, now),
        Received(pair.name, luck.choice((Ping(), Found(TRUNK[0].point), Blocks((TRUNK[3],)), Bye(Parting.FULL))), now),
        Leave(pair.name, Parting.SHUTDOWN, now),
        Lost(pair.name, now),
        Garbled(pair.name, Fault("bad-frame", "noise"), now),
    ]


def assert_ends_once(outputs: list[Output], links: range) -> None:
    over: set[str] = set()
    for said in outputs:
        if isinstance(said, Send | SendBlocks | Undelivered | Misbehaviour):
            assert said.peer not in over
        elif isinstance(said, Disconnect):
            assert said.peer not in over
            over.add(said.peer)
    assert over == {f"link#{count}" for count in links}


@pytest.mark.parametrize(
    "late",
    [
        Received("p", hello_of(RIGHT[-1]), 0.0),
        Received("p", Blocks((child(TRUNK[-1]),)), 0.0),
        Received("p", Bye(Parting.SHUTDOWN), 0.0),
        Garbled("p", Fault("bad-frame", "noise"), 0.0),
        Room("p", 100, 0.0),
        Lost("p", 0.0),
        Leave("p", Parting.SHUTDOWN, 0.0),
        Say(Note(b"x"), 0.0),
        Tick(100.0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_after_the_end_changes_nothing(late: Event) -> None:
    for made in (in_step(node(TRUNK)), greeted(node(TRUNK))):
        over, outputs = made.step(Leave("p", Parting.SHUTDOWN, 0.0))
        assert parted(outputs, Parting.SHUTDOWN)
        assert over.step(late) == (attrs.evolve(over, now=late.now), ())


def test_every_message_in_every_state_leaves_other_links_alone() -> None:
    made, _ = connected(node(TRUNK), "p", "q")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    made, _ = hear(made, "q", hello_of(TRUNK[-1]))
    bad: list[Control | Blocks] = [Blocks((branch(TRUNK[-1], 2)[1],)), Finality(TRUNK[2].point), Bye(Parting.FULL)]
    for message in bad:
        after, outputs = hear(made, "q", message)
        assert after.links["p"] == made.links["p"]
        assert not [said for said in outputs if getattr(said, "peer", None) == "p"]
