"""A node on TCP under asyncio: listens, dials its peers, and moves bytes. What to do is decided elsewhere: about blocks
and messages by the core (``host``), about connections by the ``Connector``. The twin of ``syncfsm_adapters.tcp``.

    tcp = TcpNode(node, store, identity, chance=Random())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tcp.run("127.0.0.1:7000", ["127.0.0.1:7001"]))
        addresses = await tcp.listening()
        ...
        tcp.stop()

A task that is cancelled before its first step never takes one. So no wire is left to a task alone: every connection is
in one set from its first instant, and what is still there at the end is closed. And all tasks are in one group, as a
group that is being cancelled takes new tasks and does not cancel them: a member that could start one is cancelled, too.
"""

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

from syncfsm.errors import LocalError
from syncfsm.wire.session import NoLink
from syncfsm_adapters.asyncio import sockets
from syncfsm_adapters.asyncio.connection import Connection
from syncfsm_adapters.connect.backoff import cannot_listen, parse_address
from syncfsm_adapters.connect.connector import GRAIN, LOOK, STRANGERS, shown_address
from syncfsm_adapters.connect.line import Line
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.connect.target import Target
from syncfsm_adapters.host.mistakes import one_mistake


class TcpNode(Shell):
    """A ``Shell``, which says what it is given, under asyncio."""

    def _prepare(self) -> None:
        self._connections: set[Connection] = set()
        self._stop = asyncio.Event()
        self._listening = asyncio.Event()
        self._addresses: list[str] = []
        self._listeners: list[sockets.Listener] = []
        self._services = set[asyncio.Task[None]]()
        self._tasks: asyncio.TaskGroup  # of services and connections, once it runs

    async def listening(self) -> list[str]:
        """The addresses listened on, once they are. Waits for ever if ``run`` fails before."""
        await self._listening.wait()
        return self._addresses

    async def run(self, listen: str | None, peers: Sequence[str]) -> None:
        """Run until ``stop``, once. ``listen`` is ``host:port``, where port 0 leaves the choice to the system;
        ``peers`` are ``host:port`` or ``id@host:port``.

        Raises ``LocalError`` if an address can not be used or the store fails. The store is closed in any case, and
        what it holds is consistent also after a cancellation.
        """
        try:
            with one_mistake():
                targets = self._targets(peers)
                listeners = await _open(listen) if listen is not None else []
                self._listeners.extend(listeners)
                async with asyncio.TaskGroup() as self._tasks:
                    self._dials = True
                    for target in targets:
                        self._start_dialling(target)
                    for listener in listeners:
                        self._serve(self._accept(listener))
                    self._serve(self._keep_time())
                    self._addresses = [shown_address(listener.getsockname()) for listener in listeners]
                    for address in self._addresses:
                        self._journal("listening", address=address)
                    self._listening.set()
                    await self._stop.wait()
                    self._dials = False
                    await self._end_services()
                    self.connector.leave(self._now())
        finally:
            for listener in self._listeners:
                listener.close()
            for connection in self._connections:
                connection.close()
            self.host.store.close()

    def stop(self) -> None:
        self._stop.set()

    def _serve(self, service: Coroutine[Any, Any, None]) -> None:
        """Start what is to end when the node is to stop."""
        task = self._tasks.create_task(service)
        self._services.add(task)
        task.add_done_callback(self._services.discard)

    async def _end_services(self) -> None:
        """From here on no link begins."""
        for task in self._services:
            task.cancel()
        await asyncio.wait(self._services)

    def _start_dialling(self, target: Target) -> None:
        self._serve(self._keep_dialling(target))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self.connector.tick(self._now())

    # Connections begin ------------------------------------------------------------------------------------------

    async def _accept(self, listener: sockets.Listener) -> None:
        with listener:
            while True:
                try:
                    wire = await listener.take()
                except OSError as error:  # too many open files, most likely; some will be closed
                    self._journal("accept-failed", error=str(error))
                    await asyncio.sleep(GRAIN)
                    continue
                address = _remote(wire)
                if self.connector.crowded(address):
                    wire.close()
                else:
                    self._serve(self._welcome(self._take(wire, self.connector.line(dialled=False)), address))

    def _take(self, wire: socket.socket, line: Line) -> Connection:
        connection = Connection(self.connector, wire, line)
        self._connections.add(connection)
        return connection

    async def _welcome(self, connection: Connection, address: str) -> None:
        with self.connector.strangers.greeting(address):
            await self._meet(connection, address, dialled=False)

    async def _keep_dialling(self, target: Target) -> None:
        """Have a link to the node at this address, whoever dialled, unless that is this node itself."""
        while (due := target.due(self._now())) is not None:
            while (link := target.linked()) is not None:
                await self._over(link)
                due = target.due(self._now()) or due
            await asyncio.sleep(max(0.0, due - self._now()))
            if target.ready(self._now()):
                target.begin(self._now())
                target.end(await self._dial(target), self._now())

    async def _over(self, link: Link) -> None:
        connection = next((c for c in self._connections if c.link is link), None)
        if connection is not None:
            await connection.over.wait()
        elif not link.over:
            await asyncio.sleep(GRAIN)

    async def _dial(self, target: Target) -> Link | NoLink:
        started = self._now()
        try:
            wire = await sockets.dial(target.host, target.port, self._handshake)
        except TimeoutError:
            return self.connector.no_link(self._too_late(), target.address)
        except OSError as error:
            return self.connector.no_link(NoLink("unreachable", str(error)), target.address)
        left = self._handshake - (self._now() - started)
        connection = self._take(wire, self.connector.line(dialled=True, expected=target.expected))
        return await self._meet(connection, target.address, dialled=True, within=left)

    async def _meet(
        self, connection: Connection, address: str, dialled: bool, within: float | None = None
    ) -> Link | NoLink:
        """The link that comes of this connection, or why there is none."""
        outcome: Link | NoLink = self._too_late()
        try:
            async with asyncio.timeout(self._handshake if within is None else within):
                outcome = await connection.meet(address, dialled)
        except TimeoutError:
            pass
        finally:
            if connection.link is None:  # refused, too late, or the node stops
                self._let_go(connection)
        if isinstance(outcome, NoLink):
            return self.connector.no_link(outcome, address)
        self._tasks.create_task(self._carry(connection))
        return outcome

    async def _carry(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._let_go(connection)

    def _let_go(self, connection: Connection) -> None:
        connection.close()
        self._connections.discard(connection)


async def _open(listen: str) -> list[sockets.Listener]:
    host, port = parse_address(listen)
    try:
        return await sockets.listen(host, port, backlog=STRANGERS)
    except OSError as error:
        raise LocalError(cannot_listen(listen, error)) from error


def _remote(wire: socket.socket) -> str:
    try:
        return shown_address(wire.getpeername())
    except OSError:  # it is gone already
        return "unknown"
