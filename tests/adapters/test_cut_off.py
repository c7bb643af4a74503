"""When a node is cut off from its layer: not by one answer that failed, but where the layer is out for a while."""

from pathlib import Path

import attrs
import trio

from syncfsm.node.status import PeerStatus, Why
from syncfsm.truth.limits import UNANSWERED
from syncfsm_adapters.look.why import Reason, Word, why
from tests.adapters.truth_nodes import LIMITS, One, in_virtual_time, network

PEER = PeerStatus("p#1", b"p" * 32, True, 0.0, 0, {}, {})
MOMENT = 0.01
"""Seconds to one side of a limit."""


def reason(one: One, *peers: PeerStatus) -> Reason:
    """How a node with these peers is, all of which are in step with it."""
    waits = Why.IN_STEP if peers else Why.ALONE
    return why(attrs.evolve(one.host.node.status(), peers=peers, why=waits), [], [], one.truth.status())


def word(one: One, *peers: PeerStatus) -> Word:
    return reason(one, *peers).word


async def unheard(one: One, seconds: float) -> None:
    """Wait until nothing was heard for so long."""
    await trio.sleep(seconds - one.truth.status()["heard_seconds"])


def test_a_layer_that_fails_is_out_once_it_has_not_answered_for_a_while(tmp_path: Path) -> None:
    """Until then the node is what it is otherwise, and it is so again with the first answer."""

    async def test() -> None:
        async with network(tmp_path) as net:
            one = net.node("one")
            await trio.sleep(5)
            net.layer.out = True
            await trio.sleep(3)
            status = one.truth.status()
            assert status["reader"]["failures"] > 1
            assert status["trouble"] == "the layer is out"
            assert (word(one), word(one, PEER)) == (Word.LAYER_ALONE, Word.IN_STEP)
            await unheard(one, UNANSWERED - MOMENT)
            assert (word(one), word(one, PEER)) == (Word.LAYER_ALONE, Word.IN_STEP)
            await unheard(one, UNANSWERED + MOMENT)
            assert (word(one), word(one, PEER)) == (Word.ALONE, Word.CUT_OFF)
            told = reason(one, PEER).sentence
            assert "Nothing is confirmed beyond" in told
            assert "has not answered for 30 s (the layer is out). Look at the address in --da" in told
            net.layer.out = False
            await trio.sleep(2)
            assert (word(one), word(one, PEER)) == (Word.LAYER_ALONE, Word.IN_STEP)

    in_virtual_time(test)


def test_a_layer_that_never_answered_is_out_as_soon(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            net.layer.out = True
            await trio.sleep(100)  # what was before the node began does not count
            one = net.node("one")
            await trio.sleep(UNANSWERED - MOMENT)
            assert word(one, PEER) is Word.IN_STEP
            await trio.sleep(2 * MOMENT)
            assert word(one, PEER) is Word.CUT_OFF

    in_virtual_time(test)


def test_a_layer_that_is_out_stays_so_while_it_is_asked_once_more(tmp_path: Path) -> None:
    """A question may take seconds before it fails; then the reader reads most of the time."""

    async def test() -> None:
        async with network(tmp_path) as net:
            one = net.node("one")
            await trio.sleep(5)
            net.layer.out, net.slow = True, 10.0
            await unheard(one, UNANSWERED + MOMENT)
            states = set[str]()
            for _ in range(50):
                await trio.sleep(1)
                states.add(one.truth.status()["reader"]["state"])
                assert word(one, PEER) is Word.CUT_OFF
            assert states == {"reading", "troubled"}

    in_virtual_time(test)


def test_a_layer_that_is_slow_is_not_out(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            one = net.node("one")
            await trio.sleep(5)
            net.slow = UNANSWERED
            await unheard(one, UNANSWERED + MOMENT)
            assert word(one, PEER) is Word.IN_STEP

    in_virtual_time(test)


def test_a_layer_that_does_not_keep_what_comes_next_is_out_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path, retention=10) as net:
            await trio.sleep(20)
            one = net.node("one")
            await trio.sleep(LIMITS.back_off_most / 2)
            assert one.truth.status()["reader"]["state"] == "lost"
            assert word(one, PEER) is Word.CUT_OFF
            assert "syncfsm mark there, --mark here" in reason(one, PEER).sentence

    in_virtual_time(test)
