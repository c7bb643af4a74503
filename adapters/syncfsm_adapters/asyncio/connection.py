"""One TCP connection under asyncio: bytes in, bytes out.

    receive -> connector.turn           (reader)
    line.take -> send -> wrote       (writer)

What is taken from a session can not be overtaken by a small message; how much that is at a time, says ``Pace``. Before
it are only the bytes the kernels hold, see ``sockets``.
"""

import asyncio
import contextlib
import socket

from syncfsm import limits
from syncfsm.wire.session import Met, NoLink
from syncfsm_adapters.connect.connector import FAREWELL, READ_BYTES, Connector
from syncfsm_adapters.connect.line import Line
from syncfsm_adapters.connect.link import Link

SINK_BYTES = 64 * 1024


class Connection:
    """One end of a connection. ``link`` is there once the two have met."""

    def __init__(self, connector: Connector, wire: socket.socket, line: Line) -> None:
        self._connector, self._wire, self.line = connector, wire, line
        self._loop = asyncio.get_running_loop()
        self.link: Link | None = None
        self.over = asyncio.Event()
        """Set when the node has ended the link; it hears no more of this connection."""
        self._awake = asyncio.Event()
        self._scope: asyncio.Timeout | None = None

    async def meet(self, address: str, dialled: bool) -> Link | NoLink:
        """Greet, and read the peer's greeting. A refusal has been written when this returns. Takes as long as the
        peer."""
        line = self.line
        try:
            await self._send(line.take(limits.FRAME_BYTES))
            while (outcome := self._connector.meeting(line, address, dialled)) is None:
                data = await self._receive(READ_BYTES)
                if not data:
                    return NoLink("closed", "the peer closed the connection before it had greeted")
                line.receive(data)
                await self._send(line.take(limits.FRAME_BYTES))
            if isinstance(outcome, Met):
                self.link = self._connector.join(
                    line, outcome, dialled=dialled, address=address, now=self._loop.time(), wake=self._wake
                )
                return self.link
            await self._say_why()
            return outcome
        except OSError as error:
            return NoLink("broken", str(error))

    async def _say_why(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._send(self.line.take(limits.FRAME_BYTES) + self.line.end())
                self._wire.shutdown(socket.SHUT_WR)
                while await self._receive(SINK_BYTES):
                    pass  # to close with bytes unread resets the connection, and the peer may lose our last words

    async def _send(self, data: bytes) -> None:
        if data:
            await self._loop.sock_sendall(self._wire, data)

    async def _receive(self, most: int) -> bytes:
        return await self._loop.sock_recv(self._wire, most)

    def _wake(self) -> None:
        """Something waits to be written, or the link is over."""
        self._awake.set()
        if self.link is not None and self.link.over:
            self._end()

    def _end(self) -> None:
        """Close when all that is queued is written and the peer has closed too, or after ``FAREWELL`` seconds."""
        if not self.over.is_set():
            self.over.set()
            if self._scope is not None:
                self._scope.reschedule(self._loop.time() + FAREWELL)

    async def run(self) -> None:
        """Carry messages until the connection is closed."""
        link = self.link
        assert link is not None  # the two have met
        if link.over:  # it was one too many, or has ended since
            self._end()
        try:
            async with asyncio.timeout(FAREWELL if link.over else None) as self._scope, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(link))
                tasks.create_task(self._write(link))
        except TimeoutError:
            assert self._scope is not None
            if not self._scope.expired():
                raise
        finally:
            self._scope = None
            self.close()

    def close(self) -> None:
        """Let go of the wire, and of the link if it is not over."""
        self._wire.close()
        if self.link is not None:
            self._connector.lost(self.link, self._loop.time())

    async def _read(self, link: Link) -> None:
        while True:
            while self._connector.turn(link, self._loop.time()):
                await asyncio.sleep(0)  # a peer that sends much must not keep the others waiting
            if self.line.over:
                break
            try:
                data = await self._receive(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                self.line.cut()
                break
            if not link.over:
                self.line.receive(data)
                if self.line.unsent:
                    self._wake()
        self._connector.lost(link, self._loop.time())

    async def _write(self, link: Link) -> None:
        try:
            while True:
                data = self.line.take(link.pace.bytes)
                if data:
                    began = self._loop.time()
                    await self._send(data)
                    self._connector.wrote(link, data, began, self._loop.time())
                elif link.over:
                    break
                else:
                    await self._awake.wait()
                    self._awake.clear()
            await self._send(self.line.end())
            self._wire.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the reader finds out too, once it has read what the peer said before
