"""Where a node has its blocks from: one feed, another if that one is late or gone, and trees of it that turn round."""

import pytest

from syncfsm.blocks import Header
from syncfsm.events import Connected, Event, Leave, Lost, Produced, Received, Tick
from syncfsm.limits import Limits
from syncfsm.node.node import Node
from syncfsm.outputs import Output, Send
from syncfsm.peer.messages import Bye, Parting
from syncfsm.sync.feed.types import Feed, Why
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Give, Has, Want
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State, Switch
from syncfsm.testing import GENESIS, branch, child
from tests.building import asked, connected, feed, hear, hello_of, node, sent_blocks, served, wanted

TRUNK = branch(GENESIS, 6, "trunk")
AHEAD = branch(TRUNK[-1], 30, "ahead")
LIMITS = Limits()
PEERS = ("feed", "p", "q", "r")


def has(block: Header) -> Has:
    return Has(block.point, block.score)


def behind(limits: Limits | None = None) -> Node:
    """A node at the end of ``TRUNK``, and four peers that are all ahead of it; it wants blocks from the first."""
    made, _ = connected(node(TRUNK, limits=limits), *PEERS)
    for peer in PEERS:
        made, _ = hear(made, peer, hello_of(AHEAD[-1]))
    assert (feed(made).peer, wanted(made)) == ("feed", ["feed"])
    return made


def live(limits: Limits | None = None) -> Node:
    """A node in step with four peers, of which the first is its feed and has brought a block; the others want none."""
    made, _ = connected(node(TRUNK[:-1], limits=limits), *PEERS)
    for peer in PEERS:
        made, _ = hear(made, peer, hello_of(TRUNK[-2]), DoNotWant())
    made, _ = hear(made, "feed", Blocks((TRUNK[-1],)))
    for peer in PEERS[1:]:
        made, _ = hear(made, peer, has(TRUNK[-1]))
    assert feed(made) == Feed(state=feed(made).state, peer="feed", proven=True, others=PEERS[1:])
    return made


def tick(made: Node, now: float) -> tuple[Node, list[Output]]:
    made, outputs = made.step(Tick(now))
    return made, list(outputs)


def due(made: Node) -> float:
    when = made.next_deadline
    assert when is not None
    return when


def told(outputs: list[Output], kind: type[object]) -> list[str]:
    """Who is told something of this kind."""
    return [output.peer for output in outputs if isinstance(output, Send) and isinstance(output.message, kind)]


# One feed ---------------------------------------------------------------------------------------------------------


def test_a_node_that_is_behind_wants_what_it_lacks_from_one_peer() -> None:
    made = behind()
    made, outputs = hear(made, "feed", Blocks(tuple(AHEAD[:-1])))
    assert told(outputs, Want) == []
    made, outputs = hear(made, "feed", Blocks((AHEAD[-1],)))
    assert (told(outputs, Want), wanted(made)) == ([], ["feed"])
    assert {link.state for link in made.all(SYNC).values()} == {State.IDLE}
    assert sent_blocks(outputs) == [], "they all have it"
    assert feed(made).waits is None


@pytest.mark.parametrize(
    "end", [Lost("feed", 0.0), Received("feed", Bye(Parting.FULL), 0.0), Leave("feed", Parting.SHUTDOWN, 0.0)],
    ids=["lost", "bye", "left"],
)  # fmt: skip
def test_a_lost_feed_is_replaced_at_once_by_one_other(end: Event) -> None:
    made, outputs = behind().step(end)
    assert told(list(outputs), Want) == ["p"]
    assert wanted(made) == ["p"]


def test_the_last_connection_leaves_nothing_behind() -> None:
    made = behind()
    for peer in PEERS:
        made, _ = made.step(Lost(peer, 0.0))
    assert feed(made) == Feed()
    made, outputs = connected(made, "again")
    assert told(outputs, DoNotWant) == []
    assert wanted(made) == ["again"]


def test_who_is_lost_and_was_not_the_feed_changes_nothing() -> None:
    made, outputs = behind().step(Lost("q", 0.0))
    assert [type(output).__name__ for output in outputs] == ["Disconnect"]
    assert wanted(made) == ["feed"]


# The feed is late -------------------------------------------------------------------------------------------------


def test_a_late_feed_is_helped_by_the_next_who_told_and_then_the_next() -> None:
    made = live()
    for peer in ("q", "r"):
        made, outputs = hear(made, peer, has(AHEAD[0]))
        assert outputs == [], "the feed will bring it"
    made, early = tick(made, 0.9 * LIMITS.graft)
    assert told(early, Want) == []
    made, outputs = tick(made, due(made))
    assert (made.now, told(outputs, Want)) == (LIMITS.graft, ["q"])
    made, outputs = tick(made, due(made))
    assert told(outputs, Want) == ["r"]
    assert wanted(made) == ["feed", "q", "r"]
    made, outputs = hear(made, "r", Blocks((AHEAD[0],)), now=made.now)
    assert (feed(made).peer, wanted(made)) == ("r", ["r"]), "who brings it first is the feed"
    assert sorted(told(outputs, DoNotWant)) == ["feed", "q"]
    assert feed(made).worn == ("feed",)


def test_a_feed_that_brings_it_after_all_remains_and_who_was_asked_is_shut() -> None:
    made, _ = hear(live(), "q", has(AHEAD[0]))
    made, _ = tick(made, due(made))
    assert asked(made) == ["q"]
    made, outputs = hear(made, "feed", Blocks((AHEAD[0],)), now=made.now)
    assert (told(outputs, DoNotWant), wanted(made)) == (["q"], ["feed"])


def test_a_feed_that_takes_longer_is_waited_for_longer_up_to_a_bound() -> None:
    made, now, waits = live(Limits(silence=1e6, keepalive=1e5, early=1.0)), 0.0, []
    for block in AHEAD[:12]:
        made, _ = hear(made, "q", has(block), now=now)
        waits.append(due(made) - now)
        late = min(0.9 * waits[-1], 0.3)
        made, _ = hear(made, "feed", Blocks((block,)), now=now + late)
        made, _ = hear(made, "q", has(block), now=now + late)
        now += 1.0
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(LIMITS.graft)
    assert waits[-1] == pytest.approx(LIMITS.graft_most)


def test_a_mute_feed_costs_patience_at_most_however_many_told_and_are_mute() -> None:
    names = [f"liar {number}" for number in range(40)]
    made, _ = connected(node(TRUNK), *names, "honest")
    for name in (*names, "honest"):
        made, _ = hear(made, name, hello_of(AHEAD[-1]))
    while "honest" not in asked(made):
        made, _ = tick(made, due(made))
    assert made.now <= LIMITS.patience


def test_who_was_asked_in_vain_is_worn_and_asked_again_last() -> None:
    made = live(Limits(silence=1e6, keepalive=1e5))
    made, _ = hear(made, "q", has(AHEAD[0]))
    while not feed(made).worn:
        made, _ = tick(made, due(made))
    assert (feed(made).worn, made.now) == (("q",), LIMITS.graft + LIMITS.patience)
    assert made.next_deadline is not None
    assert made.next_deadline > made.now + 100, "it is left open, and costs nothing"
    made, _ = hear(made, "feed", Blocks((AHEAD[0],)), now=made.now)
    for peer in ("q", "r"):
        made, _ = hear(made, peer, has(AHEAD[1]), now=made.now)
    made, outputs = tick(made, due(made))
    assert told(outputs, Want) == ["r"]


def test_a_feed_that_dribbles_is_helped_by_others_in_time() -> None:
    """It always brings one new block just before another would be asked, and never what the others told of."""
    limits = Limits(lead=0.5)
    made, now = behind(limits), 0.0
    for block in AHEAD[:-1]:
        now += 0.8 * limits.graft
        made, _ = hear(made, "feed", Blocks((block,)), now=now)
        made, _ = tick(made, now)
        if asked(made):
            break
    assert set(asked(made)) == {"p", "q", "r"}
    assert limits.lead <= now < limits.lead + limits.graft


def test_a_feed_that_repeats_what_we_have_does_not_help() -> None:
    made = behind()
    for tenth in range(1, 20):
        now = tenth / 10
        made, _ = hear(made, "feed", Blocks((TRUNK[0],)), now=now)
        made, _ = tick(made, now)
    assert set(asked(made)) == {"p", "q", "r"}


def test_a_new_feed_that_says_it_has_no_more_is_not_waited_for() -> None:
    made, _ = connected(node(TRUNK), "feed", "p")
    made, _ = hear(made, "feed", hello_of(TRUNK[-1]))
    made, outputs = hear(made, "p", hello_of(AHEAD[-1]))
    assert told(outputs, Want) == ["p"]


def test_a_final_block_that_only_another_has_is_asked_for_however_bad_its_branch() -> None:
    side = branch(TRUNK[1], 2, "side")
    made, outputs = hear(live(), "q", Finality(side[-1].point))
    assert outputs == []
    made, outputs = tick(made, due(made))
    assert told(outputs, Want) == ["q"]
    made, outputs = hear(made, "q", Blocks(tuple(side)), now=made.now)
    assert side[-1].id in made.chain


# Races ------------------------------------------------------------------------------------------------------------


def overtake(made: Node, blocks: list[Header], first: float) -> tuple[Node, list[Output]]:
    """Before the feed brings each of these, "q" tells of it; ``first`` is by how many seconds."""
    said: list[Output] = []
    for block in blocks:
        now = made.now + 1.0
        made, outputs = hear(made, "q", has(block), now=now)
        made, more = hear(made, "feed", Blocks((block,)), now=now + first)
        said += [*outputs, *more]
    return made, said


def test_who_tells_of_blocks_well_before_the_feed_brings_them_is_asked_to_race_it() -> None:
    limits = Limits(silence=1e6, keepalive=1e5)
    made, outputs = overtake(live(limits), AHEAD[: limits.rival - 1], 2 * limits.early)
    assert told(outputs, Want) == []
    made, outputs = overtake(made, [AHEAD[limits.rival - 1]], 2 * limits.early)
    assert told(outputs, Want) == ["q"]
    assert [each.why for each in feed(made).asked] == [Why.RACE]
    made, outputs = hear(made, "q", Blocks((AHEAD[limits.rival],)), now=made.now + 1)
    assert (feed(made).peer, wanted(made)) == ("q", ["q"])
    assert told(outputs, DoNotWant) == ["feed"]
    assert feed(made).worn == (), "who loses a race is not worn"


def test_who_loses_a_race_of_some_blocks_must_be_ahead_twice_as_often_before_the_next() -> None:
    limits = Limits(silence=1e6, keepalive=1e5)
    made, _ = overtake(live(limits), AHEAD[:3], 2 * limits.early)
    for block in AHEAD[3:5]:
        made, outputs = hear(made, "feed", Blocks((block,)), now=made.now + 1)
        assert wanted(made) == ["feed", "q"]
    made, outputs = hear(made, "feed", Blocks((AHEAD[5],)), now=made.now + 1)
    assert (told(outputs, DoNotWant), wanted(made)) == (["q"], ["feed"])
    made, outputs = overtake(made, AHEAD[6:11], 2 * limits.early)
    assert told(outputs, Want) == []
    made, outputs = overtake(made, [AHEAD[11]], 2 * limits.early)
    assert told(outputs, Want) == ["q"]


def test_a_race_is_over_when_a_third_becomes_the_feed() -> None:
    limits = Limits(silence=1e6, keepalive=1e5)
    made, _ = overtake(live(limits), AHEAD[: limits.rival], 2 * limits.early)
    assert wanted(made) == ["feed", "q"]
    made, _ = hear(made, "p", has(AHEAD[limits.rival]), now=made.now)
    made, outputs = tick(made, due(made))
    assert told(outputs, Want) == ["p"]
    made, outputs = hear(made, "p", Blocks((AHEAD[limits.rival],)), now=made.now)
    assert (feed(made).peer, wanted(made)) == ("p", ["p"])
    assert sorted(told(outputs, DoNotWant)) == ["feed", "q"]


def test_a_node_that_is_far_behind_has_nobody_race_its_feed() -> None:
    """All told of the head before the feed brought the blocks below it."""
    made, said = behind(), []
    for at in range(0, len(AHEAD), 2):
        made, outputs = hear(made, "feed", Blocks(tuple(AHEAD[at : at + 2])), now=made.now + 0.8 * LIMITS.graft)
        said += outputs
    assert made.chain.head == AHEAD[-1]
    assert told(said, Want) == []


@pytest.mark.parametrize("how", ["not in a row", "hardly before"])
def test_who_is_seldom_or_hardly_ahead_is_not_asked(how: str) -> None:
    limits = Limits(silence=1e6, keepalive=1e5)
    made, said = live(limits), []
    for at in range(0, 20, 2):
        made, outputs = overtake(made, [AHEAD[at]], (0.5 if how == "hardly before" else 2) * limits.early)
        said += outputs
        if how == "not in a row":
            made, _ = hear(made, "feed", Blocks((AHEAD[at + 1],)), now=made.now)
        else:
            made, _ = overtake(made, [AHEAD[at + 1]], 0.5 * limits.early)
    assert told(said, Want) == []


# Busy, off --------------------------------------------------------------------------------------------------------


def test_a_busy_feed_is_left_for_one_that_it_names() -> None:
    made, _ = connected(node(TRUNK), "feed", "p")
    made, _ = made.step(Connected("named", 0.0, b"\7" * 32))
    made, outputs = hear(made, "feed", Busy(others=(b"\7" * 32,)))
    assert (told(outputs, Want), wanted(made)) == (["named"], ["named"])


def test_if_all_are_busy_a_node_insists() -> None:
    made, _ = connected(node(TRUNK), "feed", "p")
    made, _ = hear(made, "feed", Busy())
    made, outputs = hear(made, "p", Busy())
    (want,) = (output.message for output in outputs if isinstance(output, Send))
    assert want == Want(insist=True)
    assert wanted(made) == ["p"]


def test_a_peer_that_is_busy_when_it_is_asked_does_not_stop_us() -> None:
    made, _ = hear(live(), "q", has(AHEAD[0]))
    made, _ = tick(made, due(made))
    made, outputs = hear(made, "q", Busy(), now=made.now)
    assert asked(made) == []
    made, outputs = tick(made, due(made))
    assert [output.message for output in outputs if isinstance(output, Send)] == [Want(insist=True)]


def test_a_node_whose_only_peer_is_off_stands_still_and_goes_on_when_it_is_on_again() -> None:
    made, _ = connected(node(TRUNK), "only")
    made, _ = hear(made, "only", hello_of(TRUNK[-1]))
    made, outputs = hear(made, "only", Busy(off=True))
    assert told(outputs, Want) == []
    made, outputs = hear(made, "only", has(AHEAD[0]))
    assert told(outputs, Want) == ["only"]


def test_a_feed_that_is_off_and_gives_is_on_again_and_asked() -> None:
    made, _ = connected(node(TRUNK), "only")
    made, _ = hear(made, "only", hello_of(TRUNK[-1]), Busy(off=True))
    made, outputs = hear(made, "only", Give())
    assert told(outputs, Want) == ["only"]
    assert (feed(made).off, wanted(made)) == ((), ["only"])


def test_who_comes_while_the_feed_is_off_is_greeted_beside_it_and_asked_for_what_it_has_more() -> None:
    made, _ = connected(node(TRUNK), "off")
    made, _ = hear(made, "off", hello_of(TRUNK[-1]), Busy(off=True))
    made, _ = connected(made, "new")
    assert (feed(made).peer, wanted(made)) == ("off", [])
    made, outputs = hear(made, "new", hello_of(AHEAD[0]))
    assert told(outputs, Want) == ["new"], "at once: the feed has no more"
    made, outputs = hear(made, "new", Blocks((AHEAD[0],)))
    assert (feed(made).peer, wanted(made)) == ("new", ["new"])


def test_who_is_off_is_not_asked_for_what_it_told_of_before_and_is_asked_when_it_tells_anew() -> None:
    made, _ = hear(live(), "p", has(AHEAD[0]))
    made, _ = hear(made, "p", Busy(off=True))
    assert (feed(made).ahead, feed(made).off, made.next_deadline) == ((), ("p",), live().next_deadline)
    made, _ = hear(made, "p", has(AHEAD[0]))
    assert (feed(made).ahead, feed(made).off) == (("p",), ())
    made, outputs = tick(made, due(made))
    assert told(outputs, Want) == ["p"]


def test_a_feed_that_is_turned_off_is_left_for_another() -> None:
    made, outputs = hear(live(), "feed", Busy(off=True))
    assert (told(outputs, Want), wanted(made)) == (["p"], ["p"])
    made, _ = made.step(Lost("p", 0.0))
    assert feed(made).peer == "q", "not to the one that is off"


# Where blocks begin to come from another side ---------------------------------------------------------------------


def test_who_makes_a_block_gives_it_to_somebody() -> None:
    _, outputs = live().step(Produced((AHEAD[0],), 0.0))
    assert told(list(outputs), Give) == ["feed"]
    assert sent_blocks(outputs) == [AHEAD[0]]
    assert {"p", "q", "r"} <= set(told(list(outputs), Has))


def test_who_makes_blocks_gives_them_to_its_feed_though_others_have_them_too() -> None:
    made, _ = hear(live(), "q", Want())
    made, outputs = made.step(Produced((AHEAD[0],), 0.0))
    assert told(list(outputs), Give) == ["feed"]
    assert sent_blocks(outputs) == [AHEAD[0], AHEAD[0]]
    assert (served(made), wanted(made)) == (["feed", "q"], ["feed"])


def test_if_the_feed_has_what_we_make_from_another_a_child_is_the_feed() -> None:
    made, _ = hear(live(), "q", Want())
    made, _ = made.step(Produced((AHEAD[0],), 0.0))
    made, _ = hear(made, "feed", DoNotWant())
    assert (feed(made).peer, served(made)) == ("feed", ["q"]), "it may be that blocks come from its side next"
    made, outputs = made.step(Produced((AHEAD[1],), 0.0))
    assert (feed(made).peer, served(made), wanted(made)) == ("q", ["q"], ["q"])
    assert told(list(outputs), DoNotWant) == ["feed"]
    assert told(list(outputs), Want) == ["q"]


def test_an_edge_is_turned_round_where_blocks_come_from_the_other_side() -> None:
    made, nothing = hear(live(), "p", Give())
    assert nothing == []
    made, outputs = hear(made, "p", Blocks((AHEAD[0],)))
    assert (feed(made).peer, wanted(made)) == ("p", ["p"])
    assert told(outputs, DoNotWant) == ["feed"]
    assert told(outputs, Give) == ["feed"], "it is on the far side, and lacks the block"
    assert sent_blocks(outputs) == [AHEAD[0]]


def test_one_that_is_worn_may_give_again_and_is_shut_if_it_does_not() -> None:
    made = live(Limits(silence=1e6, keepalive=1e5))
    made, _ = hear(made, "q", has(AHEAD[0]))
    while not feed(made).worn:
        made, _ = tick(made, due(made))
    made, _ = hear(made, "feed", Blocks((AHEAD[0],)), now=made.now)
    made, outputs = hear(made, "q", Give(), now=made.now)
    assert told(outputs, DoNotWant) == []
    made, outputs = tick(made, due(made))
    assert told(outputs, DoNotWant) == ["q"]
    assert wanted(made) == ["feed"]


def test_what_is_switched_off_is_served_nothing_even_as_the_feed() -> None:
    made, _ = live().step(Switch(True, 0.0))
    made, outputs = made.step(Produced((child(TRUNK[-1]),), 0.0))
    assert sent_blocks(outputs) == []
    assert served(made) == []
