"""Links have owners: who gets one when there are not enough, and who ends for whom."""

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

import attrs
import pytest
import trio

from syncfsm import signed
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.peer.messages import Bye, Parting
from syncfsm.wire.handshake import VERSION, Greeting, RefusalReason, announce, first_frame, second_frame
from syncfsm_adapters.command import keys
from syncfsm_adapters.connect import connector
from syncfsm_adapters.connect.seats import (
    REFUSED,
    TAKEN,
    USEFUL,
    Admission,
    Owner,
    Seat,
    Seats,
    decide,
    owner_of,
    shares,
)
from syncfsm_adapters.connect.strangers import Strangers
from syncfsm_adapters.connect.useful import FRESH, REMEMBERED, Useful
from syncfsm_adapters.look.control import ask, socket_of
from syncfsm_adapters.secure import Identity
from tests.adapters.guard_nodes import CHAIN, Place, process
from tests.adapters.tcp_nodes import (
    Carriers,
    Running,
    an_id,
    connected,
    greeting,
    grow,
    in_trio,
    raw,
    refusal,
    start,
)  # fmt: skip

ID: Final = an_id(b"somebody")
S, U, D = Owner.STRANGER, Owner.USEFUL, Owner.DIALLED
Counts = tuple[int, int, int]


# The decision -------------------------------------------------------------------------------------------------------


def seats_of(counts: Counts) -> list[Seat]:
    owners = [owner for owner, count in zip(Owner, counts, strict=True) for _ in range(count)]
    return [Seat(f"{owner.name} {place}", owner, "host", 0, place) for place, owner in enumerate(owners)]


LAST: Final = Admission(True, "STRANGER 4")
"""Of five strangers that are alike, the one that came last ends."""

# Of 8 links, 2 are kept for the two that are dialled, and 1 for the useful: 5 are for strangers.
CASES: Final[dict[str, tuple[Owner, Counts, Admission]]] = {
    "nobody there, a stranger": (S, (0, 0, 0), TAKEN),
    "the last link for strangers": (S, (4, 0, 0), TAKEN),
    "strangers have all of theirs": (S, (5, 0, 0), REFUSED),
    "the link of the useful is no stranger's": (S, (5, 0, 2), REFUSED),
    "the useful have more than is kept for them": (S, (2, 4, 0), REFUSED),
    "the useful took no more than that": (S, (4, 1, 2), TAKEN),
    "more are dialled than is kept": (S, (4, 0, 4), REFUSED),
    "a useful one takes what is kept": (U, (5, 0, 0), TAKEN),
    "a useful one goes before a stranger": (U, (5, 1, 0), LAST),
    "and does not take what is kept for the dialled": (U, (0, 6, 0), REFUSED),
    "a useful one ends for nobody": (U, (0, 6, 2), REFUSED),
    "a useful one goes before a stranger where all is taken": (U, (5, 1, 2), LAST),
    "a dialled one takes what is kept": (D, (5, 1, 1), TAKEN),
    "a dialled one goes before a stranger": (D, (5, 1, 2), LAST),
    "a dialled one does not end a useful one": (D, (0, 6, 2), REFUSED),
    "a dialled one ends for nobody": (D, (0, 0, 8), REFUSED),
}


@pytest.mark.parametrize("case", CASES)
def test_who_gets_a_link_and_who_ends_for_whom(case: str) -> None:
    newcomer, counts, expected = CASES[case]
    assert decide(newcomer, seats_of(counts), shares(8, 2)) == expected


@pytest.mark.parametrize(("links", "dialled"), list(itertools.product(range(1, 18), (0, 1, 3, 20))))
def test_whatever_comes_and_goes_the_shares_are_kept(links: int, dialled: int) -> None:
    """All numbers of links that any order of arrivals, departures and blocks given leads to."""
    most, kept = shares(links, dialled), min(dialled, links // 2)
    assert most[S] >= 1, "a node with one link is there for strangers too"
    seen: set[Counts] = {(0, 0, 0)}
    todo = [(0, 0, 0)]
    while todo:
        counts = todo.pop()
        seats, after = seats_of(counts), list[list[int]]()
        assert sum(counts) <= links
        for newcomer in Owner:
            admission = decide(newcomer, seats, most)
            if newcomer is S:
                assert not admission.displaced
            elif counts[S] > 0:
                assert admission.taken, "there is a stranger that can end for it"
            if newcomer is D and counts[D] < kept:
                assert admission.taken, "this link was kept for it"
            if newcomer is U and counts[U] < links // 8 and counts[D] <= kept:
                assert admission.taken, "this link was kept for it"
            if admission.taken:
                after.append([count + (place == newcomer) for place, count in enumerate(counts)])
            if admission.displaced:
                assert admission.displaced.startswith("STRANGER")
                after[-1][S] -= 1
        after += ([count - (place == owner) for place, count in enumerate(counts)] for owner in Owner if counts[owner])
        if counts[S]:
            after.append([counts[S] - 1, counts[U] + 1, counts[D]])  # it has given enough
        for new in ((s, u, d) for s, u, d in after):
            if new not in seen:
                seen.add(new)
                todo.append(new)


def test_the_stranger_of_least_use_ends() -> None:
    """Who has given least; of these, one of many from one host; of these, the last."""
    given = [Seat("a", S, "1", 1, 0), Seat("b", S, "2", 0, 1), Seat("c", S, "1", 1, 2)]
    assert decide(D, given, shares(3, 1)) == Admission(True, "b")
    crowd = [Seat("a", S, "1", 0, 0), Seat("b", S, "1", 0, 1), Seat("c", S, "2", 0, 2)]
    assert decide(D, crowd, shares(3, 1)) == Admission(True, "b")
    alike = [Seat("a", S, "1", 0, 0), Seat("b", S, "2", 0, 1), Seat("c", S, "3", 0, 2)]
    assert decide(D, alike, shares(3, 1)) == Admission(True, "c")


def test_an_id_counts_only_if_it_is_proved() -> None:
    assert owner_of(ID, True, targets={ID}) is D
    assert owner_of(ID, False, targets={ID}) is S
    assert owner_of(ID, False, dialled=True) is D
    assert owner_of(ID, True, useful={ID}) is U
    assert owner_of(ID, False, useful={ID}) is S
    assert owner_of(ID, False, gave=USEFUL) is U, "it gave them on this very connection"
    assert owner_of(ID, True, gave=USEFUL - 1) is S


def test_a_host_is_counted_by_itself() -> None:
    strangers = Strangers()
    with strangers.greeting("10.0.0.1:5"), strangers.greeting("[2001:db8:1:2:3::4]:9"):
        assert len(strangers) == 2
        assert strangers.beside("10.0.0.1:6") == 1
        assert strangers.beside("10.0.0.2:5") == 0
        assert strangers.beside("[2001:db8:1:2:9::9]:1") == 1, "a network is one host's to choose from"
        with strangers.greeting("unknown"):
            assert strangers.beside("unknown") == 1
    assert not strangers


@attrs.define
class Taken:
    """A link."""

    name: str
    node_id: bytes
    address: str
    dialled: bool
    proved: bool
    gave: int = 0


def test_who_greets_under_a_useful_id_without_proof_is_a_stranger() -> None:
    useful = Useful(None, lambda event, **fields: None)
    useful.used(ID, 0.0)
    seats = Seats(1, useful)
    stranger = Taken("there", an_id(b"there"), "10.0.0.1:1", dialled=False, proved=False)
    assert seats.admit(ID, False, False, [stranger]) == REFUSED
    assert seats.admit(ID, True, False, [stranger]) == Admission(True, "there")
    assert seats.admit(an_id(b"other"), True, False, [stranger]) == REFUSED


def test_a_useful_node_that_breaks_the_protocol_is_a_stranger_again(tmp_path: Path) -> None:
    path = tmp_path / "useful"

    def opened() -> Useful:
        return Useful(path, lambda event, **fields: None)

    seats = Seats(1, opened())
    link, claimed = (Taken("there", ID, "10.0.0.1:1", dialled=False, proved=proved) for proved in (True, False))
    seats.given(link, USEFUL, 0.0)
    assert ID in opened()
    seats.blamed(claimed)
    assert ID in opened(), "somebody said so in its name"
    seats.blamed(link)
    assert ID not in opened()
    seats.given(claimed, USEFUL, 0.0)
    assert ID not in opened(), "nor is it useful for what another gave in its name"


# Who has been of use ------------------------------------------------------------------------------------------------


def test_who_has_been_of_use_is_remembered_within_bounds(tmp_path: Path) -> None:
    path, told = tmp_path / "useful", list[str]()
    useful = Useful(path, lambda event, **fields: told.append(event))
    for number in range(REMEMBERED):
        useful.used(an_id(str(number).encode()), float(number))
    useful.used(an_id(b"0"), 1000.0)
    useful.used(an_id(b"new"), 1001.0)
    assert an_id(b"0") in useful, "it was of use again"
    assert an_id(b"1") not in useful, "of the others, longest ago"
    again = Useful(path, lambda event, **fields: told.append(event))
    assert all(an_id(name) in again for name in (b"0", b"2", b"new"))
    assert an_id(b"1") not in again
    assert told == []


def test_it_is_not_written_for_each_block(tmp_path: Path) -> None:
    path = tmp_path / "useful"
    useful = Useful(path, lambda event, **fields: None)
    useful.used(ID, 1000.0)
    before = path.read_bytes()
    useful.used(ID, 1000.0 + FRESH - 1)
    assert path.read_bytes() == before
    useful.used(ID, 1000.0 + FRESH)
    assert path.read_bytes() != before


def test_a_damaged_file_is_told_and_starts_empty(tmp_path: Path) -> None:
    path, told = tmp_path / "useful", list[str]()

    def opened() -> Useful:
        return Useful(path, lambda event, **fields: told.append(event))

    opened().used(ID, 1000.0)
    whole, chance = path.read_bytes(), Random(1)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged[: chance.randrange(len(damaged)) + 1]))
        opened()
    told.clear()
    for wrong in (
        b"[" * 100_000,
        b"[]",
        b'{"00": 1}',
        json.dumps({ID.hex(): None}).encode(),
        b'{"' + b"x" * 64 + b'":1}',
    ):
        path.write_bytes(wrong)
        assert ID not in opened()
    assert told == 5 * ["useful-lost"]
    path.unlink()
    path.mkdir()
    opened().used(ID, 1000.0)
    assert told == 7 * ["useful-lost"]


# With real connections ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def flood(node: Running, most: int) -> AsyncIterator[None]:
    """Strangers take as many links as they can get, and stay."""
    async with AsyncExitStack() as stack:
        for number in range(most):
            await stack.enter_async_context(raw(node.address, greeting(b"stranger %d" % number)))
        await node.until(lambda: len(node.tcp.links) == most)
        yield


@in_trio
async def test_a_flood_of_strangers_does_not_stop_a_configured_peer(carriers: Carriers) -> None:
    node = Running(carriers, b"node", chosen=Limits(links=8))
    friends = [Running(carriers, name) for name in (b"one", b"two")]
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        for friend in friends:
            await start(nursery, friend)
        async with flood(node, 7):
            async with raw(node.address, greeting(b"one more")) as late:
                assert await late.last_word() == Bye(Parting.FULL)
            await node.no_link()
            assert node.wrote("no-link")[0]["reason"] == RefusalReason.FULL
            for friend in friends:
                node.tcp.add(friend.address)
            await node.until(lambda: sum(link.dialled for link in node.tcp.links.values()) == 2)
            assert len(node.tcp.links) == 8
            (displaced,) = node.wrote("displaced")
            assert displaced["peer"].startswith(b"stranger".hex()), "and the friend that came before it stays"
            node.grow(b"1")
            for friend in friends:
                await friend.at(node.host.head)
        nursery.cancel_scope.cancel()


@in_trio
async def test_a_stranger_ends_for_one_that_was_of_use_before_a_restart(carriers: Carriers, tmp_path: Path) -> None:
    carriers.secure, path = True, tmp_path / "useful"
    blocks = grow([b"%d" % number for number in range(USEFUL)])
    async with trio.open_nursery() as nursery:
        giver = Running(carriers, b"giver", blocks=blocks)
        async with trio.open_nursery() as life:
            node = Running(carriers, b"node", chosen=Limits(links=1), useful=path)
            await start(life, node)
            await start(life, giver, node)
            await node.at(blocks[-1][0].point)
            giver.tcp.stop()
            node.tcp.stop()
        again = Running(carriers, b"node", chosen=Limits(links=1), useful=path)
        await start(nursery, again)
        first, second = Running(carriers, b"first"), Running(carriers, b"second")
        await start(nursery, first, again)
        await again.until(lambda: again.tcp.links)
        await start(nursery, second, again)
        await second.until(lambda: [line for line in second.wrote("no-link") if line["reason"] == RefusalReason.FULL])
        back = Running(carriers, b"giver", blocks=blocks)
        await start(nursery, back, again)
        await again.until(lambda: again.tcp.connector.link_to(Identity(an_id(b"giver")).id))
        await again.until(lambda: again.wrote("displaced"))
        await first.until(lambda: first.partings)
        assert first.partings[0] == ("peer-left", "full")
        nursery.cancel_scope.cancel()


@in_trio
async def test_one_host_does_not_take_the_places_of_all_that_have_not_greeted(
    carriers: Carriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "STRANGERS_OF_HOST", 3)
    node, friend = Running(carriers, b"node"), Running(carriers, b"friend")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        host, port = node.address.split(":")
        async with AsyncExitStack() as stack:
            closed = Counter[bool]()
            for _ in range(5):
                stream = await stack.enter_async_context(
                    await trio.open_tcp_stream(host, int(port), local_address="127.0.0.2")
                )
                closed[await stream.receive_some(1) == b""] += 1
            assert closed == {False: 3, True: 2}
            await start(nursery, friend, node)
            await friend.until(lambda: friend.tcp.links)
        nursery.cancel_scope.cancel()


# With processes -------------------------------------------------------------------------------------------------------


def test_a_process_full_of_strangers_follows_the_peer_that_it_is_given(tmp_path: Path) -> None:
    place = Place(tmp_path)
    flags = place.sequencer("--plain", "--listen", "127.0.0.1:0", "--interval", "0.1")
    public = keys.load(place.folder / "key").verify_key.encode().hex()
    genesis = signed.genesis(CHAIN.encode()).point

    def name(number: int) -> Greeting:
        return Greeting(VERSION, CHAIN.encode(), an_id(b"stranger %d" % number), genesis)

    full = place.follower(public, "--plain", "--listen", "127.0.0.1:0", "--links", "2")
    with process(*flags) as sequencer, process(*full) as follower:
        address = sequencer.until("listening")["address"]
        here = follower.until("listening")["address"]

        async def crowd() -> None:
            async with raw(here, name(1)), raw(here, name(2)):
                async with connected(here) as late:
                    await late.send_all(first_frame(name(3)) + second_frame(announce(STANDARD)))
                    assert (await refusal(late)).reason == RefusalReason.FULL
                control = socket_of(str(tmp_path / "f.store"))
                await trio.to_thread.run_sync(ask, control, {"ask": "peers add", "peer": address})
                with trio.fail_after(20):  # it says its status each second, so it never falls silent
                    await trio.to_thread.run_sync(follower.until, "displaced", abandon_on_cancel=True)
                    await trio.to_thread.run_sync(follower.at, 3, abandon_on_cancel=True)

        trio.run(crowd)
