"""The key of a node, as TLS wants it."""

import base64
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import SigningKey

from syncfsm.errors import LocalError
from syncfsm.limits import NODE_ID_BYTES
from syncfsm.wire.handshake import VERSION
from syncfsm_adapters.secure.certificate import AUTHORITY, certificate

SEED_BYTES: Final = 32
"""Length of an Ed25519 private key."""
APPLICATION: Final = f"syncfsm/{VERSION}"
"""What the two ends are to speak (ALPN, RFC 7301)."""
_PRIVATE_KEY: Final = bytes.fromhex("302e020100300506032b657004220420")
"""PKCS #8 of an Ed25519 key, up to the key itself (RFC 8410)."""


class Identity:
    """A node that can prove who it is. ``seed`` is its private key, the 32 bytes of an Ed25519 key; it is kept by
    OpenSSL alone. ``LocalError`` if it is no such key."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise LocalError(
                f"a node's private key has {SEED_BYTES} bytes, not {len(seed)}: give an Ed25519 key, as "
                "`syncfsm keygen` makes it"
            )
        self.id = bytes(SigningKey(seed).verify_key)
        """The public key, by which all others know the node."""
        with _readable(_pem(seed, self.id)) as path:
            self.accepting = _context(ssl.PROTOCOL_TLS_SERVER, path)
            self.dialling = _context(ssl.PROTOCOL_TLS_CLIENT, path)

    def __repr__(self) -> str:
        return f"Identity(id={self.id.hex()})"


def parse_id(digits: str) -> bytes:
    """A node id from its 64 hexadecimal digits. ``LocalError`` if nobody can prove to be that node."""
    try:
        node_id = bytes.fromhex(digits)
    except ValueError:
        node_id = b""
    if len(node_id) != NODE_ID_BYTES or not crypto_core_ed25519_is_valid_point(node_id):
        raise LocalError(
            f"{digits!r} is no node id: give the 64 hexadecimal digits that the node prints when it starts, or "
            "`syncfsm keygen` when it makes the key"
        )
    return node_id


def _pem(seed: bytes, node_id: bytes) -> bytes:
    key = base64.b64encode(_PRIVATE_KEY + seed)
    shown = ssl.DER_cert_to_PEM_cert(certificate(node_id)).encode()
    return b"-----BEGIN PRIVATE KEY-----\n" + key + b"\n-----END PRIVATE KEY-----\n" + shown


def _context(protocol: int, path: str) -> ssl.SSLContext:
    """TLS 1.3 and nothing before, without tickets: who a peer is gets proved on every connection."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # names are nothing to us; ids are compared
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=AUTHORITY)
    context.load_cert_chain(path)
    context.set_alpn_protocols([APPLICATION])
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    return context


@contextmanager
def _readable(secret: bytes) -> Iterator[str]:
    """A path at which this process finds ``secret``, as ``ssl`` takes keys from files alone: in memory where the system
    has such files, else on disk, for its owner only, and no longer than need be."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("syncfsm-node-key", os.MFD_CLOEXEC)
        try:
            _write(file, secret)
            yield f"/proc/self/fd/{file}"
        finally:
            os.close(file)
        return
    file, path = tempfile.mkstemp(prefix="syncfsm-node-key-")  # for its owner only
    try:
        try:
            _write(file, secret)
        finally:
            os.close(file)
        yield path
    finally:
        os.unlink(path)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
