"""One HTTP request, on trio and on asyncio: h11 over a stream of the one or the other, with TLS if the address has it.

Each request has a connection of its own. So what failed before anything was sent is known from what failed after
it, and that is the difference between a blob that was not given and one that may land.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
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


class Stream(Protocol):
    """A connection. ``OSError`` or ``EOFError`` if it is broken."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        """What came; empty at the end."""
        ...

    def close(self) -> None:
        """At once, and without a word."""
        ...


async def post(
    target: Target, body: bytes, headers: Mapping[str, str], *, most: int, connecting: float, patience: float
) -> Response | Failure:
    """Post ``body``. A response of more than ``most`` bytes is a failure; so is none after ``patience`` seconds, or no
    connection after ``connecting``."""
    return await _ask("POST", target, body, headers, most, connecting, patience)


async def get(
    target: Target, headers: Mapping[str, str], *, most: int, connecting: float, patience: float
) -> Response | Failure:
    """Get what is there; the bounds are those of ``post``."""
    return await _ask("GET", target, b"", headers, most, connecting, patience)


async def _ask(
    method: str, target: Target, body: bytes, headers: Mapping[str, str], most: int, connecting: float, patience: float
) -> Response | Failure:
    stream: Stream | None = None
    try:
        async with within(patience):
            async with within(connecting):
                stream = await opened(target)
            return await _exchange(stream, method, target, body, headers, most)
    except TimeoutError:
        return Failure(stream is not None, "no answer in time")
    except (OSError, EOFError, h11.ProtocolError) as error:
        return Failure(stream is not None, str(error) or type(error).__name__)
    finally:
        if stream is not None:
            stream.close()


async def _exchange(
    stream: Stream, method: str, target: Target, body: bytes, headers: Mapping[str, str], most: int
) -> Response:
    http = h11.Connection(h11.CLIENT)
    told = {"Host": f"{target.host}:{target.port}", "Content-Length": str(len(body)), "Connection": "close", **headers}
    request = h11.Request(method=method, target=target.path, headers=list(told.items()))
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
    """Is this a task of trio's? If not, it is one of asyncio's."""
    if "trio" not in sys.modules:
        return False
    import trio

    return trio.lowlevel.in_trio_task()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """``TimeoutError`` if what is inside takes longer."""
    if not on_trio():
        async with asyncio.timeout(seconds):
            yield
        return
    import trio

    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise TimeoutError from None


async def opened(target: Target) -> Stream:
    """A connection. ``OSError`` if there is none."""
    context = ssl.create_default_context() if target.tls else None
    if not on_trio():
        return _OnAsyncio(*await asyncio.open_connection(target.host, target.port, ssl=context))
    import trio

    tcp = await trio.open_tcp_stream(target.host, target.port)
    return _OnTrio(tcp, trio.SSLStream(tcp, context, server_hostname=target.host) if context else tcp)


@attrs.frozen
class _OnTrio:
    _tcp: "trio.SocketStream"
    _stream: "trio.abc.Stream"

    async def send(self, data: bytes) -> None:
        with _broken():
            await self._stream.send_all(data)

    async def receive(self) -> bytes:
        with _broken():
            return bytes(await self._stream.receive_some(CHUNK))

    def close(self) -> None:
        self._tcp.socket.close()


@contextmanager
def _broken() -> Iterator[None]:
    import trio

    try:
        yield
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise EOFError(str(error.__cause__ or "the connection is broken")) from error


@attrs.frozen
class _OnAsyncio:
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        return await self._reader.read(CHUNK)

    def close(self) -> None:
        self._writer.transport.abort()
