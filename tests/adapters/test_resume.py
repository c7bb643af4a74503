"""How a sequencer begins: it waits for what it signed and for what its peers tell, and for no liar. In virtual time."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Lost, Received
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.protocol import Message
from syncfsm.signed import SignedChain
from syncfsm.sync.messages import Blocks, Found, Hello
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.command.resume import resume
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.store.base import BlockStore, Change, load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.store.memory import MemoryStore
from tests.adapters.guard_disk import Disk

CHAIN_ID = b"demo"
KEY = SigningKey(b"resume".ljust(32))
PUBLIC = bytes(KEY.verify_key)
GENESIS = signed.genesis(CHAIN_ID)
SEAL = Producer(KEY, CHAIN_ID).seal
ASK = Limits().ask
Block = tuple[Header, bytes]


def blocks(count: int, parent: Header = GENESIS, word: bytes = b"body") -> list[Block]:
    made = []
    for number in range(count):
        body = b"%b %d" % (word, number)
        parent = SEAL(parent, body)
        made.append((parent, body))
    return made


BLOCKS = blocks(8)


class Nowhere:
    """Carries nothing: what peers say, the test says."""

    def send(self, peer: str, message: Message) -> None:
        pass

    def send_blocks(self, peer: str, protocol: int, blocks: Sequence[Block]) -> None:
        pass

    def disconnect(self, peer: str, reason: str, detail: str) -> None:
        pass


class FullStore(MemoryStore):
    """Takes no blocks: the process ends there, as if it had been killed."""

    def commit(self, change: Change) -> None:
        raise LocalError("killed")


@attrs.define
class Sequencer:
    """One start of a sequencer on this store and this disk."""

    store: BlockStore
    disk: Disk
    peers: int = 0
    listens: bool = False
    journal: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    host: Host = attrs.field(init=False)
    guard: Guard = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        chain = load_chain(self.store, Limits())
        self.host = Host(Node.start(Config(SignedChain(CHAIN_ID, PUBLIC)), chain), self.store, Nowhere())
        self.guard = Guard.open(Path("guard"), PUBLIC, CHAIN_ID, chain.head, new=not self.disk.slots, files=self.disk)

    async def resume(self) -> float:
        """Virtual seconds until it may begin."""
        peers = tuple(f"127.0.0.1:{port}" for port in range(1, self.peers + 1))
        listen = "127.0.0.1:0" if self.listens else None
        settings = Settings(name="s", store="blocks", key="key", peers=peers, listen=listen)
        began = trio.current_time()
        await resume(self.host, self.guard, settings, self.write)
        self.guard.close()
        return trio.current_time() - began

    def write(self, event: str, **fields: Any) -> None:
        self.journal.append((event, fields))

    @property
    def states(self) -> list[str]:
        return [fields["state"] for event, fields in self.journal if event == "guard"]

    # What peers do ----------------------------------------------------------------------------------------------------

    def join(self, peer: str, head: Header, parent: Header = GENESIS) -> None:
        """A peer comes and says that ``head`` is its head."""
        now = trio.current_time()
        self.host.feed(Connected(peer, now))
        points = (head.point, GENESIS.point) if head.height else (GENESIS.point,)
        hello = Hello(head.point, head.score, GENESIS.point, GENESIS.point, points, head.height + 1)
        self.host.feed(Received(peer, hello, now))

    def give(self, peer: str, given: Sequence[Block]) -> None:
        headers, bodies = zip(*given, strict=True)
        self.host.feed(Received(peer, Blocks(headers, bodies), trio.current_time()))


def store_of(*held: Block) -> MemoryStore:
    store = MemoryStore(GENESIS, CHAIN_ID)
    if held:
        store.append(held, held[-1][0].point)
    return store


def disk_of(*kept: Block) -> Disk:
    disk = Disk()
    guard = Guard.open(Path("guard"), PUBLIC, CHAIN_ID, GENESIS, new=True, files=disk)
    for header, body in kept:
        guard.keep(header, body)
    guard.close()
    return disk


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))

    run.__name__, run.__doc__ = getattr(test, "__name__", ""), test.__doc__
    return run


@in_virtual_time
async def test_who_has_all_and_expects_nobody_begins_at_once() -> None:
    sequencer = Sequencer(store_of(*BLOCKS[:3]), disk_of(*BLOCKS[:3]))
    assert await sequencer.resume() == 0
    assert sequencer.states == ["ready"]


@in_virtual_time
async def test_a_new_sequencer_that_listens_waits_for_nobody_and_one_that_has_signed_does() -> None:
    assert await Sequencer(store_of(), disk_of(), listens=True).resume() == 0
    waited = await Sequencer(store_of(*BLOCKS[:3]), disk_of(*BLOCKS[:3]), listens=True).resume()
    assert waited == pytest.approx(ASK, abs=0.1)


@in_virtual_time
async def test_the_block_that_the_store_did_not_get_any_more_is_added_and_no_other() -> None:
    store, disk = store_of(*BLOCKS[:2]), disk_of(*BLOCKS[:2])
    killed = Sequencer(store, disk)
    killed.store = killed.host.store = FullStore(GENESIS, CHAIN_ID)
    with pytest.raises(LocalError, match="killed"):
        Producer(KEY, CHAIN_ID, killed.guard).produce(killed.host, b"signed, not stored")
    killed.guard.close()
    again = Sequencer(store, disk)
    await again.resume()
    assert again.states == ["adopted", "ready"]
    assert store.body(again.host.head) == b"signed, not stored"
    again.guard = Guard.open(Path("guard"), PUBLIC, CHAIN_ID, GENESIS, files=disk)
    header = Producer(KEY, CHAIN_ID, again.guard).produce(again.host, b"the next")
    assert header.height == 4
    assert header.parent == killed.guard.signed.header.id


@in_virtual_time
async def test_what_the_node_refuses_is_not_kept_as_signed() -> None:
    sequencer = Sequencer(store_of(*BLOCKS[:2]), disk_of(*BLOCKS[:2]))
    with pytest.raises(LocalError, match="bad-signature"):
        Producer(SigningKey(b"another".ljust(32)), CHAIN_ID, sequencer.guard).produce(sequencer.host, b"x")
    assert sequencer.guard.signed.header == BLOCKS[1][0]


@in_virtual_time
async def test_behind_it_waits_for_the_blocks_however_long_that_takes() -> None:
    sequencer = Sequencer(store_of(BLOCKS[0]), disk_of(*BLOCKS[:5]), peers=1)
    async with trio.open_nursery() as nursery:
        waited = list[float]()

        async def begin() -> None:
            waited.append(await sequencer.resume())

        nursery.start_soon(begin)
        await trio.sleep(100)
        sequencer.join("p", BLOCKS[4][0])
        sequencer.give("p", BLOCKS[1:4])  # all but the one that was signed last: that comes from the guard
    assert waited == [pytest.approx(100, abs=0.1)]
    assert sequencer.states == ["asking", "behind", "missing", "adopted", "ready"]
    assert sequencer.host.node.chain.head == BLOCKS[4][0]
    (missing,) = [fields for _, fields in sequencer.journal if fields["state"] == "missing"]
    assert f"--sign-anew {BLOCKS[4][0].point}" in missing["sentence"]


@in_virtual_time
async def test_with_nobody_to_fetch_from_it_does_not_start() -> None:
    for held in ((), BLOCKS[:2], (*BLOCKS[:3], *blocks(1, BLOCKS[2][0], b"other"))):
        sequencer = Sequencer(store_of(*held), disk_of(*BLOCKS[:4]))
        if len(held) == 4:
            assert sequencer.host.head.height == BLOCKS[3][0].height
        with pytest.raises(LocalError, match="a block made there would be a second one"):
            await sequencer.resume()


def test_what_a_store_says_that_it_had_is_waited_for_too(tmp_path: Path) -> None:
    """The guard is older than the store, which knows that it came back behind."""
    path = tmp_path / "blocks"
    store = FileStore.open(path, GENESIS, CHAIN_ID, promise=Promise.POWER)
    for block in BLOCKS[:5]:
        store.append([block], block[0].point)
    store.close()
    (file,) = path.glob("*.blocks")
    content = file.read_bytes()
    file.write_bytes(content[: content.find(BLOCKS[3][1])])
    store = FileStore.open(path, GENESIS, CHAIN_ID)
    assert store.standing.head == BLOCKS[2][0].point

    @in_virtual_time
    async def story() -> None:
        with pytest.raises(LocalError, match=r"was at height 5 once, says the block store.*--sign-anew 2:"):
            await Sequencer(store, disk_of(*BLOCKS[:2])).resume()
        sequencer = Sequencer(store, disk_of(*BLOCKS[:2]), peers=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sequencer.resume)
            await trio.sleep(50)
            sequencer.join("p", BLOCKS[5][0])
            sequencer.give("p", BLOCKS[3:6])
        assert sequencer.states == ["asking", "behind", "missing", "ready"]
        assert sequencer.host.head == BLOCKS[5][0].point

    story()
    store.close()


@in_virtual_time
async def test_another_block_where_the_signed_one_belongs_is_not_built_on() -> None:
    other = blocks(1, BLOCKS[2][0], b"other")
    sequencer = Sequencer(store_of(*BLOCKS[:3], *other), disk_of(*BLOCKS[:4]), listens=True)
    with trio.move_on_after(1000) as waiting:
        await sequencer.resume()
    assert waiting.cancelled_caught
    assert sequencer.states == ["asking", "forked", "missing"]
    sequencer.guard.close()


@in_virtual_time
async def test_a_peer_with_a_better_chain_is_followed_first() -> None:
    """The guard was restored together with the store: both end at 2, and 5 were signed."""
    sequencer = Sequencer(store_of(*BLOCKS[:2]), disk_of(*BLOCKS[:2]), peers=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sequencer.resume)
        await trio.sleep(0.5)
        sequencer.join("p", BLOCKS[4][0])
        for block in BLOCKS[2:5]:
            await trio.sleep(0.8 * ASK)
            assert "ready" not in sequencer.states
            sequencer.give("p", [block])
    assert sequencer.states == ["asking", "ready"]
    assert sequencer.host.node.chain.head == BLOCKS[4][0]


@in_virtual_time
async def test_a_liar_holds_nobody_up_for_long() -> None:
    """It says that it has more, and never gives it; others come, and say nothing."""
    far = Header(1000, b"far".ljust(32), b"", (1000).to_bytes(8), 0, b"")
    sequencer = Sequencer(store_of(*BLOCKS[:2]), disk_of(*BLOCKS[:2]), peers=3)
    async with trio.open_nursery() as nursery:
        waited = list[float]()

        async def begin() -> None:
            waited.append(await sequencer.resume())

        nursery.start_soon(begin)
        sequencer.join("liar", far)
        for number in range(20):
            await trio.sleep(0.1)
            sequencer.host.feed(Connected(f"mute {number}", trio.current_time()))
    assert waited == [pytest.approx(ASK, abs=0.1)]


@in_virtual_time
async def test_all_that_are_expected_are_heard_and_then_it_begins_at_once() -> None:
    sequencer = Sequencer(store_of(*BLOCKS[:2]), disk_of(*BLOCKS[:2]), peers=2)
    async with trio.open_nursery() as nursery:
        waited = list[float]()

        async def begin() -> None:
            waited.append(await sequencer.resume())

        nursery.start_soon(begin)
        await trio.sleep(0.2)
        sequencer.join("p", BLOCKS[1][0])
        await trio.sleep(0.2)
        sequencer.join("q", GENESIS)
        sequencer.host.feed(Received("q", Found(GENESIS.point), trio.current_time()))
    assert waited == [pytest.approx(0.4, abs=0.1)]
    sequencer.host.feed(Lost("q", trio.current_time()))
