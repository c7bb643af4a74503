"""A node on TCP under asyncio: listens, dials its peers, and moves bytes. What to do is decided elsewhere: about blocks
and messages by the core (``host``), about connections by the ``Connector``. The twin of ``syncfsm_adapters.tcp``.

    tcp = TcpNode(node, store, node_id, chance=Random())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tcp.run("127.0.0.1:7000", ["127.0.0.1:7001"]))
        addresses = await tcp.listening()
        ...
        tcp.stop()
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random

from syncfsm.errors import LocalError
from syncfsm.node.node import Node
from syncfsm.wire.session import NoLink
from syncfsm_adapters.asyncio.connection import Connection
from syncfsm_adapters.connect.backoff import cannot_listen, parse_address
from syncfsm_adapters.connect.connector import (
    GRAIN,
    HANDSHAKE,
    READ_BYTES,
    STRANGERS,
    Connector,
    Link,
    shown_address,
    silent,
)
from syncfsm_adapters.connect.target import Target
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write
from syncfsm_adapters.host.mistakes import one_mistake
from syncfsm_adapters.store.base import BlockStore


class TcpNode:
    """Runs ``node`` with its ``store``, under a ``node_id`` of 32 bytes that no other node has.

    ``chance`` spreads the times at which peers are dialled. ``journal`` is told of what the core does not know:
    ``listening``, ``connected`` with the address, ``duplicate``, ``no-link`` with the reason.
    """

    def __init__(
        self,
        node: Node,
        store: BlockStore,
        node_id: bytes,
        *,
        chance: Random,
        journal: Write = silent,
        handshake: float = HANDSHAKE,
        stamp: Callable[[], int] = time.time_ns,
    ) -> None:
        self.connector = Connector(node, store, node_id, stamp=stamp, journal=journal)
        self._chance, self._journal, self._handshake = chance, journal, handshake
        self._connections: set[Connection] = set()
        self._stop = asyncio.Event()
        self._listening = asyncio.Event()
        self._addresses: list[str] = []
        self._tasks: asyncio.TaskGroup  # of the connections, once it runs

    @property
    def host(self) -> Host:
        """The node, its store and its watchers."""
        return self.connector.host

    @property
    def links(self) -> dict[str, Link]:
        """The links of the core, by its names for them."""
        return self.connector.links

    async def listening(self) -> list[str]:
        """The addresses listened on, once they are."""
        await self._listening.wait()
        return self._addresses

    async def run(self, listen: str | None, peers: Sequence[str]) -> None:
        """Run until ``stop``, once. ``listen`` and ``peers`` are ``host:port``; port 0 leaves the choice to the system.

        Raises ``LocalError`` if an address can not be used or the store fails. The store is closed in any case, and
        what it holds is consistent also after a cancellation.
        """
        try:
            with one_mistake():
                targets = [Target(self.connector, peer, self._chance) for peer in peers]
                async with asyncio.TaskGroup() as self._tasks:
                    await self._serve(listen, targets)
        finally:
            self.host.store.close()

    async def _serve(self, listen: str | None, targets: Sequence[Target]) -> None:
        server = await self._open(listen) if listen is not None else None
        services = [asyncio.create_task(self._keep_dialling(target)) for target in targets]
        services.append(asyncio.create_task(self._keep_time()))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            self._listening.set()
            running = {stopped, *services}
            while not stopped.done():
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:  # a service ends when it has no more to do, or by a failure
                    task.result()
        finally:
            if server is not None:
                server.close()
            for task in (stopped, *services):
                task.cancel()
            await asyncio.gather(stopped, *services, return_exceptions=True)
            self.connector.leave(self._now())

    async def _open(self, listen: str) -> asyncio.Server:
        host, port = parse_address(listen)
        try:
            server = await asyncio.start_server(self._accepted, host, port, limit=READ_BYTES)
        except OSError as error:
            raise LocalError(cannot_listen(listen, error)) from error
        self._addresses = [shown_address(each.getsockname()) for each in server.sockets]
        for address in self._addresses:
            self._journal("listening", address=address)
        return server

    @property
    def drained(self) -> bool:
        """Is nothing left to write, and nothing left to send to a peer in step?"""
        return self.connector.drained

    def stop(self) -> None:
        """Say goodbye to all peers and have ``run`` return, after ``FAREWELL`` seconds at the latest."""
        self._stop.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(GRAIN)
            self.connector.tick(self._now())

    # Connections begin ------------------------------------------------------------------------------------------

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.connector.strangers < STRANGERS and not self._stop.is_set():
            self._tasks.create_task(self._welcome(reader, writer))
        else:
            writer.transport.abort()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connector.strangers += 1
        try:
            await self._meet(reader, writer, _remote(writer), dialled=False)
        finally:
            self.connector.strangers -= 1

    async def _keep_dialling(self, target: Target) -> None:
        """Have a link to the node at this address, whoever dialled, unless that is this node itself."""
        while (due := target.due(self._now())) is not None:
            while (link := target.linked()) is not None:
                await self._over(link)
                due = target.due(self._now()) or due
            await asyncio.sleep(max(0.0, due - self._now()))
            if target.linked() is None:
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
            async with asyncio.timeout(self._handshake):
                reader, writer = await asyncio.open_connection(target.host, target.port, limit=READ_BYTES)
        except TimeoutError:
            return self.connector.no_link(self._too_late(), target.address)
        except OSError as error:
            return self.connector.no_link(NoLink("unreachable", str(error)), target.address)
        left = self._handshake - (self._now() - started)
        return await self._meet(reader, writer, target.address, dialled=True, within=left)

    async def _meet(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
        dialled: bool,
        within: float | None = None,
    ) -> Link | NoLink:
        """The link that comes of this connection, or why there is none."""
        connection = Connection(self.connector, reader, writer)
        outcome: Link | NoLink | None = None
        try:
            async with asyncio.timeout(self._handshake if within is None else within):
                outcome = await connection.meet(address, dialled)
        except TimeoutError:
            outcome = self._too_late()
        finally:
            if not isinstance(outcome, Link):  # refused, too late, or the node stops
                writer.transport.abort()
        if isinstance(outcome, NoLink):
            return self.connector.no_link(outcome, address)
        self._connections.add(connection)
        task = self._tasks.create_task(connection.run())
        task.add_done_callback(lambda done: self._connections.discard(connection))
        return outcome

    def _too_late(self) -> NoLink:
        return NoLink("timeout", f"the two had not greeted within {self._handshake:g} s")


def _remote(writer: asyncio.StreamWriter) -> str:
    name = writer.get_extra_info("peername")
    return shown_address(name) if name else "unknown"
