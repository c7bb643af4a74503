"""The list of batches in its file: against a list in memory, over restarts, and when the file is damaged."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from syncfsm.errors import LocalError
from syncfsm.truth.answers import Place
from syncfsm.truth.messages import Cover
from syncfsm.truth.reader.types import Confirmed
from syncfsm.truth.stands import Batched
from syncfsm_adapters.da.batches import MAGIC, MANY, ROW_BYTES, Batches


def batch(first: int, last: int, layer: int) -> Confirmed:
    return Confirmed(Cover(first, last, b"parent", b"id"), (), Place(layer, b"da", b""))


@given(moves=some.lists(some.tuples(some.integers(0, 40), some.integers(1, 5)), max_size=40), again=some.booleans())
def test_it_says_what_the_reader_has_told_last(
    moves: list[tuple[int, int]], again: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A reader may begin anew, and what it told may have been taken back: then it goes on at a lower height."""
    path = tmp_path_factory.mktemp("list") / "batches"
    found, model = Batches(path), dict[int, Batched]()
    for layer, (height, size) in enumerate(moves, 1):
        first, last = height + 1, height + size
        found.tell(batch(first, last, layer))
        model = {at: each for at, each in model.items() if each.last < first}
        model |= dict.fromkeys(range(first, last + 1), Batched(first, last, layer))
        if again:
            found = Batches(path)
            assert not found.lost
    assert {at: each for at in range(60) if (each := found.find(at)) is not None} == model


def test_there_is_no_file_before_there_is_a_batch(tmp_path: Path) -> None:
    found = Batches(tmp_path / "batches")
    assert found.find(1) is None
    assert not (tmp_path / "batches").exists()


def test_what_is_damaged_is_cut_off_and_told_and_what_is_left_is_as_it_was(tmp_path: Path) -> None:
    path, chance, count = tmp_path / "batches", random.Random(1), 40
    made = Batches(path)
    for at in range(count):
        made.tell(batch(10 * at + 1, 10 * at + 10, at + 1))
    whole = path.read_bytes()
    assert len(whole) == len(MAGIC) + count * ROW_BYTES
    for _ in range(200):
        at = chance.randrange(len(whole))
        data = bytearray(whole)
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data if chance.random() < 0.5 else data[: at + 1])
        found = Batches(path)
        left = (at - len(MAGIC)) // ROW_BYTES if at >= len(MAGIC) else 0
        assert found.lost > 0
        assert found.find(10 * left) == (Batched(10 * left - 9, 10 * left, left) if left else None)
        assert found.find(10 * left + 1) is None
        found.tell(batch(1001, 1010, 99))
        found = Batches(path)
        assert (found.lost, found.find(1001), found.find(1000)) == (0, Batched(1001, 1010, 99), None)


def test_a_long_list_is_looked_at_piece_by_piece(tmp_path: Path) -> None:
    path, count = tmp_path / "batches", 2 * MANY + 5
    made = Batches(path)
    for at in range(3):
        made.tell(batch(at + 1, at + 1, at + 1))
    rows = (tmp_path / "more").absolute()
    more = Batches(rows)
    for at in range(count):
        more.tell(batch(at + 1, at + 1, at + 1))
    assert Batches(rows).lost == 0
    assert Batches(rows).find(count) == Batched(count, count, count)
    data = bytearray(rows.read_bytes())
    data[len(MAGIC) + MANY * ROW_BYTES] ^= 1
    rows.write_bytes(data)
    found = Batches(rows)
    assert (found.lost, found.find(MANY)) == ((count - MANY) * ROW_BYTES, Batched(MANY, MANY, MANY))


def test_a_file_that_can_not_be_used_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(LocalError, match=r"folder can not be used .*remove it"):
        Batches(tmp_path / "folder")
    with pytest.raises(LocalError, match="can not be used"):
        Batches(tmp_path / "none" / "batches").tell(batch(1, 2, 1))
