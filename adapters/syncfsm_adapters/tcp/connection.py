"""One TCP connection under trio: bytes in, bytes out.

    receive -> connector.turn           (reader)
    line.take -> send -> wrote       (writer)

What is taken from a session can not be overtaken by a small message; how much that is at a time, says ``Pace``. Before
it are only the bytes the kernels hold. Ours holds at most 64 KiB that wait to be sent, as trio sets
``TCP_NOTSENT_LOWAT`` to 16 KiB. The peer's holds what the peer has not read: up to 3 MiB were seen over loopback. It is
left to the system to choose, as a smaller receive buffer would slow down a long path.
"""

import trio

from syncfsm import limits
from syncfsm.wire.session import Met, NoLink
from syncfsm_adapters.connect.connector import FAREWELL, READ_BYTES, Connector
from syncfsm_adapters.connect.line import Line
from syncfsm_adapters.connect.link import Link

SINK_BYTES = 64 * 1024


class Connection:
    """One end of a connection. ``link`` is there once the two have met."""

    def __init__(self, connector: Connector, stream: trio.SocketStream, line: Line) -> None:
        self._connector, self._stream, self.line = connector, stream, line
        self.link: Link | None = None
        self.over = trio.Event()
        """Set when the node has ended the link; it hears no more of this connection."""
        self._awake = trio.Event()
        self._scope = trio.CancelScope()

    async def meet(self, address: str, dialled: bool) -> Link | NoLink:
        """Greet, and read the peer's greeting. A refusal has been written when this returns. Takes as long as the
        peer."""
        line, stream = self.line, self._stream
        try:
            await self._send(line.take(limits.FRAME_BYTES))
            while (outcome := self._connector.meeting(line, address, dialled)) is None:
                data = await stream.receive_some(READ_BYTES)
                if not data:
                    return NoLink("closed", "the peer closed the connection before it had greeted")
                line.receive(data)
                await self._send(line.take(limits.FRAME_BYTES))
            if isinstance(outcome, Met):
                now = trio.current_time()
                self.link = self._connector.join(
                    line, outcome, dialled=dialled, address=address, now=now, wake=self._wake
                )
                return self.link
            await self._say_why()
            return outcome
        except trio.BrokenResourceError as error:
            return NoLink("broken", str(error))

    async def _say_why(self) -> None:
        with trio.move_on_after(FAREWELL):
            await self._send(self.line.take(limits.FRAME_BYTES) + self.line.end())
            await self._stream.send_eof()
            while await self._stream.receive_some(SINK_BYTES):
                pass  # to close with bytes unread resets the connection, and the peer may lose our last words

    async def _send(self, data: bytes) -> None:
        if data:
            await self._stream.send_all(data)

    def _wake(self) -> None:
        """Something waits to be written, or the link is over."""
        self._awake.set()
        if self.link is not None and self.link.over:
            self._end()

    def _end(self) -> None:
        """Close when all that is queued is written and the peer has closed too, or after ``FAREWELL`` seconds."""
        if not self.over.is_set():
            self.over.set()
            self._scope.deadline = trio.current_time() + FAREWELL

    async def run(self) -> None:
        """Carry messages until the connection is closed."""
        link = self.link
        assert link is not None  # the two have met
        if link.over:  # it was one too many
            self._end()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, link)
                    nursery.start_soon(self._write, link)
        finally:
            self._connector.lost(link, trio.current_time())
            await trio.aclose_forcefully(self._stream)

    async def _read(self, link: Link) -> None:
        while True:
            while self._connector.turn(link, trio.current_time()):
                await trio.lowlevel.checkpoint()  # a peer that sends much must not keep the others waiting
            if self.line.over:
                break
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                self.line.cut()
                break
            if not link.over:
                self.line.receive(data)
                if self.line.unsent:
                    self._wake()
        self._connector.lost(link, trio.current_time())

    async def _write(self, link: Link) -> None:
        try:
            while True:
                data = self.line.take(link.pace.bytes)
                if data:
                    began = trio.current_time()
                    await self._send(data)
                    self._connector.wrote(link, data, began, trio.current_time())
                elif link.over:
                    break
                else:
                    await self._awake.wait()
                    self._awake = trio.Event()
            await self._send(self.line.end())
            await self._stream.send_eof()
        except trio.BrokenResourceError:
            pass  # the reader finds out too, once it has read what the peer said before
