"""The control socket of a node: what it is asked, by whom, and who waits for whom."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.look.control import CLIENTS, Answer, Control, ask, socket_of

PATIENCE: Final = 20.0
"""Seconds in which an answer must be there."""


def served(path: Path, test: Callable[[], Any], more: Mapping[str, Answer] | None = None) -> None:
    """Run ``test`` in a thread while a socket is served that knows one word."""

    def refuse(asked: Any) -> Any:
        raise LocalError(f"not {asked['what']}")

    async def run() -> None:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                words = {"echo": lambda asked: asked["what"], "no": refuse, **(more or {})}
                await nursery.start(Control(path, words).serve)
                await trio.to_thread.run_sync(test)
                nursery.cancel_scope.cancel()

    trio.run(run)


def test_what_is_no_question_is_answered_in_words(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def test() -> None:
        assert ask(path, {"ask": "echo", "what": 7}) == 7
        with pytest.raises(LocalError, match="not this"):
            ask(path, {"ask": "no", "what": "this"})
        with pytest.raises(LocalError, match=r"does not know 'other': it is of another version.*It knows: echo, no"):
            ask(path, {"ask": "other"})
        for question in ({}, {"ask": [1]}, {"ask": "echo", "more": "x" * 5000}):
            with pytest.raises(LocalError, match=r"with one of: echo, no|not be asked|has ended"):
                ask(path, question)
        for noise in (b"\xff\xfe\n", b"[" * 4000 + b"\n", b'["ask"]\n', b"7\n", b"1" * 4095 + b"\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(noise)
                assert b"no question" in client.recv(1000)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))  # and leaves
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b'{"ask": "echo", ')  # half a line holds up nobody
            assert ask(path, {"ask": "echo", "what": 2}) == 2
            client.sendall(b'"what": 3}\n')
            assert b'"said": 3' in client.recv(1000)
        assert ask(path, {"ask": "echo", "what": "still here"}) == "still here"

    served(path, test)
    assert not path.exists()


def test_a_socket_left_by_a_killed_node_is_taken_and_that_of_a_running_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    served(path, lambda: ask(path, {"ask": "echo", "what": 1}))

    def second() -> None:
        with pytest.raises(LocalError, match="another node has its control socket"):
            trio.run(Control(path, {}).serve)

    served(path, second)
    path.write_text("no socket")
    with pytest.raises(LocalError, match="is no socket"):
        trio.run(Control(path, {}).serve)
    with pytest.raises(LocalError, match="too long for a socket"):
        trio.run(Control(tmp_path / ("x" * 101), {}).serve)
    assert len(os.fsencode(socket_of("y" * 200))) <= 100


def test_more_clients_than_it_takes_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def test() -> None:
        held = [socket.socket(socket.AF_UNIX) for _ in range(CLIENTS)]
        for client in held:
            client.connect(str(path))
        with pytest.raises(LocalError, match="16 others ask this node just now"):
            ask(path, {"ask": "echo", "what": 1})
        for client in held:
            client.close()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(LocalError):
                assert ask(path, {"ask": "echo", "what": 1}) == 1
                return
        raise AssertionError("it is still busy")

    served(path, test)


def test_nobody_waits_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def test() -> None:
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(str(path))
            slow.sendall(b'{"ask": "much"}\n')
            assert slow.recv(1) == b"{"
            assert ask(path, {"ask": "echo", "what": 1}) == 1

    served(path, test, {"much": lambda asked: "x" * 10_000_000})
