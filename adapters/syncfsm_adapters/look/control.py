"""A node's control socket: a Unix socket for its owner alone, on which one line of JSON asks and one answers.

    {"ask": "status"}                            ->  {"ok": true, "said": {...}}
    {"ask": "peers add", "peer": "…"}            ->  {"ok": false, "error": "…"}

Who may open it may do what the operator may. All is bounded: clients, the length of a line, the time it takes.
"""

import json
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import trio

from syncfsm.errors import LocalError

CLIENTS: Final = 16
LINE_BYTES: Final = 4096
"""Longest question."""
PATIENCE: Final = 5.0
"""Seconds in which a question must be there, and its answer taken."""
PATH_BYTES: Final = 100
"""Longest path of a socket that every system takes."""
BUSY: Final = {"ok": False, "error": f"{CLIENTS} others ask this node just now; try again in a moment"}


def socket_of(store: str) -> Path:
    """Where a node with this store has its control socket, if nothing else was said: beside it, or in the folder for
    temporary files if that path is too long for a socket."""
    beside = Path(f"{store}.control")
    if len(os.fsencode(beside)) <= PATH_BYTES:
        return beside
    digest = blake2b(os.fsencode(beside.absolute()), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"syncfsm-{os.getuid()}-{digest}.control"


Answer = Callable[[Mapping[str, Any]], Any]
"""The answer to a question; ``LocalError`` if there is none."""


class Control:
    """Listens at ``path`` while it is served. ``answers`` has what is to be done, by the word that asks for it."""

    def __init__(self, path: Path, answers: Mapping[str, Answer]) -> None:
        self._path, self._answers = path, answers
        self._slots = trio.CapacityLimiter(CLIENTS)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; then the socket is gone. ``LocalError`` if it can not be made, or if a node that runs
        has it."""
        listener = _listening(self._path)
        try:
            task_status.started()
            await trio.serve_listeners(self._client, [trio.SocketListener(listener)])
        finally:
            self._path.unlink(missing_ok=True)

    async def _client(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                self._slots.acquire_on_behalf_of_nowait(stream)
            except trio.WouldBlock:
                await _send(stream, BUSY)
                return
            try:
                await self._talk(stream)
            finally:
                self._slots.release_on_behalf_of(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        question = await _receive(stream)
        if question:
            await _send(stream, self._answer(question))

    def _answer(self, question: bytes) -> dict[str, Any]:
        known = ", ".join(sorted(self._answers))
        try:
            asked = json.loads(question)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("ask"), str):
            return {"ok": False, "error": f'that is no question of one line; it is {{"ask": …}} with one of: {known}'}
        answer = self._answers.get(asked["ask"])
        if answer is None:
            return {
                "ok": False,
                "error": f"this node does not know {asked['ask'][:40]!r}: it is of another version than the command. "
                f"It knows: {known}",
            }
        try:
            return {"ok": True, "said": answer(asked)}
        except LocalError as error:
            return {"ok": False, "error": str(error)}


async def _receive(stream: trio.SocketStream) -> bytes:
    """A line, or what of it is too long; empty if the client leaves or takes too long."""
    question = b""
    with trio.move_on_after(PATIENCE):
        try:
            while b"\n" not in question and len(question) <= LINE_BYTES:
                more = await stream.receive_some(LINE_BYTES + 1 - len(question))
                if not more:
                    return b""
                question += more
            return question
        except trio.BrokenResourceError:
            return b""
    return b""


async def _send(stream: trio.SocketStream, said: Mapping[str, Any]) -> None:
    """Say it, if the client takes it in time."""
    with trio.move_on_after(PATIENCE):
        try:
            await stream.send_all(json.dumps(said).encode() + b"\n")
        except trio.BrokenResourceError:
            return


def _listening(path: Path) -> "trio.socket.SocketType":
    """A socket at this path that its owner alone may open. What a killed node has left there is taken away."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise LocalError(
            f"{path} is too long for a socket, which takes {PATH_BYTES} bytes: name a shorter path with --control"
        )
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)
        try:
            made.bind(os.fspath(path))
        finally:
            os.umask(before)
        made.listen(CLIENTS)
    except OSError as error:
        made.close()
        raise LocalError(
            f"no control socket can be made at {path} ({error}); name another path with --control"
        ) from error
    return trio.socket.from_stdlib_socket(made)


def _clear(path: Path) -> None:
    try:
        there = path.lstat()
    except OSError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise LocalError(f"{path} is there and is no socket: move it away, or name another path with --control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # with a node behind it that does not take any more, it would wait
        try:
            probe.connect(os.fspath(path))
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise LocalError(
                f"{path} is there and can not be used ({error}): name another path with --control"
            ) from error
    raise LocalError(f"another node has its control socket at {path}: stop it, or name another path with --control")


def ask(path: Path, question: Mapping[str, Any]) -> Any:
    """Ask a running node, and wait for its answer. ``LocalError`` with what it says if it refuses, or if none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2 * PATIENCE)
        try:
            if path.stat().st_uid not in (os.getuid(), 0):
                raise PermissionError(path)
            client.connect(os.fspath(path))
            client.sendall(json.dumps(question).encode() + b"\n")
            said = b""
            while not said.endswith(b"\n") and (more := client.recv(64 * 1024)):
                said += more
        except FileNotFoundError:
            raise LocalError(f"no node has a control socket at {path}: is it running, and with this store?") from None
        except ConnectionRefusedError:
            raise LocalError(f"the node of {path} does not run any more; start it again") from None
        except PermissionError:
            raise LocalError(f"{path} belongs to another user: ask as the one who runs the node") from None
        except OSError as error:
            raise LocalError(f"the node of {path} can not be asked ({error})") from error
    if not said.endswith(b"\n"):
        raise LocalError(f"the node of {path} has ended while it was asked")
    answer = json.loads(said)
    if not answer["ok"]:
        raise LocalError(answer["error"])
    return answer["said"]
