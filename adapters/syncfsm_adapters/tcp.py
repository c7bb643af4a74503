"""A node on TCP: listens, dials its peers, and gives the core what happens.

    tcp = TcpNode(node, store, b"alice", chance=Random())
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(tcp.run, "127.0.0.1:7000", ["127.0.0.1:7001"])
        ...
        tcp.stop()

What to do about blocks and messages is the core's to decide (``tcp.host``), who may have a link the handshake's.
"""

import errno
import time
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final

import trio
from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Leave, Tick
from syncfsm.link import State
from syncfsm.messages import Bye, Control, Parting
from syncfsm.node import Node
from syncfsm.wire.handshake import VERSION, Dial, Greeting, RefusalReason, first_frame, survives
from syncfsm_adapters.dialer import Backoff, parse_address
from syncfsm_adapters.host import Host
from syncfsm_adapters.journal import Write
from syncfsm_adapters.mistakes import one_mistake
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
    ``listening``, ``connected`` with the address, ``duplicate``, ``no-link`` with the reason, ``accept-failed``.
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
        stamp: Callable[[], int] = time.time_ns,
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
        self._stamp = stamp
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
            with one_mistake():
                targets = [parse_address(peer) for peer in peers]
                listeners = await _open(listen) if listen is not None else []
                async with trio.open_nursery() as self._nursery:
                    async with trio.open_nursery() as services:
                        for host, port in targets:
                            services.start_soon(self._keep_dialling, host, port)
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
        finally:
            self.host.store.close()

    @property
    def drained(self) -> bool:
        """Is nothing left to write, and nothing left to send to a peer in step?"""
        unsent = any(link.state is State.SYNCING for link in self.host.node.links.values())
        return not unsent and not any(link.outbox.waiting for link in self.connections.values())

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
            await self._in_time(_remote(stream), self._meet(stream, dialled=False))
        finally:
            self._strangers -= 1

    async def _keep_dialling(self, host: str, port: int) -> None:
        """Have a link to the node at this address, whoever dialled, unless that is this node itself."""
        address = _shown_address((host, port))
        backoff = Backoff(self._chance)
        met: Connection | None = None
        while True:
            while (link := self._link_to(met.node_id) if met else None) is not None:
                await link.over.wait()
            backoff.begin(trio.current_time())
            outcome = await self._in_time(address, self._dial(host, port))
            if isinstance(outcome, Connection):
                met = outcome
                await met.over.wait()
            elif outcome.reason == RefusalReason.SELF:
                return
            elif outcome.refused:
                backoff.slow_down()
            await trio.sleep_until(backoff.next(trio.current_time()))

    async def _in_time(self, address: str, attempt: Coroutine[Any, Any, Connection | NoLink]) -> Connection | NoLink:
        outcome: Connection | NoLink = NoLink("timeout", f"the two had not greeted within {self._handshake:g} s")
        with trio.move_on_after(self._handshake):
            outcome = await attempt
        if isinstance(outcome, NoLink):
            said_by = "peer" if outcome.peer_says else "us"
            self._journal("no-link", address=address, reason=outcome.reason, detail=outcome.detail, said_by=said_by)
        return outcome

    async def _dial(self, host: str, port: int) -> Connection | NoLink:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError as error:
            return NoLink("unreachable", str(error))
        return await self._meet(stream, dialled=True)

    async def _meet(self, stream: trio.SocketStream, dialled: bool) -> Connection | NoLink:
        """The link that comes of this connection, or the one that stays in its place."""
        try:
            outcome = await shake_hands(stream, replace(self._greeting, stamp=self._stamp()))
        except BaseException:  # the time is up, or the node stops
            await trio.aclose_forcefully(stream)
            raise
        if isinstance(outcome, Met):
            return self._join(stream, outcome, dialled)
        await trio.aclose_forcefully(stream)
        return outcome

    def _join(self, stream: trio.SocketStream, met: Met, dialled: bool) -> Connection:
        """From here on both sides take the connection for good, so the one that is too many ends with a bye."""
        self._named += 1
        node_id = met.greeting.node_id
        name = f"{_shown_id(node_id)}#{self._named}"
        dial = Dial(dialled, met.ours.stamp if dialled else met.greeting.stamp)
        new = Connection(name, node_id, dial, stream, self.host, met.early)
        self._journal("connected", peer=name, address=_remote(stream), dialled=dialled)
        self._nursery.start_soon(new.run)
        old = self._link_to(node_id)
        if old is not None and not survives(self._greeting.node_id, node_id, old.dial, dial):
            self._journal("duplicate", peer=name, stays=old.name)
            new.send(Bye(Parting.DUPLICATE))
            new.end()
            return old
        now = trio.current_time()
        if old is not None:
            self.host.feed(Leave(old.name, Parting.DUPLICATE, now))
        self.connections[name] = new
        self.host.feed(Connected(name, now))
        return new

    def _link_to(self, node_id: bytes) -> Connection | None:
        return next((link for link in self.connections.values() if link.node_id == node_id), None)


async def _open(listen: str) -> list[trio.SocketListener]:
    host, port = parse_address(listen)
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = "stop the program that listens there, or take another port; 0 leaves the choice to the system"
        else:
            advice = "give an address of this machine, and a port that this user may listen on"
        raise LocalError(f"can not listen on {listen}: {error}; {advice}") from error


def _shown_address(name: tuple[Any, ...]) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _remote(stream: trio.SocketStream) -> str:
    try:
        return _shown_address(stream.socket.getpeername())
    except OSError:  # it is gone already
        return "unknown"


def _shown_id(node_id: bytes) -> str:
    """A peer chooses its id, so what is no plain word is written in hexadecimal digits."""
    word = node_id.decode("ascii", "replace")
    return word if word.replace("-", "").replace(".", "").isalnum() and word.isascii() else node_id.hex()
