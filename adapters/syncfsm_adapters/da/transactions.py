"""Ethereum transactions that carry data: what is hashed and signed, and how it is written. EIP-1559, and RLP as far as
that needs it."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
from coincurve import PrivateKey
from Crypto.Hash import keccak

from syncfsm.errors import LocalError

TYPE: Final = 2
"""EIP-1559."""
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
    """Wei for a unit of gas: a tip, and the most in all."""

    tip: int
    most: int

    def raised(self) -> "Fees":
        """What takes the place of a transaction with these: a pool wants an eighth more."""
        return Fees(self.tip * 5 // 4 + 1, self.most * 5 // 4 + 1)


def signed(account: Account, chain: int, nonce: int, fees: Fees, to: bytes, data: bytes) -> bytes:
    """The transaction, as it goes over the wire; its hash is ``keccak256`` of it."""
    fields: list[Any] = [chain, nonce, fees.tip, fees.most, gas_of(data), to, 0, data, []]
    digest = keccak256(bytes([TYPE]) + rlp(fields))
    return bytes([TYPE]) + rlp([*fields, *account.sign(digest)])


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
