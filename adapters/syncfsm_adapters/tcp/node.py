"""A node on TCP under trio: listens, dials its peers, and moves bytes. What to do is decided elsewhere: about blocks
and messages by the core (``host``), about connections by the ``Connector``.

    tcp = TcpNode(node, store, identity, chance=Random())
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(tcp.run, "127.0.0.1:7000", ["127.0.0.1:7001"])
        ...
        tcp.stop()
"""

from collections.abc import Sequence

import trio

from syncfsm.errors import LocalError
from syncfsm.wire.session import NoLink
from syncfsm_adapters.connect.backoff import cannot_listen, parse_address
from syncfsm_adapters.connect.connector import GRAIN, LOOK, shown_address
from syncfsm_adapters.connect.line import Line
from syncfsm_adapters.connect.link import Link
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.connect.target import Target
from syncfsm_adapters.host.mistakes import one_mistake
from syncfsm_adapters.tcp.connection import Connection


class TcpNode(Shell):
    """A ``Shell``, which says what it is given, under trio."""

    def _prepare(self) -> None:
        self._connections: set[Connection] = set()
        self._stop = trio.Event()
        self._nursery: trio.Nursery  # of the connections, once it runs
        self._services: trio.Nursery  # of what is to end when the node is to stop

    async def run(
        self,
        listen: str | None,
        peers: Sequence[str],
        *,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until ``stop``, once. ``listen`` is ``host:port``, where port 0 leaves the choice to the system;
        ``peers`` are ``host:port`` or ``id@host:port``.

        ``task_status`` is told the addresses listened on. Raises ``LocalError`` if an address can not be used or the
        store fails. The store is closed in any case, and what it holds is consistent also after a cancellation.
        """
        try:
            with one_mistake():
                targets = self._targets(peers)
                listeners = await _open(listen) if listen is not None else []
                async with trio.open_nursery() as self._nursery:
                    async with trio.open_nursery() as services:
                        self._services, self._dials = services, True
                        for target in targets:
                            self._start_dialling(target)
                        for listener in listeners:
                            services.start_soon(self._accept, listener, services)
                        services.start_soon(self._keep_time)
                        addresses = [shown_address(listener.socket.getsockname()) for listener in listeners]
                        for address in addresses:
                            self._journal("listening", address=address)
                        task_status.started(addresses)
                        await self._stop.wait()
                        self._dials = False
                        services.cancel_scope.cancel()
                    self.connector.leave(trio.current_time())
        finally:
            self.host.store.close()

    def stop(self) -> None:
        self._stop.set()

    def _start_dialling(self, target: Target) -> None:
        self._services.start_soon(self._keep_dialling, target)

    def _now(self) -> float:
        return trio.current_time()

    async def _keep_time(self) -> None:
        while True:
            await trio.sleep(LOOK)
            self.connector.tick(trio.current_time())

    # Connections begin ------------------------------------------------------------------------------------------

    async def _accept(self, listener: trio.SocketListener, services: trio.Nursery) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:  # too many open files, most likely; some will be closed
                    self._journal("accept-failed", error=str(error))
                    await trio.sleep(GRAIN)
                    continue
                address = _remote(stream)
                if self.connector.crowded(address):
                    await trio.aclose_forcefully(stream)
                else:
                    services.start_soon(self._welcome, stream, address)

    async def _welcome(self, stream: trio.SocketStream, address: str) -> None:
        with self.connector.strangers.greeting(address):
            await self._meet(stream, self.connector.line(dialled=False), address)

    async def _keep_dialling(self, target: Target) -> None:
        """Have a link to the node at this address, whoever dialled, unless that is this node itself."""
        while (due := target.due(trio.current_time())) is not None:
            while (link := target.linked()) is not None:
                await self._over(link)
                due = target.due(trio.current_time()) or due
            await trio.sleep_until(due)
            if target.ready(trio.current_time()):
                target.begin(trio.current_time())
                target.end(await self._dial(target), trio.current_time())

    async def _over(self, link: Link) -> None:
        connection = next((c for c in self._connections if c.link is link), None)
        if connection is not None:
            await connection.over.wait()
        elif not link.over:
            await trio.sleep(GRAIN)

    async def _dial(self, target: Target) -> Link | NoLink:
        stream: trio.SocketStream | None = None
        started = trio.current_time()
        with trio.move_on_after(self._handshake):
            try:
                stream = await trio.open_tcp_stream(target.host, target.port)
            except OSError as error:
                return self.connector.no_link(NoLink("unreachable", str(error)), target.address)
        if stream is None:
            return self.connector.no_link(self._too_late(), target.address)
        left = self._handshake - (trio.current_time() - started)
        line = self.connector.line(dialled=True, expected=target.expected)
        return await self._meet(stream, line, target.address, dialled=True, within=left)

    async def _meet(
        self, stream: trio.SocketStream, line: Line, address: str, dialled: bool = False, within: float | None = None
    ) -> Link | NoLink:
        """The link that comes of this connection, or why there is none."""
        connection = Connection(self.connector, stream, line)
        outcome: Link | NoLink | None = None
        try:
            with trio.move_on_after(self._handshake if within is None else within):
                outcome = await connection.meet(address, dialled)
        finally:
            if not isinstance(outcome, Link):  # refused, too late, or the node stops
                await trio.aclose_forcefully(stream)
        if isinstance(outcome, Link):
            self._connections.add(connection)
            self._nursery.start_soon(self._carry, connection)
            return outcome
        return self.connector.no_link(outcome or self._too_late(), address)

    async def _carry(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


async def _open(listen: str) -> list[trio.SocketListener]:
    host, port = parse_address(listen)
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise LocalError(cannot_listen(listen, error)) from error


def _remote(stream: trio.SocketStream) -> str:
    try:
        return shown_address(stream.socket.getpeername())
    except OSError:  # it is gone already
        return "unknown"
