"""What makes a batch valid: signed, whole, and the next one. Nothing that anybody writes makes a reader raise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from nacl.signing import SigningKey

from syncfsm.blocks import Point
from syncfsm.errors import Fault, Penalty
from syncfsm.truth.messages import Batch, Cover, Entry, decode, encode, flaw
from syncfsm.truth.signed import unsigned
from tests.truth.chain import BLOCKS, CHAIN_ID, CHECK, GENESIS, KEY, START, grow, point, sealed


def judged(blob: bytes, tip: Point = START) -> str:
    """The rule that the blob breaks; ``valid`` if it breaks none."""
    found = flaw(blob, CHAIN_ID, tip, CHECK)
    return found.rule if isinstance(found, Fault) else "valid"


def test_a_signed_batch_is_valid_where_it_fits() -> None:
    batch = sealed(BLOCKS[3:6])
    assert decode(encode(batch)) == batch
    assert flaw(encode(batch), CHAIN_ID, point(3), CHECK) == batch
    assert batch.cover == Cover(4, 6, point(3).id, point(6).id)


@pytest.mark.parametrize(
    ("tip", "rule"),
    [(0, "missing-batch"), (2, "missing-batch"), (3, "valid"), (4, "repeated-batch"), (9, "repeated-batch")],
)
def test_a_batch_fits_in_one_place(tip: int, rule: str) -> None:
    assert judged(encode(sealed(BLOCKS[3:6])), point(tip)) == rule


def test_two_batches_with_other_blocks_are_evidence() -> None:
    other = grow(BLOCKS[3].header, [b"other 5", b"other 6"])
    for blob in (encode(sealed(other)), encode(sealed([BLOCKS[3], *other]))):
        found = flaw(blob, CHAIN_ID, point(5), CHECK)
        assert isinstance(found, Fault)
        assert (found.rule, found.penalty) == ("contradicting-batch", Penalty.GRAVE)
    stranger = sealed(grow(GENESIS, [b"x"]))
    assert judged(encode(stranger), Point(0, b"other genesis")) == "contradicting-batch"


GOOD = sealed(BLOCKS[:3])
FIRST, SECOND, THIRD = GOOD.blocks


def resigned(**changes: Any) -> Batch:
    """The batch with something else in it, signed anew by the sequencer itself."""
    changed = replace(GOOD, **changes)
    return replace(changed, proof=KEY.sign(unsigned(changed)).signature)


ALTERED = {
    "no proof": (replace(GOOD, proof=b""), "not-signed"),
    "a short proof": (replace(GOOD, proof=GOOD.proof[:-1]), "not-signed"),
    "another key": (sealed(BLOCKS[:3], SigningKey(b"other".ljust(32))), "not-signed"),
    "a body of the same length": (replace(GOOD, blocks=(FIRST, SECOND, Entry(THIRD.header, b"BLOCK 3"))), "not-signed"),
    "a block less": (replace(GOOD, blocks=(FIRST, SECOND)), "wrong-cover"),
    "a longer body": (replace(GOOD, blocks=(FIRST, SECOND, Entry(THIRD.header, b"block 3 "))), "wrong-size"),
    "another chain": (resigned(chain_id=b"other"), "no-batch"),
    "another version": (resigned(version=2), "no-batch"),
    "a cover that says more": (resigned(cover=replace(GOOD.cover, last=4)), "wrong-cover"),
    "a body of another header": (resigned(blocks=(FIRST, SECOND, Entry(THIRD.header, b"BLOCK 3"))), "wrong-body"),
    "blocks that do not follow": (sealed([FIRST, THIRD]), "broken-run"),
    "an id that is none": (
        sealed([FIRST, SECOND, Entry(replace(THIRD.header, id=b"x" * 32), THIRD.body)]), "bad-id",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_what_is_altered_is_skipped(what: str) -> None:
    batch, rule = ALTERED[what]
    assert judged(encode(batch)) == rule


def test_what_anybody_can_write_costs_nobody_anything() -> None:
    for batch, rule in ALTERED.values():
        found = flaw(encode(batch), CHAIN_ID, START, CHECK)
        assert isinstance(found, Fault)
        if rule in ("no-batch", "not-signed", "wrong-cover", "wrong-size", "broken-run"):
            assert found.penalty is Penalty.NONE


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(blob: bytes) -> None:
    assert judged(blob) == "no-batch"


@given(st.data())
def test_a_batch_with_a_byte_changed_is_never_another_valid_one(data: st.DataObject) -> None:
    blob = bytearray(encode(GOOD))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    assert judged(bytes(blob)) != "valid"


@given(st.integers(0, len(encode(GOOD)) - 1))
def test_a_batch_that_is_cut_off_is_none(size: int) -> None:
    assert judged(encode(GOOD)[:size]) == "no-batch"
