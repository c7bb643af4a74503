"""One TCP connection after the handshake: what arrives becomes events, what waits in the outbox becomes bytes.

    receive -> Inbox -> host.feed            (reader)
    Outbox  -> send  -> host.feed(Room)      (writer)

What is taken from the outbox can not be overtaken by a small message, so no more than a frame is taken at a time.
Before it are only the bytes the kernels hold. Ours holds at most 64 KiB that wait to be sent, as trio sets
``TCP_NOTSENT_LOWAT`` to 16 KiB. The peer's holds what the peer has not read: up to 3 MiB were seen over loopback. It is
left to the system to choose, as a smaller receive buffer would slow down a long path. To send by single frames takes up
to twice the processor time that it takes by 16, and still less than the receiver needs for the blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.errors import Fault
from syncfsm.events import Event, Garbled, Lost, Received, Room
from syncfsm.messages import Blocks, Control
from syncfsm.wire.connection import Inbox, Outbox, Run
from syncfsm.wire.connection import Received as Arrived
from syncfsm.wire.handshake import Dial
from syncfsm_adapters.host import NO_BODIES, Host
from syncfsm_adapters.tcp_handshake import FAREWELL

READ_BYTES: Final = 512 * 1024
"""Most bytes read at once, and so most that are checked and stored together. For blocks of 64 KiB a node needs 40 %
less processor time than with 64 KiB; 1 MiB saves no more than another tenth."""


class Connection:
    """One end of a connection. ``name`` is the core's name for it; ``dial`` tells who made it."""

    def __init__(
        self, name: str, node_id: bytes, dial: Dial, stream: trio.SocketStream, host: Host, early: bytes
    ) -> None:
        self.name = name
        self.node_id = node_id
        self.dial = dial
        self.over = trio.Event()
        """Set when the core has ended the link; it hears no more of this connection."""
        config = host.node.config
        self.outbox = Outbox(config.limits)
        # Room is given back in portions: a step of the core for each frame would cost more than the frame.
        self._portion = config.limits.room // 2
        self._inbox = Inbox(config.check, config.limits)
        self._stream = stream
        self._host = host
        self._early = early
        self._full = False
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    def send(self, message: Control) -> bool:
        """Queue a small message; ``False`` once too many wait, and then nothing is queued any more."""
        self._full = self._full or not self.outbox.control(message)
        self._wake.set()
        return not self._full

    def send_blocks(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks."""
        if self._full:
            return
        for header, body in blocks:
            self.outbox.block(header, body)
        self._wake.set()

    def end(self) -> None:
        """Close when all that is queued is written and the peer has closed too, or after ``FAREWELL`` seconds."""
        self.over.set()
        self._wake.set()
        self._scope.deadline = trio.current_time() + FAREWELL

    async def run(self) -> None:
        """Carry messages until the connection is closed."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._write)
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        data = self._early
        while True:
            for item in () if self.over.is_set() else self._inbox.feed(data):
                if self.over.is_set():
                    break
                event, bodies = self._event(item)
                self._host.feed(event, bodies)
                await trio.lowlevel.checkpoint()  # a peer that sends much must not keep the others waiting
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except trio.BrokenResourceError:
                break
            if not data:
                break
        if not self.over.is_set():
            self._host.feed(Lost(self.name, trio.current_time()))

    def _event(self, item: Arrived) -> tuple[Event, Mapping[bytes, bytes]]:
        now = trio.current_time()
        match item:
            case Run(headers, bodies):
                by_id = {header.id: body for header, body in zip(headers, bodies, strict=True)}
                return Received(self.name, Blocks(headers), now), by_id
            case Fault():
                return Garbled(self.name, item, now), NO_BODIES
            case _:
                return Received(self.name, item, now), NO_BODIES

    async def _write(self) -> None:
        try:
            await self._write_all()
            await self._stream.send_eof()
        except trio.BrokenResourceError:
            pass  # the reader finds out too, once it has read what the peer said before

    async def _write_all(self) -> None:
        freed = 0
        while True:
            data = self.outbox.take(limits.FRAME_BYTES)
            if data:
                await self._stream.send_all(data)
                self._host.tally.sent_bytes += len(data)
                freed += self.outbox.sent_cost()
            if freed > self._portion:
                self._host.feed(Room(self.name, freed, trio.current_time()))
                freed = 0
            elif not data:
                if self.over.is_set():
                    return
                await self._wake.wait()
                self._wake = trio.Event()
