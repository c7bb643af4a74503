"""A mark as text: it comes back as it was, what is damaged or of another chain is refused in words."""

import json
import random

import pytest
from msgspec.structs import replace
from nacl.signing import SigningKey

from syncfsm.errors import LocalError
from syncfsm.signed import SignedChain
from syncfsm.truth.answers import Place
from syncfsm.truth.passed import MOST_BYTES, Passed, decode, encode
from syncfsm.truth.reader.types import Mark
from syncfsm.truth.signed import checked
from tests.truth.chain import BLOCKS, CHAIN_ID, CHECK, GENESIS, KEY

PASSED = Passed(CHAIN_ID, Place(9, b"layer 9", b"layer 8"), BLOCKS[4].header)


def test_a_mark_comes_back_as_it_was() -> None:
    assert decode(encode(PASSED)) == PASSED
    assert checked(PASSED, CHECK.chain) == Mark(PASSED.place, BLOCKS[4].header.point)
    assert json.loads(encode(PASSED))["block"]["height"] == 5, "people can read it"


def test_whatever_byte_is_damaged_it_is_refused_or_says_the_same() -> None:
    text, chance = encode(PASSED), random.Random(1)
    for at in range(len(text)):
        data = bytearray(text)
        data[at] ^= 1 << chance.randrange(8)
        for damaged in (bytes(data), text[:at]):
            assert said(damaged) in (PASSED, None)


def said(text: bytes) -> Passed | None:
    """What it says, ``None`` if it is refused in words."""
    try:
        return decode(text)
    except LocalError:
        return None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "this is no mark, or it is damaged"),
        (b"\x80\x01", "this is no mark, or it is damaged"),
        (b"[]", "this is no mark, or it is damaged"),
        (b" " * (MOST_BYTES + 1), "a mark has at most 16,384 bytes"),
        (encode(PASSED).replace(b'"syncfsm_mark": 1', b'"syncfsm_mark": 2'), "of version 2, and version 1 is known"),
        (encode(PASSED).replace(b'"height": 5', b'"height": 6'), "its check sum is another"),
    ],
)
def test_what_is_no_mark_is_said_with_what_to_do(text: bytes, words: str) -> None:
    with pytest.raises(LocalError, match=words):
        decode(text)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (replace(PASSED, chain_id=b"other"), "is of chain 'other', and this node is of 'test'"),
        (replace(PASSED, header=replace(PASSED.header, id=b"x" * 32)), r"is not signed with the key .*bad-id"),
        (replace(PASSED, header=replace(PASSED.header, height=6)), r"is not signed with the key .*bad-id"),
        (replace(PASSED, place=Place(0, b"", b"")), "names no place of a layer"),
    ],
)
def test_what_can_not_be_a_place_to_begin_at_is_refused(passed: Passed, words: str) -> None:
    with pytest.raises(LocalError, match=words):
        checked(passed, CHECK.chain)


def test_who_follows_another_key_refuses_it() -> None:
    other = SignedChain(CHAIN_ID, bytes(SigningKey(b"other".ljust(32)).verify_key))
    with pytest.raises(LocalError, match=rf"key that this node follows, {other.key.hex()} \(bad-signature\)"):
        checked(PASSED, other)
    assert checked(PASSED, SignedChain(CHAIN_ID, bytes(KEY.verify_key)))


def test_where_nothing_is_final_there_is_no_mark() -> None:
    for passed in (replace(PASSED, header=GENESIS), replace(PASSED, place=Place(0, b"", b""))):
        with pytest.raises(LocalError, match="there is no mark: try again later"):
            encode(passed)
    with pytest.raises(LocalError, match="is no text"):
        encode(replace(PASSED, chain_id=b"\xff"))
