"""Frames come out of a stream as they went in, however it is cut, and a bad header ends it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm import limits
from syncfsm.errors import LocalError
from syncfsm.wire.frames import BLOCK, HEADER_BYTES, KINDS, MESSAGE, PAYLOAD_BYTES, FrameKind, FrameReader, frame

FRAMES = st.lists(st.tuples(st.sampled_from(sorted(KINDS.values())), st.binary(max_size=40)), max_size=12)


Read = tuple[FrameKind, bytes]


def fed(reader: FrameReader, data: bytes | memoryview) -> list[Read]:
    """All frames that these bytes complete."""
    reader.feed(data)
    return [(kind, bytes(payload)) for kind, payload in reader.take(10**9, 10**9)]


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(places)]


@given(FRAMES, st.lists(st.integers(min_value=0), max_size=8))
def test_frames_survive_any_chunking(sent: list[tuple[FrameKind, bytes]], cuts: list[int]) -> None:
    reader = FrameReader()
    stream = b"".join(frame(kind, payload) for kind, payload in sent)
    received = [got for piece in pieces(stream, cuts) for got in fed(reader, memoryview(piece))]
    assert received == sent
    assert reader.fault is None
    assert reader.buffered == 0


def test_a_frame_is_the_kind_the_length_and_the_payload() -> None:
    assert frame(MESSAGE, b"abc") == b"\x09\x00\x00\x03abc"


def test_the_longest_frame_is_read_byte_by_byte_and_one_byte_more_is_refused_at_its_header() -> None:
    reader = FrameReader()
    longest = frame(BLOCK, b"x" * PAYLOAD_BYTES)
    assert len(longest) == limits.FRAME_BYTES
    received: list[Read] = []
    for position in range(len(longest)):
        received += fed(reader, longest[position : position + 1])
        assert reader.buffered < limits.FRAME_BYTES
    assert received == [(BLOCK, b"x" * PAYLOAD_BYTES)]

    assert fed(reader, bytes((BLOCK,)) + (PAYLOAD_BYTES + 1).to_bytes(3)) == []
    assert reader.fault is not None
    assert reader.fault.rule == "frame-too-long"
    assert reader.buffered == 0


@pytest.mark.parametrize("kind", [0, 3, 7, 14, 0x47, 255])
def test_frames_before_an_unknown_kind_count_and_nothing_after_it(kind: int) -> None:
    reader = FrameReader()
    ping = frame(MESSAGE, b"ping")
    assert fed(reader, ping + bytes((kind, 0, 0, 0)) + ping) == [(MESSAGE, b"ping")]
    assert reader.fault is not None
    assert reader.fault.rule == "unknown-frame"
    assert fed(reader, ping) == []


def test_a_header_is_judged_before_its_payload_arrives() -> None:
    reader = FrameReader()
    assert fed(reader, b"\x09\xff\xff\xff"[:HEADER_BYTES]) == []
    assert reader.fault is not None


def test_a_payload_too_long_for_a_frame_is_a_local_error() -> None:
    with pytest.raises(LocalError, match="exceeds a frame"):
        frame(MESSAGE, b"x" * (PAYLOAD_BYTES + 1))


def test_a_turn_takes_no_more_than_it_may() -> None:
    reader = FrameReader()
    reader.feed(b"".join(frame(MESSAGE, b"%d" % number) for number in range(10)))
    assert [payload for _, payload in reader.take(3, 10**6)] == [b"0", b"1", b"2"]
    assert reader.ready
    assert [payload for _, payload in reader.take(10**6, 6)] == [b"3", b"4"], (
        "the frame that reaches the bound is the last"
    )
    assert len(reader.take(10**6, 10**6)) == 5
    assert not reader.ready
    reader.feed(frame(MESSAGE, b"half")[:-1])
    assert not reader.ready
    assert reader.take(10**6, 10**6) == []


def test_a_bad_header_is_ready_to_be_told() -> None:
    reader = FrameReader()
    reader.feed(b"\x47\x00\x00\x00")
    assert reader.ready
    assert reader.take(1, 1) == []
    assert reader.fault is not None
    assert not reader.ready
