"""The certificate of a node: a pure function of its id, so no X.509 is ever parsed here.

TLS wants certificates, and Python's ``ssl`` accepts only those that lead to an authority it was told of. So there is
one, and everybody knows its private key: it certifies nothing. Its signature is the same for the same id, each time, so
a peer is checked by comparing bytes: the certificate that it showed is ``certificate(id)`` or it is refused. That the
peer holds the key is what TLS 1.3 proves itself (CertificateVerify, RFC 8446 4.4.3).

The authority must be trusted in no other context. All here is DER (X.690), put together by hand.
"""

from functools import lru_cache
from typing import Final

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import SigningKey

from syncfsm.limits import NODE_ID_BYTES

_AUTHORITY: Final = SigningKey(b"syncfsm: everybody may know this")
"""The private key that everybody knows."""

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _OID, _TEXT, _BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x01
_UTC_TIME, _TIME, _VERSION, _EXTENSIONS = 0x17, 0x18, 0xA0, 0xA3


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


_ED25519: Final = _der(_SEQUENCE, _der(_OID, bytes((0x2B, 0x65, 0x70))))  # 1.3.101.112
_COMMON_NAME: Final = _der(_OID, bytes((0x55, 0x04, 0x03)))  # 2.5.4.3
_BASIC_CONSTRAINTS: Final = _der(_OID, bytes((0x55, 0x1D, 0x13)))  # 2.5.29.19
_TRUE: Final = _der(_BOOLEAN, b"\xff")
_ALWAYS: Final = _der(_SEQUENCE, _der(_UTC_TIME, b"500101000000Z"), _der(_TIME, b"99991231235959Z"))
"""From 1950 on: a node whose clock is wrong must be able to connect."""


def name(words: bytes) -> bytes:
    """An X.501 name that has these words for a common name."""
    return _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_TEXT, words))))


_NODE: Final = name(b"syncfsm node")
_ISSUER: Final = name(b"syncfsm: certifies nothing")
_CA_ONLY: Final = _der(
    _EXTENSIONS,
    _der(
        _SEQUENCE,
        _der(_SEQUENCE, _BASIC_CONSTRAINTS, _TRUE, _der(_OCTETS, _der(_SEQUENCE, _TRUE))),
    ),
)


def key_info(key: bytes) -> bytes:
    """An Ed25519 public key, as certificates have it."""
    return _der(_SEQUENCE, _ED25519, _der(_BITS, b"\x00", key))


def issue(subject: bytes, key: bytes, extensions: bytes = b"") -> bytes:
    """What the authority signs, and so what anybody can sign: a certificate of a ``name`` and a ``key_info``."""
    body = _der(
        _SEQUENCE,
        _der(_VERSION, _der(_INTEGER, b"\x02")),
        _der(_INTEGER, b"\x01"),
        _ED25519,
        _ISSUER,
        _ALWAYS,
        subject,
        key,
        extensions,
    )
    return _der(_SEQUENCE, body, _ED25519, _der(_BITS, b"\x00", _AUTHORITY.sign(body).signature))


AUTHORITY: Final = issue(_ISSUER, key_info(bytes(_AUTHORITY.verify_key)), _CA_ONLY)
"""The certificate of the authority."""


@lru_cache(maxsize=1024)
def certificate(node_id: bytes) -> bytes:
    """The one certificate of this node, as DER."""
    return issue(_NODE, key_info(node_id))


_KEY_AT: Final = certificate(b"\xaa" * NODE_ID_BYTES).index(b"\xaa" * NODE_ID_BYTES)


def proved_id(shown: bytes) -> bytes | None:
    """The id of the node whose certificate this is; ``None`` if it is no node's, whoever signed it."""
    node_id = shown[_KEY_AT : _KEY_AT + NODE_ID_BYTES]
    if len(node_id) != NODE_ID_BYTES or not crypto_core_ed25519_is_valid_point(node_id):
        return None  # of a point of small order, everybody can be taken for the owner
    return node_id if shown == certificate(node_id) else None
