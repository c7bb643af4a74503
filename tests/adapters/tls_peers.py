"""Peers of a node that speaks TLS: honest ones with odd certificates, and whoever sits on the way."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from syncfsm.node.registry import STANDARD
from syncfsm.wire.handshake import VERSION, Greeting, announce, first_frame, second_frame
from syncfsm_adapters.secure import APPLICATION, Identity
from syncfsm_adapters.secure.certificate import certificate, issue, key_info, name
from tests.adapters.tcp_nodes import CHAIN_ID, GENESIS

IDS: Final = [Identity(bytes([number]) * 32) for number in range(1, 5)]
P256: Final = b"""-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAiwtE4GZS0zRaIH8
igpBK/chZMKZI+syNiuZdT/8COqhRANCAARVT1qwcQRNRVY89O76L8iYrjPYcIsq
ZEMqEZfD6e2TnDV1W2OXJVGRWRBx0RmQK5y1k+3lRv2flzqy8h+KRPpQ
-----END PRIVATE KEY-----
"""
P256_INFO: Final = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004554f5ab071044d45563cf4eefa2fc898ae33d8708b2a64432a1197c3e9"
    "ed939c35755b6397255191591071d119902b9cb593ede546fd9f973ab2f21f8a44fa50"
)
SEED: Final = bytes([9]) * 32
OWN: Final = Identity(SEED)
_OWN_KEY: Final = ssl.DER_cert_to_PEM_cert(bytes.fromhex("302e020100300506032b657004220420") + SEED)
ED25519: Final = _OWN_KEY.replace("CERTIFICATE", "PRIVATE KEY").encode()
SHOWN: Final = {
    "another kind of key": (P256, issue(name(b"syncfsm node"), P256_INFO)),
    "another name": (ED25519, issue(name(b"syncfsm n0de"), key_info(OWN.id))),
    "a field more": (ED25519, issue(name(b"syncfsm node"), key_info(OWN.id), bytes.fromhex("a3023000"))),
    "unknown authority": (ED25519, certificate(OWN.id)[:-64] + bytes(64)),
}
"""Keys, and certificates of them that are not the ones that follow from them."""


def context(folder: Path, accepts: bool, key: bytes = ED25519, shown: bytes = certificate(OWN.id)) -> ssl.SSLContext:
    """TLS that believes anything, and shows this."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if accepts else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([APPLICATION])
    path = folder / "shown.pem"
    path.write_bytes(key + ssl.DER_cert_to_PEM_cert(shown).encode())
    made.load_cert_chain(path)
    return made


def tls_greeting(node_id: bytes) -> bytes:
    """What a good node says first."""
    return first_frame(Greeting(VERSION, CHAIN_ID, node_id, GENESIS.point)) + second_frame(announce(STANDARD))


Change = Callable[[bool, bytes], bytes]
"""(from the dialler?, bytes): what is passed on."""


@asynccontextmanager
async def between(address: str, change: Change) -> AsyncIterator[str]:
    """Somebody on the way to ``address``; gives the address to dial instead."""

    async def serve(near: trio.SocketStream) -> None:
        host, port = address.split(":")
        far = await trio.open_tcp_stream(host, int(port))
        async with near, far, trio.open_nursery() as both:
            both.start_soon(carry, near, far, True, both.cancel_scope)
            both.start_soon(carry, far, near, False, both.cancel_scope)

    async def carry(source: trio.SocketStream, sink: trio.SocketStream, out: bool, both: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some(2**16):
                await sink.send_all(change(out, data))
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError, CutError):
            both.cancel()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        host, port = listener.socket.getsockname()[:2]
        yield f"{host}:{port}"
        nursery.cancel_scope.cancel()


class CutError(Exception):
    """Raised by a ``Change`` that ends the connection."""
