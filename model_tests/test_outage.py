"""What the library is for, as a property: whoever is lost, however, meanwhile whatever, is at the live head in time.

``outages/`` keeps stories as lines: the one that the README tells, and those that once broke what was promised, or what
was thought to be. They are played again here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import Phase, event, given, settings, target
from msgspec.structs import replace

from model_tests.mutants import changed
from model_tests.peer_mutants import PEER_MUTANTS, PeerResult
from model_tests.sync_mutants import ACTIONS, SYNC_MUTANTS, Result
from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.machine import Rule, Table
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Send, SendBlocks
from syncfsm.peer.protocol import TABLE as PEER
from syncfsm.peer.types import Peer
from syncfsm.protocol import View
from syncfsm.sync.discovery import opening
from syncfsm.sync.protocol import TABLE as SYNC
from syncfsm.sync.types import Link, Moved, State, Turn
from syncfsm.testing import GENESIS, PromiseError, RowCount
from syncfsm.testing.outage import HOW, LIARS, Loss, Outage, allowed, play_outage
from syncfsm.testing.outage import Turn as Bend
from syncfsm.testing.outage.strategies import outages
from syncfsm.testing.profiles import CI, NIGHTLY
from tests.testing.naive import Naive

STORIES: Final = sorted((Path(__file__).parent / "outages").glob("*.json"))


# It holds -------------------------------------------------------------------------------------------------------


def test_whoever_is_lost_is_at_the_live_head_in_time() -> None:
    returns: list[str] = []

    @settings(CI, max_examples=300)
    @given(outages())
    def play(outage: Outage) -> None:
        report = play_outage(outage)
        for back in report.returns:
            returns.extend(loss.how for loss in outage.losses if outage.name(loss.who) == back.name)
            returns.append(outage.liar)

    play()
    assert {*HOW, *LIARS} <= {*returns}, "each way to be lost, and beside each liar"


@pytest.mark.nightly
def test_it_holds_in_stories_that_nobody_has_seen() -> None:
    @settings(NIGHTLY, max_examples=5000)
    @given(outages(gap=120))
    def play(outage: Outage) -> None:
        report = play_outage(outage)
        event(f"{len(report.returns)} returns")
        target(max((back.took / back.allowed.seconds for back in report.returns), default=0.0))

    play()


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_stories_that_were_kept(story: Path) -> None:
    line = story.read_text(encoding="utf-8")
    outage = Outage.read(line)
    assert str(outage) == line.strip()
    play_outage(outage)


def test_the_story_of_the_readme() -> None:
    """In the words of the README: one copy of the missed blocks, within one block time and two round trips."""
    report = play_outage(Outage(nodes=5, topology="mesh", losses=(Loss(gap=100),)))
    (back,) = report.returns
    assert (back.name, back.missed) == ("a", 100)
    bound = back.allowed
    assert bound.notice == bound.patience == bound.fetch == 0
    assert back.took <= bound.dial + bound.greet + bound.transmit
    assert report.sequencer <= report.one_copy
    assert report.upstream == 0


def test_a_line_tells_the_whole_story() -> None:
    @settings(CI, max_examples=200)
    @given(outages())
    def same(outage: Outage) -> None:
        assert "\n" not in str(outage)
        assert Outage.read(str(outage)) == outage

    same()
    for wrong in ("", "[]", '{"nodes": }', '{"knots": 2}', '{"losses": [{"whom": 1}]}'):
        with pytest.raises(LocalError, match="no outage"):
            Outage.read(wrong)


def test_the_bound_has_a_term_for_each_reason_and_no_more() -> None:
    plain = allowed(Outage(), "a", 1)
    assert plain.seconds == plain.dial + plain.greet + plain.transmit + plain.live
    assert allowed(Outage(losses=(Loss(how="silent"),)), "a", 1).notice > 0
    assert allowed(Outage(liar="HeightLiar"), "a", 1).patience == allowed(Outage(), "a", 1, behind=2).patience == 1.0
    assert allowed(Outage(turns=(Bend(),)), "a", 1).greet == pytest.approx(1.5 * plain.greet)
    assert allowed(Outage(final=1, retention=2), "a", 50).fetch > 0
    assert allowed(Outage(load=(50,)), "a", 1).transmit > 10 * plain.transmit


# And it is broken by what breaks it -----------------------------------------------------------------------------


def from_the_base(link: Link, message: Any, view: View) -> Result:
    """It takes it that the peer has nothing but the oldest block."""
    link, outputs = ACTIONS["conclude"](link, message, view)
    return replace(link, sent=view.chain.base), outputs


def twice(link: Link, turn: Turn, view: View) -> Result:
    link, outputs = ACTIONS["stream"](link, turn, view)
    return link, (*outputs, *(output for output in outputs if isinstance(output, SendBlocks)))


def deaf_to_room(peer: Peer, freed: int, view: View) -> PeerResult:
    return peer, ()


def chatty(link: Link, moved: Moved, view: View) -> Result:
    """It says hello whenever its head moves."""
    link, outputs = ACTIONS["rebase"](link, moved, view)
    return link, (*outputs, Send(link.peer, opening(view)))


def asleep(rule: Rule) -> Rule:
    """It finds the common ancestor, and does not begin to stream."""
    return attrs.evolve(rule, target=State.IDLE) if rule.guard == "common_and_lacking" else rule


_known: Final = {each.name: each.table for each in (*SYNC_MUTANTS, *PEER_MUTANTS)}
BROKEN: Final[dict[str, tuple[Table[Any], str]]] = {
    "from-the-base": (changed(SYNC, actions={"conclude": from_the_base}), "Once: .* which it had"),
    "twice": (changed(SYNC, actions={"stream": twice}), "Once: .* which crossed already"),
    "deaf-to-room": (changed(PEER, actions={"gain": deaf_to_room}), "InTime: "),
    "chatty": (changed(SYNC, actions={"rebase": chatty}), "FewHellos: "),
    "asleep": (changed(SYNC, rules=asleep), "InTime: "),
    "skip-a-block": (_known["skip-a-block"], "InOrder: |InTime: "),
    "presume": (_known["presume"], "InOrder: |InTime: "),
    "never-moves": (_known["never-moves"], "InTime: "),
    "slip-away": (_known["slip-away"], "InTime: |OneDisconnect: "),
    "say-nothing": (_known["say-nothing"], "InTime: "),
}
"""Changed tables of the link, and the promise that their stories break, as an expression."""


def found(play: Callable[[Outage], object], shrink: bool = False) -> PromiseError:
    """What the search says, the same each time, of at most 500 stories of up to four nodes."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]

    @settings(CI, max_examples=500, phases=phases, report_multiple_bugs=False)
    @given(outages(gap=10, nodes=4))
    def search(outage: Outage) -> None:
        play(outage)

    with pytest.raises(PromiseError) as error:
        search()
    return error.value


@pytest.mark.parametrize("name", BROKEN)
def test_a_changed_table_is_found(name: str) -> None:
    table, says = BROKEN[name]
    error = found(lambda outage: play_outage(outage, rules=RowCount(table)))
    with pytest.raises(PromiseError, match=says):
        raise error


def test_a_search_that_takes_any_common_block_is_found() -> None:
    """Few points, and a fork between them, which the lost node made itself. A drawn story seldom has that."""
    story = Outage(start=40, points=4, losses=(Loss(gap=20),), turns=(Bend(at=2, by=1, depth=7, count=2),))
    play_outage(story)
    with pytest.raises(PromiseError, match=r"Once: .* which it had"):
        play_outage(story, rules=RowCount(_known["rough"]))


def test_a_failure_is_a_line_that_shrinks_to_a_short_story_and_fails_again() -> None:
    table = RowCount(BROKEN["asleep"][0])
    error = found(lambda outage: play_outage(outage, rules=table), shrink=True)
    line = error.__notes__[0].splitlines()[-1]
    outage = Outage.read(line)
    assert (len(outage.names), outage.losses, outage.turns, outage.liar) == (2, (Loss(),), (), "")
    with pytest.raises(PromiseError) as again:
        play_outage(outage, rules=table)
    assert str(again.value) == str(error)


def test_a_node_that_greets_all_its_peers_gets_what_it_missed_from_each() -> None:
    """A node without patience: what the leader is for."""

    def hasty(name: str, limits: Limits) -> Node:
        limits = attrs.evolve(limits, patience=1e-6)
        return Node.start(Config(Unchecked(), limits=limits), Chain.start(GENESIS, limits))

    with pytest.raises(PromiseError, match=r"Once: a missed .*, and now it came twice"):
        play_outage(Outage(nodes=4, topology="mesh", losses=(Loss(gap=30),)), hasty)


def test_a_node_that_owes_nothing_to_ours_can_be_played() -> None:
    """It sends all it has on every connection."""
    with pytest.raises(PromiseError, match="OneCopy: "):
        play_outage(Outage(start=3), lambda name, limits: Naive())
