"""What no single link decides: when time is due, the caller's mistakes, and the order of outputs."""

import random
from collections.abc import Sequence

import attrs
import pytest

from syncfsm.blocks import Header, Past, Point, Unchecked
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Event, Finalised, Garbled, Leave, Lost, Produced, Received, Room, Tick, Verdict
from syncfsm.limits import Limits
from syncfsm.node.node import Node
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say, Undelivered
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import (
    Accepted,
    ConfirmedMoved,
    Disconnect,
    Dropped,
    FinalMoved,
    HeadMoved,
    Misbehaviour,
    Output,
    Send,
    SendBlocks,
)
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.sync.messages import Blocks, Finality, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.sync.types import State
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, feed, hear, hello_of, messages, node, partings, sent_blocks

TRUNK = branch(GENESIS, 6, "trunk")
AHEAD = branch(TRUNK[-1], 20, "ahead")
PEERS = ("p1", "p2", "p3", "p4", "p5")


def greeted(outputs: Sequence[Output]) -> list[str]:
    """Whom these outputs greet, in order."""
    return [said.peer for said in outputs if isinstance(said, Send) and isinstance(said.message, Hello)]


def behind(limits: Limits | None = None) -> tuple[Node, list[Output]]:
    """A node at the end of ``TRUNK`` and five peers that are all ahead of it."""
    made, outputs = connected(node(TRUNK, limits=limits), *PEERS)
    for peer in PEERS:
        made, more = hear(made, peer, hello_of(AHEAD[-1]))
        outputs += more
    return made, outputs


# Time -------------------------------------------------------------------------------------------------------------


def test_no_link_no_deadline() -> None:
    assert node(TRUNK).next_deadline is None


def test_nothing_happens_before_the_deadline_and_something_at_it() -> None:
    """Through greeting, patience, pings, an owed hello, a late search and silence, in any order of other events."""
    for seed in range(150):
        luck = random.Random(seed)
        limits = Limits(hello_burst=4, hello_rate=luck.choice((3.0, 8.0)), search=7.0)
        made, _ = connected(node(TRUNK, limits=limits), *PEERS[: luck.randrange(1, 4)])
        now = 0.0
        for _ in range(30):
            due = made.next_deadline
            if due is None:
                break
            before = due - 1e-5
            if before > now:
                early, outputs = made.step(Tick(before))
                assert (early, outputs) == (attrs.evolve(made, now=before), ()), (
                    f"seed {seed}: due at {due}, not at {before}"
                )
            if luck.random() < 0.6:
                now = max(now, due)
                after, _ = made.step(Tick(now))
                assert after != attrs.evolve(made, now=now), f"seed {seed}: due at {due}, and nothing came of it"
                made = after
            else:
                now += luck.random() * max(0.0, due - now)
                made, _ = made.step(something(made, now, luck))


def something(made: Node, now: float, luck: random.Random) -> Event:
    peer = luck.choice(sorted(made.links))
    fork = child(luck.choice(TRUNK[:3]), str(luck.random()), gain=luck.randrange(1, 30))
    return luck.choice(
        (
            Received(peer, Pong(), now),
            Received(peer, hello_of(luck.choice(AHEAD)), now),
            Produced((fork,), now),
            Room(peer, 512, now),
            Lost(peer, now) if luck.random() < 0.2 else Received(peer, Ping(), now),
        )
    )


@pytest.mark.parametrize("burst", [4, 5])
def test_a_hello_put_off_by_the_rate_limit_is_sent_when_it_is_due(burst: int) -> None:
    made, _ = connected(node(TRUNK, limits=Limits(hello_burst=burst)), "p")
    heads = [child(TRUNK[0], str(at), gain=50 + at) for at in range(5)]
    for head in heads:
        made, outputs = made.step(Produced((head,), 0.0))
        assert greeted(outputs) == []
    assert made.next_deadline is not None
    made, outputs = made.step(Tick(made.next_deadline))
    (hello,) = messages(outputs)
    assert isinstance(hello, Hello)
    assert hello.head == heads[-1].point


def test_one_tick_does_what_is_due_in_every_protocol() -> None:
    """The connection asks for a sign of life, and sync says the hello that was put off; in the registry's order."""
    made, _ = connected(node(TRUNK, limits=Limits(hello_burst=4)), "p")
    for at in range(3):
        made, _ = made.step(Produced((child(TRUNK[0], str(at), gain=50 + at),), 0.0))
    _, outputs = made.step(Tick(Limits().keepalive))
    assert [type(message) for message in messages(outputs)] == [Ping, Hello]


# The caller's mistakes --------------------------------------------------------------------------------------------

GRANDCHILD = child(child(TRUNK[-1]))


class Picky(Unchecked):
    """A check that refuses blocks of more than ten bytes."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        return next((Fault("too-large", "over ten bytes", header.id) for header in headers if header.size > 10), None)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Produced((), 0.0), r"not accepted \(empty-run\)"),
        (Produced((child(TRUNK[-1], "a"), child(TRUNK[-1], "b")), 0.0), r"not accepted \(broken-run\)"),
        (Produced((child(TRUNK[-1], size=11),), 0.0), r"not accepted \(too-large\)"),
        (Produced((GRANDCHILD,), 0.0), "cannot be added: unlinkable; the chain ends at 6:"),
        (Produced((child(GENESIS, "rival"),), 0.0), "cannot be added: below-final"),
        (Produced((Header(9, b"high", TRUNK[-1].id, b"\xff", 0, b""),), 0.0), "cannot be added: invalid"),
        (Finalised(GRANDCHILD.point, 0.0), "no such block is held"),
        (Finalised(Point(3, TRUNK[-1].id), 0.0), "no such block is held at that height"),
        (Finalised(child(TRUNK[0], "beside").point, 0.0), "it contradicts"),
        (Verdict(TRUNK[1].id, False, 0.0), "it is final"),
        (Connected("p", 0.0), "open already"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_mistake_of_the_caller_is_raised_and_changes_nothing(event: Event, said: str) -> None:
    beside = child(TRUNK[0], "beside")
    made, _ = connected(node(TRUNK, [beside], check=Picky()), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    chain = made.chain.finalise(TRUNK[1].point)
    made = attrs.evolve(made, chain=chain)
    before = hash(made)
    with pytest.raises(LocalError, match=said):
        made.step(event)
    assert hash(made) == before
    assert made.step(Produced((child(TRUNK[-1]),), 0.0))[0].chain.head == child(TRUNK[-1])


def test_a_block_that_is_held_already_may_be_produced_again() -> None:
    made = node(TRUNK)
    assert made.step(Produced(tuple(TRUNK), 0.0)) == (made, ())


# Verdicts ---------------------------------------------------------------------------------------------------------


def test_a_verdict_may_come_before_its_block() -> None:
    bad = child(TRUNK[-1], "bad")
    made, _ = connected(node(TRUNK), "p", "q")
    for peer in "pq":
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    made, nothing = made.step(Verdict(bad.id, False, 0.0))
    assert nothing == ()
    made, outputs = hear(made, "p", Blocks((bad, child(bad))))
    assert outputs == [Accepted((bad, child(bad)))], "held, but neither the head nor passed on"
    assert made.chain.head == TRUNK[-1]
    made, freed = made.step(Verdict(bad.id, True, 0.0))
    assert made.chain.head == child(bad)
    assert [said.peer for said in freed if isinstance(said, SendBlocks)] == ["q"]


def test_a_verdict_moves_the_head_to_the_next_best_branch_and_the_links_with_it() -> None:
    rival = branch(TRUNK[2], 2, "rival")
    made, _ = connected(node(TRUNK, rival), "p")
    made, _ = hear(made, "p", hello_of(TRUNK[-1]))
    made, outputs = made.step(Verdict(TRUNK[3].id, False, 0.0))
    assert outputs[0] == HeadMoved(TRUNK[-1].point, rival[-1].point, TRUNK[2].point)
    assert sent_blocks(outputs) == rival


# The order of outputs ---------------------------------------------------------------------------------------------


def test_blocks_are_accepted_before_they_are_sent_on_and_dropped_after_all_links_looked() -> None:
    made, _ = connected(node(TRUNK, limits=Limits(retention=1)), "p", "q")
    for peer in "pq":
        made, _ = hear(made, peer, hello_of(TRUNK[-1]))
    block = child(TRUNK[-1])
    made, outputs = hear(made, "p", Blocks((block,)))
    assert [type(said) for said in outputs] == [Accepted, HeadMoved, SendBlocks]
    made, final = made.step(Finalised(TRUNK[3].point, 0.0))
    assert [type(said) for said in final] == [ConfirmedMoved, FinalMoved, Send, Send, Dropped]
    assert final[1] == FinalMoved(GENESIS.point, TRUNK[3].point)
    assert final[-1] == Dropped((GENESIS, *TRUNK[:2]), TRUNK[2].point)
    assert set(messages(final)) == {Finality(TRUNK[3].point)}


def test_a_head_move_tells_where_the_chains_part() -> None:
    rival = branch(TRUNK[2], 9, "rival")
    made, outputs = node(TRUNK).step(Produced(tuple(rival), 0.0))
    assert outputs == (Accepted(tuple(rival)), HeadMoved(TRUNK[-1].point, rival[-1].point, TRUNK[2].point))
    _, outputs = made.step(Produced((child(rival[-1]),), 0.0))
    assert outputs[1] == HeadMoved(rival[-1].point, child(rival[-1]).point, rival[-1].point)


def test_the_head_told_last_is_the_head() -> None:
    """Whatever comes: blocks, bans, finality. Told heads form a chain of moves that ends at the real one."""
    for seed in range(60):
        luck = random.Random(seed)
        made, told = node(TRUNK), TRUNK[-1].point
        held = [GENESIS, *TRUNK]
        for _ in range(25):
            block = child(luck.choice(held), str(luck.random()), gain=luck.randrange(1, 9))
            event: Event = luck.choice(
                (
                    Produced((block,), 0.0),
                    Produced((block,), 0.0),
                    Verdict(luck.choice(held).id, luck.random() < 0.5, 0.0),
                    Finalised(luck.choice(held[-5:]).point, 0.0),
                )
            )
            try:
                made, outputs = made.step(event)
            except LocalError:
                continue
            held += [block] if block.id in made.chain else []
            for said in outputs:
                if isinstance(said, HeadMoved):
                    assert said.old == told
                    told = said.new
            assert told == made.chain.head.point


def test_the_last_words_of_a_connection_are_the_last() -> None:
    """What its protocols still have to say comes first."""
    made, _ = connected(node(TRUNK), "p")
    note = Note(b"x", child(TRUNK[-1]).point)
    made, _ = made.step(Say(note, 0.0))
    fault = Fault("bad-frame", "noise")
    for end, last in (
        (Leave("p", Parting.SHUTDOWN, 0.0), [Send, Disconnect]),
        (Lost("p", 0.0), [Disconnect]),
        (Received("p", Bye(Parting.FULL), 0.0), [Disconnect]),
        (Tick(Limits().silence), [Send, Disconnect]),
        (Garbled("p", fault, 0.0), [Misbehaviour, Send, Disconnect]),
        (Garbled("p", fault, 0.0, ProtocolNumber.SYNC), [Misbehaviour, Send, Disconnect]),
    ):
        after, outputs = made.step(end)
        assert not after.links
        assert [type(said) for said in outputs if type(said) is not Undelivered] == last
        ending = [said for said in outputs if isinstance(said, Undelivered | Send | Disconnect)]
        assert ending[0] == Undelivered("p", note)
        assert all(isinstance(message, Bye) for message in messages(outputs))


# A node is a value ------------------------------------------------------------------------------------------------


def test_equal_histories_make_equal_nodes_and_outputs() -> None:
    history: list[Event] = [
        Connected("p", 0.0),
        Connected("q", 0.1),
        Received("p", hello_of(AHEAD[-1]), 0.2),
        Received("q", hello_of(AHEAD[3]), 0.3),
        Received("p", Blocks(tuple(AHEAD[:9])), 0.4),
        Produced((child(TRUNK[2], "beside"),), 0.5),
        Tick(1.5),
        Received("q", Blocks(tuple(AHEAD[4:])), 1.6),
        Finalised(AHEAD[2].point, 1.7),
        Lost("p", 1.8),
    ]
    start, ends = node(TRUNK), set()
    for _ in range(2):
        made = start
        said: list[Output] = []
        for event in history:
            made, outputs = made.step(event)
            said += outputs
        ends.add((made, tuple(said)))
    assert len(ends) == 1


def test_a_step_leaves_the_old_node_as_it_was() -> None:
    made, _ = behind()
    before = hash(made)
    after, _ = hear(made, "p1", Blocks(tuple(AHEAD)))
    assert after != made
    assert hash(made) == before
    assert made.chain.head == TRUNK[-1]
    assert made.all(SYNC)["p1"].state in (State.START, State.INIT)


def test_every_link_ends_with_one_disconnect() -> None:
    made, outputs = behind()
    for peer in PEERS:
        made, more = made.step(Lost(peer, 1.0))
        outputs += more
    assert made.links == node().links
    assert feed(made) == feed(node())
    assert [said.peer for said in partings(outputs)] == list(PEERS)
    assert all(isinstance(said, Disconnect) and said.reason is Parting.LOST for said in partings(outputs))


def test_any_number_of_connections_may_end_in_one_step() -> None:
    """All that fell silent at once, as after an outage of the line: nothing goes round in circles there."""
    made, _ = connected(node(), *(f"peer {number}" for number in range(30)))
    made, outputs = made.step(Tick(1000.0))
    assert len(partings(outputs)) == 30
    assert not made.links
