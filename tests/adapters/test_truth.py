"""A sequencer and nodes that follow a data-availability layer, in one process and in virtual time."""

from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from syncfsm.events import Verdict
from syncfsm_adapters.store import MemoryStore
from tests.adapters.truth_nodes import BLOCK_TIME, LIMITS, One, ids, in_virtual_time, network


def test_a_node_without_peers_follows_from_the_layer_alone_at_batch_delay(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, alone = net.sequencer(), net.node("alone")
            await net.blocks(sequencer, 100)
            soft, confirmed, final = alone.heights
            assert sequencer.heights[0] == 100
            assert soft == confirmed >= 100 - 25, "a batch of 2 s, and what the layer takes"
            assert 0 < final < confirmed
            assert ids(alone, confirmed) == ids(sequencer, confirmed)
            assert sequencer.truth.status()["batches"] == len(alone.said("batch"))
            assert sequencer.truth.lag is not None
            assert 2 <= sequencer.truth.lag <= 5

    in_virtual_time(test)


def test_the_layer_is_out_for_200_block_times_and_soft_goes_on(tmp_path: Path) -> None:
    """Confirmed stands, overdue is said; when the layer is back all is confirmed, once."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 50, follower)
            net.layer.out = True
            await net.blocks(sequencer, 10, follower)
            stands = follower.heights[1]
            await net.blocks(sequencer, 190, follower)
            assert follower.heights[:2] == (250, stands)
            assert follower.truth.cut_off
            assert follower.said("da-unheard")
            assert [line["detail"] for line in sequencer.said("overdue")] == ["the layer is out"]
            net.layer.out = False
            await net.blocks(sequencer, 40, follower)
            assert follower.heights[1] >= 270
            assert not follower.truth.cut_off
            assert ids(follower, 270) == ids(sequencer, 270)
            assert not follower.said("contradicted")

    in_virtual_time(test)


def test_the_layer_answers_slowly(tmp_path: Path) -> None:
    """Four fifths of its block time for each answer: soft goes on, confirmed comes late, and nothing is lost or said
    twice; when it is quick again, all is caught up."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower, alone = net.sequencer(), net.node("f"), net.node("alone")
            await trio.sleep(BLOCK_TIME)  # the sequencer has read that there is nothing
            net.slow = 0.4
            await net.blocks(sequencer, 150, follower)
            slow = follower.heights
            assert slow[0] == 150
            assert 100 < slow[1] < 150
            net.slow = 0.0
            await net.blocks(sequencer, 100, follower)
            assert follower.heights[0] == 250
            assert alone.heights[1] >= 225
            assert ids(alone, 225) == ids(sequencer, 225)
            covers = [(line["first"], line["last"]) for line in alone.said("batch")]
            assert [first for first, _ in covers[1:]] == [last + 1 for _, last in covers[:-1]]

    in_virtual_time(test)


def test_a_layer_that_answers_more_slowly_than_it_makes_blocks_is_caught_up_with(tmp_path: Path) -> None:
    """Three of its block times for each answer: a sequencer that starts posts, and who reads all comes to its end.
    With one question at a time neither does."""

    async def test(window: int) -> tuple[One, One, int, int]:
        async with network(tmp_path / str(window)) as net:
            async with net.life() as first:
                before = first.sequencer()
                await net.blocks(before, 100)
            net.slow = 1.5
            store, limits = before.host.store, attrs.evolve(LIMITS, window=window, ahead=1.0)
            assert isinstance(store, MemoryStore)
            again, late = net.sequencer(store=store, limits=limits), net.node("late", limits=limits)
            await net.blocks(again, 160)
            least = net.layer.ledger.head.height
            for _ in range(40):  # it reads in bursts, with questions for news between them
                await net.blocks(again, 1)
                least = min(least, net.layer.ledger.head.height - late.truth.status()["layer"])
            return again, late, net.layer.ledger.head.height, least

    async def both() -> None:
        sequencer, late, _, least = await test(LIMITS.window)
        assert least <= 12, "as much as there is in the time of four answers"
        assert late.heights[1] >= 230
        assert sequencer.said("post")[-1]["last"] > 250
        assert ids(late, 230) == ids(sequencer, 230)
        sequencer, late, head, least = await test(1)
        assert least > 12
        assert late.truth.status()["layer"] < head // 2
        assert not sequencer.said("post")

    in_virtual_time(both)


def test_the_layer_reorganises_to_depth_five(tmp_path: Path) -> None:
    """Confirmed moves back, soft and final do not; whether the batches land again or are lost, all is confirmed."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower, alone = net.sequencer(), net.node("f"), net.node("alone")
            await net.blocks(sequencer, 60, follower)
            for keep in (True, False):
                before, final = follower.heights[1:]
                await net.layer.reorganise(net.layer.ledger.head.height - 4, keep)
                await trio.sleep(0.3)
                assert follower.said("taken-back")[-1]["to"].height < before
                assert follower.heights[0] >= 60
                assert final <= follower.heights[1]
                await net.blocks(sequencer, 60, follower)
                assert follower.heights[1] > before
            assert ids(alone, alone.heights[1]) == ids(sequencer, alone.heights[1])
            assert alone.heights[1] >= 150
            assert not follower.said("contradicted")

    in_virtual_time(test)


def test_two_blocks_at_one_height_and_the_layer_decides(tmp_path: Path) -> None:
    """A follower has a longer branch with the chain's signature from somebody; the batch has the other one."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 20, follower)
            for number in range(40):
                follower.make(b"stolen %d" % number)
            stolen = follower.host.head
            assert stolen.height == 60
            await net.blocks(sequencer, 30)
            (line,) = follower.said("contradicted")
            assert line["was"] == stolen
            soft, confirmed, _ = follower.heights
            assert soft == confirmed < 60
            assert ids(follower, soft) == ids(sequencer, soft)
            assert follower.truth.status()["contradictions"] == 1

    in_virtual_time(test)


def test_the_layer_has_pruned_what_comes_next(tmp_path: Path) -> None:
    """Who is behind is told so, and goes on with peers; who is not goes on as before."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 60, follower)
            net.layer.ledger.prune(net.layer.ledger.head.height - 8)
            late = net.node("late")
            await net.blocks(sequencer, 40, follower)
            assert late.said("da-pruned")
            assert late.heights == (0, 0, 0)
            assert follower.heights[1] >= 60
            assert not follower.said("da-pruned")

    in_virtual_time(test)


def test_a_restart_goes_on_at_the_mark_and_posts_what_is_not_confirmed(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as first:
                before = first.sequencer()
                await net.blocks(before, 43)
            _, confirmed, final = before.heights
            assert 0 < final < confirmed < 43
            store = before.host.store
            assert isinstance(store, MemoryStore)
            again, alone = net.sequencer(store=store), net.node("alone")
            assert again.heights == (43, confirmed, final), "at once, whether or not the layer answers"
            await net.blocks(again, 30)
            assert alone.heights[1] >= 60
            assert ids(alone, 60) == ids(again, 60)
            assert not again.said("overruled")
            covers = [(line["first"], line["last"]) for line in alone.said("batch")]
            assert [first for first, _ in covers[1:]] == [last + 1 for _, last in covers[:-1]]

    in_virtual_time(test)


def test_what_the_layer_took_back_while_a_node_was_down_is_not_confirmed_after_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as before:
                sequencer, follower = before.sequencer(), before.node("f")
                await net.blocks(sequencer, 43, follower)
            _, confirmed, final = follower.heights
            assert final < confirmed
            await net.layer.reorganise(net.layer.ledger.head.height - 4, False)
            store = follower.host.store
            assert isinstance(store, MemoryStore)
            again = net.node("f", store)
            assert again.heights == (43, confirmed, final)
            await trio.sleep(1)
            assert again.said("taken-back")
            assert final <= again.heights[1] < confirmed

    in_virtual_time(test)


def test_a_sequencer_that_starts_waits_for_the_layer_and_not_for_ever(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            net.layer.out = True
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            waited = LIMITS.ahead / BLOCK_TIME
            assert sequencer.heights[0] == pytest.approx(100 - waited, abs=1)
            assert len(sequencer.said("da-silent")) == 1
            assert not sequencer.said("post")
            net.layer.out = False
            await net.blocks(sequencer, 40)
            assert sequencer.heights[1] >= 50
            assert not sequencer.said("overruled")

    in_virtual_time(test)


def test_a_sequencer_that_has_lost_its_store_goes_on_with_what_the_layer_has(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as first:
                before = first.sequencer()
                await net.blocks(before, 60)
            again = net.sequencer()
            assert again.truth.held
            await net.blocks(again, 40)
            confirmed = before.heights[1]
            assert ids(again, confirmed) == ids(before, confirmed)
            assert again.heights[1] > confirmed
            assert not again.said("overruled")

    in_virtual_time(test)


def test_a_mark_of_a_store_that_is_gone_is_not_followed(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            async with net.life() as first:
                before = first.node("f")
                await net.blocks(sequencer, 60)
            assert before.heights[2] > 0
            again = net.node("f")
            await trio.sleep(1)
            assert again.said("mark-unknown")
            assert again.heights[1] >= before.heights[1]

    in_virtual_time(test)


def test_what_this_node_can_not_follow_is_said_once_and_changes_nothing(tmp_path: Path) -> None:
    """An operator has banned a block that the layer has."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer, follower = net.sequencer(), net.node("f")
            await net.blocks(sequencer, 5, follower)
            bad = sequencer.make(b"bad")
            follower.host.feed(Verdict(bad.id, False, trio.current_time()))
            await net.blocks(sequencer, 40)
            (line,) = follower.said("da-refused")
            assert "banned; unban that first" in line["sentence"]
            assert follower.heights == (5, 0, 0)
            assert follower.truth.status()["wrong"] == line["sentence"]

    in_virtual_time(test)


def test_another_posts_with_the_key_and_the_sequencer_stops(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            twin = net.sequencer("twin")
            await net.blocks(twin, 20)
            sequencer = net.sequencer("s", None)
            sequencer.make(b"another first block")
            await net.blocks(sequencer, 20)
            assert sequencer.said("overruled")
            assert sequencer.truth.held
            assert sequencer.host.node.chain.confirmed.id in ids(twin, 20)

    in_virtual_time(test)


def test_a_producer_is_held_while_too_much_is_not_confirmed(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            made = net.sequencer(limits=attrs.evolve(LIMITS, unconfirmed=30))
            net.layer.out = True
            await net.blocks(made, 80)
            assert made.heights[0] == 30
            assert made.said("held")
            net.layer.out = False
            await net.blocks(made, 40)
            assert made.said("goes-on")
            assert made.heights[0] > 50

    in_virtual_time(test)


def test_a_lost_body_is_not_posted_and_that_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            bodies = sequencer.host.store.bodies
            sequencer.host.store.bodies = lambda points: [None for _ in points]  # type: ignore[method-assign]
            await net.blocks(sequencer, 20)
            assert "is lost" in sequencer.said("stuck")[0]["detail"]
            sequencer.host.store.bodies = bodies  # type: ignore[method-assign]
            await net.blocks(sequencer, 30)
            assert sequencer.heights[1] > 20

    in_virtual_time(test)
