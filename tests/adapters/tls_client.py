"""The dialling end of TLS 1.3 (RFC 8446), made by hand so that it can do what no TLS library does: show a certificate
without its key, change keys without end, start over. One cipher suite, one group, one kind of signature."""

import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import trio
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.signing import SigningKey

from syncfsm_adapters.secure import APPLICATION
from syncfsm_adapters.secure.certificate import certificate

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, CERTIFICATE, CERTIFICATE_VERIFY, FINISHED, KEY_UPDATE = 1, 11, 15, 20, 24
DECRYPT_ERROR = 51


def _sized(data: bytes, length: int) -> bytes:
    return len(data).to_bytes(length) + data


def _message(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + _sized(content, 3)


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2) + _sized(content, 2)


def _extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, "sha256")


def _expand(secret: bytes, label: str, context: bytes, length: int) -> bytes:
    info = length.to_bytes(2) + _sized(b"tls13 " + label.encode(), 1) + _sized(context, 1)
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]


class _Keys:
    """One direction, since the last change of keys."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._key, self._iv = _expand(secret, "key", b"", 32), _expand(secret, "iv", b"", 12)
        self._number = 0

    def _nonce(self) -> bytes:
        number, self._number = self._number, self._number + 1
        return bytes(a ^ b for a, b in zip(self._iv, number.to_bytes(12), strict=True))

    def seal(self, kind: int, content: bytes) -> bytes:
        head = bytes((DATA, 3, 3)) + (len(content) + 17).to_bytes(2)
        inner = content + bytes((kind,))
        return head + crypto_aead_chacha20poly1305_ietf_encrypt(inner, head, self._nonce(), self._key)

    def open(self, record: bytes) -> tuple[int, bytes]:
        inner = crypto_aead_chacha20poly1305_ietf_decrypt(record[5:], record[:5], self._nonce(), self._key).rstrip(
            b"\0"
        )
        return inner[-1], inner[:-1]


class TlsClient:
    """A connection to a node. ``shows`` is the certificate; ``key`` signs, whatever the certificate says."""

    def __init__(self, stream: trio.SocketStream, shows: bytes, key: SigningKey) -> None:
        self._stream, self._shows, self._key = stream, shows, key
        self._came = b""
        self._said = b""  # the transcript

    async def shake(self) -> None:
        """The whole handshake. The node may still refuse what it has been told with the last message."""
        private = secrets.token_bytes(32)
        self._said = self.hello(crypto_scalarmult_base(private))
        await self._stream.send_all(bytes((HANDSHAKE, 3, 1)) + _sized(self._said, 2))
        kind, server_hello = await self._record()
        assert kind == HANDSHAKE
        self._said += server_hello[5:]
        at = server_hello.index(bytes.fromhex("00330024001d0020")) + 8
        early = _extract(bytes(32), bytes(32))
        shared = crypto_scalarmult(private, server_hello[at : at + 32])
        secret = _extract(self._derived(early, "derived", b""), shared)
        writes = _Keys(self._derived(secret, "c hs traffic", self._said))
        reads = _Keys(self._derived(secret, "s hs traffic", self._said))
        while True:
            kind, content = reads.open((await self._record())[1])
            assert kind == HANDSHAKE
            self._said += content
            if content[-36:-32] == _message(FINISHED, bytes(32))[:4]:
                break
        secret = _extract(self._derived(secret, "derived", b""), bytes(32))
        self._writes = _Keys(self._derived(secret, "c ap traffic", self._said))
        self._reads = _Keys(self._derived(secret, "s ap traffic", self._said))
        await self._stream.send_all(writes.seal(HANDSHAKE, self._proof(writes.secret)))

    def hello(self, public: bytes) -> bytes:
        extensions = (
            _extension(43, b"\x02\x03\x04")
            + _extension(10, b"\x00\x02\x00\x1d")
            + _extension(13, b"\x00\x02\x08\x07")
            + _extension(51, _sized(b"\x00\x1d" + _sized(public, 2), 2))
            + _extension(16, _sized(_sized(APPLICATION.encode(), 1), 2))
        )
        start = b"\x03\x03" + secrets.token_bytes(32) + b"\x00" + b"\x00\x02\x13\x03" + b"\x01\x00"
        return _message(CLIENT_HELLO, start + _sized(extensions, 2))

    def _proof(self, secret: bytes) -> bytes:
        shown = _message(CERTIFICATE, b"\x00" + _sized(_sized(self._shows, 3) + b"\x00\x00", 3))
        self._said += shown
        to_sign = b"\x20" * 64 + b"TLS 1.3, client CertificateVerify\x00" + sha256(self._said).digest()
        verify = _message(CERTIFICATE_VERIFY, b"\x08\x07" + _sized(self._key.sign(to_sign).signature, 2))
        self._said += verify
        mac = hmac.digest(_expand(secret, "finished", b"", 32), sha256(self._said).digest(), "sha256")
        return shown + verify + _message(FINISHED, mac)

    def _derived(self, secret: bytes, label: str, said: bytes) -> bytes:
        return _expand(secret, label, sha256(said).digest(), 32)

    async def say(self, data: bytes) -> None:
        await self._stream.send_all(self._writes.seal(DATA, data))

    async def send(self, sealed: bytes) -> None:
        """Bytes for the wire, as they are."""
        await self._stream.send_all(sealed)

    async def start_over(self) -> None:
        """A new hello where TLS 1.3 knows none: renegotiation, as it was before."""
        await self._stream.send_all(self._writes.seal(HANDSHAKE, self.hello(bytes(31) + b"\x09")))

    def change_keys(self) -> bytes:
        """Bytes that change our keys, and ask the peer to change its own."""
        data = self._writes.seal(HANDSHAKE, _message(KEY_UPDATE, b"\x01"))
        self._writes = _Keys(_expand(self._writes.secret, "traffic upd", b"", 32))
        return data

    async def heard(self) -> tuple[int, bytes]:
        """The next thing that the node says: its kind, and the content."""
        return self._reads.open((await self._record())[1])

    async def _record(self) -> tuple[int, bytes]:
        while len(self._came) < 5 or len(self._came) < 5 + int.from_bytes(self._came[3:5]):
            data = await self._stream.receive_some(2**16)
            assert data, "closed"
            self._came += data
        end = 5 + int.from_bytes(self._came[3:5])
        record, self._came = self._came[:end], self._came[end:]
        return (record[0], record) if record[0] != CHANGE_CIPHER_SPEC else await self._record()


@asynccontextmanager
async def tls_client(address: str, seed: bytes) -> AsyncIterator[TlsClient]:
    """A client that has shaken hands as the node with this key. It reads little at a time."""
    key = SigningKey(seed)
    host, port = address.split(":")
    with trio.socket.socket() as wire:
        wire.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        await wire.connect((host, int(port)))
        async with trio.SocketStream(wire) as stream:
            client = TlsClient(stream, certificate(bytes(key.verify_key)), key)
            await client.shake()
            yield client
