"""One direction of a simulated connection: order, arithmetic, and what a cut does to it. As values and as bytes."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from syncfsm.blocks import Header
from syncfsm.limits import BLOCK_OVERHEAD, FRAME_BYTES, Limits
from syncfsm.node.node import Config
from syncfsm.node.registry import STANDARD
from syncfsm.notes.messages import Note
from syncfsm.numbers import ProtocolNumber
from syncfsm.peer.messages import Bye, Parting, Ping
from syncfsm.sync.messages import Blocks, Hello
from syncfsm.wire.codec import Codec
from syncfsm.wire.frames import FrameKind, frame
from syncfsm.wire.inbox import Arrived
from syncfsm_adapters.memory.pipes import ByteLane, Clock, Path, Pipe, Traffic, ValueLane, Way, block_bytes
from syncfsm_adapters.memory.world import PlainBlocks

BOTH = pytest.mark.parametrize("codec", [False, True], ids=["values", "bytes"])

SYNC = ProtocolNumber.SYNC


class Tube:
    """A pipe alone, and what comes out of it, with times."""

    def __init__(self, path: Path, codec: bool, limits: Limits = Limits()) -> None:  # noqa: B008  a frozen value
        self.clock, self.way, self.traffic = Clock(), Way(path), Traffic()
        self.arrived: list[tuple[float, Arrived]] = []
        self.freed: list[tuple[float, int]] = []
        self.ended: list[float] = []
        lane: Any = (ByteLane if codec else ValueLane)(limits, Config(PlainBlocks().check, limits=limits))
        self.pipe: Pipe[Any] = Pipe(
            self.clock,
            Random(1),
            self.way,
            lane,
            self.traffic,
            1,
            lambda cost: self.freed.append((self.clock.now, cost)),
            lambda arrival: self.arrived.append((self.clock.now, arrival)),
            lambda: self.ended.append(self.clock.now),
        )

    def run(self, until: float = 1e9) -> None:
        while self.clock.advance(until):
            pass

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.arrived]

    @property
    def labels(self) -> list[str]:
        """What arrived: kinds of messages, and heights of blocks."""
        found = (message for _, message in self.arrived)
        return [
            " ".join(str(header.height) for header in message.headers)
            if isinstance(message, Blocks)
            else type(message).__name__
            for message in found
        ]


def chain(count: int, body_bytes: int = 1000) -> list[tuple[Header, bytes]]:
    kind = PlainBlocks(body_bytes=body_bytes)
    blocks = [kind.child(kind.genesis)]
    while len(blocks) < count:
        blocks.append(kind.child(blocks[-1][0]))
    return blocks


def sizes(blocks: Sequence[tuple[Header, bytes]]) -> int:
    return sum(block_bytes(header) for header, _ in blocks)


def hello(header: Header) -> Hello:
    return Hello(header.point, header.score, header.point, header.point, (header.point,), header.height + 1)


@BOTH
def test_jitter_never_reorders(codec: bool) -> None:
    tube, random = Tube(Path(latency=0.01, jitter=0.5), codec), Random(2)
    times = sorted(random.random() for _ in range(300))
    for number, time in enumerate(times):
        tube.clock.at(time, partial(tube.pipe.message, Note(number.to_bytes(2))))
    tube.run()
    payloads = [message.payload for _, message in tube.arrived if isinstance(message, Note)]
    assert payloads == [number.to_bytes(2) for number in range(300)]
    delays = [arrived - sent for arrived, sent in zip(tube.times, times, strict=True)]
    assert 0.01 <= min(delays) < 0.2 < max(delays) <= 0.52


@BOTH
def test_bandwidth_and_latency_add_up(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=0.25, bandwidth=1000.0), codec), chain(13)
    tube.pipe.blocks(SYNC, blocks)
    tube.run()
    # Bytes leave in portions of a frame at most, which may hold several small blocks; the last ones are a portion.
    assert tube.traffic.bytes == sizes(blocks)
    assert tube.freed[-1][0] == pytest.approx(sizes(blocks) / 1000)
    assert tube.times[-1] == pytest.approx(sizes(blocks) / 1000 + 0.25)
    assert sum(cost for _, cost in tube.freed) == 13 * (1000 + BLOCK_OVERHEAD)


def test_each_block_takes_its_time() -> None:
    tube, blocks = Tube(Path(latency=0.25, bandwidth=1000.0), codec=False), chain(3)
    tube.pipe.blocks(SYNC, blocks)
    tube.run()
    left = [sizes(blocks[: count + 1]) / 1000 for count in range(3)]
    assert [time for time, _ in tube.freed] == pytest.approx(left)
    assert tube.times == pytest.approx([time + 0.25 for time in left])


@BOTH
def test_a_large_block_goes_in_fragments_and_small_messages_overtake_it(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=0.0, bandwidth=float(FRAME_BYTES)), codec), chain(2, body_bytes=8 * FRAME_BYTES)
    tube.pipe.blocks(SYNC, blocks)
    tube.clock.at(2.5, partial(tube.pipe.message, Ping()))
    tube.run()
    assert tube.labels == ["Ping", "1", "2"]
    assert 3.0 < tube.times[0] < 3.01, "a small message waits for the fragment under way, and no more"
    assert tube.traffic.bytes == sizes(blocks) + len(frame(FrameKind.MESSAGE, Codec(STANDARD).encode(Ping())))
    assert tube.times[2] == pytest.approx(tube.traffic.bytes / FRAME_BYTES)


@BOTH
def test_a_note_does_not_overtake_its_block(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=0.0, bandwidth=float(FRAME_BYTES)), codec), chain(3, body_bytes=2 * FRAME_BYTES)
    tube.pipe.blocks(SYNC, blocks)
    tube.pipe.message(Note(b"of the second", blocks[1][0].point))
    tube.pipe.message(Note(b"of none"))
    tube.run()
    assert tube.labels == ["Note", "1", "2", "Note", "3"]


@BOTH
def test_blocks_of_one_instant_arrive_as_runs(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=0.1), codec), chain(5)
    tube.pipe.blocks(SYNC, blocks[:3])
    tube.pipe.blocks(SYNC, blocks[4:])
    tube.run()
    assert tube.labels == ["1 2 3", "5"]
    assert tube.arrived[0][1] == Blocks(*zip(*blocks[:3], strict=True))


def test_a_run_is_as_long_as_the_receiver_takes() -> None:
    tube = Tube(Path(), codec=False, limits=Limits(run=2))
    tube.pipe.blocks(SYNC, chain(5))
    tube.run()
    assert tube.labels == ["1 2", "3 4", "5"]


@BOTH
def test_hellos_free_room_too(codec: bool) -> None:
    tube = Tube(Path(latency=5.0), codec)
    tube.pipe.message(hello(chain(1)[0][0]))
    tube.pipe.message(Ping())
    tube.run()
    assert tube.freed == [(0.0, BLOCK_OVERHEAD)], "when it has left, not when it arrives"


@BOTH
def test_a_cut_holds_back_and_loses_nothing(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=1.0), codec), chain(3)
    tube.pipe.blocks(SYNC, blocks[:1])
    tube.clock.at(0.5, partial(setattr, tube.way, "cut", True))
    tube.clock.at(2.0, partial(tube.pipe.blocks, SYNC, blocks[1:]))
    tube.run(10.0)
    assert tube.arrived == []
    assert len(tube.freed) == 1, "a dead path takes nothing more from the sender"
    tube.way.cut = False
    tube.pipe.mended()
    tube.run()
    assert tube.times == [11.0] * len(tube.times)
    assert " ".join(tube.labels) == "1 2 3"


@BOTH
def test_the_end_comes_after_what_is_queued(codec: bool) -> None:
    tube, blocks = Tube(Path(latency=1.0, bandwidth=float(FRAME_BYTES)), codec), chain(2, body_bytes=3 * FRAME_BYTES)
    tube.pipe.blocks(SYNC, blocks[:1])
    tube.pipe.close()
    tube.run()
    assert tube.labels == ["1"]
    assert tube.ended == tube.times


@BOTH
def test_a_bye_drops_blocks_that_wait(codec: bool) -> None:
    tube = Tube(Path(latency=1.0), codec)
    tube.way.cut = True
    tube.pipe.blocks(SYNC, chain(2))
    tube.pipe.message(Bye(Parting.SHUTDOWN))
    tube.pipe.close()
    tube.way.cut = False
    tube.pipe.mended()
    tube.run()
    assert tube.labels == ["Bye"]
    assert len(tube.ended) == 1


@BOTH
def test_an_abort_drops_what_has_not_left(codec: bool) -> None:
    tube = Tube(Path(latency=1.0, bandwidth=float(FRAME_BYTES)), codec)
    tube.pipe.blocks(SYNC, chain(9, body_bytes=FRAME_BYTES))
    tube.clock.at(3.5, tube.pipe.abort)
    tube.run()
    assert 1 <= len(tube.arrived) <= 3
    assert tube.ended == [4.5]


@BOTH
def test_small_messages_that_wait_are_bounded(codec: bool) -> None:
    tube = Tube(Path(), codec, Limits(control=4096))
    tube.way.cut = True
    kept = [tube.pipe.message(Note(bytes(1000))) for _ in range(6)]
    assert kept == [True, True, True, True, False, False]
