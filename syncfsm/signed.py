"""The reference chain: every block signed by one key, with Ed25519, and an example of a ``HeaderCheck``.

What is signed is ``tag ‖ chain id ‖ height ‖ parent id ‖ payload hash``, where the two ids carry their length, so
that no two blocks have one message. The header's proof is the payload hash and the signature; its score is the
height.

The id is the hash of what is signed *and of the signature*. So a signed block vouches for every byte of its
ancestors' headers, and one signature is enough for a run: the newest's. If ids left the signature out, someone could
swap it for a bad one inside a run and nobody would notice; whoever later passed on that block alone would be blamed
for a forgery it did not make. The score follows from the height, and the size from the payload hash, which admits one
body only.

Hashes are BLAKE2b with 32 bytes of output. Where the processor has no instructions for SHA-256 it is nearly twice as
fast, and hashing bodies is most of what catching up costs.

The library verifies and never signs. A node that makes blocks asks ``unsigned`` what to sign, signs it where its key
is, and turns the result into a header with ``seal``.

Needs PyNaCl (``syncfsm[signed]``); nothing else in the package does. ``ImportError`` if it is not installed.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import attrs
import msgspec

from syncfsm import limits
from syncfsm.blocks import Header, Past
from syncfsm.errors import Fault, LocalError
from syncfsm.routing.messages import Packet

try:
    from nacl.bindings import crypto_sign_BYTES, crypto_sign_open, crypto_sign_PUBLICKEYBYTES
    from nacl.exceptions import BadSignatureError
except ImportError as error:
    raise ImportError(
        "syncfsm.signed verifies Ed25519 signatures with PyNaCl, which is not installed; "
        "run pip install 'syncfsm[signed]', or give Config a HeaderCheck of your own"
    ) from error

HASH_BYTES: Final = 32
SIGNATURE_BYTES: Final = crypto_sign_BYTES
PROOF_BYTES: Final = HASH_BYTES + SIGNATURE_BYTES

_BLOCK_TAG: Final = b"syncfsm block 1"
_GENESIS_TAG: Final = b"syncfsm genesis 1"
_PACKET_TAG: Final = b"syncfsm packet 1"


def is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    """Whether this is a detached signature of ``message`` by ``key``, which has the right length."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


def payload_hash(body: bytes) -> bytes:
    """The hash that a block's proof starts with."""
    return blake2b(body, digest_size=HASH_BYTES).digest()


def genesis(chain_id: bytes) -> Header:
    """The chain's first block, which follows from its name. It has no body and no signature.

    ``LocalError`` if the chain id is too long.
    """
    prefix = _prefix(_GENESIS_TAG, chain_id)
    return Header(0, payload_hash(prefix), b"", _score(0), 0, b"")


def unsigned(chain_id: bytes, parent: Header, body: bytes) -> bytes:
    """What to sign to make ``body`` the block after ``parent``. ``LocalError`` if the chain id is too long."""
    return _message(_prefix(_BLOCK_TAG, chain_id), parent.height + 1, parent.id, payload_hash(body))


def seal(parent: Header, body: bytes, message: bytes, signature: bytes) -> Header:
    """The header of the block after ``parent``, from what ``unsigned`` gave for ``body`` and its detached signature.

    ``LocalError`` if the signature has the wrong length; whether it is valid is for ``SignedChain.run`` to say.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise LocalError(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}: pass it without the message")
    height = parent.height + 1
    proof = message[-HASH_BYTES:] + signature
    return Header(height, payload_hash(message + signature), parent.id, _score(height), len(body), proof)


def _prefix(tag: bytes, chain_id: bytes) -> bytes:
    if len(chain_id) > limits.CHAIN_ID_BYTES:
        raise LocalError(f"a chain id has at most {limits.CHAIN_ID_BYTES} bytes, not {len(chain_id)}: shorten it")
    return tag + bytes((len(chain_id),)) + chain_id


def _message(prefix: bytes, height: int, parent: bytes, body_hash: bytes) -> bytes:
    return b"%b%b%c%b%b" % (prefix, height.to_bytes(8), len(parent), parent, body_hash)


def _score(height: int) -> bytes:
    return height.to_bytes(8)


def _check_key(chain: "SignedChain", field: "attrs.Attribute[bytes]", key: bytes) -> None:
    if len(key) != crypto_sign_PUBLICKEYBYTES:
        raise LocalError(f"an Ed25519 public key has {crypto_sign_PUBLICKEYBYTES} bytes, not {len(key)}: check the key")


@attrs.frozen
class SignedChain:
    """The ``HeaderCheck`` of the reference chain. ``LocalError`` if the chain id or the key has the wrong length."""

    chain_id: bytes
    key: bytes = attrs.field(validator=_check_key)
    """The Ed25519 public key that signs the blocks."""
    _prefix: bytes = attrs.field(init=False, repr=False, eq=False)

    @property
    def public_key(self) -> bytes:
        return self.key

    @_prefix.default
    def _make_prefix(self) -> bytes:
        return _prefix(_BLOCK_TAG, self.chain_id)

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        """Whether every id and score is what it must be, and the newest signature is the chain's own. Nothing here
        depends on the ``past``: ids commit to parents."""
        prefix = self._prefix
        message = b""
        for header in headers:
            proof = header.proof
            if len(proof) != PROOF_BYTES:
                return Fault(
                    "bad-proof", f"{header.point}: a proof has {PROOF_BYTES} bytes, this {len(proof)}", header.id
                )
            message = _message(prefix, header.height, header.parent, proof[:HASH_BYTES])
            expected = blake2b(message + proof[HASH_BYTES:], digest_size=HASH_BYTES).digest()
            if header.id != expected:
                return Fault("bad-id", f"{header.point}: the id is not the hash of the block's contents", header.id)
            if header.score != _score(header.height):
                return Fault("bad-score", f"{header.point}: the score is not the height", header.score)
        return self._signature(headers[-1], message) if headers else None

    def _signature(self, newest: Header, message: bytes) -> Fault | None:
        if is_signed(message, newest.proof[HASH_BYTES:], self.key):
            return None
        return Fault("bad-signature", f"{newest.point} is not signed by this chain's key", newest.proof)

    def body(self, header: Header, body: bytes) -> Fault | None:
        """Whether ``body`` has the hash that the header's proof starts with."""
        if payload_hash(body) != header.proof[:HASH_BYTES]:
            return Fault("wrong-body", f"{header.point}: the body is not the one that the header promises", header.id)
        return None


def packet_to_sign(chain_id: bytes, packet: Packet) -> bytes:
    """What the origin of a packet signs, whatever signature it has now. ``LocalError`` if the chain id is too long."""
    return _prefix(_PACKET_TAG, chain_id) + msgspec.msgpack.encode(msgspec.structs.replace(packet, signature=b""))


@attrs.frozen
class SignedPackets:
    """For ``routing``: whether a packet is signed by its origin, whose id is its Ed25519 public key, for this chain."""

    chain_id: bytes = b""

    def __call__(self, packet: Packet) -> bool:
        key, signature = packet.id.origin, packet.signature
        return len(key) == crypto_sign_PUBLICKEYBYTES and is_signed(
            packet_to_sign(self.chain_id, packet), signature, key
        )
