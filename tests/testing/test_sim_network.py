"""The simulated network finds what is wrong with a node it has never seen, says so, and says it again."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from syncfsm.errors import LocalError
from syncfsm.events import Produced, Received, Room
from syncfsm.notes.messages import Note
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.sync.messages import Blocks
from syncfsm.testing import (
    GENESIS,
    Faults,
    Luck,
    PromiseError,
    SimNetwork,
    Simulation,
    SyncNode,
    branch,
    run_safety_then_liveness,
)
from syncfsm.testing.lines import Line, Way
from tests.testing import naive
from tests.testing.naive import Naive

ROOT = Path(__file__).parent.parent.parent


def three(start: Callable[[], SyncNode], network: SimNetwork) -> SimNetwork:
    for name in ("a", "b", "c"):
        network.add(name, start)
    network.join_all()
    return network


def sampled(seed: int) -> SimNetwork:
    return SimNetwork(seed, Faults.sample(Luck(seed)), messages=5_000)


def first_failure(start: Callable[[], SyncNode]) -> str:
    """What the first of thirty runs says that breaks a promise; nothing if none does."""
    for seed in range(30):
        try:
            run_safety_then_liveness(three(start, sampled(seed)), seconds=10.0)
        except PromiseError as error:
            return str(error)
    return ""


def test_a_sound_node_that_is_not_ours_passes() -> None:
    assert first_failure(Naive) == ""


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (naive.DropsBlocks, " is at "),
        (naive.NeverAnswers, " is at "),
        (naive.FirstComeFirstServed, "the goal is "),
        (naive.KeepsLostLinks, " has not ended (Disconnect) its link to "),
        (naive.TakesOrphans, " before its parent, "),
        (naive.AcceptsTwice, " a second time"),
        (naive.MovesFirst, " has not said that it accepted that block"),
        (naive.LeavesFinal, "NeverBelowFinal: the head of "),
        (naive.TalksToTheLost, "OneDisconnect: "),
        (naive.EndsTwice, ", which was over"),
        (naive.Storm, "Bounded: more than 5000 messages"),
        (naive.Raises, " raised KeyError: 'no such block'"),
        (naive.RejectsPeers, ", which was not its caller's mistake: this block has no parent"),
        (naive.SendsNonsense, " what cannot be decoded: "),
        (naive.ForgetsInRestarts, " restarted from all it accepted: "),
    ],
    ids=lambda given: given.__name__ if isinstance(given, type) else "",
)
def test_what_is_wrong_with_a_node_is_found_and_named(start: Callable[[], SyncNode], says: str) -> None:
    assert says in first_failure(start).partition("\n")[0]


def test_the_text_of_a_failure_makes_the_network_again() -> None:
    text = first_failure(naive.LeavesFinal)
    _, again, *story = text.splitlines()
    network = eval(again, {"SimNetwork": SimNetwork, "Faults": Faults})
    with pytest.raises(PromiseError) as error:
        run_safety_then_liveness(three(naive.LeavesFinal, network), seconds=10.0)
    assert str(error.value) == text
    assert story[0] == "what happened last:"
    assert not any(line.endswith("room a -> nothing") for line in story)


DIGEST = """
from hashlib import sha256
from model_tests.test_byzantine import beside, started
from syncfsm.limits import Strategy
from syncfsm.testing import BYZANTINE, Faults, Luck, run_safety_then_liveness
digest = sha256()
for seed, evil in enumerate(BYZANTINE):
    network = beside(evil, seed, Faults.sample(Luck(seed)), [*Strategy][seed % 2])
    def watch(happened):
        digest.update(repr((network.now, happened.name, happened.event, happened.outputs)).encode())
    network.watchers.append(watch)
    run_safety_then_liveness(network, seconds=5.0)
print(digest.hexdigest())
"""


def test_a_seed_is_one_run_whatever_the_hashes() -> None:
    """Byte for byte, in processes that order sets and dicts of text in their own ways."""
    runs = {
        subprocess.run(
            (sys.executable, "-c", DIGEST), cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1
    assert len(runs.pop()) == 65


def test_only_claims_and_walks_need_the_checker() -> None:
    """Whoever tests a node of their own installs no numpy."""
    needing = ("claims", "walk")
    parts = [path.stem for path in (ROOT / "syncfsm/testing").glob("[!_]*.py") if path.stem not in needing]
    code = f"""
import sys
from importlib import import_module
sys.modules["numpy"] = None
for part in {parts}:
    import_module("syncfsm.testing." + part)
"""
    subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=True)


def test_outages_are_played_without_hypothesis() -> None:
    code = """
import sys
sys.modules["numpy"] = sys.modules["hypothesis"] = None
from syncfsm.testing.outage import Outage, play_outage
play_outage(Outage())
"""
    subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=True)


def test_a_callers_mistakes_are_told() -> None:
    network = SimNetwork()
    network.add("a", Naive)
    network.add("b", Naive)
    with pytest.raises(LocalError, match="name of its own"):
        network.add("a", Naive)
    with pytest.raises(LocalError, match=r"no node 'c' in the network; add it, or take one of \['a', 'b'\]"):
        network.feed("c", Produced(tuple(branch(GENESIS, 1)), 0.0))
    with pytest.raises(LocalError, match="'a' and 'b' are not joined; call join"):
        network.connect("a", "b")
    with pytest.raises(LocalError, match="call add, and join"):
        run_safety_then_liveness(network)
    network.join("a", "b")
    for a, b in (("a", "b"), ("b", "a"), ("a", "a")):
        with pytest.raises(LocalError, match="join two nodes once"):
            network.join(a, b)
    network.connect("a", "b")
    with pytest.raises(LocalError, match="end that connection first"):
        network.connect("a", "b")
    network.join_all()
    assert network.pairs == [("a", "b")]


def linked(way: Way | None) -> SimNetwork:
    """Two nodes that are linked by ``way``."""
    network = SimNetwork()
    for name in ("a", "b"):
        network.add(name, Naive)
    network.join("a", "b", way)
    network.connect("a", "b")
    return network


def test_a_line_with_a_way_writes_one_message_after_the_other_and_then_carries_it() -> None:
    network, accepted = linked(Way(latency=0.5, rate=1000.0)), list[float]()
    simulation = Simulation(network, 0.0, ())
    network.watchers.append(lambda happened: accepted.append(network.now) if happened.name == "b" else None)
    network.feed("a", Produced(tuple(branch(GENESIS, 2, size=488)), network.now))  # 1000 bytes each
    simulation.run(5.0)
    assert accepted == [1.5, 2.5]


def test_room_comes_back_when_a_message_has_been_written_if_the_line_has_a_way_and_else_when_it_arrives() -> None:
    for way in (Way(0.5, 1000.0), None):
        network, events = linked(way), list[type]()
        network.watchers.append(lambda happened, events=events: events.append(type(happened.event)))  # type: ignore[misc]
        network.feed("a", Produced(tuple(branch(GENESIS, 1)), network.now))
        network.write("a", "b")
        network.deliver("a", "b")
        assert events == ([Produced, Room, Received] if way else [Produced, Received, Room])


def test_small_messages_overtake_the_blocks_that_wait_and_not_the_one_that_is_written() -> None:
    one, two = branch(GENESIS, 2)
    line = Line("a", "b", codec=False, way=Way(0.0, 1000.0))
    about, bye = Note(b"about two", two.point), Bye(Parting.SHUTDOWN)
    for message in (Blocks((one,)), Blocks((two,)), about, Ping(), Pong()):
        line.put(message, 0.0, 0.0)
    assert [line.written(0.0) for _ in range(5)] == [Blocks((one,)), Ping(), Pong(), Blocks((two,)), about]
    for last in (Blocks((one,)), Blocks((two,)), about, Ping(), bye, None):
        line.put(last, 0.0, 0.0)
    assert [line.written(0.0) for _ in range(4)] == [Blocks((one,)), Ping(), bye, None]
    with pytest.raises(LocalError, match="not writing"):
        line.written(0.0)
