"""Who is to blame: a peer's mistake is told with its evidence, and what honest peers do under stress is none."""

from collections.abc import Sequence

import attrs
import msgspec
import pytest

from syncfsm.blocks import Header, Past, Point, Unchecked
from syncfsm.errors import Fault, Penalty
from syncfsm.events import Garbled, Produced, Tick, Verdict
from syncfsm.limits import MAX_HEIGHT, Limits, Strategy
from syncfsm.outputs import Misbehaviour, Output
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks, Has, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.testing import GENESIS, Pair, branch, child
from tests.building import connected, greeted, hear, hello_of, in_step, node, parted, partings

TRUNK = branch(GENESIS, 10, "trunk")


def rule_of(outputs: Sequence[Output]) -> str:
    (fault,) = (output.fault for output in outputs if isinstance(output, Misbehaviour))
    return fault.rule


# Faults -----------------------------------------------------------------------------------------------------------


class Forged(Unchecked):
    """A check to which every block named ``bad`` is a forgery."""

    def __init__(self, bad: Header) -> None:
        self.bad = bad

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
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


@pytest.mark.parametrize("flood", ["a ceiling that counts down", "lower and narrower by turns"])
def test_hellos_that_lead_nowhere_are_a_flood(flood: str) -> None:
    made, _ = hear(greeted(node(TRUNK)), "p", hello_of(TRUNK[0], child(GENESIS, "other")))
    head, low, high = (Point(height, b"made up") for height in (2**40, 1, 3))
    for step in range(2000):
        if flood == "lower and narrower by turns":
            points, ceiling = ((low,) if step % 2 else (high,)), 4
        else:
            points, ceiling = (low,), 2**48 - 1 - step
        hello = Hello(head, b"", GENESIS.point, GENESIS.point, points, ceiling, TRUNK[-1].point)
        made, outputs = hear(made, "p", hello)
        if partings(outputs):
            assert rule_of(outputs) == "hello-flood"
            return
    pytest.fail("2000 hellos were accepted in one instant")


def test_word_of_a_head_before_the_common_ancestor_is_known_is_a_grave_fault() -> None:
    for made in (greeted(node(TRUNK)), hear(greeted(node(TRUNK)), "p", hello_of(child(TRUNK[-1], "unknown")))[0]):
        _, outputs = hear(made, "p", Has(child(TRUNK[-1]).point, b"\xff"))
        assert parted(outputs, Parting.FAULT, blame=Penalty.GRAVE)
        assert rule_of(outputs) == "head-before-common"


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
    made = attrs.evolve(made, config=config)
    made, outputs = hear(made, "p", Blocks(tuple(TRUNK[2:5])))
    assert not partings(outputs)


def test_what_the_wire_refused_ends_the_link() -> None:
    made = in_step(node(TRUNK))
    _, outputs = made.step(Garbled("p", Fault("bad-frame", "no message", b"\0"), 0.0))
    assert parted(outputs, Parting.FAULT, blame=Penalty.GRAVE)
    assert rule_of(outputs) == "bad-frame"


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


@pytest.mark.parametrize("height", [2, MAX_HEIGHT - 1])
def test_a_held_block_under_its_id_at_another_height_is_taken_for_what_is_held(height: int) -> None:
    """A liar says a block that we hold, with another height: it goes by the id. And then it names a block that comes
    from elsewhere, so that it is asked what of all that stands on what."""
    chain, (side,) = [GENESIS, *branch(GENESIS, 6, "left")], branch(GENESIS, 1, "side")
    made, _ = connected(node(chain[1:]), "liar")
    made, _ = hear(made, "liar", hello_of(chain[3]))
    made, _ = hear(made, "liar", Blocks((msgspec.structs.replace(chain[5], height=height),)))
    made, _ = hear(made, "liar", Has(side.point, side.score))
    made, _ = made.step(Produced((side,), 0.0))
    assert made.all(SYNC)["liar"].received == chain[5]
    assert made.chain.head == chain[-1]
