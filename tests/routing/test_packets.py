"""Packets at one node: judged first, delivered once, given once, held back, and all of it bounded."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Garbled, Lost, Produced, Received, Tick
from syncfsm.limits import (
    FETCHED,
    FRAME_BYTES,
    HOPS,
    ID_BYTES,
    MAX_HEIGHT,
    NODE_ID_BYTES,
    NOTE_BYTES,
    PACKET_IDS,
    SIGNATURE_BYTES,
    Limits,
)
from syncfsm.node.node import Node
from syncfsm.node.registry import CORE
from syncfsm.outputs import Disconnect, Ended, Misbehaviour, Output, Send
from syncfsm.routing.messages import Fetch, Have, Packet, PacketId, Pass, Reach
from syncfsm.routing.protocol import TABLE
from syncfsm.routing.router.guards import delivered, marked
from syncfsm.routing.router.types import Router, Window
from syncfsm.routing.types import CLOSED, Arrived, Judge, Judged, Judgement, Publish
from syncfsm.sync.messages import Blocks, DoNotWant, Has, Hello
from syncfsm.sync.protocol import SYNC
from syncfsm.testing import GENESIS, child
from syncfsm.wire.codec import Bad, Codec
from tests.routing.networks import REGISTRY, ROUTER, ROUTING, packet, start

LIMITS = Limits()


def linked(*peers: str, limits: Limits | None = None, backup: Iterable[str] = ()) -> Node:
    """A node that is in step with these peers; over ``backup`` connections no blocks go either way."""
    made = start(limits)
    for peer in peers:
        made, _ = made.step(Connected(peer, 0.0, protocols=Map({p.number: p.version for p in REGISTRY.protocols})))
        head = made.chain.head
        hello = Hello(head.point, head.score, GENESIS.point, GENESIS.point, (head.point,), head.height + 1)
        made, _ = made.step(Received(peer, hello, 0.0))
    for peer in backup:
        made, _ = made.step(Received(peer, DoNotWant(), 0.0))
        assert not made.all(SYNC)[peer].wanted
    return made


def step(made: Node, *events: Event) -> tuple[Node, list[Output]]:
    said: list[Output] = []
    for event in events:
        made, outputs = made.step(event)
        said += outputs
    return made, said


def hear(peer: str, message: Pass | Have | Fetch, now: float = 0.0) -> Received:
    return Received(peer, message, now)


def sent(outputs: Iterable[Output], kind: type = Pass) -> list[tuple[str, object]]:
    return [(out.peer, out.message) for out in outputs if isinstance(out, Send) and isinstance(out.message, kind)]


def judged(made: Packet, verdict: Judgement = Judgement.VALID, now: float = 0.0) -> Judged:
    return Judged(made.id, verdict, now)


def blamed(outputs: Iterable[Output]) -> list[tuple[str, str]]:
    return [(output.peer, output.fault.rule) for output in outputs if isinstance(output, Misbehaviour)]


def router(made: Node) -> Router:
    found: Router = made.decided(ROUTER)
    return found


ONE, TWO = packet("o", 1), packet("o", 2)


def test_a_packet_goes_nowhere_before_it_is_judged_and_then_to_all_but_who_brought_it() -> None:
    made, outputs = step(linked("p", "q", "r", backup="r"), hear("p", Pass(ONE, 3)))
    assert outputs == [Judge("p", ONE)]
    made, outputs = step(made, judged(ONE))
    assert outputs[0] == Arrived("p", ONE)
    assert sent(outputs) == [("q", Pass(ONE, 4))] or sent(outputs) == []
    assert {peer for peer, _ in sent(outputs) + sent(outputs, Have)} == {"q", "r"}
    assert ("r", Have((ONE.id,))) in sent(outputs, Have)


@pytest.mark.parametrize("verdict", [Judgement.IGNORE, Judgement.PENALISE])
def test_what_is_found_not_valid_goes_no_further_and_is_not_judged_again(verdict: Judgement) -> None:
    _made, outputs = step(linked("p", "q"), hear("p", Pass(ONE, 1)), judged(ONE, verdict), hear("q", Pass(ONE, 1)))
    assert [output for output in outputs if isinstance(output, Judge)] == [Judge("p", ONE)]
    assert not sent(outputs)
    assert not sent(outputs, Have)
    assert blamed(outputs) == ([("p", "packet-refused")] if verdict is Judgement.PENALISE else [])


def test_a_packet_is_judged_once_and_delivered_once_whoever_brings_it() -> None:
    _made, outputs = step(
        linked("p", "q", "r"), hear("p", Pass(ONE, 1)), hear("q", Pass(ONE, 1)), judged(ONE), judged(ONE),
        hear("r", Pass(ONE, 1)),
    )  # fmt: skip
    assert [output for output in outputs if isinstance(output, Judge | Arrived)] == [Judge("p", ONE), Arrived("p", ONE)]
    assert not sent(outputs)[1:], "who has brought it too is not sent it"


def test_what_is_published_comes_back_unnoticed() -> None:
    made, outputs = step(linked("p", "q"), Publish(ONE, 0.0), hear("p", Pass(ONE, 2)))
    assert not [output for output in outputs if isinstance(output, Judge | Arrived)]
    with pytest.raises(LocalError, match="number was used already"):
        made.step(Publish(ONE, 0.0))


def test_a_packet_that_its_origin_did_not_sign_is_blamed_on_who_brings_it_and_sync_goes_on() -> None:
    forged = replace(ONE, payload=b"other", signature=b"no")
    made, outputs = step(linked("p", "q"), hear("p", Pass(forged, 1)))
    assert blamed(outputs) == [("p", "packet-forged")]
    assert [type(output) for output in outputs] == [Misbehaviour, Ended]
    assert made.all(ROUTING)["p"].state is CLOSED
    assert router(made).peers == ("q",)
    made, outputs = step(made, hear("p", Pass(TWO, 1)), hear("q", Pass(ONE, 1)), Produced((child(GENESIS),), 0.0))
    assert Judge("q", ONE) in outputs
    assert not any(isinstance(output, Judge) and output.peer == "p" for output in outputs)
    with pytest.raises(LocalError, match="its signature is not that of its origin"):
        made.step(Publish(forged, 0.0))


def test_a_peer_that_brings_a_packet_twice_is_left_out() -> None:
    _made, outputs = step(linked("p", "q"), hear("p", Pass(ONE, 1)), hear("p", Pass(ONE, 2)))
    assert blamed(outputs) == [("p", "packet-again")]
    assert not any(isinstance(output, Disconnect) for output in outputs)


def test_a_garbled_message_ends_packets_alone() -> None:
    fault = Codec(REGISTRY).decode(bytes((ROUTING.number, 1)) + b"\xff")
    assert isinstance(fault, Bad)
    made, outputs = step(linked("p"), Garbled("p", fault.fault, 0.0, fault.protocol))
    assert [type(output) for output in outputs] == [Misbehaviour, Ended]
    assert "p" in made.links


def test_the_count_of_hops_is_bounded() -> None:
    codec = Codec(REGISTRY)
    assert isinstance(codec.decode(bytes((ROUTING.number, 1)) + codec.encode(Pass(ONE, HOPS))[2:-1] + b"\x21"), Bad)
    _made, outputs = step(linked("p", "q"), hear("p", Pass(ONE, HOPS)), judged(ONE))
    assert Arrived("p", ONE) in outputs
    assert not sent(outputs)
    assert not sent(outputs, Have)


def test_the_longest_packet_fits_a_frame() -> None:
    id = PacketId(b"o" * NODE_ID_BYTES, 2**62, 2**62)
    about = Point(MAX_HEIGHT, bytes(ID_BYTES))
    longest = Packet(id, Reach.ONE, b"t" * NODE_ID_BYTES, bytes(NOTE_BYTES), about, bytes(SIGNATURE_BYTES))
    assert len(Codec(REGISTRY).encode(Pass(longest, HOPS))) < FRAME_BYTES - 100
    with pytest.raises(LocalError, match="no peer would take this packet"):
        Publish(replace(longest, payload=bytes(NOTE_BYTES + 1)), 0.0)
    with pytest.raises(LocalError, match="names a producer if it is for one"):
        Publish(replace(longest, reach=Reach.ALL), 0.0)


# Repair ---------------------------------------------------------------------------------------------------------


def test_what_was_told_of_is_asked_for_when_it_does_not_come_one_teller_after_the_other() -> None:
    made, outputs = step(linked("p", "q"), hear("p", Have((ONE.id,))), hear("q", Have((ONE.id, TWO.id))))
    assert not outputs
    assert made.next_deadline == LIMITS.graft
    made, outputs = step(made, Tick(LIMITS.graft))
    assert sent(outputs, Fetch) == [("p", Fetch((ONE.id,))), ("q", Fetch((TWO.id,)))]
    made, outputs = step(made, hear("q", Pass(TWO, 1), LIMITS.graft), Tick(LIMITS.graft + LIMITS.graft_most))
    assert sent(outputs, Fetch) == [("q", Fetch((ONE.id,)))]
    made, outputs = step(made, judged(TWO, now=1.0), Tick(2.0))
    assert not sent(outputs, Fetch)
    assert not router(made).missing


def test_what_comes_in_time_is_not_asked_for() -> None:
    _made, outputs = step(linked("p", "q"), hear("p", Have((ONE.id,))), hear("q", Pass(ONE, 1)), Tick(LIMITS.graft))
    assert not sent(outputs, Fetch)


def test_what_a_peer_was_told_of_it_gets_once() -> None:
    made, outputs = step(linked("p", "q", "r", backup="r"), Publish(ONE, 0.0), hear("r", Fetch((ONE.id, TWO.id))))
    assert ("r", Have((ONE.id,))) in sent(outputs, Have)
    assert ("r", Pass(ONE, 1)) in sent(outputs)
    _, outputs = step(made, hear("r", Fetch((ONE.id,))), hear("q", Fetch((ONE.id,))))
    assert not sent(outputs)


def test_who_joins_is_told_of_all_that_is_kept() -> None:
    limits = Limits(kept=70)
    made = linked("p", limits=limits)
    for number in range(1, 100):
        made, _ = step(made, Publish(packet("o", number), 0.0))
    _, outputs = step(made, Connected("q", 0.0))
    told = [message for _, message in sent(outputs, Have)]
    assert [len(each.ids) for each in told if isinstance(each, Have)] == [PACKET_IDS, 70 - PACKET_IDS]


# A packet about a block -----------------------------------------------------------------------------------------


def test_a_packet_about_a_block_waits_until_the_peer_has_it() -> None:
    block = child(GENESIS)
    about = packet("o", 1, about=block)
    made, outputs = step(linked("p", "q", backup="q"), Produced((block,), 0.0), Publish(about, 0.0))
    assert sent(outputs) == [("p", Pass(about, 1))], "the block is on its way before it"
    made, outputs = step(made, hear("q", Fetch((about.id,))))
    assert not sent(outputs), "q has only heard of the block"
    _, outputs = step(made, Received("q", Has(block.point, block.score), 0.0))
    assert sent(outputs) == [("q", Pass(about, 1))]


def test_a_packet_whose_block_is_not_held_is_not_delivered() -> None:
    unknown = packet("o", 1, about=child(GENESIS))
    _, outputs = step(linked("p"), hear("p", Pass(unknown, 1)))
    assert not outputs


# Bounds ---------------------------------------------------------------------------------------------------------


def test_no_more_wait_for_a_verdict_than_may_and_what_is_late_is_dropped() -> None:
    limits = Limits(judging=5, judging_one=3, judge=0.5)
    made = linked("p", "q", limits=limits)
    made, outputs = step(made, *(hear("p", Pass(packet("o", n), 1)) for n in range(9)))
    assert len(outputs) == 3
    made, outputs = step(made, *(hear("q", Pass(packet("x", n), 1), 0.25) for n in range(9)))
    assert len(outputs) == 2
    assert made.next_deadline == 0.5
    made, _ = step(made, Tick(0.5))
    assert [each.packet.id.origin for each in router(made).waiting] == [b"x", b"x"]
    _, outputs = step(made, Judged(packet("o", 0).id, Judgement.VALID, 0.5))
    assert not outputs


def test_a_liar_that_tells_of_what_is_not_there_is_asked_alone_and_boundedly() -> None:
    limits = Limits(missing=10)
    made = linked("p", "q", limits=limits)
    for at in range(5):
        made, outputs = step(made, hear("p", Have(tuple(packet("x", 50 * at + n).id for n in range(50)))))
        assert not outputs
    made, outputs = step(made, hear("q", Have((ONE.id,))), Tick(LIMITS.graft))
    asked = dict(sent(outputs, Fetch))
    assert asked["q"] == Fetch((ONE.id,))
    assert isinstance(asked["p"], Fetch)
    assert len(asked["p"].ids) == FETCHED
    assert len(router(made).missing) == 11
    for _ in range(20):
        made, outputs = step(made, Tick(made.now + LIMITS.graft))
        assert sum(peer == "p" for peer, _ in sent(outputs, Fetch)) <= 1
    assert not router(made).missing


def test_who_missed_many_asks_for_a_few_at_a_time() -> None:
    packets = [packet("o", number) for number in range(20)]
    made, _ = step(linked("p"), hear("p", Have(tuple(each.id for each in packets))))
    asked: list[PacketId] = []
    while router(made).missing:
        made, outputs = step(made, Tick(made.now + LIMITS.graft))
        new = [id for _, message in sent(outputs, Fetch) if isinstance(message, Fetch) for id in message.ids]
        assert len(new) == FETCHED or len(asked) + len(new) == len(packets)
        asked += new
        for each in packets:
            if each.id in new:
                made, _ = step(made, hear("p", Pass(each, 1), made.now), judged(each, now=made.now))
    assert len(asked) == len(set(asked)) == len(packets)


def test_origins_beyond_the_limit_are_not_taken() -> None:
    made = linked("p", "q", limits=Limits(origins=1))
    made, outputs = step(made, hear("p", Pass(ONE, 1)), hear("p", Pass(packet("x", 1), 1)), judged(ONE))
    assert Judge("p", packet("x", 1)) in outputs, "neither is delivered yet"
    made, outputs = step(made, judged(packet("x", 1)), hear("q", Pass(packet("y", 1), 1)))
    assert not outputs
    with pytest.raises(LocalError, match="raise Limits"):
        made.step(Publish(packet("me", 1), 0.0))


def test_an_origin_that_starts_again_counts_anew_and_its_old_packets_are_over() -> None:
    made = linked("p", "q")
    made, _ = step(made, hear("p", Pass(ONE, 1)), judged(ONE), hear("p", Pass(packet("o", 9), 1)))
    again = packet("o", 1, start=5)
    made, outputs = step(made, hear("p", Pass(again, 1)), judged(again), judged(packet("o", 9)))
    assert [output for output in outputs if isinstance(output, Arrived)] == [Arrived("p", again)]
    _, outputs = step(made, hear("q", Pass(packet("o", 3), 1)))
    assert not outputs


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=60), st.integers(1, 12))
def test_the_window_lets_each_number_through_once_and_forgets_only_what_is_too_old(
    numbers: list[tuple[int, int]], width: int
) -> None:
    limits = Limits(window=width)
    made, through = Router(), set[tuple[int, int]]()
    for start_, sequence in numbers:
        id = PacketId(b"o", start_, sequence)
        if not delivered(made, id, limits):
            assert (start_, sequence) not in through
            through.add((start_, sequence))
            window: Window = marked(made.windows.get(b"o"), id, limits)
            made = replace(made, windows=made.windows.set(b"o", window))
            assert delivered(made, id, limits)
            assert window.before < 1 << width
        elif (start_, sequence) not in through:
            newest = max(through)
            assert start_ < newest[0] or sequence < newest[1] - width + 1


# Ways -----------------------------------------------------------------------------------------------------------


def test_a_packet_to_a_producer_goes_the_way_its_blocks_come_and_elsewhere_if_that_ends() -> None:
    by_p = Header(1, b"p 1", GENESIS.id, (1).to_bytes(8), 0, b"")
    made = linked("q", "r", "s")
    made, _ = step(made, Received("r", Blocks((by_p,)), 0.0))
    to_p = packet("o", 1, Reach.ONE, "p")
    made, outputs = step(made, Publish(to_p, 0.0))
    assert sent(outputs) == [("r", Pass(to_p, 1))]
    assert not sent(outputs, Have)
    from_r = packet("x", 1, Reach.ONE, "p")
    _, outputs = step(made, hear("r", Pass(from_r, 1)), judged(from_r))
    assert {peer for peer, _ in sent(outputs) + sent(outputs, Have)} == {"q", "s"}, "its way leads back"
    made, outputs = step(made, Lost("r", 0.0))
    assert {peer for peer, _ in sent(outputs) + sent(outputs, Have)} == {"q", "s"}, "it goes anew, to everybody"


def test_a_way_is_not_changed_by_lower_blocks() -> None:
    one = Header(1, b"p 1", GENESIS.id, (1).to_bytes(8), 0, b"")
    two = Header(2, b"p 2", one.id, (2).to_bytes(8), 0, b"")
    other = Header(1, b"p other", GENESIS.id, (1).to_bytes(8), 0, b"")
    made, _ = step(linked("q", "r"), Received("q", Blocks((one, two)), 0.0), Received("r", Blocks((other,)), 0.0))
    assert [(road.peer, road.height) for road in router(made).roads] == [("q", 2)]


def test_a_peer_that_does_not_speak_it_is_left_out() -> None:
    made = linked("p")
    made, _ = step(made, Connected("old", 0.0, protocols=Map({p.number: p.version for p in CORE.protocols})))
    _, outputs = step(made, Publish(ONE, 0.0))
    assert {peer for peer, _ in sent(outputs) + sent(outputs, Have)} == {"p"}


def test_the_tables_are_sound() -> None:
    assert TABLE.lint() == ROUTER.table.lint() == []
