"""The processes of ``catch_up``: ``python -m benchmarks.peers ROLE …``. Each says what it has to say in lines of JSON.

serve, fetch    two nodes as they ship: the one has a file full of blocks, the other wants them; with the word
                ``tls``, they speak TLS
send, read      the bare loop: the same frames through a socket, and a hash of every body

``serve`` and ``send`` write their port, and serve one after the other until standard input ends.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final

import trio

from syncfsm import signed
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.numbers import ProtocolNumber
from syncfsm.outputs import HeadMoved, Output
from syncfsm.wire.frames import HEADER_BYTES, FrameKind
from syncfsm.wire.inbox import LANE_BYTES
from syncfsm.wire.outbox import Outbox
from syncfsm_adapters.secure import Identity
from syncfsm_adapters.store.base import load_chain
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.tcp.node import TcpNode

CHAIN: Final = b"benchmark"
LIMITS: Final = Limits()
CHUNK: Final = 256 * 1024
"""Bytes that the bare loop writes and reads at a time."""


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


# Two nodes ------------------------------------------------------------------------------------------------------


def _tcp_node(path: str, public: str, name: bytes, tls: bool, journal: Callable[..., None]) -> TcpNode:
    """A node as ``syncfsm node`` makes one."""
    who = Identity(name.ljust(32, b"-")) if tls else name.ljust(32, b"-")
    store = FileStore.open(Path(path), signed.genesis(CHAIN), CHAIN)
    config = Config(signed.SignedChain(CHAIN, bytes.fromhex(public)), limits=LIMITS)
    node = Node.start(config, load_chain(store, LIMITS))
    return TcpNode(node, store, who, chance=Random(), journal=journal)


async def serve(path: str, public: str, tls: bool) -> None:
    """A node that has all the blocks of the file."""
    tcp = _tcp_node(path, public, b"server", tls, lambda event, **fields: None)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(tcp.run, "127.0.0.1:0", ())
        say(port=int(address.rpartition(":")[2]))
        await trio.to_thread.run_sync(sys.stdin.read)
        tcp.stop()


async def fetch(path: str, public: str, port: str, height: str, tls: bool) -> None:
    """A node that has nothing: how long it takes to its first connection, and from there to the head, all verified and
    stored."""
    connected: list[float] = []

    def journal(event: str, **fields: Any) -> None:
        if event == "connected":
            connected.append(time.perf_counter())

    def watch(output: Output, now: float) -> None:
        if isinstance(output, HeadMoved) and output.new.height == int(height):
            seconds = time.perf_counter() - connected[0]
            say(seconds=seconds, processor_seconds=time.process_time() - used, connecting=connected[0] - began)
            tcp.stop()

    tcp = _tcp_node(path, public, b"client", tls, journal)
    tcp.host.watch(watch)
    used, began = time.process_time(), time.perf_counter()
    await tcp.run(None, (f"127.0.0.1:{port}",))


# The bare loop --------------------------------------------------------------------------------------------------


def send(path: str) -> None:
    """The frames of all blocks of the file, made beforehand, to whoever connects."""
    chunks = frames(path)
    threading.Thread(target=_send_to_all, args=(chunks,), daemon=True).start()
    sys.stdin.read()


def _send_to_all(chunks: list[bytes]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        say(port=server.getsockname()[1])
        while True:
            peer, _ = server.accept()
            with peer:
                for chunk in chunks:
                    peer.sendall(chunk)


def frames(path: str) -> list[bytes]:
    store = FileStore.open(Path(path), signed.genesis(CHAIN), CHAIN)
    outbox = Outbox(LIMITS, STANDARD)
    for header in store.headers_from_base():
        body = store.body(header.point)
        if body is not None:  # as only the genesis has none
            outbox.block(ProtocolNumber.SYNC, header, body)
    store.close()
    return list(iter(lambda: outbox.take(CHUNK), b""))


def read(port: str) -> None:
    """Reads frames and hashes the bodies, and nothing else: what catching up cannot be faster than in Python."""
    with socket.create_connection(("127.0.0.1", int(port))) as peer:
        start, used = time.perf_counter(), time.process_time()
        blocks, rest = 0, b""
        hasher = blake2b(digest_size=signed.HASH_BYTES)
        while data := peer.recv(CHUNK):
            data = rest + data
            view, at = memoryview(data), 0
            while len(data) - at >= HEADER_BYTES:
                stop = at + HEADER_BYTES + int.from_bytes(data[at + 1 : at + HEADER_BYTES])
                if stop > len(data):
                    break
                kind, body = data[at], at + HEADER_BYTES + LANE_BYTES
                if kind == FrameKind.BLOCK_START:
                    body += 4
                if kind in (FrameKind.BLOCK, FrameKind.BLOCK_START):
                    body += 2 + int.from_bytes(data[body : body + 2])
                    hasher = blake2b(view[body:stop], digest_size=signed.HASH_BYTES)
                else:
                    hasher.update(view[body:stop])
                if kind in (FrameKind.BLOCK, FrameKind.BLOCK_END):
                    hasher.digest()
                    blocks += 1
                at = stop
            rest = data[at:]
        say(seconds=time.perf_counter() - start, processor_seconds=time.process_time() - used, blocks=blocks)


def main(role: str, path_or_port: str, *given: str) -> None:
    match role, given:
        case "serve", (public, *tls):
            trio.run(serve, path_or_port, public, tls == ["tls"])
        case "fetch", (public, port, height, *tls):
            trio.run(fetch, path_or_port, public, port, height, tls == ["tls"])
        case "send", ():
            send(path_or_port)
        case "read", ():
            read(path_or_port)
        case _:
            sys.exit(f"no such role, or not what it needs: {role} {given}")


if __name__ == "__main__":
    main(*sys.argv[1:])
