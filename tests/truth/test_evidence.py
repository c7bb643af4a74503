"""Evidence that the chain's key has signed two blocks at one height: found, judged, kept, and no more than that."""

from functools import partial

import msgspec
import pytest

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import Fault
from syncfsm.truth.evidence import MOST, TAG, Evidence, Witness, decode, encode, kept, passed_on, rival
from syncfsm.truth.signed import signed_by
from tests.chains import branch, root
from tests.truth.chain import CHECK as BATCHES
from tests.truth.chain import GENESIS, grow

OURS = [entry.header for entry in grow(GENESIS, [b"1", b"2", b"3", b"4"])]
THEIRS = [entry.header for entry in grow(GENESIS, [b"one", b"two"])]
CHECK = partial(signed_by, BATCHES.chain)
PIECE = Evidence.of(OURS[0], THEIRS[0])


def held(*runs: list[Header]) -> Chain:
    chain = Chain.start(GENESIS)
    for run in runs:
        chain, _ = chain.extend(run)
    return chain


def test_a_branch_is_found_by_its_first_block_whichever_comes_last() -> None:
    chain = held(OURS, THEIRS)
    assert rival(chain, OURS) == rival(chain, THEIRS) == PIECE
    assert rival(chain, OURS[2:]) is None, "what goes on is no news"
    assert rival(held(OURS), OURS) is None
    assert rival(held(OURS, THEIRS[:1]).finalise(OURS[1].point).pruned()[0], THEIRS[:1]) is None, "dropped already"


def test_what_a_peer_brings_is_believed_if_both_blocks_are_signed_and_of_one_height() -> None:
    assert decode(encode(PIECE), CHECK) == PIECE
    forged = msgspec.structs.replace(OURS[0], proof=bytes(96))
    wrongs = [
        b"", b"hello", TAG, TAG + b"\xc1", encode(Evidence.of(OURS[0], OURS[0])), encode(Evidence.of(OURS[0], OURS[1])),
        encode(Evidence(PIECE.other, PIECE.one)), encode(Evidence.of(forged, THEIRS[0])), encode(PIECE) + b"more",
    ]  # fmt: skip
    assert [decode(payload, CHECK) for payload in wrongs] == [None] * len(wrongs)


def test_one_piece_a_height_is_kept_and_only_so_many() -> None:
    witness = kept(Witness(), PIECE)
    assert witness.kept == (PIECE,)
    assert kept(witness, PIECE) is witness
    assert kept(witness, Evidence.of(OURS[0], branch(root(), 1, "another")[0])) is witness
    long, side = branch(root(), MOST + 9), branch(root(), MOST + 9, "side")
    for one, other in zip(long, side, strict=True):
        witness = kept(witness, Evidence.of(one, other))
    assert len(witness.kept) == MOST


def test_each_connection_is_told_of_each_piece_once() -> None:
    assert passed_on(Witness(), ["a"]) == (Witness(), ())
    witness, due = passed_on(kept(Witness(), PIECE), ["a", "b"])
    assert due == (("a", PIECE), ("b", PIECE))
    assert passed_on(witness, ["a", "b"]) == (witness, ())
    more = Evidence.of(OURS[3], branch(root(), 4, "another")[3])
    witness, due = passed_on(kept(witness, more), ["b", "c"])
    assert due == (("b", more), ("c", PIECE), ("c", more)), "c is new, and a is gone"
    assert passed_on(witness, ["a"])[1] == (("a", PIECE), ("a", more)), "who comes back is told again"


@pytest.mark.parametrize("size", [0, 7])
def test_a_check_that_says_no_is_heeded(size: int) -> None:
    assert decode(encode(PIECE), lambda header: Fault("no", "none of ours", header.id[:size])) is None
