"""A mark that one operator gives to another, where the layer keeps no more what was before: in virtual time."""

import shutil
from pathlib import Path

import attrs
import pytest
import trio
from msgspec.structs import replace

from syncfsm.blocks import Point
from syncfsm.errors import LocalError
from syncfsm.events import Verdict
from syncfsm.truth.answers import Place
from syncfsm.truth.passed import decode
from syncfsm.truth.reader.types import Mark
from syncfsm_adapters.da.given import beside, given
from syncfsm_adapters.look.why import Word
from syncfsm_adapters.store import MemoryStore
from tests.adapters.test_cut_off import PEER, reason, word
from tests.adapters.truth_nodes import LIMITS, Network, One, hand_over, ids, in_virtual_time, network
from tests.truth.chain import CHECK


def pruned(net: Network) -> None:
    """The layer keeps its last few blocks only."""
    net.layer.ledger.prune(net.layer.ledger.head.height - LIMITS.finality - 2)


def mark_of(one: One) -> Mark:
    return decode(one.truth.mark()).mark


def covers(one: One) -> list[tuple[int, int]]:
    return [(line["first"], line["last"]) for line in one.said("batch")]


def store_of(one: One) -> MemoryStore:
    assert isinstance(one.host.store, MemoryStore)
    return one.host.store


def test_with_a_mark_a_node_reads_on_where_the_layer_has_pruned_once_peers_have_brought_its_block(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            pruned(net)
            mark = mark_of(sequencer)
            assert mark == Mark(mark.place, sequencer.host.node.chain.final.point)
            late, lost = net.node("late", given=mark), net.node("lost")
            await net.blocks(sequencer, 10)
            assert lost.said("da-pruned")
            assert late.heights == (0, 0, 0)
            assert [line["tip"] for line in late.said("mark-awaited")] == [mark.tip]
            assert word(late) is Word.ALONE
            assert word(late, PEER) is Word.CUT_OFF
            assert "none of its peers has that block" in reason(late, PEER).sentence
            hand_over(sequencer, late, 1, mark.tip.height - 1)
            await trio.sleep(1)
            assert late.heights == (mark.tip.height - 1, 0, 0), "one block is missing"
            assert late.truth.batch(1) is None
            net.layer.out = True
            hand_over(sequencer, late, mark.tip.height, mark.tip.height)
            await trio.sleep(0.1)
            assert late.heights[2] == mark.tip.height, "by the word of who gave it"
            net.layer.out = False
            assert [line["tip"] for line in late.said("mark-reached")] == [mark.tip]
            await net.blocks(sequencer, 60)
            assert late.heights[1] > 120
            assert late.heights[2] > mark.tip.height
            assert ids(late, late.heights[1]) == ids(sequencer, late.heights[1])
            first, *others = covers(late)
            assert first[0] == mark.tip.height + 1
            assert [one for one, _ in others] == [last + 1 for _, last in covers(late)[:-1]]
            assert word(late) is Word.LAYER_ALONE
            assert late.truth.status()["mark"] == str(mark.tip)
            assert not late.said("da-pruned")

    in_virtual_time(test)


def test_a_node_that_has_the_block_begins_at_once_and_over_restarts_goes_on_where_it_was(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            pruned(net)
            mark = mark_of(sequencer)
            async with net.life() as first:
                lost = first.node("late")
                hand_over(sequencer, lost, 1, 95)
                await trio.sleep(1)
                assert lost.said("da-pruned")
            store = store_of(lost)
            for _ in range(2):  # killed before anything was kept, and again
                async with net.life() as some:
                    again = some.node("late", store, given=mark)
                    assert again.heights == (95, mark.tip.height, mark.tip.height)
                    assert not again.said("mark-awaited")
            async with net.life() as more:
                again = more.node("late", store, given=mark)
                await net.blocks(sequencer, 40)
                before = again.heights
                assert before[2] > mark.tip.height
            last = net.node("late", store, given=mark)
            assert last.heights == before, "where it was, and not at the mark"
            assert not last.said("mark-unknown")

    in_virtual_time(test)


def test_a_node_whose_store_has_lost_its_blocks_begins_at_its_mark_again(tmp_path: Path) -> None:
    """The layer's beginning is gone: from there it could not go on."""

    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            mark = mark_of(sequencer)
            async with net.life() as first:
                before = first.node("f", given=mark)
                hand_over(sequencer, before, 1, 95)
                await net.blocks(sequencer, 30)
                assert before.heights[2] > mark.tip.height
            net.layer.ledger.prune(mark.place.height)
            again = net.node("f", given=mark)
            assert again.said("mark-unknown")
            assert again.said("mark-awaited")
            hand_over(sequencer, again, 1, 95)
            await net.blocks(sequencer, 20)
            assert again.heights[1] >= before.heights[1]
            assert ids(again, again.heights[1]) == ids(sequencer, again.heights[1])

    in_virtual_time(test)


def test_a_sequencer_that_lost_its_store_makes_nothing_below_the_mark(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            async with net.life() as first:
                before = first.sequencer("before")
                await net.blocks(before, 100)
            pruned(net)
            mark = mark_of(before)
            again = net.sequencer("again", given=mark)
            await net.blocks(again, 100)
            assert again.heights == (0, 0, 0)
            assert again.truth.held
            assert not again.said("da-silent")
            hand_over(before, again, 1, 100)
            await net.blocks(again, 60)
            assert again.heights[0] > 140
            assert again.heights[1] > 120
            assert not again.said("overruled")
            assert ids(again, 100) == ids(before, 100)

    in_virtual_time(test)


def test_a_mark_of_another_layer_is_not_followed_and_that_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            mark = mark_of(sequencer)
            wrong = replace(mark, place=Place(mark.place.height, b"of another", mark.place.parent))
            late = net.node("late", given=wrong)
            hand_over(sequencer, late, 1, 100)
            await trio.sleep(1)
            assert word(late, PEER) is Word.LOST_FORK
            assert "it is the mark of another layer" in reason(late, PEER).sentence
            assert len(covers(late)) == 0
            with pytest.raises(LocalError, match="does not follow the layer"):
                late.truth.mark()

    in_virtual_time(test)


def test_a_mark_whose_block_is_banned_here_is_not_followed_and_that_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await net.blocks(sequencer, 100)
            mark = mark_of(sequencer)
            late = net.node("late", given=mark)
            late.host.feed(Verdict(mark.tip.id, False, trio.current_time()))
            hand_over(sequencer, late, 1, 100)
            await trio.sleep(1)
            assert late.said("da-refused")
            assert word(late, PEER) is Word.LOST_FORK
            assert late.heights == (mark.tip.height - 1, 0, 0)

    in_virtual_time(test)


def test_who_has_read_nothing_final_or_awaits_a_mark_has_none_to_give(tmp_path: Path) -> None:
    async def test() -> None:
        async with network(tmp_path) as net:
            sequencer = net.sequencer()
            await trio.sleep(1)
            with pytest.raises(LocalError, match="there is no mark: try again later"):
                sequencer.truth.mark()
            await net.blocks(sequencer, 100)
            late = net.node("late", given=mark_of(sequencer))
            with pytest.raises(LocalError, match="Ask another for its mark"):
                late.truth.mark()

    in_virtual_time(test)


# The files ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Files:
    """A reader's own file, and two marks that were given to somebody."""

    own: Path
    one: Path
    two: Path
    points: tuple[Point, Point]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = list[bytes]()

    async def test() -> None:
        async with network(tmp_path / "net") as net:
            sequencer = net.sequencer()
            for _ in range(2):
                await net.blocks(sequencer, 60)
                found.append(sequencer.truth.mark())

    in_virtual_time(test)
    for name, text in zip(("one", "two"), found, strict=True):
        (tmp_path / name).write_bytes(text)
    one, two = (decode(text).header.point for text in found)
    assert one != two
    return Files(tmp_path / "f.da", tmp_path / "one", tmp_path / "two", (one, two))


def test_the_mark_that_was_given_is_remembered_and_another_is_refused(files: Files) -> None:
    assert given(files.own, CHECK.chain, None) is None
    mark = given(files.own, CHECK.chain, files.one)
    assert mark is not None
    assert mark.tip == files.points[0]
    assert given(files.own, CHECK.chain, None) == mark
    assert given(files.own, CHECK.chain, files.one) == mark, "the flag may stay"
    with pytest.raises(LocalError, match=r"comes too late.*move .*f\.da\.mark away"):
        given(files.own, CHECK.chain, files.two)
    files.own.write_bytes(b"what was read")
    assert given(files.own, CHECK.chain, files.one) == mark
    with pytest.raises(LocalError, match=r"move .*f\.da and .*f\.da\.mark away"):
        given(files.own, CHECK.chain, files.two)


def test_who_has_read_by_itself_is_not_given_a_mark(files: Files) -> None:
    files.own.write_bytes(b"what was read")
    with pytest.raises(LocalError, match=r"goes on from there\. Leave out --mark"):
        given(files.own, CHECK.chain, files.one)
    assert not beside(files.own).exists()


def test_a_damaged_file_is_named(files: Files) -> None:
    files.one.write_bytes(files.one.read_bytes()[:-9])
    with pytest.raises(LocalError, match=r"one: this is no mark, or it is damaged"):
        given(files.own, CHECK.chain, files.one)
    assert not beside(files.own).exists()
    with pytest.raises(LocalError, match="none can not be read"):
        given(files.own, CHECK.chain, files.own.parent / "none")
    shutil.copy(files.two, beside(files.own))
    beside(files.own).write_bytes(beside(files.own).read_bytes()[1:])
    with pytest.raises(LocalError, match=r"f\.da\.mark: this is no mark, or it is damaged"):
        given(files.own, CHECK.chain, None)
