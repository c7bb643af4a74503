"""KZG commitments, in a process apart: a blob takes some tenths of a second, its setup seconds, and ``ckzg`` lets no
other thread run meanwhile. The process is started when it is first needed, and ends with the one that started it.

``trusted_setup.txt`` is the outcome of Ethereum's ceremony, byte for byte as it comes with c-kzg-4844; SHA-256
d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7.
"""

import atexit
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from importlib import resources
from threading import Lock
from typing import IO, Any, Final, TypeAlias

import attrs
import msgspec

from syncfsm_adapters.da.http import on_trio

LENGTH: Final = 4
"""Bytes of a frame's length, before it."""
Sealed: TypeAlias = tuple[bytes, list[bytes]]
"""What goes along with a blob: its commitment, and the proofs of its cells (EIP-7594)."""


class KzgError(Exception):
    """Nothing was computed. The text is for people."""


def versioned_hash(commitment: bytes) -> bytes:
    """How a transaction names a blob (EIP-4844)."""
    return b"\x01" + sha256(commitment).digest()[1:]


def prepare() -> None:
    """Start the process now, so that its setup is loaded when a blob comes."""
    _WORKER.start()


async def hashes(blobs: Sequence[bytes]) -> list[bytes]:
    """The versioned hashes of these blobs. ``KzgError`` if one is none."""
    found: list[bytes] = await _aside(partial(_WORKER.ask, "commit", blobs, list[bytes]))
    return [versioned_hash(commitment) for commitment in found]


async def seal(blobs: Sequence[bytes]) -> list[Sealed]:
    """What goes along with these blobs. ``KzgError`` if one is none."""
    found: list[Sealed] = await _aside(partial(_WORKER.ask, "seal", blobs, list[Sealed]))
    return found


async def _aside(work: Callable[[], Any]) -> Any:
    """Wait for it in a thread."""
    if on_trio():
        import trio

        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    import asyncio

    return await asyncio.to_thread(work)


# The end that asks ----------------------------------------------------------------------------------------------


@attrs.define
class _Worker:
    """The other process. Safe for threads: one question at a time."""

    _process: subprocess.Popen[bytes] | None = None
    _lock: Lock = attrs.field(factory=Lock)

    def start(self) -> None:
        with self._lock:
            self._started()

    def ask(self, what: str, blobs: Sequence[bytes], kind: Any) -> Any:
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _write(process.stdin, msgspec.msgpack.encode((what, blobs)))
                said = _read(process.stdout)
            except OSError:
                said = None
            if said is None:
                self._end()
                raise KzgError("the process that computes KZG commitments has ended")
        found, error = msgspec.msgpack.decode(said, type=tuple[msgspec.Raw, str])
        if error:
            raise KzgError(error)
        return msgspec.msgpack.decode(found, type=kind)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", __name__]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
            atexit.register(self._end)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.communicate()


_WORKER: Final = _Worker()


# The end that computes --------------------------------------------------------------------------------------------


def main() -> None:
    """Answer what comes on standard input, until it ends: with the process that asked."""
    import ckzg

    with resources.as_file(resources.files(__package__) / "trusted_setup.txt") as path:
        setup = ckzg.load_trusted_setup(str(path), 0)
    compute = {"commit": ckzg.blob_to_kzg_commitment, "seal": partial(_seal, ckzg)}
    while (asked := _read(sys.stdin.buffer)) is not None:
        what, blobs = msgspec.msgpack.decode(asked, type=tuple[str, list[bytes]])
        try:
            said: tuple[Any, str] = [compute[what](blob, setup) for blob in blobs], ""
        except (RuntimeError, ValueError) as error:
            said = None, f"a blob can not be committed to: {error}"
        _write(sys.stdout.buffer, msgspec.msgpack.encode(said))


def _seal(ckzg: Any, blob: bytes, setup: Any) -> Sealed:
    return ckzg.blob_to_kzg_commitment(blob, setup), ckzg.compute_cells_and_kzg_proofs(blob, setup)[1]


def _write(stream: IO[bytes], frame: bytes) -> None:
    stream.write(len(frame).to_bytes(LENGTH) + frame)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    """The next frame; ``None`` at the end."""
    head = stream.read(LENGTH)
    frame = stream.read(int.from_bytes(head))
    return frame if len(head) == LENGTH and len(frame) == int.from_bytes(head) else None


if __name__ == "__main__":
    main()
