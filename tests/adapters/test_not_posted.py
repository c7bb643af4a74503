"""What the layer does to a node that is in step with its peers: it takes no batch, confirms none, or has another."""

from pathlib import Path

import attrs
import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm.truth.limits import UNANSWERED
from syncfsm_adapters.look.why import Word
from tests.adapters.test_cut_off import PEER, reason, word
from tests.adapters.truth_nodes import LIMITS, in_virtual_time, network


def test_a_sequencer_that_the_layer_overrules_says_that_it_has_stopped(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            twin = net.sequencer("twin")
            await net.blocks(twin, 20)
            sequencer = net.sequencer("s")
            sequencer.make(b"another first block")
            await net.blocks(sequencer, 20)
            assert (word(twin, PEER), word(sequencer, PEER)) == (Word.IN_STEP, Word.NOT_POSTED)
            assert "Another posts with its key, or its blocks are lost" in reason(sequencer, PEER).sentence
            assert not reason(sequencer).is_fine

    in_virtual_time(test)


def test_what_the_layer_refuses_is_said_and_tried_again_at_once_when_somebody_says_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer(limits=attrs.evolve(LIMITS, back_off_most=1000))
            bodies = sequencer.host.store.bodies
            sequencer.host.store.bodies = lambda points: [None for _ in points]  # type: ignore[method-assign]
            await net.blocks(sequencer, 20)
            told = reason(sequencer, PEER)
            assert told.word is Word.NOT_POSTED
            assert "is lost" in told.sentence
            assert "syncfsm posting resume" in told.sentence
            sequencer.host.store.bodies = bodies  # type: ignore[method-assign]
            await net.blocks(sequencer, 40)
            assert sequencer.heights[1] == 0
            assert sequencer.truth.resume() == "what waits is given to the layer"
            await net.blocks(sequencer, 20)
            assert sequencer.heights[1] > 20
            assert word(sequencer, PEER) is Word.IN_STEP
            assert "nothing was held up" in sequencer.truth.resume()
            with pytest.raises(LocalError, match="ask its sequencer"):
                net.node("follower").truth.resume()

    in_virtual_time(test)


def test_a_producer_that_is_held_says_so_until_the_layer_is_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            made = net.sequencer(limits=attrs.evolve(LIMITS, unconfirmed=30))
            net.layer.out = True
            await net.blocks(made, 80)
            assert word(made, PEER) is Word.NOT_POSTED
            assert "of the 30 that wait" in reason(made, PEER).sentence
            await trio.sleep(UNANSWERED)
            assert word(made, PEER) is Word.CUT_OFF

    in_virtual_time(test)


def test_a_layer_that_answers_and_has_no_batch_is_told_of_by_sequencer_and_follower(tmp_path: Path) -> None:
    """It takes what it is given, and puts it into none of its blocks for a long time."""

    async def test() -> None:
        async with network(tmp_path, delay=100) as net:
            sequencer, follower = net.sequencer(), net.node("follower")
            await net.blocks(sequencer, 90, follower)
            assert (word(sequencer, PEER), word(follower, PEER)) == (Word.IN_STEP, Word.IN_STEP)
            await net.blocks(sequencer, 30, follower)
            assert (word(sequencer, PEER), word(follower, PEER)) == (Word.NOT_POSTED, Word.UNCONFIRMED)
            assert "though the data-availability layer answers" in reason(sequencer, PEER).sentence
            assert "Batches are withheld or bad" in reason(follower, PEER).sentence
            await net.blocks(sequencer, 200, follower)
            assert (word(sequencer, PEER), word(follower, PEER)) == (Word.IN_STEP, Word.IN_STEP)

    in_virtual_time(test)
