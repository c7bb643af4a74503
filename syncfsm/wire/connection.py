"""The two halves of a connection after the handshake: bytes to what the peer said, and what we say to bytes.

Small messages overtake blocks, which wait in a queue of their own and are cut into fragments; the peer joins the
fragments again. One block at a time is in transfer each way, so a fragment need not name its block. Every fragment
but the last is full, and a block that fits one frame is sent in one.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from syncfsm import limits
from syncfsm.blocks import Header, HeaderCheck
from syncfsm.errors import Fault, LocalError
from syncfsm.limits import Limits
from syncfsm.messages import Bye, Control, Hello, Note
from syncfsm.wire.codec import Block, decode_control, decode_prefix, encode_control, encode_prefix
from syncfsm.wire.frames import BLOCK, CONTROL, PAYLOAD_BYTES, WORD, FrameKind, FrameReader, fault, frame, frame_word

FIRST_BYTES: Final = PAYLOAD_BYTES - WORD.size
"""Bytes of the block in its first fragment, which also carries the total."""


class Run(msgspec.Struct, frozen=True):
    """Blocks that arrived in a row, each the child of the one before, with bodies that are their headers' own."""

    headers: tuple[Header, ...]
    bodies: tuple[bytes, ...]


Received: TypeAlias = Control | Run | Fault
_Item: TypeAlias = Control | Block | Fault


class Inbox:
    """Turns what arrives on a connection into messages. Holds at most one unfinished frame and one unfinished block."""

    __slots__ = ("_check", "_dead", "_frames", "_header", "_limits", "_missing", "_pieces")

    def __init__(self, check: HeaderCheck, limits: Limits) -> None:
        self._check = check
        self._limits = limits
        self._frames = FrameReader()
        self._header: Header  # of the block in transfer, once there is one
        self._pieces: list[bytes] = []
        self._missing = 0  # bytes the block in transfer still lacks; 0 if none is in transfer
        self._dead = False

    @property
    def buffered(self) -> int:
        """Bytes held of what is not complete: at most ``limits.FRAME_BYTES`` and ``Limits.body``."""
        return self._frames.buffered + sum(map(len, self._pieces))

    def feed(self, data: bytes | bytearray | memoryview) -> list[Received]:
        """What ``data`` completes, in order of arrival, in runs of at most ``Limits.run`` blocks.

        A ``Fault`` comes last and ends the stream: from then on the answer is empty. Bodies have been checked against
        their headers; headers are for the node to check. A run here may continue the run before.
        """
        return list(_in_runs(self._items(data), self._limits.run))

    def _items(self, data: bytes | bytearray | memoryview) -> Iterator[_Item]:
        if self._dead:
            return
        for kind, payload in self._frames.feed(data):
            item = self._item(kind, payload)
            if item is not None:
                yield item
                if type(item) is Fault:
                    self._die()
                    return
        if self._frames.fault:
            yield self._frames.fault
            self._die()

    def _die(self) -> None:
        self._dead = True
        self._frames = FrameReader()
        self._pieces.clear()

    def _item(self, kind: FrameKind, payload: bytes) -> _Item | None:
        """What a frame completes: a message, a block, or nothing yet."""
        if kind is BLOCK:
            return self._whole(payload)
        if kind is CONTROL:
            return decode_control(payload)
        if kind is FrameKind.BLOCK_START:
            return self._start(payload)
        if kind is FrameKind.BLOCK_MORE or kind is FrameKind.BLOCK_END:
            return self._continue(kind, payload)
        return fault("unexpected-frame", f"{kind.name} comes only before all else", payload)

    def _whole(self, payload: bytes) -> Block | Fault:
        if self._missing:
            return fault("two-transfers", "a block began before the one in transfer ended", payload)
        prefix = decode_prefix(payload, 0, len(payload), self._limits.body)
        if isinstance(prefix, Fault):
            return prefix
        header, start = prefix
        return self._checked(header, payload[start:])

    def _start(self, payload: bytes) -> Fault | None:
        if self._missing:
            return fault("two-transfers", "a block began before the one in transfer ended", payload)
        total = WORD.unpack_from(payload)[0] if len(payload) == PAYLOAD_BYTES else 0
        if total <= PAYLOAD_BYTES:
            return fault("bad-fragment", "a first fragment is full, and of a block too long for one frame", payload)
        prefix = decode_prefix(payload, WORD.size, total, self._limits.body)
        if isinstance(prefix, Fault):
            return prefix
        self._header, start = prefix
        self._pieces.append(payload[start:])
        self._missing = total - FIRST_BYTES
        return None

    def _continue(self, kind: FrameKind, payload: bytes) -> Block | Fault | None:
        if not self._missing:
            return fault("no-transfer", f"{kind.name} although no block is in transfer", payload)
        last = self._missing <= PAYLOAD_BYTES
        if last != (kind is FrameKind.BLOCK_END) or len(payload) != min(self._missing, PAYLOAD_BYTES):
            detail = f"{kind.name} of {len(payload)} bytes although {self._missing} are missing"
            return fault("bad-fragment", detail, payload)
        self._pieces.append(payload)
        self._missing -= len(payload)
        if not last:
            return None
        body = b"".join(self._pieces)
        self._pieces.clear()
        return self._checked(self._header, body)

    def _checked(self, header: Header, body: bytes) -> Block | Fault:
        return self._check.body(header, body) or Block(header, body)


def _in_runs(items: Iterable[_Item], longest: int) -> Iterator[Received]:
    """``items`` with blocks that follow one another taken together."""
    run: list[Block] = []
    for item in items:
        if isinstance(item, Block):
            if run and (len(run) == longest or not _is_child(item.header, run[-1].header)):
                yield _run(run)
                run.clear()
            run.append(item)
        else:
            if run:
                yield _run(run)
                run.clear()
            yield item
    if run:
        yield _run(run)


def _run(blocks: list[Block]) -> Run:
    return Run(tuple([block.header for block in blocks]), tuple([block.body for block in blocks]))


def _is_child(header: Header, parent: Header) -> bool:
    return header.parent == parent.id and header.height == parent.height + 1


def _lead(header: Header, body: bytes) -> bytes:
    """All that comes before the body in the block's first or only frame."""
    prefix = encode_prefix(header, body)
    total = len(prefix) + len(body)
    if total <= PAYLOAD_BYTES:
        return frame_word(BLOCK, total) + prefix
    return frame_word(FrameKind.BLOCK_START, PAYLOAD_BYTES) + WORD.pack(total) + prefix


class Outbox:
    """What waits to be written on a connection: small messages first, then blocks, oldest first.

    A note that refers to a block in the queue waits for that block; apart from that, small messages keep their order.
    Small messages are bounded by ``Limits.control``, blocks by the core, which hands out no more than ``Limits.room``.
    """

    __slots__ = (
        "_after",
        "_blocks",
        "_closed",
        "_control",
        "_limits",
        "_pending",
        "_position",
        "_queued",
        "_sent_cost",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._control: deque[tuple[bytes, int]] = deque()  # frame, what it counts against the link's room
        self._blocks: deque[tuple[Header, bytes, bytes]] = deque()  # header, lead, body
        self._position = 0  # bytes of the first block's body that are taken already
        self._queued: set[bytes] = set()  # ids in _blocks
        self._after: dict[bytes, list[bytes]] = {}  # by id of a queued block: the frames that wait for it
        self._sent_cost = 0
        self._closed = False
        self._pending = 0

    @property
    def pending_control(self) -> int:
        """Bytes of small messages that wait, those that wait for their block included."""
        return self._pending

    @property
    def waiting(self) -> bool:
        """Is there anything that is not taken yet?"""
        return bool(self._control or self._blocks)

    def control(self, message: Control) -> bool:
        """Queue a small message. ``False`` if ``Limits.control`` is reached: it is not queued; end the connection.

        A ``Bye`` is the last message: blocks not yet taken are dropped, and whatever waits for them. ``LocalError``
        after a ``Bye``, or if a peer would take ``message`` for a fault.
        """
        self._must_be_open()
        encoded = frame(CONTROL, encode_control(message))
        if self._pending + len(encoded) > self._limits.control:
            return False
        if isinstance(message, Bye):
            self._close()
        self._pending += len(encoded)
        if isinstance(message, Note) and message.about is not None and message.about.id in self._queued:
            self._after.setdefault(message.about.id, []).append(encoded)
        else:
            self._control.append((encoded, limits.BLOCK_OVERHEAD if isinstance(message, Hello) else 0))
        return True

    def block(self, header: Header, body: bytes) -> None:
        """Queue a block. ``LocalError`` if ``body`` is not as long as ``header`` says, or after a ``Bye``."""
        self._must_be_open()
        self._blocks.append((header, _lead(header, body), body))
        self._queued.add(header.id)

    def _must_be_open(self) -> None:
        if self._closed:
            raise LocalError("a bye is the last message of a connection: send nothing after it")

    def _close(self) -> None:
        self._closed = True
        self._blocks.clear()
        self._queued.clear()
        self._pending -= sum(len(waiting) for frames in self._after.values() for waiting in frames)
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
                self._sent_cost += cost
                parts.append(small)
                self._control.popleft()
            elif self._blocks:
                size = self._take_block(parts, room)
                if not size:
                    break
            else:
                break
            room -= size
        return b"".join(parts)

    def _take_block(self, parts: list[bytes | memoryview], room: int) -> int:
        """Move the next frame of the first block to ``parts``, unless it exceeds ``room``. Returns its length."""
        header, lead, body = self._blocks[0]
        start = self._position
        left = len(body) - start
        if not start:
            size = min(len(lead) + left, limits.FRAME_BYTES)
        else:
            size = min(WORD.size + left, limits.FRAME_BYTES)
            lead = frame_word(FrameKind.BLOCK_MORE if left > PAYLOAD_BYTES else FrameKind.BLOCK_END, size - WORD.size)
        if size > room:
            return 0
        stop = start + size - len(lead)
        parts.append(lead)
        if stop < len(body):
            parts.append(memoryview(body)[start:stop])
            self._position = stop
        else:
            parts.append(memoryview(body)[start:] if start else body)
            self._finish_block(header)
        return size

    def _finish_block(self, header: Header) -> None:
        self._blocks.popleft()
        self._position = 0
        self._sent_cost += header.cost
        self._queued.discard(header.id)
        if self._after:
            self._control.extend((note, 0) for note in self._after.pop(header.id, ()))

    def sent_cost(self) -> int:
        """Room that came free since the last call: ``Header.cost`` of each block whose last byte was taken, and
        ``limits.BLOCK_OVERHEAD`` of each hello, which counts too, so that a streaming search is paced by the transport.
        """
        cost, self._sent_cost = self._sent_cost, 0
        return cost
