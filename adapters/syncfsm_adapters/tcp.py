"""A node on TCP: listens, dials its peers, and gives the core what happens.

    tcp = TcpNode(node, store, b"alice", chance=Random())
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(tcp.run, "127.0.0.1:7000", ["127.0.0.1:7001"])
        ...
        tcp.stop()

What to do about blocks and messages is the core's to decide (``tcp.host``), who may have a link the handshake's.
"""

import errno
from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

import trio

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Leave, Tick
from syncfsm.messages import Bye, Control, Parting
from syncfsm.node import Node
from syncfsm.wire.handshake import VERSION, Greeting, RefusalReason, first_frame, survives
from syncfsm_adapters.dialer import Backoff, parse_address
from syncfsm_adapters.host import Host
from syncfsm_adapters.journal import Write
from syncfsm_adapters.store import BlockStore
from syncfsm_adapters.tcp_connection import Connection
from syncfsm_adapters.tcp_handshake import Met, NoLink, shake_hands

HANDSHAKE: Final = 5.0
"""Seconds from the start of an attempt in which the two sides must have greeted."""
STRANGERS: Final = 256
"""Most incoming connections that have not greeted yet; further ones are closed without a word."""
GRAIN: Final = 0.1
"""Seconds between two looks at what is due. So the deadlines of many links cost one step, not one each."""


def _silent(event: str, **fields: object) -> None:
    pass


class TcpNode:
    """Runs ``node`` with its ``store``, under a ``node_id`` that no other node has.

    ``chance`` spreads the times at which peers are dialled. ``journal`` is told of what the core does not know:
    ``listening``, ``connected`` with the address, ``no-link`` with the reason, ``accept-failed``.
    """

    def __init__(
        self,
        node: Node,
        store: BlockStore,
        node_id: bytes,
        *,
        chance: Random,
        journal: Write = _silent,
        handshake: float = HANDSHAKE,
    ) -> None:
        standing = store.standing
        self._greeting = Greeting(VERSION, standing.chain_id, node_id, standing.genesis.point)
        first_frame(self._greeting)  # says now what is wrong with the id, not at the first connection
        self.host = Host(node, store, self)
        self.connections: dict[str, Connection] = {}
        """The links of the core, by its names for them."""
        self._chance = chance
        self._journal = journal
        self._handshake = handshake
        self._named = 0
        self._strangers = 0
        self._stop = trio.Event()
        self._nursery: trio.Nursery  # of the connections, once it runs

    async def run(
        self,
        listen: str | None,
        peers: Sequence[str],
        *,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until ``stop``, once. ``listen`` and ``peers`` are ``host:port``; port 0 leaves the choice to the system.

        ``task_status`` is told the addresses listened on. Raises ``LocalError`` if an address can not be used or the
        store fails. The store is closed in any case, and what it holds is consistent also after a cancellation.
        """
        try:
            listeners = await _open(listen) if listen is not None else []
            async with trio.open_nursery() as self._nursery:
                async with trio.open_nursery() as services:
                    for peer in peers:
                        services.start_soon(self._keep_dialling, *parse_address(peer))
                    for listener in listeners:
                        services.start_soon(self._accept, listener, services)
                    services.start_soon(self._keep_time)
                    addresses = [_shown_address(listener.socket.getsockname()) for listener in listeners]
                    for address in addresses:
                        self._journal("listening", address=address)
                    task_status.started(addresses)
                    await self._stop.wait()
                    services.cancel_scope.cancel()
                for peer in tuple(self.connections):
                    self.host.feed(Leave(peer, Parting.SHUTDOWN, trio.current_time()))
        except ExceptionGroup as group:
            mistakes, bugs = group.split(LocalError)
            if mistakes is None or bugs is not None:
                raise
            raise _first(mistakes) from group
        finally:
            self.host.store.close()

    def stop(self) -> None:
        """Say goodbye to all peers and have ``run`` return, after ``FAREWELL`` seconds at the latest."""
        self._stop.set()

    # What the host wants carried --------------------------------------------------------------------------------

    def send(self, peer: str, message: Control) -> None:
        if not self.connections[peer].send(message):
            self._nursery.start_soon(self._give_up, peer)

    def send_blocks(self, peer: str, blocks: Sequence[tuple[Header, bytes]]) -> None:
        self.connections[peer].send_blocks(blocks)

    def disconnect(self, peer: str, reason: Parting, detail: str) -> None:
        self.connections.pop(peer).end()

    async def _give_up(self, peer: str) -> None:
        """In a task of its own, as a carrier does not call the host back."""
        self.host.feed(Leave(peer, Parting.SLOW, trio.current_time()))

    # Time -------------------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            await trio.sleep(GRAIN)
            now, due = trio.current_time(), self.host.node.next_deadline
            if due is not None and due <= now:
                self.host.feed(Tick(now))

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
                if self._strangers < STRANGERS:
                    services.start_soon(self._welcome, stream)
                else:
                    await trio.aclose_forcefully(stream)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        self._strangers += 1
        try:
            await self._meet(stream, dialled=False)
        finally:
            self._strangers -= 1

    async def _keep_dialling(self, host: str, port: int) -> None:
        """Have a link to the node at this address, whoever dials, until it turns out to be this node."""
        backoff = Backoff(self._chance)
        link: Connection | NoLink
        node_id = None
        while True:
            while (link := self._link_to(node_id)) is not None:
                await link.over.wait()
            ...
