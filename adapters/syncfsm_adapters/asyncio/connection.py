"""One TCP connection under asyncio: bytes in, bytes out.

    read -> connector.turn                  (reader)
    session.take -> write, drain -> wrote   (writer)

What is taken from a session can not be overtaken by a small message, so no more than a frame is taken at a time, and
the transport's own buffer is kept as short.
"""

import asyncio
import contextlib

from syncfsm import limits
from syncfsm.wire.session import Met, NoLink
from syncfsm_adapters.connect.connector import FAREWELL, READ_BYTES, Connector, Link

SINK_BYTES = 64 * 1024


class Connection:
    """One end of a connection. ``link`` is there once the two have met."""

    def __init__(self, connector: Connector, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connector, self._reader, self._writer = connector, reader, writer
        self._writer.transport.set_write_buffer_limits(high=0)
        self.session = connector.session()
        self.link: Link | None = None
        self.over = asyncio.Event()
        """Set when the node has ended the link; it hears no more of this connection."""
        self._awake = asyncio.Event()
        self._scope: asyncio.Timeout | None = None

    async def meet(self, address: str, dialled: bool) -> Link | NoLink:
        """Greet, and read the peer's greeting. A refusal has been written when this returns. Takes as long as the
        peer."""
        session = self.session
        try:
            await self._send(session.take(limits.FRAME_BYTES))
            while (outcome := session.meeting()) is None:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    return NoLink("closed", "the peer closed the connection before it had greeted")
                session.receive(data)
            if isinstance(outcome, Met):
                self.link = self._connector.join(
                    session, outcome, dialled=dialled, address=address, now=self._now(), wake=self._wake
                )
                return self.link
            await self._say_why()
            return outcome
        except OSError as error:
            return NoLink("broken", str(error))

    async def _say_why(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                if data := self.session.take(limits.FRAME_BYTES):
                    await self._send(data)
                self._writer.write_eof()
                while await self._reader.read(SINK_BYTES):
                    pass  # to close with bytes unread resets the connection, and the peer may lose our last words

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

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
                self._scope.reschedule(self._now() + FAREWELL)

    async def run(self) -> None:
        """Carry messages until the connection is closed."""
        link = self.link
        assert link is not None  # the two have met
        if link.over:  # it was one too many
            self._end()
        writing = asyncio.create_task(self._write(link))
        try:
            async with asyncio.timeout(FAREWELL if link.over else None) as scope:
                self._scope = scope
                await self._read(link)
                await writing
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._connector.lost(link, self._now())
            writing.cancel()
            self._writer.transport.abort()
            await asyncio.gather(writing, return_exceptions=True)

    async def _read(self, link: Link) -> None:
        while True:
            while self._connector.turn(link, self._now()):
                await asyncio.sleep(0)  # a peer that sends much must not keep the others waiting
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError:
                break
            if not data:
                break
            if not link.over:
                self.session.receive(data)
        self._connector.lost(link, self._now())

    async def _write(self, link: Link) -> None:
        try:
            while True:
                data = self.session.take(limits.FRAME_BYTES)
                if data:
                    await self._send(data)
                    self._connector.wrote(link, data, self._now())
                elif link.over:
                    break
                else:
                    await self._awake.wait()
                    self._awake.clear()
            self._writer.write_eof()
        except OSError:
            pass  # the reader finds out too, once it has read what the peer said before
