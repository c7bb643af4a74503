"""Where a sequencer's payloads come from: a file, a directory, standard input, or made up."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import trio

from syncfsm.errors import LocalError

LOOK_AGAIN = 0.2
"""Seconds between two looks into a directory for new files."""


def made_up(size: int) -> AsyncIterator[bytes]:
    """Payloads of ``size`` bytes, each different: their number, then a pattern."""
    return _made_up(size)


async def _made_up(size: int) -> AsyncIterator[bytes]:
    number = 0
    while True:
        number += 1
        seed = f"payload {number} ".encode()
        yield (seed * (size // len(seed) + 1))[:size]


def read(source: str, largest: int) -> AsyncIterator[bytes]:
    """Payloads from ``source``: ``-`` or a file gives one a line, a directory one a file, also files that come later.

    Raises ``LocalError`` at once if there is nothing to read, and later for a payload over ``largest`` bytes.
    """
    if source == "-":
        return _lines(sys.stdin.buffer.readline, "standard input", largest)
    path = Path(source)
    try:
        if path.is_dir():
            return _files(path, largest)
        return _lines(path.open("rb").readline, source, largest)
    except OSError as error:
        advice = "give a readable file, a directory, or - for standard input"
        raise LocalError(f"cannot read payloads from {source}: {error.strerror}; {advice}") from error


async def _lines(readline: Callable[[int], bytes], name: str, largest: int) -> AsyncIterator[bytes]:
    number = 0
    while line := await trio.to_thread.run_sync(readline, largest + 2, abandon_on_cancel=True):
        number += 1
        body = line.removesuffix(b"\n").removesuffix(b"\r")
        yield _bounded(body, f"{name}, line {number}", largest)


async def _files(folder: Path, largest: int) -> AsyncIterator[bytes]:
    """Files in the order of their names. A file whose name starts with a dot is being written; rename it when done."""
    done: set[str] = set()
    while True:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
        for name in (name for name in names if name not in done):
            done.add(name)
            try:
                body = (folder / name).read_bytes()
            except OSError as error:
                advice = "make it readable, or take it out of the directory"
                raise LocalError(f"cannot read the payload {folder / name}: {error.strerror}; {advice}") from error
            yield _bounded(body, str(folder / name), largest)
        await trio.sleep(LOOK_AGAIN)


def _bounded(body: bytes, name: str, largest: int) -> bytes:
    if len(body) > largest:
        raise LocalError(f"the payload at {name} is over {largest} bytes; split it, or raise Limits.body on all nodes")
    return body
