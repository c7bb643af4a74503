"""Nodes on real loopback TCP for tests, and a raw peer that says whatever a test wants.

The tests are written for trio. If a node runs on asyncio, trio is a guest in asyncio's loop: one thread, one test, and
nodes of both kinds that meet over TCP.
"""

import asyncio
import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, ParamSpec

import trio
from nacl.signing import SigningKey

from syncfsm import limits, signed
from syncfsm.blocks import Header, Point
from syncfsm.events import Produced
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import Disconnect, Misbehaviour, Output
from syncfsm.protocol import Message as Control
from syncfsm.signed import SignedChain
from syncfsm.sync.messages import Blocks, Hello
from syncfsm.wire.codec import Bad
from syncfsm.wire.handshake import (
    VERSION,
    Announcement,
    Greeting,
    Refusal,
    announce,
    first_frame,
    read_first,
    read_second,
    second_frame,
)
from syncfsm.wire.inbox import Inbox
from syncfsm.wire.outbox import Outbox
from syncfsm_adapters import asyncio as on_asyncio
from syncfsm_adapters import tcp as on_trio
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.connect import Shell
from syncfsm_adapters.connect.off import Named
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store import BlockStore, MemoryStore, load_chain

CHAIN_ID = b"test"
KEY = SigningKey(b"sequencer".ljust(32))
PRODUCER = Producer(KEY, CHAIN_ID)
GENESIS = signed.genesis(CHAIN_ID)
CHECK = SignedChain(CHAIN_ID, bytes(KEY.verify_key))
Block = tuple[Header, bytes]
P = ParamSpec("P")


CARRIERS: Final[dict[str, tuple[type[Shell], ...]]] = {
    "trio": (on_trio.TcpNode,),
    "asyncio": (on_asyncio.TcpNode,),
    "trio-asyncio": (on_trio.TcpNode, on_asyncio.TcpNode),
    "asyncio-trio": (on_asyncio.TcpNode, on_trio.TcpNode),
}


class Carriers:
    """Says of one node after the other what it runs on. ``secure``: they speak TLS, unless told otherwise."""

    def __init__(self, *kinds: type[Shell], secure: bool = False) -> None:
        self.secure = secure
        self.guest = on_asyncio.TcpNode in kinds
        """Does trio have to be a guest of asyncio?"""
        self._next = itertools.cycle(kinds)

    def next(self) -> type[Shell]:
        return next(self._next)


def in_trio(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test, end it if it hangs, and see that it leaves no task behind."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            with trio.fail_after(30):
                await test(*args, **kwargs)

        carriers = kwargs.get("carriers")
        if isinstance(carriers, Carriers) and carriers.guest:
            asyncio.run(_guest(bounded))
        else:
            trio.run(bounded)

    return run


async def _guest(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    trio.lowlevel.start_guest_run(
        test,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=done.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    (await done).unwrap()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def in_asyncio(work: Coroutine[Any, Any, None]) -> None:
    """From a trio that is a guest: run ``work`` as a task of asyncio. If this is cancelled, it is, and has ended when
    this returns."""
    task = asyncio.create_task(work)
    ended = trio.Event()
    task.add_done_callback(lambda done: ended.set())
    try:
        await ended.wait()
    finally:
        task.cancel()
        with trio.CancelScope(shield=True):
            await ended.wait()
    if not task.cancelled():
        task.result()


def grow(bodies: Iterable[bytes], parent: Header = GENESIS, producer: Producer = PRODUCER) -> list[Block]:
    """Signed blocks, one for each body, on ``parent``."""
    blocks = []
    for body in bodies:
        parent = producer.seal(parent, body)
        blocks.append((parent, body))
    return blocks


def an_id(name: bytes) -> bytes:
    """A node id that can be told from others by this name."""
    return name.ljust(32, b"-")


class Running:
    """A node under test, with all it said to its watchers and its journal."""

    def __init__(
        self,
        carriers: Carriers,
        node_id: bytes,
        *,
        blocks: Sequence[Block] = (),
        store: BlockStore | None = None,
        chosen: Limits | None = None,
        handshake: float = 5.0,
        who: Identity | None = None,
        allowed: Collection[bytes] | None = None,
        off: Iterable[Named] = (),
        penalties: Path | None = None,
        useful: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        chosen = chosen or Limits()
        store = store or MemoryStore(GENESIS, CHAIN_ID)
        if blocks:
            store.append(blocks, blocks[-1][0].point)
        node = Node.start(Config(CHECK, limits=chosen), load_chain(store, chosen))
        self.outputs: list[Output] = []
        self.journal: list[tuple[str, dict[str, Any]]] = []
        self.address = ""
        make = carriers.next()
        self.tcp = make(
            node,
            store,
            who or (Identity(an_id(node_id)) if carriers.secure else an_id(node_id)),
            chance=Random(1),
            allowed=allowed,
            journal=self._write,
            handshake=handshake,
            off=off,
            penalties=penalties,
            useful=useful,
            wall=wall,
        )
        self.host = self.tcp.host
        self.host.watch(self._told)
        self.host.observe(lambda before, after, now: self.changed())
        self._changed = trio.Event()

    async def run(
        self,
        listen: str | None,
        peers: Sequence[str],
        *,
        task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run the node on what carries it."""
        if isinstance(self.tcp, on_trio.TcpNode):
            await self.tcp.run(listen, peers, task_status=task_status)
        elif isinstance(self.tcp, on_asyncio.TcpNode):
            await in_asyncio(_run(self.tcp, listen, peers, task_status.started))

    def now(self) -> float:
        """The time on the node's clock."""
        on_loop = isinstance(self.tcp, on_asyncio.TcpNode)
        return asyncio.get_running_loop().time() if on_loop else trio.current_time()

    def _write(self, event: str, **fields: Any) -> None:
        self.journal.append((event, fields))
        self.changed()

    def _told(self, output: Output, now: float) -> None:
        self.outputs.append(output)
        self.changed()

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; it is looked at after each step, and whenever something is written."""
        with trio.fail_after(10):
            while not condition():
                await self._changed.wait()

    async def at(self, point: Point) -> None:
        await self.until(lambda: self.host.head == point)

    async def parted(self) -> tuple[str, str]:
        """The reason and the detail of the first link that ended."""
        await self.until(lambda: self.partings)
        return self.partings[0]

    async def no_link(self) -> None:
        """Wait until an attempt came to nothing."""
        await self.until(lambda: self.wrote("no-link"))

    def told(self, kind: type[Any]) -> list[Any]:
        return [output for output in self.outputs if isinstance(output, kind)]

    def wrote(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.journal if name == event]

    @property
    def rules(self) -> list[str]:
        """What peers were blamed for."""
        return [output.fault.rule for output in self.told(Misbehaviour)]

    @property
    def partings(self) -> list[tuple[str, str]]:
        return [(str(output.reason), output.detail) for output in self.told(Disconnect)]

    def grow(self, *bodies: bytes) -> None:
        for body in bodies:
            header = PRODUCER.seal(self.host.node.chain.head, body)
            self.host.feed(Produced((header,), self.now(), (body,)))


async def _run(
    tcp: on_asyncio.TcpNode, listen: str | None, peers: Sequence[str], started: Callable[[list[str]], None]
) -> None:
    async def tell() -> None:
        started(await tcp.listening())

    telling = asyncio.create_task(tell())
    try:
        await tcp.run(listen, peers)
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def start(nursery: trio.Nursery, node: Running, *peers: Running | str, listen: str = "127.0.0.1:0") -> None:
    """Run ``node``, and have it dial ``peers``."""
    addresses = [peer.address if isinstance(peer, Running) else peer for peer in peers]
    (node.address,) = await nursery.start(node.run, listen, addresses)


class Raw:
    """A peer without a node behind it. It says what it is told to."""

    def __init__(self, stream: trio.SocketStream, early: bytes) -> None:
        self.stream = stream
        self._inbox = Inbox(CHECK, Limits(), STANDARD)
        self._early = early

    async def say(self, *messages: Control) -> None:
        outbox = Outbox(Limits(), STANDARD)
        for message in messages:
            assert outbox.message(message)
        await self.stream.send_all(outbox.take(2**30))

    async def send(self, blocks: Iterable[Block]) -> None:
        """Send blocks as they are, good or bad."""
        outbox = Outbox(Limits(), STANDARD)
        for header, body in blocks:
            outbox.block(ProtocolNumber.SYNC, header, body)
        await self.stream.send_all(outbox.take(2**30))

    async def heard(self) -> list[Control | Blocks]:
        """All that comes until the node closes the connection."""
        found: list[Control | Blocks] = []
        with trio.fail_after(10):
            data = self._early
            while True:
                self._inbox.feed(data)
                while self._inbox.more:
                    for item in self._inbox.take():
                        assert not isinstance(item, Bad)
                        found.append(Blocks(item.headers) if isinstance(item, Blocks) else item)
                if not (data := await self.stream.receive_some(2**16)):
                    return found

    async def last_word(self) -> Control | Blocks:
        return (await self.heard())[-1]


def greeting(node_id: bytes = b"raw", version: int = VERSION, chain_id: bytes = CHAIN_ID) -> Greeting:
    return Greeting(version, chain_id, an_id(node_id), GENESIS.point)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[trio.SocketStream]:
    host, port = address.split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield stream


@asynccontextmanager
async def raw(address: str, mine: Greeting | None = None) -> AsyncIterator[Raw]:
    """A raw peer that has shaken hands with the node at ``address``."""
    async with connected(address) as stream:
        await stream.send_all(first_frame(mine or greeting()) + second_frame(announce(STANDARD)))
        received = b""
        with trio.fail_after(10):
            while (told := _announced(received)) is None:
                received += await stream.receive_some(limits.GREETING_BYTES)
        yield Raw(stream, told)


def _announced(received: bytes) -> bytes | None:
    """What follows the node's greeting and announcement; ``None`` until they are there."""
    first = read_first(received)
    if first is None:
        return None
    assert isinstance(first, tuple)
    assert isinstance(first[0], Greeting)
    second = read_second(first[1])
    if second is None:
        return None
    assert isinstance(second, tuple)
    assert isinstance(second[0], Announcement)
    return second[1]


async def refusal(stream: trio.SocketStream) -> Refusal:
    """The refusal that follows the node's greeting."""
    received = b""
    with trio.fail_after(10):
        while data := await stream.receive_some(2**12):
            received += data
    outcome = read_first(received)
    assert isinstance(outcome, tuple)
    told = read_second(outcome[1])
    assert isinstance(told, tuple)
    third = read_first(told[1])
    assert isinstance(third, tuple)
    assert isinstance(third[0], Refusal)
    return third[0]


def hello(head: Header = GENESIS) -> Hello:
    points = (head.point, GENESIS.point) if head.height else (GENESIS.point,)
    return Hello(head.point, head.score, GENESIS.point, GENESIS.point, points, head.height + 1)
