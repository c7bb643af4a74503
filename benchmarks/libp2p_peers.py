"""py-libp2p's stream of the same blocks, for ``catch_up``: ``python -m benchmarks.libp2p_peers ROLE …``.

stream, drain    two hosts with one stream of a protocol of ours: the one writes the frames of a file full of blocks,
                 the other reads them, and neither verifies nor stores any

``stream`` writes its address, and serves one after the other until standard input ends. Encrypted and multiplexed, as
py-libp2p is unless told otherwise.
"""

import sys
import time
from typing import Any, Final

import multiaddr
import trio
from libp2p import new_host
from libp2p.peer.peerinfo import info_from_p2p_addr

from benchmarks.peers import CHUNK, frames, say

PROTOCOL: Final = "/syncfsm-benchmark/1"
ANYWHERE: Final = "/ip4/127.0.0.1/tcp/0"


async def stream(path: str) -> None:
    """Serve the frames of all blocks of the file."""
    chunks = frames(path)
    host = new_host()

    async def serve(taken: Any) -> None:
        for chunk in chunks:
            await taken.write(chunk)
        await taken.close()

    async with host.run([multiaddr.Multiaddr(ANYWHERE)]):
        host.set_stream_handler(PROTOCOL, serve)
        say(port=str(host.get_addrs()[0]), bytes=sum(map(len, chunks)))
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def drain(address: str, size: str) -> None:
    """Read so many bytes: how long it takes from when the two are connected."""
    host = new_host()
    async with host.run([multiaddr.Multiaddr(ANYWHERE)]):
        peer = info_from_p2p_addr(multiaddr.Multiaddr(address))
        await host.connect(peer)
        start, left = time.perf_counter(), int(size)
        opened = await host.new_stream(peer.peer_id, [PROTOCOL])
        while left > 0 and (data := await opened.read(CHUNK)):
            left -= len(data)
        say(seconds=time.perf_counter() - start, left=left)


def main(role: str, *given: str) -> None:
    match role, given:
        case "stream", (path,):
            trio.run(stream, path)
        case "drain", (address, size):
            trio.run(drain, address, size)
        case _:
            sys.exit(f"no such role, or not what it needs: {role} {given}")


if __name__ == "__main__":
    main(*sys.argv[1:])
