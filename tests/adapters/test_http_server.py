"""The HTTP server on real sockets: what it answers, and what a client may take and no more."""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import h11
import pytest
import trio
import trio.testing

from syncfsm_adapters.http.server import CHUNK, JSON, SLACK, Answer, Bounds, Reply, Server

LONG = 600.0
"""Seconds that are never reached."""


def in_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test, and end it if it hangs."""

    @functools.wraps(test)
    def run() -> None:
        async def bounded() -> None:
            with trio.fail_after(30):
                await test()

        trio.run(bounded)

    return run


async def echo(request: h11.Request, body: bytes) -> Reply:
    return Reply(200, request.method + b" " + request.target + b" " + body, JSON)


@asynccontextmanager
async def served(answer: Answer = echo, bounds: Bounds | None = None) -> AsyncIterator[int]:
    """A server; its port. No task of it is left."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Server(answer, bounds or Bounds(body=100)).serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def say(port: int, data: bytes) -> bytes:
    """All that is answered until the server closes the connection."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        return await read(stream)


async def read(stream: trio.SocketStream) -> bytes:
    found = b""
    try:
        async for data in stream:
            found += data
    except trio.BrokenResourceError:  # closed before it had read all that was sent
        pass
    return found


def request(method: str = "GET", body: bytes = b"", *more: str) -> bytes:
    head = [f"{method} /path HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


LAST = "Connection: close"


@in_time
async def test_a_connection_may_ask_again() -> None:
    async with served() as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for number in range(3):
            await stream.send_all(request("POST", b"%d" % number))
            said = bytes(await stream.receive_some(CHUNK))
            assert said.startswith(b"HTTP/1.1 200")
            assert said.endswith(b"POST /path %d" % number)
        await stream.send_all(request("GET", b"", LAST))
        assert (await read(stream)).endswith(b"GET /path ")


@in_time
async def test_a_head_alone() -> None:
    async with served() as port:
        head, body = (await say(port, request("HEAD", b"", LAST))).split(b"\r\n\r\n")
        assert b"application/json" in head
        assert body == b""


@in_time
async def test_what_is_no_request_is_told_so() -> None:
    async with served() as port:
        assert (await say(port, b"\x16\x03\x01\x00\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert (await say(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert (await say(port, b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000)).startswith(b"HTTP/1.1 431")
        assert (await say(port, request("GET", b"", LAST))).startswith(b"HTTP/1.1 200")


@in_time
async def test_a_body_has_a_bound_whether_its_length_is_said_or_not() -> None:
    async with served() as port:
        assert (await say(port, request("POST", b"x" * 100, LAST))).startswith(b"HTTP/1.1 200")
        assert (await say(port, request("POST", b"x" * 101))).startswith(b"HTTP/1.1 413")
        chunked = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101 + b"\r\n"
        assert (await say(port, chunked)).startswith(b"HTTP/1.1 413")


@in_time
async def test_who_waits_to_be_told_to_go_on_is_told() -> None:
    async with served() as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        head = request("POST", b"four", "Expect: 100-continue", LAST)[:-4]
        await stream.send_all(head)
        assert bytes(await stream.receive_some(CHUNK)).startswith(b"HTTP/1.1 100")
        await stream.send_all(b"four")
        assert (await read(stream)).endswith(b"POST /path four")


@in_time
async def test_so_many_connections_and_no_more() -> None:
    async with served(bounds=Bounds(body=1, connections=2)) as port:
        held = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(2)]
        for stream in held:
            await stream.send_all(request())
            assert bytes(await stream.receive_some(CHUNK)).startswith(b"HTTP/1.1 200")
        assert await say(port, request()) == b""
        await held[0].aclose()
        while not await say(port, request("GET", b"", LAST)):
            await trio.testing.wait_all_tasks_blocked()
        await held[1].aclose()


@in_time
async def test_few_long_requests_at_once() -> None:
    """Others wait before their bodies are read."""
    now, most = 0, 0
    body = b"x" * (SLACK + 1)
    go_on = trio.Event()

    async def slowly(request: h11.Request, body: bytes) -> Reply:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await go_on.wait()
        now -= 1
        return Reply(200)

    async with (
        served(slowly, Bounds(body=SLACK + 1, large=2, read=LONG)) as port,
        trio.open_nursery() as nursery,
    ):
        for _ in range(5):
            nursery.start_soon(say, port, request("POST", body, LAST))
        while now < 2:
            await trio.testing.wait_all_tasks_blocked(0.01)
        go_on.set()
    assert most == 2


@pytest.mark.parametrize("part", [b"", b"GET / HTTP/1.1\r\nHost:", request("POST", b"four")[:-1]])
def test_who_is_slow_to_ask_is_left(part: bytes) -> None:
    async def test() -> None:
        async with served(bounds=Bounds(body=10, idle=0.1, read=0.1)) as port:
            assert await say_and_wait(port, part) == b""

    in_time(test)()


@in_time
async def test_a_request_that_comes_byte_by_byte_has_no_longer() -> None:
    async with (
        served(bounds=Bounds(body=10, idle=0.3)) as port,
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(b"GET / HTTP/1.1\r\n")
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"A: b\r\n")
                await trio.sleep(0.02)


async def say_and_wait(port: int, part: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        if part:
            await stream.send_all(part)
        return await read(stream)


@in_time
async def test_parts_are_sent_as_they_come_and_end_with_their_reader() -> None:
    more, over = trio.Event(), trio.Event()

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await more.wait()
            while True:
                yield b"again"
                await trio.sleep(0.01)
        finally:
            over.set()

    async def answer(request: h11.Request, body: bytes) -> Reply:
        return Reply(200, kind="text/event-stream", parts=parts())

    async with served(answer) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request())
            said = b""
            while b"first" not in said:
                said += bytes(await stream.receive_some(CHUNK))
            assert b"Content-Length" not in said
            more.set()
            while said.count(b"again") < 3:
                said += bytes(await stream.receive_some(CHUNK))
        await over.wait()
        assert (await say(port, request("HEAD", b"", LAST))).endswith(b"\r\n\r\n")


@in_time
async def test_a_reader_that_does_not_read_is_left_and_nobody_waits_for_it() -> None:
    over = trio.Event()

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x" * 10**6
        finally:
            over.set()

    async def answer(request: h11.Request, body: bytes) -> Reply:
        return Reply(200, parts=parts()) if request.method == b"GET" else Reply(200, b"soon")

    async with (
        served(answer, Bounds(body=10, read=0.5)) as port,
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(request())
        assert (await say(port, request("POST", b"", LAST))).endswith(b"soon")
        await over.wait()
