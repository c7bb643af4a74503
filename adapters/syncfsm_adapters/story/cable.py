"""A cable that can be cut: a TCP relay on loopback that stops carrying bytes without a word, and starts again.

While it is cut, connections stay open and new ones are taken, but nothing passes: what TCP shows of a dead path. Bytes
that were under way wait, as retransmission would keep them.
"""

import trio

CHUNK = 64 * 1024


class Cable:
    """Forwards connections to ``target`` (a port on this machine) while it is whole."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._whole = trio.Event()
        self._whole.set()

    def cut(self) -> None:
        """Stop carrying bytes, in both directions, silently."""
        self._whole = trio.Event()

    def mend(self) -> None:
        """Carry again, what waited first."""
        self._whole.set()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections on a port of 127.0.0.1 that is free; it is known when the task has started."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._carry, listeners)
            task_status.started()

    async def _carry(self, near: trio.SocketStream) -> None:
        await self._whole.wait()
        try:
            far = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            await near.aclose()
            return
        async with near, far, trio.open_nursery() as nursery:
            nursery.start_soon(self._pass, near, far, nursery.cancel_scope)
            nursery.start_soon(self._pass, far, near, nursery.cancel_scope)

    async def _pass(self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope) -> None:
        """One direction. Its end is the end of the connection: the nodes never close only half of one."""
        try:
            while data := await source.receive_some(CHUNK):
                await self._whole.wait()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await self._whole.wait()
            both.cancel()
