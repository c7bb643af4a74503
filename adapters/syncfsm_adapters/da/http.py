"""One HTTP request, on trio and on asyncio: h11 over a stream of the one or the other, with TLS if the address has it.

Each request has a connection of its own. So what failed before anything was sent is known from what failed after
it, and that is the difference between a blob that was not given and one that may land.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import attrs
import h11

from syncfsm.errors import LocalError

if TYPE_CHECKING:
    import trio

CHUNK: Final = 64 * 1024
PORTS: Final = {"http": 80, "https": 443}


@attrs.frozen
class Target:
    """Where a server is. ``path`` is what is asked of it."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Target":
        """``LocalError`` if this is no address of a server."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            port = 0
        if not port or not parts.hostname or not url.isascii() or any(char.isspace() for char in url):
            raise LocalError(f"{url!r} is no address of a server: write it like http://127.0.0.1:26658")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port, path, parts.scheme == "https")


@attrs.frozen
class Response:
    """What the server said."""

    status: int
    body: bytes


@attrs.frozen
class Failure:
    """There is no response. ``sent``: may the server have the request?"""

    sent: bool
    detail: str


class _Stream(Protocol):
    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes: ...


async def post(
    target: Target, body: bytes, headers: Mapping[str, str], *, most: int, connecting: float, patience: float
) -> Response | Failure:
    """Post ``body``. A response of more than ``most`` bytes is a failure; so is none after ``patience`` seconds, or no
    connection after ``connecting``."""
    how: dict[str, bool] = {"sent": False}
    try:
        async with _opened(target, connecting, patience) as stream:
            how["sent"] = True
            return await _exchange(stream, target, body, headers, most)
    except TimeoutError:
        return Failure(how["sent"], "no answer in time")
    except (OSError, EOFError, h11.ProtocolError) as error:
        return Failure(how["sent"], str(error) or type(error).__name__)


async def _exchange(stream: _Stream, target: Target, body: bytes, headers: Mapping[str, str], most: int) -> Response:
    http = h11.Connection(h11.CLIENT)
    told = {"Host": f"{target.host}:{target.port}", "Content-Length": str(len(body)), "Connection": "close", **headers}
    request = h11.Request(method="POST", target=target.path, headers=list(told.items()))
    await stream.send(http.send(request) + http.send(h11.Data(data=body)) + http.send(h11.EndOfMessage()))
    status, parts, size = 0, list[bytes](), 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            size += len(event.data)
            if size > most:
                raise EOFError(f"an answer of more than {most:,} bytes")
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return Response(status, b"".join(parts))
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError("the connection ended before there was an answer")


# Streams --------------------------------------------------------------------------------------------------------


def on_trio() -> bool:
    if "trio" not in sys.modules:
        return False
    import trio

    return trio.lowlevel.in_trio_task()


@asynccontextmanager
async def _opened(target: Target, connecting: float, patience: float) -> AsyncIterator[_Stream]:
    """A connection that is closed afterwards. ``TimeoutError`` if it takes too long, ``OSError`` if it fails."""
    context = ssl.create_default_context() if target.tls else None
    opened = _trio_stream if on_trio() else _asyncio_stream
    async with opened(target, context, connecting, patience) as stream:
        yield stream


@asynccontextmanager
async def _trio_stream(
    target: Target, context: ssl.SSLContext | None, connecting: float, patience: float
) -> AsyncIterator[_Stream]:
    import trio

    try:
        with trio.fail_after(patience):
            with trio.fail_after(connecting):
                tcp = await trio.open_tcp_stream(target.host, target.port)
                stream = trio.SSLStream(tcp, context, server_hostname=target.host) if context else tcp
            try:
                yield _OnTrio(stream)
            finally:
                await trio.aclose_forcefully(stream)
    except trio.TooSlowError:
        raise TimeoutError from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise EOFError(str(error.__cause__ or "the connection is broken")) from error


@asynccontextmanager
async def _asyncio_stream(
    target: Target, context: ssl.SSLContext | None, connecting: float, patience: float
) -> AsyncIterator[_Stream]:
    async with asyncio.timeout(patience):
        async with asyncio.timeout(connecting):
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
        try:
            yield _OnAsyncio(reader, writer)
        finally:
            writer.transport.abort()


@attrs.frozen
class _OnTrio:
    _stream: "trio.abc.Stream"

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some(CHUNK))


@attrs.frozen
class _OnAsyncio:
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        return await self._reader.read(CHUNK)
