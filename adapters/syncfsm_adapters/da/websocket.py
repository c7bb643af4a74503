"""A client's WebSocket, on trio and on asyncio: wsproto over a stream of either. Messages are whole texts."""

from typing import Final

import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from syncfsm_adapters.da.http import Stream, Target, opened

CLOSED: Final = "the connection has ended"


class RefusedError(Exception):
    """The server takes no WebSocket. The text is for people."""


class WebSocket:
    """One that is open. ``OSError`` or ``EOFError`` if it is broken; then it is of no more use."""

    def __init__(self, stream: Stream, most: int) -> None:
        self._stream, self._most = stream, most
        self._ws = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._parts = list[str]()

    @classmethod
    async def open(cls, target: Target, headers: list[tuple[bytes, bytes]], most: int) -> "WebSocket":
        """Connect. ``RefusedError`` if the server takes none; a message of more than ``most`` characters breaks it."""
        socket = cls(await opened(target), most)
        try:
            host = f"{target.host}:{target.port}"
            await socket._send(Request(host=host, target=target.path, extra_headers=headers))
            event = await socket._event()
        except BaseException:
            socket.close()
            raise
        if not isinstance(event, AcceptConnection):
            socket.close()
            status = event.status_code if isinstance(event, RejectConnection) else "nonsense"
            raise RefusedError(f"the server takes no WebSocket: it answers with {status}")
        return socket

    async def send(self, text: str) -> None:
        await self._send(TextMessage(data=text))

    async def receive(self) -> str:
        """The next message. To be cancelled loses nothing of it."""
        while True:
            event = await self._event()
            if isinstance(event, Ping):
                await self._send(event.response())
            elif isinstance(event, TextMessage):
                self._parts.append(event.data)
                if sum(map(len, self._parts)) > self._most:
                    raise EOFError(f"a message of more than {self._most:,} characters")
                if event.message_finished:
                    whole, self._parts = "".join(self._parts), []
                    return whole
            elif isinstance(event, CloseConnection | BytesMessage):
                raise EOFError(CLOSED)

    def close(self) -> None:
        self._stream.close()

    async def _send(self, event: Event) -> None:
        try:
            await self._stream.send(self._ws.send(event))
        except BaseException:  # half of it may be there: nothing can follow
            self.close()
            raise

    async def _event(self) -> Event:
        while True:
            try:
                for event in self._ws.events():
                    return event
                data = await self._stream.receive()
                self._ws.receive_data(data or None)
            except ProtocolError as error:
                raise EOFError(f"no WebSocket: {error}") from error
            if not data:
                raise EOFError(CLOSED)
