"""Who is shunned: what a fault costs, what an operator bans, and that it holds over a restart."""

from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio

from syncfsm import signed
from syncfsm.errors import LocalError, Penalty
from syncfsm.limits import Limits
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Disconnect
from syncfsm.peer.messages import Bye, Parting
from syncfsm.sync.messages import Has
from syncfsm.wire.handshake import VERSION, Greeting, RefusalReason, announce, first_frame, second_frame
from syncfsm.wire.outbox import Outbox
from syncfsm_adapters.command import keys
from syncfsm_adapters.connect.penalties import (
    BANS,
    FORGET,
    KEPT,
    MOST_ID,
    MOST_PLACE,
    Ledger,
    Penalties,
    culprit,
    host_of,
    names_of,
    parsed,
)  # fmt: skip
from syncfsm_adapters.look.control import ask, socket_of
from syncfsm_adapters.secure import Identity
from tests.adapters.guard_nodes import CHAIN, Place, process
from tests.adapters.tcp_nodes import (
    Carriers,
    Running,
    an_id,
    greeting,
    grow,
    in_trio,
    raw,
    start,
)  # fmt: skip

ID: Final = an_id(b"somebody")
NAME: Final = ID.hex()
PLACE: Final = "10.0.0.1"


# The decision -------------------------------------------------------------------------------------------------------


def test_each_fault_costs_twice_as_much_within_bounds() -> None:
    for who, most in ((NAME, MOST_ID), (PLACE, MOST_PLACE)):
        penalties = Penalties()
        spans = [penalties.strike(who, Penalty.GRAVE, "bad", 100.0).until - 100.0 for _ in range(9)]  # type: ignore[union-attr, operator]
        assert spans[:3] == [60, 120, 240]
        assert spans[-1] == most
    assert Penalties().strike(NAME, Penalty.NONE, "late", 0.0) is None
    mild = Penalties().strike(NAME, Penalty.MILD, "odd", 0.0)
    assert mild is not None
    assert mild.until == 5


def test_a_penalty_ends_and_is_forgotten_later() -> None:
    penalties = Penalties()
    penalties.strike(NAME, Penalty.GRAVE, "bad", 0.0)
    assert penalties.against([NAME], 59.0) is not None
    assert penalties.against([NAME], 60.0) is None
    assert penalties.against([PLACE], 1.0) is None
    assert penalties.strike(NAME, Penalty.GRAVE, "bad", 100.0).strikes == 2  # type: ignore[union-attr]
    assert penalties.strike(NAME, Penalty.GRAVE, "bad", 2 * FORGET).strikes == 1  # type: ignore[union-attr]


def test_a_ban_stands_before_a_penalty_and_a_pardon_ends_both() -> None:
    penalties = Penalties()
    penalties.strike(NAME, Penalty.GRAVE, "bad", 0.0)
    penalties.ban(NAME, None, "enough", 0.0)
    assert [each.why for each in penalties.listed(1.0)] == ["enough", "bad"]
    assert penalties.against([NAME], 1e9).why == "enough"  # type: ignore[union-attr]
    assert penalties.pardon(NAME)
    assert not penalties.listed(1.0)
    assert not penalties.pardon(NAME)
    assert penalties.ban(PLACE, 10.0, "", 0.0).until == 10
    with pytest.raises(LocalError, match="more than 0 seconds"):
        penalties.ban(PLACE, 0.0, "", 0.0)


def test_all_of_it_is_bounded() -> None:
    penalties = Penalties()
    for number in range(KEPT + 50):
        penalties.strike(f"10.0.{number // 256}.{number % 256}", Penalty.GRAVE, "bad", float(number) / 100)
    assert len(penalties.listed(0.0)) == KEPT
    for number in range(BANS):
        penalties.ban(f"11.0.{number // 256}.{number % 256}", None, "", 0.0)
    with pytest.raises(LocalError, match="pardon one first"):
        penalties.ban(PLACE, None, "", 0.0)


def test_who_pays_under_which_name() -> None:
    assert culprit(ID, True, "10.0.0.1:5", dialled=False) == NAME
    assert culprit(ID, False, "10.0.0.1:5", dialled=False) == "10.0.0.1"
    assert culprit(ID, False, "10.0.0.1:5", dialled=True) == "10.0.0.1:5"
    assert culprit(ID, False, "unknown", dialled=False) == ""
    assert names_of(ID, True, "[2001:db8:1:2:3::4]:9", dialled=False) == [NAME, "2001:db8:1:2::/64"]
    assert names_of(ID, False, "10.0.0.1:5", dialled=True) == ["10.0.0.1:5"], "a stranger at its host is another"
    assert culprit(ID, False, "127.0.0.1:5", dialled=False) == "", "all processes of a machine share that"
    assert host_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert parsed(NAME.upper()) == NAME
    assert parsed("10.0.0.1:5") == "10.0.0.1:5"
    assert parsed("10.0.0.1") == "10.0.0.1"
    with pytest.raises(LocalError, match="names nobody"):
        parsed("somebody")


def test_it_is_kept_and_a_damaged_file_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "penalties"
    ledger = Ledger(path, lambda event, **fields: told.append(event))
    penalties = ledger.load()
    penalties.strike(NAME, Penalty.GRAVE, "bad", 0.0)
    penalties.ban(PLACE, None, "enough", 0.0)
    ledger.keep(penalties)
    assert ledger.load().listed(1.0) == penalties.listed(1.0)
    whole, chance = path.read_bytes(), Random(1)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged[: chance.randrange(len(damaged)) + 1]))
        ledger.load()
    assert "penalties-lost" in told
    told.clear()
    Ledger(tmp_path / "no" / "folder", lambda event, **fields: told.append(event)).keep(penalties)
    assert told == ["penalties-lost"]


# With real connections ------------------------------------------------------------------------------------------------


class Liar:
    """Listens, greets like a good node, and then says what nobody says. ``dialled`` counts who came."""

    def __init__(self, mine: Greeting | None = None) -> None:
        self.dialled = 0
        self._mine = mine or greeting(b"liar")

    async def serve(self, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(f"127.0.0.1:{listeners[0].socket.getsockname()[1]}")
        await trio.serve_listeners(self._meet, listeners)

    async def _meet(self, stream: trio.SocketStream) -> None:
        self.dialled += 1
        header, _ = grow([b"1"])[0]
        outbox = Outbox(Limits(), STANDARD)
        assert outbox.message(Has(header.point, header.score))
        await stream.send_all(first_frame(self._mine) + second_frame(announce(STANDARD)) + outbox.take(2**20))
        while await stream.receive_some(2**16):
            pass


@in_trio
async def test_a_liar_is_not_dialled_again_for_a_while_also_after_a_restart(carriers: Carriers, tmp_path: Path) -> None:
    clock, liar, path = [1000.0], Liar(), tmp_path / "penalties"

    def made() -> Running:
        return Running(carriers, b"a", penalties=path, wall=lambda: clock[0])

    async with trio.open_nursery() as nursery:
        address = await nursery.start(liar.serve)
        first = made()
        async with trio.open_nursery() as life:
            await start(life, first, address)
            await first.until(lambda: first.wrote("penalty"))
            first.tcp.stop()
        (line,) = first.wrote("penalty")
        assert (line["who"], line["seconds"], line["strikes"]) == (address, 60, 1)
        again = made()
        async with trio.open_nursery() as life:
            await start(life, again, address)
            clock[0] += 59
            due = again.tcp.targets[address].due(again.now())
            assert due is not None
            assert 0 < due - again.now() <= 1
            assert not again.tcp.targets[address].ready(again.now())
            clock[0] += 1.5
            await again.until(lambda: again.wrote("penalty"))
            assert again.wrote("penalty")[0]["strikes"] == 2
            again.tcp.stop()
        assert liar.dialled == 2
        nursery.cancel_scope.cancel()


@in_trio
async def test_who_is_banned_by_its_proved_id_is_told_and_not_taken(carriers: Carriers) -> None:
    """From wherever it comes; its other half of the connection, which was up, ends."""
    carriers.secure = True
    async with trio.open_nursery() as nursery:
        one, two = Running(carriers, b"one"), Running(carriers, b"two")
        await start(nursery, one)
        await start(nursery, two, one)
        await one.until(lambda: one.tcp.links)
        (link,) = one.tcp.links.values()
        one.tcp.ban(link.node_id.hex(), 1000.0, "test")
        await one.until(lambda: one.wrote("no-link"))
        (line,) = one.wrote("no-link")
        assert (line["reason"], line["said_by"]) == (RefusalReason.BANNED, "us")
        assert "the operator of this node does not talk to you" in line["detail"]
        assert not one.tcp.links
        await two.until(lambda: two.told(Disconnect))
        assert two.told(Disconnect)[0].said == Bye(Parting.BANNED)
        one.tcp.pardon(link.node_id.hex())
        await one.until(lambda: one.tcp.links)
        for each in (one, two):
            each.tcp.stop()


@in_trio
async def test_an_operator_bans_and_pardons(carriers: Carriers) -> None:
    async with trio.open_nursery() as nursery:
        one, two = Running(carriers, b"one"), Running(carriers, b"two")
        await start(nursery, one)
        await start(nursery, two, one)
        await two.until(lambda: two.tcp.links)
        two.tcp.ban(one.address, None, "test")
        await one.until(lambda: ("peer-left", "the peer left: banned") in one.partings or not one.tcp.links)
        assert not two.tcp.links
        assert [each.why for each in two.tcp.connector.shunned.listed()] == ["test"]
        with pytest.raises(LocalError, match="names nobody"):
            two.tcp.ban("somebody")
        with pytest.raises(LocalError, match="nothing against"):
            two.tcp.pardon("10.9.8.7")
        two.tcp.pardon(one.address)
        two.tcp.remove(one.address)
        two.tcp.add(one.address)
        await two.until(lambda: two.tcp.links)
        for each in (one, two):
            each.tcp.stop()


@in_trio
async def test_who_is_lied_for_without_proof_is_taken_all_the_same(carriers: Carriers, tmp_path: Path) -> None:
    """A stranger greets under an honest node's id, and breaks the protocol in its name."""
    path = tmp_path / "penalties"
    node, honest = Running(carriers, b"node", penalties=path), Running(carriers, b"honest")
    async with trio.open_nursery() as nursery:
        await start(nursery, node)
        async with raw(node.address, greeting(b"honest")) as liar:
            header, _ = grow([b"1"])[0]
            await liar.say(Has(header.point, header.score))
            await node.until(lambda: node.rules)
        assert an_id(b"honest").hex() not in {each.who for each in node.tcp.connector.shunned.listed()}
        await start(nursery, honest, node)
        await honest.until(lambda: honest.tcp.links)
        nursery.cancel_scope.cancel()


@in_trio
async def test_who_is_met_where_it_is_dialled_and_shunned_is_dialled_once(carriers: Carriers, tmp_path: Path) -> None:
    """After a restart nobody knows who is at an address that was given without an id."""
    carriers.secure, path, clock = True, tmp_path / "penalties", [1000.0]
    penalties = Penalties()
    penalties.strike(Identity(an_id(b"liar")).id.hex(), Penalty.GRAVE, "bad", clock[0])
    Ledger(path, lambda event, **fields: None).keep(penalties)
    async with trio.open_nursery() as nursery:
        liar, node = Running(carriers, b"liar"), Running(carriers, b"node", penalties=path, wall=lambda: clock[0])
        await start(nursery, liar)
        await start(nursery, node, liar)
        await node.no_link()
        assert node.wrote("no-link")[0]["reason"] == RefusalReason.BANNED
        assert not node.tcp.targets[liar.address].ready(node.now() + 30)
        clock[0] += 61
        await node.until(lambda: node.tcp.links)
        assert len(node.wrote("no-link")) == 1
        nursery.cancel_scope.cancel()


def test_a_killed_process_does_not_dial_a_liar_again_before_it_is_pardoned(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.sequencer()
    public = keys.load(place.folder / "key").verify_key.encode().hex()
    control = socket_of(str(tmp_path / "f.store"))

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            liar = Liar(Greeting(VERSION, CHAIN.encode(), an_id(b"liar"), signed.genesis(CHAIN.encode()).point))
            address = await nursery.start(liar.serve)
            flags = place.follower(public, "--plain", "--peer", address)
            with process(*flags) as first:
                line = await trio.to_thread.run_sync(first.until, "penalty")
                assert line["who"] == address
            with process(*flags) as again:
                await trio.to_thread.run_sync(again.until, "control")
                report = await trio.to_thread.run_sync(ask, control, {"ask": "status"})
                assert [each["who"] for each in report["shunned"]] == [address]
                assert liar.dialled == 1
                await trio.to_thread.run_sync(ask, control, {"ask": "peers pardon", "peer": address})
                line = await trio.to_thread.run_sync(again.until, "penalty")
                assert line["strikes"] == 1, "a pardon forgets all"
                assert liar.dialled == 2
            nursery.cancel_scope.cancel()

    trio.run(story)
