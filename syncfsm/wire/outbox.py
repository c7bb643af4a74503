"""What waits to be written on a connection: small messages first, then blocks, the lanes in turn.

A small message overtakes blocks, and never the block that it waits for (``Registry.waits_for``); apart from that, small
messages keep their order. On each lane blocks go out one after the other, oldest first, in fragments; the lanes of
several protocols take turns, fragment by fragment. What they may hold together is bounded by the core, which hands out
no more than ``Limits.room``, whichever protocol it is for; small messages are bounded by ``Limits.control``.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.protocol import Message
from syncfsm.registry import Registry
from syncfsm.wire.codec import codec_of, encode_prefix
from syncfsm.wire.frames import BLOCK, MESSAGE, PAYLOAD_BYTES, WORD, FrameKind, frame, frame_word
from syncfsm.wire.inbox import FRAGMENT_BYTES, LANE_BYTES

TOGETHER_BYTES: Final = 256
"""Small messages that wait are kept together up to this length: what a peer that does not read makes us hold is then
little more than ``Limits.control``. One by one, a pong of 7 bytes takes a hundred."""


class _Lane:
    """The blocks of one protocol that are not taken yet."""

    __slots__ = ("blocks", "number", "position", "since")

    def __init__(self, number: int, since: int) -> None:
        self.number = bytes((number,))
        self.since = since
        self.blocks: deque[tuple[Header, bytes, bytes]] = deque()  # header, lead, body
        self.position = 0  # bytes of the first block's body that are taken already


class Outbox:
    """Turns what a node says into bytes. ``versions`` are those of the protocols that both ends speak, by number; what
    the peer does not know is left out, and its room is free at once. ``None`` stands for all of the registry."""

    __slots__ = (
        "_after", "_closed", "_codec", "_control", "_freed", "_lanes", "_limits", "_pending", "_queued", "_registry",
        "_turns", "_versions",
    )  # fmt: skip

    def __init__(self, limits: Limits, registry: Registry, versions: Mapping[int, int] | None = None) -> None:
        self._limits, self._registry = limits, registry
        self._codec = codec_of(registry)
        self._versions = {p.number: p.version for p in registry.protocols} if versions is None else versions
        self._control: deque[tuple[bytes, int]] = deque()  # frames, what they count against the room
        self._lanes: dict[int, _Lane] = {}
        self._turns: deque[_Lane] = deque()  # the lanes that hold something, the one whose turn it is first
        self._queued: set[bytes] = set()  # ids of the blocks in lanes
        self._after: dict[bytes, list[tuple[bytes, int]]] = {}  # by id of a queued block: the frames that wait for it
        self._freed = 0
        self._closed = False
        self._pending = 0

    @property
    def pending_control(self) -> int:
        """Bytes of small messages that wait, those that wait for their block included."""
        return self._pending

    @property
    def waiting(self) -> bool:
        """Is there anything that is not taken yet?"""
        return bool(self._control or self._turns)

    def message(self, message: Message) -> bool:
        """Queue a small message. ``False`` if ``Limits.control`` is reached: it is not queued; end the connection.

        After the last message of a connection (a bye), blocks not yet taken are dropped, and whatever waits for them.
        ``LocalError`` after that one, or if a peer would take ``message`` for a fault.
        """
        self._must_be_open()
        place, kind = self._registry.kinds.get(type(message), (None, None))
        if place is None or kind is None:
            raise LocalError(f"{type(message).__name__} is a message of none of this node's protocols")
        if self._versions.get(self._registry.protocols[place].number, 0) < kind.since:
            self._freed += kind.cost
            return True  # the peer does not know it
        encoded = frame(MESSAGE, self._codec.encode(message))
        if self._pending + len(encoded) > self._limits.control:
            return False
        if kind.last:
            self._close()
        self._pending += len(encoded)
        waits_for = kind.waits_for(message)
        if waits_for is not None and waits_for in self._queued:
            self._after.setdefault(waits_for, []).append((encoded, kind.cost))
        else:
            self._queue(encoded, kind.cost)
        return True

    def _queue(self, encoded: bytes, cost: int) -> None:
        """Nothing more is to come before it."""
        if self._control:
            before, costs = self._control[-1]
            if len(before) + len(encoded) <= TOGETHER_BYTES:
                self._control[-1] = (before + encoded, costs + cost)
                return
        self._control.append((encoded, cost))

    def block(self, protocol: int, header: Header, body: bytes) -> None:
        """Queue a block on the lane of this protocol. ``LocalError`` if ``body`` is not as long as ``header`` says, if
        the protocol sends no blocks, or after the last message."""
        self._must_be_open()
        lane = self._lanes.get(protocol) or self._lane(protocol)
        lead = _lead(lane.number, header, body)
        if lane.since > self._versions.get(protocol, 0):
            self._freed += header.cost
            return  # the peer does not know them
        if not lane.blocks:
            self._turns.append(lane)
        lane.blocks.append((header, lead, body))
        self._queued.add(header.id)

    def _lane(self, protocol: int) -> _Lane:
        """Open the lane of this protocol."""
        place = self._registry.places.get(protocol)
        kinds = self._registry.protocols[place].kinds if place is not None else ()
        since = next((kind.since for kind in kinds if kind.blocks), None)
        if since is None:
            raise LocalError(f"protocol {protocol} has no kind of message that brings blocks: send them in another")
        lane = self._lanes[protocol] = _Lane(protocol, since)
        return lane

    def _must_be_open(self) -> None:
        if self._closed:
            raise LocalError("a bye is the last message of a connection: send nothing after it")

    def _close(self) -> None:
        self._closed = True
        self._lanes.clear()
        self._turns.clear()
        self._queued.clear()
        self._pending -= sum(len(encoded) for waiting in self._after.values() for encoded, _ in waiting)
        self._after.clear()

    def take(self, max_bytes: int) -> bytes:
        """The next bytes to write, in whole frames, at most the greater of ``max_bytes`` and ``limits.FRAME_BYTES``.

        Empty if nothing waits. What is taken cannot be overtaken: with ``limits.FRAME_BYTES`` or less, a small message
        that comes later waits for one fragment at most.
        """
        room = max(max_bytes, limits.FRAME_BYTES)
        parts: list[bytes | memoryview] = []
        while True:
            if self._control:
                small, cost = self._control[0]
                size = len(small)
                if size > room:
                    break
                self._pending -= size
                self._freed += cost
                parts.append(small)
                self._control.popleft()
            elif self._turns:
                size = self._take_block(parts, room)
                if not size:
                    break
            else:
                break
            room -= size
        return b"".join(parts)

    def _take_block(self, parts: list[bytes | memoryview], room: int) -> int:
        """Move the next frame of the lane whose turn it is to ``parts``, unless it exceeds ``room``. Returns its
        length."""
        lane = self._turns[0]
        header, lead, body = lane.blocks[0]
        start = lane.position
        left = len(body) - start
        if not start:
            size = min(len(lead) + left, limits.FRAME_BYTES)
        else:
            size = min(WORD.size + LANE_BYTES + left, limits.FRAME_BYTES)
            kind = FrameKind.BLOCK_MORE if left > FRAGMENT_BYTES else FrameKind.BLOCK_END
            lead = frame_word(kind, size - WORD.size) + lane.number
        if size > room:
            return 0
        stop = start + size - len(lead)
        parts.append(lead)
        if stop < len(body):
            parts.append(memoryview(body)[start:stop])
            lane.position = stop
            self._turns.rotate(-1)
        else:
            parts.append(memoryview(body)[start:] if start else body)
            self._finish_block(lane, header)
        return size

    def _finish_block(self, lane: _Lane, header: Header) -> None:
        lane.blocks.popleft()
        lane.position = 0
        self._turns.popleft()
        if lane.blocks:
            self._turns.append(lane)
        self._freed += header.cost
        self._queued.discard(header.id)
        if self._after:
            self._control.extend(self._after.pop(header.id, ()))

    def freed(self) -> int:
        """Room that came free since the last call: ``Header.cost`` of each block whose last byte was taken, and what
        small messages cost, so that a streaming search is paced by the transport too."""
        freed, self._freed = self._freed, 0
        return freed


def _lead(lane: bytes, header: Header, body: bytes) -> bytes:
    """All that comes before the body in the block's first or only frame."""
    prefix = lane + encode_prefix(header, body)
    total = len(prefix) + len(body)
    if total <= PAYLOAD_BYTES:
        return frame_word(BLOCK, total) + prefix
    return frame_word(FrameKind.BLOCK_START, PAYLOAD_BYTES) + lane + WORD.pack(total - LANE_BYTES) + prefix[LANE_BYTES:]
