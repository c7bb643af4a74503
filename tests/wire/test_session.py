"""Two sessions and the bytes between them, from the greeting to the bye: what an adapter needs, and nothing else."""

import random
import tracemalloc
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutables import Map

from syncfsm import limits
from syncfsm.blocks import Header, Point, Unchecked
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Garbled, Lost, Received, Room
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.protocol import Message
from syncfsm.sync.messages import Blocks, Found
from syncfsm.wire.frames import FrameKind, frame
from syncfsm.wire.handshake import Refusal, RefusalReason, announce, second_frame
from syncfsm.wire.session import Met, NoLink, Session
from tests.wire.tools import ASK, PING, SYNC, a_session, greet, heard, linked, own, said

PONG = frame(FrameKind.MESSAGE, b"\x01\x03\x90")
Block = tuple[Header, bytes]


def chain(*sizes: int) -> list[Block]:
    return [
        (
            Header(height, b"block %d" % height, b"block %d" % (height - 1), b"", size, b"p" * 96),
            bytes((height,)) * size,
        )
        for height, size in enumerate(sizes, 1)
    ]


def messages(events: list[Received | Garbled]) -> list[Message]:
    assert all(isinstance(event, Received) for event in events), events
    return [event.message for event in events if isinstance(event, Received)]


def blocks(found: list[Message]) -> list[Block]:
    return [block for one in found if isinstance(one, Blocks) for block in zip(one.headers, one.bodies, strict=True)]


def small(found: list[Message]) -> list[Message]:
    return [one for one in found if not isinstance(one, Blocks)]


# From the greeting to the bye -------------------------------------------------------------------------------------


def test_two_greet_announce_and_begin() -> None:
    a, b = a_session(number=1, stamp=5), a_session(number=2, stamp=7)
    assert a.waiting
    at_a, at_b = greet(a, b)
    assert not a.waiting
    assert isinstance(at_a, Met)
    assert isinstance(at_b, Met)
    assert (at_a.ours, at_a.theirs) == (at_b.theirs, at_b.ours)
    assert (at_a.ours.stamp, at_a.theirs.stamp) == (5, 7)
    assert at_a.protocols == at_b.protocols == {p.number: p.version for p in STANDARD.protocols}
    assert a.begin("b#1", 2.5) == Connected("b#1", 2.5, b"\x02" * 32, False, Map(at_a.protocols))
    assert b.begin("a#1", 2.5, proved=True) == Connected("a#1", 2.5, b"\x01" * 32, True, Map(at_a.protocols))
    assert a.name == "b#1"
    assert a.lost(9.0) == Lost("b#1", 9.0)
    assert a.meeting() is at_a


def test_the_greeting_of_who_is_refused_is_known_too() -> None:
    a, b = a_session(number=1, stamp=5), a_session(number=1, stamp=7)
    assert a.theirs is None
    at_a, _ = greet(a, b)
    assert isinstance(at_a, NoLink)
    assert a.theirs is not None
    assert a.theirs.stamp == 7


class Pipe:
    """What one has written and the other has not read, given out in pieces of any length."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._bytes = chance, bytearray()

    def write(self, data: bytes) -> None:
        self._bytes += data

    def read(self) -> bytes:
        longest = self._chance.choice((1, 7, 600, 40_000))
        length = self._chance.randint(min(1, len(self._bytes)), longest)
        piece = bytes(self._bytes[:length])
        del self._bytes[:length]
        return piece

    def __bool__(self) -> bool:
        return bool(self._bytes)


class End:
    """One of the two, with all that it was told."""

    def __init__(self, number: int, chosen: Limits) -> None:
        self.session, self.chosen, self.events = a_session(number=number, chosen=chosen), chosen, list[Received]()
        self.met = False
        self.freed = 0

    def read(self, data: bytes) -> None:
        self.session.receive(data)
        if not self.met and isinstance(self.session.meeting(), Met):
            self.session.begin("peer", 0.0)
            self.met = True
        while self.session.more:
            for event in self.session.events(3.0):
                assert isinstance(event, Received), event
                assert (event.peer, event.now) == ("peer", 3.0)
                self.events.append(event)

    def write(self, size: int) -> bytes:
        data = self.session.take(size)
        assert len(data) <= max(size, limits.FRAME_BYTES)
        self.freed += sum(room.freed for room in self.session.room(4.0))
        return data


things = st.lists(
    st.one_of(
        st.tuples(st.just("block"), st.integers(0, 70_000)),
        st.tuples(st.just("note"), st.integers(0, 60)),
        st.tuples(st.just("about"), st.integers(0, 60)),
    ),
    max_size=12,
)


@given(things, things, st.integers(0, 2**32))
def test_everything_arrives_once_and_in_order_over_pipes_cut_anywhere(
    at_a: list[tuple[str, int]], at_b: list[tuple[str, int]], seed: int
) -> None:
    chance = random.Random(seed)
    chosen = Limits(turn_frames=chance.choice((1, 3, 512)), room=64 * 1024)
    ends = End(1, chosen), End(2, chosen)
    pipes = Pipe(chance), Pipe(chance)
    unsaid = [list(at_a), list(at_b)]
    made = [chain(*(size for what, size in script if what == "block")) for script in (at_a, at_b)]
    queued: list[list[Block]] = [[], []]
    sent: list[list[Message]] = [[], []]
    parted = [False, False]
    while not all(parted) or any(pipes) or any(end.session.waiting for end in ends):
        me = chance.randrange(2)
        end = ends[me]
        if chance.random() < 0.3 and end.met and not parted[me]:
            if unsaid[me]:
                what, size = unsaid[me].pop(0)
                if what == "block":
                    queued[me].append(made[me][len(queued[me])])
                    end.session.send_blocks(SYNC, queued[me][-1:])
                else:
                    about = queued[me][-1][0].point if what == "about" and queued[me] else None
                    sent[me].append(Note(b"%d " % len(sent[me]) + b"n" * size, about))
                    assert end.session.send(sent[me][-1])
            elif not end.session.waiting:
                assert end.session.send(Bye(Parting.SHUTDOWN))
                parted[me] = True
        pipes[me].write(end.write(chance.choice((1, 20_000, 100_000))))
        ends[1 - me].read(pipes[me].read())
    for me in (0, 1):
        found = messages(list(ends[1 - me].events))
        assert blocks(found) == made[me]
        assert found[-1] == Bye(Parting.SHUTDOWN)
        notes = [one for one in found if isinstance(one, Note)]
        assert sorted(notes, key=lambda note: int(note.payload.split()[0])) == sent[me]
        free = [note for note in sent[me] if isinstance(note, Note) and note.about is None]
        assert [note for note in notes if note.about is None] == free
        there = {b"block 0"}
        for one in found:
            if isinstance(one, Blocks):
                there |= {header.id for header in one.headers}
            elif isinstance(one, Note) and one.about is not None:
                assert one.about.id in there
        kept = sum(header.cost for header, _ in made[me]) - ends[me].freed
        assert 0 <= kept <= chosen.room // 2


def test_what_comes_with_the_greeting_is_not_lost() -> None:
    a, b = a_session(number=1), a_session(number=2)
    a.receive(b.take(1))
    assert isinstance(a.meeting(), Met)
    a.begin("b", 0.0)
    a.send(Ping())
    a.send_blocks(SYNC, chain(20_000))
    early = a.take(1) + said(a)
    b.receive(early)
    assert isinstance(b.meeting(), Met)
    b.begin("a", 0.0)
    assert b.more
    ((header, body),) = chain(20_000)
    assert messages(heard(b, b"")) == [Ping(), Blocks((header,), (body,))]


def test_greeting_byte_by_byte_is_as_good_as_at_once() -> None:
    a, b = a_session(number=1), a_session(number=2)
    hail = a.take(1)
    for at in range(len(hail)):
        assert b.meeting() is None
        b.receive(hail[at : at + 1])
    assert isinstance(b.meeting(), Met)


# The budget of a turn ---------------------------------------------------------------------------------------------


def test_a_flood_of_pongs_is_given_out_in_turns() -> None:
    count = 87_381
    a, b = a_session(number=1), a_session(number=2)
    linked(a, b)
    b.receive(PONG * count + frame(FrameKind.MESSAGE, PING))
    turns, budget = list[int](), Limits().turn_frames
    while b.more:
        turns.append(len(b.events(1.0)))
    assert turns[:-1] == [budget] * (count // budget)
    assert sum(turns) == count + 1
    assert b.events(1.0) == []
    assert not b.more


@pytest.mark.parametrize("chosen", [{"turn_frames": 1}, {"turn_frames": 5}, {"turn_bytes": limits.FRAME_BYTES}, {}])
def test_turns_keep_the_order_of_an_honest_peer(chosen: dict[str, int]) -> None:
    a, b = a_session(number=1), a_session(number=2, chosen=Limits(**chosen))
    linked(a, b)
    wire, sent = b"", list[Message]()
    for height, block in enumerate(chain(*[9_000, 40_000, 3] * 6), 1):
        a.send_blocks(SYNC, [block])
        wire += said(a)
        sent += [Blocks((block[0],), (block[1],)), Note(b"%d" % height), Found(block[0].point), Ping()]
        for message in sent[-3:]:
            a.send(message)
        wire += said(a)
    assert messages(heard(b, wire)) == sent


def test_a_turn_has_no_more_bytes_than_its_budget_and_one_frame() -> None:
    chosen = Limits(turn_bytes=50_000)
    a, b = a_session(number=1), a_session(number=2, chosen=chosen)
    linked(a, b)
    a.send_blocks(SYNC, chain(*[10_000] * 40))
    b.receive(said(a))
    sizes = list[int]()
    while b.more:
        sizes.append(sum(len(body) for _, body in blocks(messages(b.events(1.0)))))
    assert sum(sizes) == 400_000
    assert max(sizes) <= chosen.turn_bytes + limits.FRAME_BYTES
    assert min(sizes[:-1]) >= chosen.turn_bytes - 10_000


def test_feeding_byte_by_byte_takes_time_in_proportion() -> None:
    """Ten times as many bytes: the least of several ratios, as what else runs on the machine only adds to them."""

    def seconds(size: int) -> float:
        a, b = a_session(number=1), a_session(number=2)
        linked(a, b)
        a.send_blocks(SYNC, chain(size))
        wire = said(a)
        started = perf_counter()
        for at in range(len(wire)):
            b.receive(wire[at : at + 1])
            if b.more:
                b.events(1.0)
        took = perf_counter() - started
        assert not b.more
        return took / len(wire)

    assert min(seconds(200_000) / seconds(20_000) for _ in range(3)) < 3


def test_a_flood_that_is_not_asked_for_takes_time_in_proportion_too() -> None:
    def seconds(count: int) -> float:
        a, b = a_session(number=1), a_session(number=2, chosen=Limits(turn_frames=8))
        linked(a, b)
        started = perf_counter()
        b.receive(PONG * count)
        while b.more:
            b.events(1.0)
        return (perf_counter() - started) / count

    assert min(seconds(80_000) / seconds(8_000) for _ in range(3)) < 3


# Too early, too late ----------------------------------------------------------------------------------------------


def test_before_the_two_have_met_nothing_can_be_said() -> None:
    refusal = Refusal(RefusalReason.FULL, "come later")
    for received in (b"", a_session(number=2).take(1)[:-1]):
        session = a_session(number=1)
        session.receive(received)
        with pytest.raises(LocalError, match="have not met"):
            session.begin("b", 0.0)
        with pytest.raises(LocalError, match="nobody to tell"):
            session.refuse(refusal)
        with pytest.raises(LocalError, match="before the two have met"):
            session.send(Ping())
        with pytest.raises(LocalError, match="before the two have met"):
            session.send_blocks(SYNC, chain(5))
        assert (session.events(0.0), session.more, session.pending, session.room(0.0)) == ([], False, 0, ())
        assert session.take(1) == a_session(number=1).take(1)
        assert not session.waiting


def test_between_meeting_and_begin_nothing_is_sent_so_that_a_refusal_is_the_first_thing_said() -> None:
    a, b = a_session(number=1), a_session(number=2)
    greet(a, b)
    with pytest.raises(LocalError, match="begin was called"):
        a.send(Ping())
    with pytest.raises(LocalError, match="begin was called"):
        a.send_blocks(SYNC, chain(5))
    a.begin("b", 0.0)
    assert a.send(Ping())


def test_after_begin_the_node_leaves_and_does_not_refuse() -> None:
    a, b = a_session(number=1), a_session(number=2)
    linked(a, b)
    with pytest.raises(LocalError, match="let the node leave"):
        a.refuse(Refusal(RefusalReason.FULL, "come later"))
    assert a.send(Bye(Parting.FULL))
    assert messages(heard(b, said(a))) == [Bye(Parting.FULL)]
    with pytest.raises(LocalError, match="bye is the last"):
        a.send(Ping())
    with pytest.raises(LocalError, match="bye is the last"):
        a.send_blocks(SYNC, chain(5))


def test_after_a_refusal_nothing_is_sent_or_heard() -> None:
    a, b = a_session(number=1), a_session(number=2)
    greet(a, b)
    a.refuse(Refusal(RefusalReason.FULL, "come later"))
    for call in (lambda: a.send(Ping()), lambda: a.begin("b", 0.0), lambda: a.refuse(Refusal("full", ""))):
        with pytest.raises(LocalError):
            call()
    a.receive(PONG * 1000)
    assert not a.more
    assert a.events(0.0) == []


def test_a_greeting_that_a_peer_would_refuse_for_its_form_is_not_made() -> None:
    with pytest.raises(LocalError, match="a peer would refuse"):
        a_session(chain_id=b"c" * 65)


# No link ----------------------------------------------------------------------------------------------------------

UNLIKE = [
    ("version", {"version": 3}, RefusalReason.VERSION),
    ("chain", {"chain_id": b"other"}, RefusalReason.CHAIN_ID),
    ("genesis", {"genesis": Point(0, b"other")}, RefusalReason.GENESIS),
    ("node id", {"node_id": b"short"}, RefusalReason.NODE_ID),
    ("itself", {"node_id": b"\x01" * 32}, RefusalReason.SELF),
]


@pytest.mark.parametrize(("change", "reason"), [case[1:] for case in UNLIKE], ids=[case[0] for case in UNLIKE])
def test_who_does_not_fit_is_told_why(change: dict[str, Any], reason: RefusalReason) -> None:
    a, b = a_session(number=1), a_session(number=2, **change)
    at_a, at_b = greet(a, b)
    told_by_a, told_by_b = a.take(1), b.take(1)
    for outcome in (at_a, at_b):  # both find it by themselves
        assert isinstance(outcome, NoLink)
        assert (outcome.reason, outcome.refused, outcome.peer_says) == (reason, True, False)
    for told, outcome in ((told_by_a, at_a), (told_by_b, at_b)):  # and each would learn it from the other's words
        reader = a_session(number=9)
        reader.receive(told)
        assert isinstance(outcome, NoLink)
        assert reader.meeting() == NoLink(outcome.reason, outcome.detail, peer_says=True)
    assert not a.waiting
    assert not b.waiting


@pytest.mark.parametrize("early", [True, False], ids=["read with the greeting", "read after begin"])
@pytest.mark.parametrize("reason", [*RefusalReason, "moved-house"])
def test_a_node_may_refuse_whom_it_has_met_and_the_other_reads_it(reason: str, early: bool) -> None:
    a, b = a_session(number=1), a_session(number=2)
    from_a = a.take(1)
    a.receive(b.take(1))
    assert isinstance(a.meeting(), Met)
    refused = a.refuse(Refusal(reason, "come later"))
    assert refused == NoLink(reason, "come later") == a.meeting()
    words = a.take(1)
    assert words
    assert not a.waiting
    if early:
        b.receive(from_a + words)
        outcome = b.meeting()
        assert outcome == NoLink(reason, "come later", peer_says=True)
        assert isinstance(outcome, NoLink)
        assert outcome.refused
    else:
        b.receive(from_a)
        assert isinstance(b.meeting(), Met)
        b.begin("a", 0.0)
        assert heard(b, words[:-1]) == []
        assert heard(b, words[-1:] + PONG) == [Received("a", Bye(reason), 1.0)]
        assert not b.more


def test_a_protocol_that_cannot_be_done_without_is_told_to_the_side_that_lacks_it() -> None:
    needs, lacks = a_session(own(ASK, essential=True), 1), a_session(number=2)
    at_needs, at_lacks = greet(needs, lacks)
    assert isinstance(at_needs, NoLink)
    assert (at_needs.reason, at_needs.peer_says, at_needs.refused) == (RefusalReason.PROTOCOLS, False, True)
    assert "own (number 200)" in at_needs.detail
    assert isinstance(at_lacks, Met), "it can not know what the other needs"
    lacks.begin("a", 0.0)
    lacks.send(Ping())
    assert heard(lacks, needs.take(1)) == [Received("a", Bye("protocols"), 1.0)]


def test_a_refusal_in_place_of_a_greeting_or_of_an_announcement_is_read() -> None:
    words = frame(FrameKind.REFUSAL, b"\x92\xa6banned\xa4away")
    for before in (b"", a_session(number=2).take(1)[: -len(second_frame(announce(STANDARD)))]):
        session = a_session(number=1)
        session.receive(before + words)
        assert session.meeting() == NoLink("banned", "away", peer_says=True)


LATE = [
    ("after a message", PONG + frame(FrameKind.REFUSAL, b"\x92\xa6banned\xa4away"), "unexpected-frame"),
    ("that is none", frame(FrameKind.REFUSAL, b"\x90"), "malformed-refusal"),
    ("of two lines", frame(FrameKind.REFUSAL, b"\x92\xa6banned\xa3a\nb"), "malformed-refusal"),
]


@pytest.mark.parametrize(("wire", "rule"), [case[1:] for case in LATE], ids=[case[0] for case in LATE])
def test_a_refusal_that_no_correct_node_sends_is_a_fault(wire: bytes, rule: str) -> None:
    a, b = a_session(number=1), a_session(number=2)
    linked(a, b)
    *_, bad = heard(b, wire + PONG)
    assert isinstance(bad, Garbled)
    assert (bad.fault.rule, bad.protocol, bad.peer) == (rule, ProtocolNumber.PEER, "a")
    assert not b.more


STRANGERS = [
    ("a browser", b"GET / HTTP/1.1\r\n\r\n", "unknown-frame"),
    ("an endless greeting", b"\x01\x00\x3f\xff" + b"x" * 100_000, "frame-too-long"),
    ("a greeting too long", b"\x01\x00\x02\x00" + b"x" * 100_000, "greeting-too-long"),
    ("no greeting", PONG, "no-greeting"),
]
STRANGE_AFTER = [
    ("no announcement", PONG, "no-announcement"),
    ("a huge announcement", b"\x08\x00\x08\x00" + b"x" * 100_000, "announcement-too-long"),
    ("a second greeting", b"\x01\x00\x00\x00", "no-announcement"),
    ("a deep announcement", frame(FrameKind.ANNOUNCEMENT, b"\x92\x90" + b"\x91" * 1900), "malformed-announcement"),
]


@pytest.mark.parametrize("step", [1, 1000, 1_000_000])
@pytest.mark.parametrize(
    ("greets", "data", "rule"),
    [(False, *case[1:]) for case in STRANGERS] + [(True, *case[1:]) for case in STRANGE_AFTER],
    ids=[case[0] for case in STRANGERS + STRANGE_AFTER],
)
def test_a_stranger_gets_no_link_and_no_memory(greets: bool, data: bytes, rule: str, step: int) -> None:
    session = a_session(number=1)
    first = a_session(number=2).take(1)[: -len(second_frame(announce(STANDARD)))] if greets else b""
    session.receive(first)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for at in range(0, len(data), step):
            session.receive(data[at : at + step])
            if session.meeting() is not None:
                break
        after, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            session.receive(data)
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    outcome = session.meeting()
    assert isinstance(outcome, NoLink)
    assert (outcome.reason, outcome.refused, outcome.peer_says) == (rule, False, False)
    assert outcome.detail.isprintable()
    assert max(after, late) - before < 4096 + limits.GREETING_BYTES + limits.ANNOUNCEMENT_BYTES
    session.take(1)
    assert session.take(1) == b""


def test_who_is_slow_to_greet_holds_no_more_than_the_two_frames() -> None:
    """An announcement as long as may be, but for its last byte."""
    session = a_session(number=1)
    session.receive(a_session(number=2).take(1)[: -len(second_frame(announce(STANDARD)))])
    long = frame(FrameKind.ANNOUNCEMENT, b"\x93\x90\xc4\x00\xc5" + (2037).to_bytes(2) + b"x" * 2037)
    assert len(long) == limits.ANNOUNCEMENT_BYTES
    tracemalloc.start()
    try:
        for at in range(len(long) - 1):
            session.receive(long[at : at + 1])
            assert session.meeting() is None
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/syncfsm/*")])  # no other thread's
        held = sum(each.size for each in ours.statistics("filename"))
    finally:
        tracemalloc.stop()
    assert 0 < held < 1024 + limits.GREETING_BYTES + limits.ANNOUNCEMENT_BYTES
    session.receive(long[-1:])
    refused = session.meeting()
    assert isinstance(refused, NoLink)
    assert refused.reason == RefusalReason.PROTOCOLS, "what is skipped is no fault, but nothing is announced"


# After what is bad ------------------------------------------------------------------------------------------------


class NoBodies(Unchecked):
    """A check that refuses every body."""

    def body(self, header: Header, body: bytes) -> Fault | None:
        return Fault("wrong-body", "not this one")


def test_after_a_bad_frame_nothing_is_held_and_nothing_is_heard() -> None:
    a, b = a_session(number=1), a_session(number=2, check=NoBodies())
    linked(a, b)
    a.send_blocks(SYNC, chain(10))
    found = heard(b, PONG + said(a) + PONG)
    assert found == [Received("a", Pong(), 1.0), Garbled("a", Fault("wrong-body", "not this one"), 1.0, SYNC)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            b.receive(PONG * 1000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1024
    assert not b.more
    assert b.events(1.0) == []


def test_what_is_sent_after_a_fault_of_the_peer_still_goes_out() -> None:
    a, b = a_session(number=1), a_session(number=2)
    linked(a, b)
    heard(b, b"\xff\x00\x00\x00")
    assert b.send(Bye(Parting.FAULT))
    assert messages(heard(a, said(b))) == [Bye(Parting.FAULT)]


# Room, and a peer that does not read ------------------------------------------------------------------------------


def test_room_is_given_back_in_good_parts_and_all_of_it_counts() -> None:
    a, b = a_session(number=1, chosen=Limits(room=100_000)), a_session(number=2)
    linked(a, b)
    made = chain(*[9_000] * 40)
    a.send_blocks(SYNC, made)
    told = list[Room]()
    while a.take(limits.FRAME_BYTES):
        told += a.room(7.0)
        assert a.room(7.0) == ()
    cost = made[0][0].cost
    assert [room.peer for room in told] == ["b"] * len(told)
    assert all(50_000 < room.freed <= 50_000 + 2 * cost and room.now == 7.0 for room in told)
    assert 0 <= 40 * cost - sum(room.freed for room in told) <= 50_000


def test_room_of_a_block_is_given_back_when_its_last_byte_is_taken() -> None:
    a, b = a_session(number=1, chosen=Limits(room=1)), a_session(number=2)
    linked(a, b)
    ((header, body),) = chain(40_000)
    a.send_blocks(SYNC, [(header, body)])
    told = [a.room(0.0) for _ in range(3) if a.take(1)]
    assert told == [(), (), (Room("b", header.cost, 0.0),)]


def test_a_peer_that_does_not_read_is_noticed_and_costs_no_more_than_its_bound() -> None:
    a, b = a_session(number=1), a_session(number=2)
    linked(a, b)
    a.send_blocks(SYNC, chain(100_000))
    bound, sent = Limits().control, 0
    while a.send(Note(b"n" * 1000)):
        sent += 1
        assert a.pending <= bound
    assert sent == bound // (a.pending // sent)
    before = a.pending
    assert not a.send(Ping()), "from the first that was too many on, none is queued: there would be a gap"
    a.send_blocks(SYNC, chain(5))
    assert a.pending == before
    found = messages(heard(b, said(a)))
    assert small(found) == [Note(b"n" * 1000)] * sent
    assert blocks(found) == chain(100_000)
    assert not a.send(Ping())
    assert not a.waiting


def test_an_idle_session_is_small() -> None:
    pairs = [(a_session(number=1), a_session(number=2)) for _ in range(2)]
    linked(*pairs[0])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = list[tuple[Session, Session]]()
        for _ in range(50):
            pair = a_session(number=1), a_session(number=2)
            linked(*pair)
            pair[0].send(Ping())
            assert messages(heard(pair[1], said(pair[0]))) == [Ping()]
            kept.append(pair)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / (2 * len(kept)) < 6 * 1024
