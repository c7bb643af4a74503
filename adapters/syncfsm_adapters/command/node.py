"""``syncfsm node``: one long-running node, a sequencer or a full node."""

import gc
import signal
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

import trio
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.events import Finalised
from syncfsm.limits import Strategy
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Accepted, Output
from syncfsm.truth.signed import signed_by
from syncfsm_adapters.command import keys, payloads
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.command.resume import guarded, resume
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.command.truth import truth_of
from syncfsm_adapters.connect.off import named
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Journal, Write, follow
from syncfsm_adapters.host.mistakes import one_mistake
from syncfsm_adapters.host.unhurried import Unhurried
from syncfsm_adapters.host.witness import Witness
from syncfsm_adapters.look.control import Control, socket_of
from syncfsm_adapters.look.orders import orders
from syncfsm_adapters.look.record import Record
from syncfsm_adapters.look.report import Reporter
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store.base import load_chain
from syncfsm_adapters.store.file import FileStore, Promise
from syncfsm_adapters.tcp.node import TcpNode

if TYPE_CHECKING:
    from syncfsm_adapters.da.truth import Truth
    from syncfsm_adapters.look.http import Site

DRAIN = 1.0
"""Seconds that a node which is to stop still gives its peers to take what they lack."""
LOOK_AGAIN = 0.01
"""Seconds between two looks whether they have it."""
SCRUB_BYTES = 1024 * 1024
"""Bytes of stored bodies that are looked at each second."""
PASS_ON = 0.2
"""Seconds between two looks whether a peer is to be told of evidence."""
BATCHES_BEHIND = 1
"""How many whole batches below the newest one are final: the data-availability layer takes a while to confirm."""

PLAIN = "Without TLS: whoever is on the way can read and change what is sent, and nobody proves who they are"
TWIN_SEQUENCER = "Another process signs with this key: find it, and stop one of the two before the chain splits"


def run(settings: Settings) -> int:
    """Run until a signal says stop. Raises ``LocalError`` for anything the user can mend; nothing is lost by it. If the
    signal was Ctrl-C, that is raised once all is in order: it ends what ran this command, too."""
    with one_mistake():
        trio.run(_run, settings)
    return 0


async def _run(settings: Settings) -> None:
    form = settings.log or ("text" if sys.stdout.isatty() else "json")
    lines = Unhurried(sys.stdout)
    try:
        await _run_told(settings, Record(Journal(settings.name, form, lines), time.time))
    finally:
        lines.close()


async def _run_told(settings: Settings, journal: Record) -> None:
    chain_id = settings.chain.encode()
    key = keys.load(Path(settings.key), settings.chain) if settings.key is not None else None
    node_key = _node_key(settings)
    public = bytes(key.verify_key) if key is not None else keys.public(settings.public_key or "")
    source = _payloads(settings)
    # A sequencer that forgot a block over a power failure would sign another one at the same height.
    promise = Promise.KILL if key is None else Promise.POWER
    store = FileStore.open(Path(settings.store), signed.genesis(chain_id), chain_id, promise=promise, tell=journal)
    chain = signed.SignedChain(chain_id, public)
    config = Config(chain, Strategy(settings.strategy), settings.limits, sentries=settings.sentry_ids)
    node = Node.start(config, load_chain(store, settings.limits))
    _check_key(store, chain, node.chain)
    gc.freeze()  # the chain stays: to look for garbage in it takes a second for a million headers, each time
    node_id = bytes(node_key.verify_key)
    who = node_id if settings.plain else Identity(bytes(node_key))
    off = [named(each) for each in settings.off]
    tcp = TcpNode(
        node,
        store,
        who,
        chance=SystemRandom(),
        allowed=settings.allowed,
        journal=journal,
        off=off,
        penalties=Path(f"{settings.store}.penalties"),
        useful=Path(f"{settings.store}.useful"),
    )
    journal("started", head=tcp.host.head, final=node.chain.final.point, public_key=public.hex(), id=node_id)
    if settings.plain:
        journal("plain", sentence=PLAIN)
    follow(tcp.host, journal)
    journal.follow(tcp.host)
    truth = truth_of(settings, tcp.host, chain, journal)
    witness = Witness(tcp.host, partial(signed_by, chain), Path(f"{settings.store}.evidence"), journal)
    async with trio.open_nursery() as nursery:
        making, stopping = trio.CancelScope(), list[int]()
        await nursery.start(_stop_on_signal, tcp, making, journal, stopping)
        reporter = Reporter(settings.name, tcp, journal, truth.status if truth is not None else None)
        path = Path(settings.control) if settings.control is not None else socket_of(settings.store)
        await nursery.start(Control(path, orders(tcp, reporter, trio.current_time, truth)).serve)
        journal("control", path=str(path))
        if settings.http is not None:
            port = await nursery.start(_site(settings, reporter).serve)
            journal("http", port=port)
        if truth is None:
            nursery.start_soon(_confirm, tcp.host, settings.final_after)
        else:
            nursery.start_soon(truth.read)
        nursery.start_soon(_pass_on, witness)
        nursery.start_soon(_tell_why, tcp.host, journal)
        nursery.start_soon(_scrub, store, journal)
        if key is not None:
            nursery.start_soon(_produce, tcp.host, key, source, settings, making, journal, truth)
        await tcp.run(settings.listen, settings.peers)
        nursery.cancel_scope.cancel()
    journal("stopped", head=tcp.host.head)
    if signal.SIGINT in stopping:
        raise KeyboardInterrupt


def _site(settings: Settings, reporter: Reporter) -> "Site":
    from syncfsm_adapters.command.cli import needs

    needs("h11", "prometheus_client", extra="look")
    from syncfsm_adapters.look.http import Site

    assert settings.http is not None
    return Site(settings.http, reporter, settings.http_open)


def _node_key(settings: Settings) -> SigningKey:
    """The key that is the node's id: the one that was named, or its own beside the store."""
    if settings.node_key is not None:
        return keys.load(Path(settings.node_key))
    return keys.load_or_make(Path(f"{settings.store}.id"))


def _check_key(store: FileStore, check: signed.SignedChain, chain: Chain) -> None:
    """``LocalError`` if the store was filled under another key. The signature of the head vouches for all below it."""
    head = chain.head
    if head.height > 0 and check.run((head,), chain.past(head.id)) is not None:
        store.close()
        raise LocalError(
            f"the blocks in {store} are not signed by {check.key.hex()}: give the key with which the store was made, "
            "or another --store"
        )


def _note_twin(guard: Guard, journal: Write, output: Output, now: float) -> None:
    """Say of a block that came that it is signed with our key, and not by us."""
    for header in output.headers if isinstance(output, Accepted) else ():
        if header != guard.signed.header:
            journal("twin-sequencer", block=header.point, signed=guard.signed.header.point, sentence=TWIN_SEQUENCER)


def _payloads(settings: Settings) -> AsyncIterator[bytes]:
    if settings.payloads is None:
        return payloads.made_up(settings.payload_bytes)
    return payloads.read(settings.payloads, settings.limits.body)


async def _stop_on_signal(
    tcp: TcpNode,
    making: trio.CancelScope,
    journal: Write,
    stopping: list[int],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first signal stops making blocks, and the node goes when its peers have the last one; the second stops it."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async with trio.open_nursery() as nursery:
            async for number in signals:
                journal("stopping", signal=signal.Signals(number).name)
                stopping.append(number)
                if making.cancel_called:
                    tcp.stop()
                making.cancel()
                nursery.start_soon(_leave_in_step, tcp)


async def _leave_in_step(tcp: TcpNode) -> None:
    """Stop once every peer in step has been sent our head, or after ``DRAIN`` seconds."""
    with trio.move_on_after(DRAIN):
        while not tcp.drained:
            await trio.sleep(LOOK_AGAIN)
    tcp.stop()


async def _produce(
    host: Host,
    key: SigningKey,
    source: AsyncIterator[bytes],
    settings: Settings,
    making: trio.CancelScope,
    journal: Write,
    truth: "Truth | None",
) -> None:
    """A block every interval while payloads last, as soon as the guard of the key allows it; then serve on what there
    is, and post it."""
    async with trio.open_nursery() as nursery:
        with making, guarded(settings, key, host.node.chain.head, journal) as guard:
            await resume(host, guard, settings, journal)
            if truth is not None:
                truth.post(lambda message: key.sign(message).signature)
                nursery.start_soon(truth.write)
            host.watch(partial(_note_twin, guard, journal))
            producer = Producer(key, settings.chain.encode(), guard)
            held = (lambda: truth.held) if truth is not None else (lambda: False)
            made = await producer.run(host, source, settings.interval, settings.blocks, held)
            journal("payloads-end", blocks=made, head=host.head)


async def _tell_why(host: Host, journal: Write) -> None:
    """Whenever it changes, why this node is not in step, or that it is; looked at once a second."""
    told = None
    while True:
        await trio.sleep(1.0)
        status = host.node.status()
        if status.why is not told:
            told = status.why
            journal("status", why=told.value, lag=status.lag, peers=len(status.peers), sentence=told.sentence)


async def _scrub(store: FileStore, journal: Write) -> None:
    """Read the store's bodies over and over, slowly, so that what rots is known before a peer asks for it."""
    while True:
        await trio.sleep(1.0)
        done = store.scrub(SCRUB_BYTES)
        if done is not None:
            journal("store-scrubbed", blocks=done.blocks, bytes=done.bytes, lost=done.lost)


async def _pass_on(witness: Witness) -> None:
    """Tell the peers of evidence."""
    while True:
        await trio.sleep(PASS_ON)
        witness.pass_on(trio.current_time())


async def _confirm(host: Host, batch: int) -> None:
    """Stands for the data-availability layer of the reference network: a batch is final when the next one is full."""
    while True:
        await trio.sleep(1.0)
        chain = host.node.chain
        height = (chain.head.height // batch - BATCHES_BEHIND) * batch
        if height > chain.final.height and (final := chain.best_at(height)) is not None:
            host.feed(Finalised(final.point, trio.current_time()))
