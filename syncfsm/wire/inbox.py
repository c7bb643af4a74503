"""What arrives on a connection after the handshake: bytes to messages, so many a turn.

Each protocol that sends blocks has a lane of its own, on which one block at a time is in transfer. Every fragment but
the last is full, and a block that fits one frame is sent in one.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from syncfsm.blocks import Header, HeaderCheck
from syncfsm.errors import Fault, LocalError
from syncfsm.limits import Limits
from syncfsm.peer.messages import Bye
from syncfsm.protocol import PEER_PLACE, Hook, Message
from syncfsm.registry import Registry
from syncfsm.wire.codec import Bad, Block, codec_of, decode_prefix
from syncfsm.wire.frames import BLOCK, MESSAGE, PAYLOAD_BYTES, WORD, FrameKind, FrameReader, fault
from syncfsm.wire.handshake import read_refusal

LANE_BYTES: Final = 1
"""The number of the protocol, before what a block's frame carries of the block."""
FRAGMENT_BYTES: Final = PAYLOAD_BYTES - LANE_BYTES
"""Bytes of a block in a full fragment that is not the first."""
FIRST_BYTES: Final = FRAGMENT_BYTES - WORD.size
"""Bytes of the block in its first fragment, which also carries the total."""

Arrived: TypeAlias = Message | Bad
"""A message, or what was none. Blocks come as runs, with bodies that are their headers' own."""
_Item: TypeAlias = Message | tuple[int, Block] | Bad


class _Transfer(msgspec.Struct):
    """A block under way on a lane."""

    header: Header
    pieces: list[bytes]
    missing: int


class Inbox:
    """Turns what arrives into messages. Holds what it was fed and has not been asked for, and one unfinished block a
    lane.

    ``shared`` are the numbers of the protocols that both ends speak; ``None`` stands for all of the registry.
    """

    __slots__ = (
        "_check", "_codec", "_dead", "_frames", "_fresh", "_lanes", "_limits", "_registry", "_shared", "_transfers",
    )  # fmt: skip

    def __init__(
        self, check: HeaderCheck, limits: Limits, registry: Registry, shared: Collection[int] | None = None
    ) -> None:
        self._check, self._limits, self._registry = check, limits, registry
        self._codec = codec_of(registry)
        self._shared = frozenset(registry.places if shared is None else shared)
        self._lanes = frozenset(
            p.number for p in registry.protocols if p.number in self._shared and any(kind.blocks for kind in p.kinds)
        )
        self._frames = FrameReader()
        self._transfers: dict[int, _Transfer] = {}
        self._dead = False
        self._fresh = True  # no frame has been taken

    @property
    def buffered(self) -> int:
        """Bytes held: what was fed and not asked for, and for each lane less than ``Limits.body``."""
        return self._frames.buffered + sum(len(piece) for t in self._transfers.values() for piece in t.pieces)

    @property
    def more(self) -> bool:
        """Is there something to take without feeding more?"""
        return not self._dead and self._frames.ready

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """More bytes; nothing is decoded yet."""
        if not self._dead:
            self._frames.feed(data)

    def take(self) -> list[Arrived]:
        """What has arrived, in order, as much as a turn's budget allows (``Limits.turn_frames`` and ``turn_bytes``), in
        runs of at most ``Limits.run`` blocks. Ask again while there is ``more``.

        Bodies have been checked against their headers; headers are for the node to check. A ``Bad`` ends the stream,
        and from then on the answer is empty; unless it is one message of a protocol that is not essential, deals with
        its faults itself and has no lane. A refusal is a bye if it is the first of all frames, and ends the stream too.
        """
        return list(self._in_runs(self._items()))

    def _items(self) -> Iterator[_Item]:
        if self._dead:
            return
        frames = self._frames.take(self._limits.turn_frames, self._limits.turn_bytes)
        if self._fresh and frames:
            self._fresh = False
            if frames[0][0] is FrameKind.REFUSAL:
                yield self._refused(frames[0][1])
                self._die()
                return
        for kind, payload in frames:
            item = self._item(kind, payload)
            if item is None:
                continue
            yield item
            if type(item) is Bad and self._fatal(item):
                self._die()
                return
        if self._frames.fault:
            yield Bad(self._frames.fault, self._registry.protocols[PEER_PLACE].number)
            self._die()

    def _refused(self, payload: memoryview) -> Message | Bad:
        """The peer had said so much before it found that it wants no link."""
        refusal = read_refusal(bytes(payload))
        if isinstance(refusal, Fault):
            return Bad(refusal, self._registry.protocols[PEER_PLACE].number)
        return Bye(refusal.reason)

    def _fatal(self, bad: Bad) -> bool:
        protocol = self._registry.protocols[self._registry.places.get(bad.protocol, PEER_PLACE)]
        return protocol.essential or Hook.FAULT not in protocol.hooks or bad.protocol in self._lanes

    def _die(self) -> None:
        self._dead = True
        self._frames = FrameReader()
        self._transfers.clear()

    def _item(self, kind: FrameKind, payload: memoryview) -> _Item | None:
        """What a frame completes: a message, a block, or nothing yet."""
        if kind is MESSAGE:
            if payload and payload[0] in self._shared:
                return self._codec.decode(bytes(payload))
            return self._bad(payload, "unknown-protocol", "the two ends did not agree on this protocol")
        if kind not in (BLOCK, FrameKind.BLOCK_START, FrameKind.BLOCK_MORE, FrameKind.BLOCK_END):
            return self._bad(payload[:0], "unexpected-frame", f"{kind.name} comes only before all else")
        if not payload or payload[0] not in self._lanes:
            return self._bad(payload, "no-lane", "blocks of a protocol that has none, or was not agreed on")
        if kind is BLOCK:
            return self._whole(payload)
        return self._start(payload) if kind is FrameKind.BLOCK_START else self._continue(kind, payload)

    def _bad(self, payload: memoryview, rule: str, detail: str) -> Bad:
        lane = payload[0] if payload and payload[0] in self._lanes else self._registry.protocols[PEER_PLACE].number
        return Bad(fault(rule, detail, payload), lane)

    def _whole(self, payload: memoryview) -> tuple[int, Block] | Bad:
        lane = payload[0]
        if lane in self._transfers:
            return self._bad(payload, "two-transfers", "a block began before the one in transfer ended")
        prefix = decode_prefix(payload, LANE_BYTES, len(payload) - LANE_BYTES, self._limits.body)
        if isinstance(prefix, Fault):
            return Bad(prefix, lane)
        header, start = prefix
        return self._checked(lane, header, bytes(payload[start:]))

    def _start(self, payload: memoryview) -> Bad | None:
        lane = payload[0]
        if lane in self._transfers:
            return self._bad(payload, "two-transfers", "a block began before the one in transfer ended")
        total = WORD.unpack_from(payload, LANE_BYTES)[0] if len(payload) == PAYLOAD_BYTES else 0
        if total <= FRAGMENT_BYTES:
            return self._bad(payload, "bad-fragment", "a first fragment is full, and of a block too long for one frame")
        prefix = decode_prefix(payload, LANE_BYTES + WORD.size, total, self._limits.body)
        if isinstance(prefix, Fault):
            return Bad(prefix, lane)
        header, start = prefix
        self._transfers[lane] = _Transfer(header, [bytes(payload[start:])], total - FIRST_BYTES)
        return None

    def _continue(self, kind: FrameKind, payload: memoryview) -> tuple[int, Block] | Bad | None:
        lane, size = payload[0], len(payload) - LANE_BYTES
        transfer = self._transfers.get(lane)
        if transfer is None:
            return self._bad(payload, "no-transfer", f"{kind.name} although no block is in transfer")
        last = transfer.missing <= FRAGMENT_BYTES
        if last != (kind is FrameKind.BLOCK_END) or size != min(transfer.missing, FRAGMENT_BYTES):
            return self._bad(
                payload, "bad-fragment", f"{kind.name} of {size} bytes although {transfer.missing} are missing"
            )
        transfer.pieces.append(bytes(payload[LANE_BYTES:]))
        transfer.missing -= size
        if not last:
            return None
        del self._transfers[lane]
        return self._checked(lane, transfer.header, b"".join(transfer.pieces))

    def _checked(self, lane: int, header: Header, body: bytes) -> tuple[int, Block] | Bad:
        found = self._check.body(header, body)
        if found is None:
            return lane, Block(header, body)
        if not isinstance(found, Fault):
            raise LocalError(f"HeaderCheck.body returned {found!r}; it returns a Fault, or None if all is well")
        return Bad(found, lane)

    def _in_runs(self, items: Iterable[_Item]) -> Iterator[Arrived]:
        """``items`` with blocks of one lane that follow one another taken together."""
        longest, lane, run = self._limits.run, 0, list[Block]()
        for item in items:
            if type(item) is tuple:
                of, block = item
                if run and (of != lane or len(run) == longest or not _is_child(block.header, run[-1].header)):
                    yield self._run(lane, run)
                    run.clear()
                lane = of
                run.append(block)
            else:
                if run:
                    yield self._run(lane, run)
                    run.clear()
                assert not isinstance(item, tuple)
                yield item
        if run:
            yield self._run(lane, run)

    def _run(self, lane: int, blocks: list[Block]) -> Message:
        headers, bodies = tuple([block.header for block in blocks]), tuple([block.body for block in blocks])
        run: Message = self._registry.run(lane, headers, bodies)
        return run


def _is_child(header: Header, parent: Header) -> bool:
    return header.parent == parent.id and header.height == parent.height + 1
