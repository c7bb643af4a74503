"""Why links end: once, at once, saying why, and blaming nobody who is not to blame."""

import random
from collections.abc import Sequence

import pytest

from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.errors import Fault, LocalError, Penalty
from syncfsm.events import (
    Connected,
    Event,
    Finalised,
    Garbled,
    Leave,
    Lost,
    Produced,
    Received,
    Room,
    Say,
    Tick,
    Verdict,
)
from syncfsm.limits import Limits
from syncfsm.link import State, Strategy
from syncfsm.messages import Blocks, Bye, Control, Finality, Found, Hello, Note, Parting, Ping, Pong
from syncfsm.node import Node
from syncfsm.outputs import Disconnect, Misbehaviour, Output, Send, SendBlocks, Undelivered
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import connected, hear, hello_of, joined, link_of, messages, node, partings

TRUNK = branch(GENESIS, 10, "trunk")
LEFT, RIGHT = branch(TRUNK[1], 5, "left"), branch(TRUNK[1], 8, "right")


def parted(
    outputs: Sequence[Output], reason: Parting, point: Header | None = None, blame: Penalty | None = None
) -> bool:
    """One bye with this reason and one disconnect; a misbehaviour exactly if somebody is to blame."""
    byes = [message for message in messages(outputs) if isinstance(message, Bye)]
    faults = [output.fault.penalty for output in outputs if isinstance(output, Misbehaviour)]
    assert byes == [Bye(reason, point.point if point else None)]
    assert [output.reason for output in partings(outputs)] == [reason]
    assert faults == ([] if blame is None else [blame])
    assert isinstance(outputs[-1], Disconnect)
    return True


def rule_of(outputs: Sequence[Output]) -> str:
    (fault,) = (output.fault for output in outputs if isinstance(output, Misbehaviour))
    return fault.rule


def greeted(made: Node) -> Node:
    return connected(made, "p")[0]


def in_step(made: Node) -> Node:
    made, _ = hear(greeted(made), "p", hello_of(made.chain.head))
    assert made.links["p"].state is State.IDLE
    return made


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


# Out of step, silence, time ---------------------------------------------------------------------------------------


def test_a_block_that_fits_nowhere_ends_the_link_without_blame() -> None:
    for made in (in_step(node(TRUNK)), greeted(node(TRUNK))):
        _, outputs = hear(made, "p", Blocks((branch(TRUNK[-1], 2)[1],)))
        assert parted(outputs, Parting.OUT_OF_STEP)


def test_a_common_ancestor_that_we_dropped_meanwhile_ends_the_link_without_blame() -> None:
    made = greeted(node(TRUNK))
    _, outputs = hear(made, "p", Found(Point(3, b"dropped")))
    assert parted(outputs, Parting.OUT_OF_STEP)


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


def test_a_search_that_makes_no_progress_ends() -> None:
    made, _ = hear(greeted(node(TRUNK[:2], LEFT)), "p", hello_of(RIGHT[-1]))
    assert made.links["p"].state is State.INIT
    for second in range(1, 30):
        made, _ = hear(made, "p", Pong(), now=float(second))
        made, outputs = made.step(Tick(float(second)))
        assert not partings(outputs)
    made, _ = hear(made, "p", Pong(), now=29.9)
    made, outputs = made.step(Tick(30.0))
    assert parted(outputs, Parting.SEARCH_TIMEOUT)


def test_a_peer_that_is_busy_with_its_leader_is_waited_for() -> None:
    """A node that is behind greets us only when its leader is done, and that may take longer than a search."""
    made = greeted(node(TRUNK))
    for second in range(1, 60):
        made, _ = hear(made, "p", Pong(), now=float(second))
        made, outputs = made.step(Tick(float(second)))
        assert not partings(outputs)


# Faults -----------------------------------------------------------------------------------------------------------


class Forged(Unchecked):
    """A check to which every block named ``bad`` is a forgery."""

    def __init__(self, bad: Header) -> None:
        self.bad = bad

    def run(self, headers: Sequence[Header]) -> Fault | None:
        return Fault("bad-signature", "forged", self.bad.id) if self.bad in headers else None


def test_too_many_hellos_are_a_mild_fault() -> None:
    made = greeted(node(TRUNK))
    heads = branch(GENESIS, 200, "flood")
    for head in heads[: Limits().hello_burst]:
        made, outputs = hear(made, "p", hello_of(head))
        assert not partings(outputs)
    made, outputs = hear(made, "p", hello_of(heads[-1]))
    assert parted(outputs, Parting.FAULT, blame=Penalty.MILD)
    assert rule_of(outputs) == "hello-flood"


def test_hellos_at_the_allowed_rate_are_no_flood() -> None:
    made, now = greeted(node(TRUNK)), 0.0
    for head in branch(GENESIS, 500, "busy"):
        now += 1 / Limits().hello_rate
        made, outputs = hear(made, "p", hello_of(head), now=now)
        assert not partings(outputs)


def test_a_search_at_heights_that_we_never_had_is_a_flood() -> None:
    made, _ = hear(greeted(node(TRUNK)), "p", hello_of(TRUNK[0], child(GENESIS, "other")))
    top = 2**40
    for step in range(2000):
        point = Point(top - step, f"made up {step}".encode())
        hello = Hello(Point(top, b"up"), b"", GENESIS.point, GENESIS.point, (point,), top - step + 1, TRUNK[-1].point)
        made, outputs = hear(made, "p", hello)
        if partings(outputs):
            return
    pytest.fail("2000 hellos were accepted in one instant")


def test_hellos_to_a_node_that_has_not_greeted_us_are_counted() -> None:
    made, _ = connected(node(TRUNK), "leader", "p")
    assert made.waiting == ("p",)
    for _ in range(2000):
        made, outputs = hear(made, "p", hello_of(branch(TRUNK[-1], 3)[-1]))
        if partings(outputs):
            return
    pytest.fail("2000 hellos were accepted in one instant")


def test_blocks_and_founds_before_our_hello_are_grave_faults() -> None:
    made, _ = connected(node(TRUNK), "leader", "p")
    assert made.waiting == ("p",)
    _, outputs = hear(made, "p", Blocks((child(TRUNK[-1]),)))
    assert parted(
        [said for said in outputs if isinstance(said, Send | Disconnect | Misbehaviour)],
        Parting.FAULT,
        blame=Penalty.GRAVE,
    )
    assert rule_of(outputs) == "block-before-hello"
    _, outputs = hear(made, "p", Found(GENESIS.point))
    assert parted(outputs, Parting.FAULT, blame=Penalty.GRAVE)
    assert rule_of(outputs) == "found-before-hello"


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ((Header(12, b"skips", TRUNK[-1].id, b"\xff" * 8, 0, b""),), "invalid-block"),
        ((Header(11, b"weak", TRUNK[-1].id, TRUNK[-1].score, 0, b""),), "invalid-block"),
        ((child(TRUNK[-1], "a"), child(TRUNK[-1], "b")), "broken-run"),
        ((), "empty-run"),
        ((child(TRUNK[-1], "forged"),), "bad-signature"),
        ((child(TRUNK[-1]), child(child(TRUNK[-1]), "forged")), "bad-signature"),
    ],
)
def test_bad_blocks_are_grave_faults_and_none_of_the_run_is_taken(bad: tuple[Header, ...], rule: str) -> None:
    forged = bad[-1] if bad else TRUNK[-1]
    check = Forged(forged) if rule == "bad-signature" else Unchecked()
    before = in_step(node(TRUNK, check=check))
    made, outputs = hear(before, "p", Blocks(bad))
    assert parted(outputs, Parting.FAULT, blame=Penalty.GRAVE)
    assert rule_of(outputs) == rule
    assert made.chain == before.chain


def test_known_blocks_are_not_checked_again() -> None:
    made = in_step(node(TRUNK))
    config = node(check=Forged(TRUNK[3])).config
    made = Node(config, made.chain, made.links)
    made, outputs = hear(made, "p", Blocks(tuple(TRUNK[2:5])))
    assert not partings(outputs)


def test_what_the_wire_refused_ends_the_link() -> None:
    made = in_step(node(TRUNK))
    _, outputs = made.step(Garbled("p", Fault("bad-frame", "no message", b"\0"), 0.0))
    assert parted(outputs, Parting.FAULT, blame=Penalty.GRAVE)
    assert rule_of(outputs) == "bad-frame"


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
    chain, now = pair.nodes[side].chain, luck.choice((0.0, 1.0, 6.0))
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
        Say(Note(b"x"), 0.0, ("p",)),
        Tick(100.0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_after_the_end_changes_nothing(late: Event) -> None:
    for made in (in_step(node(TRUNK)), greeted(node(TRUNK))):
        over, outputs = made.step(Leave("p", Parting.SHUTDOWN, 0.0))
        assert parted(outputs, Parting.SHUTDOWN)
        assert over.step(late) == (over, ())


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


def test_every_message_in_every_state_leaves_other_links_alone() -> None:
    made, _ = connected(node(TRUNK), "p", "q")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    made, _ = hear(made, "q", hello_of(TRUNK[-1]))
    bad: list[Control | Blocks] = [Blocks((branch(TRUNK[-1], 2)[1],)), Finality(TRUNK[2].point), Bye(Parting.FULL)]
    for message in bad:
        after, outputs = hear(made, "q", message)
        assert after.links["p"] == made.links["p"]
        assert not [said for said in outputs if getattr(said, "peer", None) == "p"]


# Honest peers under stress ----------------------------------------------------------------------------------------


def test_honest_fork_switches_on_both_sides_are_no_flood() -> None:
    """Both stream; the better one switches while its hellos are under way, the other whenever it hears of it."""
    low = branch(TRUNK[0], 2, "low")
    worse = node(TRUNK[:1], low, strategy=Strategy.STREAMING)
    better = node(TRUNK[:1], low, branch(TRUNK[0], 2, "high", gain=40), strategy=Strategy.STREAMING)
    pair = Pair(worse, better)
    pair.connect()
    for at in range(31):
        pair.feed(1, Produced(tuple(branch(TRUNK[0], 2, f"high {at}", gain=50 + at)), 0.0))
    pair.deliver(0)
    for at in range(31):
        if pair.queues[1]:  # the rate limit puts off what comes after the first of them
            pair.deliver(1)
        pair.feed(0, Produced(tuple(branch(TRUNK[0], 2, f"low {at}", gain=1 + at)), 0.0))
    pair.settle()
    assert not [said for said in pair.outputs[1] if isinstance(said, Misbehaviour)]


def test_an_owed_hello_with_the_old_head_is_answered() -> None:
    """The head went away and came back while a hello was owed; the search that ran meanwhile was ignored as stale."""
    limits = Limits(hello_burst=4)
    ours, theirs = branch(GENESIS, 3, "ours"), branch(GENESIS, 4, "theirs", gain=3)
    pair = Pair(*(node(run, strategy=Strategy.STREAMING, limits=limits) for run in (ours, theirs)))
    pair.connect()
    pair.feed(1, Verdict(theirs[-1].id, False, 0.0))
    pair.feed(1, Verdict(theirs[-1].id, True, 0.0))
    pair.settle()
    pair.now = 0.5
    for side in (0, 1):
        pair.feed(side, Tick(pair.now))
    pair.settle()
    assert [made.chain.head for made in pair.nodes] == [theirs[-1]] * 2
