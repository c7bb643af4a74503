"""Key files: 64 hexadecimal digits, an Ed25519 private key, in a file that only its owner may read. A node has one, and
its public half is the node's id; a sequencer has a second one, with which it signs."""

import os
from pathlib import Path

from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.errors import LocalError
from syncfsm_adapters.guard import Guard


def generate(file: Path, chain: str | None = None, guard: Path | None = None) -> bytes:
    """Make a new key and write it to ``file``; its public half. For the key of the sequencer of ``chain``, its guard is
    made too, in ``guard`` or beside it. ``LocalError`` if there is such a file."""
    if chain is None and guard is not None:
        raise LocalError("a guard is for the key of a sequencer: give --chain too, or leave --guard out")
    if file.exists():
        raise LocalError(f"{file} exists, and a key is never written over; give a path that is free")
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    if chain is not None:  # first, so that there is never a key without its guard
        start = signed.genesis(chain.encode())
        Guard.open(guard or Path(f"{file}.guard"), public, chain.encode(), start, new=True).close()
    write(file, key)
    return public


def load(path: Path, chain: str | None = None) -> SigningKey:
    """The key in ``path``. ``LocalError`` if there is none; it says how to make one, for the sequencer of ``chain`` if
    that is given."""
    if not path.exists():
        flag = f"--chain {chain} " if chain is not None else ""
        raise LocalError(f"there is no key file {path}; correct the path, or make a key: syncfsm keygen {flag}{path}")
    try:
        return SigningKey(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except (OSError, ValueError) as error:
        advice = "it must hold 64 hexadecimal digits, as syncfsm keygen writes them"
        raise LocalError(f"{path} is not a key file: {error}; {advice}") from error


def load_or_make(path: Path) -> SigningKey:
    """The key in ``path``; made and written there if there is no such file. ``LocalError`` if it is no key."""
    if not path.exists():
        write(path, SigningKey.generate())
    return load(path)


def write(path: Path, key: SigningKey) -> None:
    """Write a new key file. ``LocalError`` if the file exists or cannot be written."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise LocalError(f"cannot write the key file {path}: {error.strerror}; give a path that is free") from error
    with os.fdopen(file, "w", encoding="ascii") as stream:
        stream.write(bytes(key).hex() + "\n")
        stream.flush()
        os.fsync(file)


def public(digits: str) -> bytes:
    """A public key from its 64 hexadecimal digits."""
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise LocalError(f"{digits!r} is not a public key: give the 64 hexadecimal digits the sequencer prints")
    return key
