"""Ethereum transactions that carry data: what is hashed and signed, and how it is written. EIP-1559 for calldata,
EIP-4844 with the sidecar of EIP-7594 for blobs, and RLP as far as these need it."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
from coincurve import PrivateKey
from Crypto.Hash import keccak

from syncfsm.errors import LocalError
from syncfsm_adapters.da.kzg import Sealed, versioned_hash

CALLDATA, BLOBS = 2, 3
"""The types of transactions: EIP-1559 and EIP-4844."""
SIDECAR: Final = 1
"""The version of the sidecar: proofs for cells."""
BASE_GAS: Final = 21_000
BYTE_GAS: Final = 40
"""For a byte of data that is not zero: the floor of EIP-7623, which is more than what was asked before."""
KEY_BYTES: Final = 32
ADDRESS_BYTES: Final = 20


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@attrs.frozen
class Account:
    """Who pays and signs. ``LocalError`` if the key is none."""

    _key: PrivateKey
    address: bytes

    @classmethod
    def of(cls, key: bytes) -> "Account":
        if len(key) != KEY_BYTES:
            raise LocalError(f"a key of Ethereum has {KEY_BYTES} bytes, not {len(key)}")
        try:
            secret = PrivateKey(key)
        except ValueError as error:
            raise LocalError(f"this is no key of Ethereum: {error}") from None
        return cls(secret, keccak256(secret.public_key.format(compressed=False)[1:])[-ADDRESS_BYTES:])

    def sign(self, digest: bytes) -> tuple[int, int, int]:
        """(y parity, r, s)."""
        found = self._key.sign_recoverable(digest, hasher=None)
        return found[64], int.from_bytes(found[:32]), int.from_bytes(found[32:64])


@attrs.frozen
class Fees:
    """Wei for a unit of gas: a tip, and the most in all; and the most for one of blob gas, 0 if there are no blobs."""

    tip: int
    most: int
    blob: int = 0

    def raised(self) -> "Fees":
        """What takes the place of a transaction with these: a pool wants an eighth more, with blobs twice as much."""
        if self.blob:
            return Fees(2 * self.tip + 1, 2 * self.most, 2 * self.blob)
        return Fees(self.tip * 5 // 4 + 1, self.most * 5 // 4 + 1)

    def at_least(self, other: "Fees") -> "Fees":
        return Fees(max(self.tip, other.tip), max(self.most, other.most), max(self.blob, other.blob))


@attrs.frozen
class Signed:
    """A transaction as it goes to a node, and its hash."""

    wire: bytes
    hash: str


def signed(account: Account, chain: int, nonce: int, fees: Fees, to: bytes, data: bytes) -> Signed:
    """A transaction with calldata."""
    body = _signed(account, CALLDATA, [chain, nonce, fees.tip, fees.most, gas_of(data), to, 0, data, []])
    return _named(CALLDATA, body, body)


def signed_blobs(
    account: Account, chain: int, nonce: int, fees: Fees, to: bytes, blobs: Sequence[bytes], sealed: Sequence[Sealed]
) -> Signed:
    """A transaction with blobs. The hash is that of the transaction alone, which the chain keeps."""
    commitments = [commitment for commitment, _ in sealed]
    named = [versioned_hash(commitment) for commitment in commitments]
    fields = [chain, nonce, fees.tip, fees.most, BASE_GAS, to, 0, b"", [], fees.blob, named]
    body = _signed(account, BLOBS, fields)
    proofs = [proof for _, proofs in sealed for proof in proofs]
    return _named(BLOBS, body, [body, SIDECAR, blobs, commitments, proofs])


def _signed(account: Account, type: int, fields: list[Any]) -> list[Any]:
    return [*fields, *account.sign(keccak256(bytes([type]) + rlp(fields)))]


def _named(type: int, body: list[Any], wire: list[Any]) -> Signed:
    kind = bytes([type])
    return Signed(kind + rlp(wire), "0x" + keccak256(kind + rlp(body)).hex())


def gas_of(data: bytes) -> int:
    """What a transaction with this data may use, under any rules so far."""
    return BASE_GAS + BYTE_GAS * (len(data) - data.count(0)) + BYTE_GAS // 4 * data.count(0)


def rlp(item: int | bytes | Sequence[Any]) -> bytes:
    """Recursive length prefix: how Ethereum writes numbers, bytes and lists."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8)
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(len(item), 0x80) + item
    inner = b"".join(map(rlp, item))
    return _prefix(len(inner), 0xC0) + inner


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([offset + 55 + len(size)]) + size
