"""The sequencer's signing key: 64 hexadecimal digits in a file that only its owner may read."""

import os
from pathlib import Path

from nacl.signing import SigningKey

from syncfsm.errors import LocalError


def load_or_make(path: Path) -> SigningKey:
    """The key in ``path``; made and written there if there is no such file. ``LocalError`` if it is no key."""
    key = load(path)
    if key is None:
        key = SigningKey.generate()
        write(path, key)
    return key


def load(path: Path) -> SigningKey | None:
    """The key in ``path``; ``None`` if there is no such file. ``LocalError`` if it is no key."""
    if not path.exists():
        return None
    try:
        return SigningKey(bytes.fromhex(path.read_text(encoding="ascii").strip()))
    except (OSError, ValueError) as error:
        advice = "it must hold 64 hexadecimal digits; name a file that does not exist to have a new key made"
        raise LocalError(f"{path} is not a key file: {error}; {advice}") from error


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
