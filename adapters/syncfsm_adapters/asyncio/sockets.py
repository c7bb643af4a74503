"""Sockets under asyncio, without its transports and streams: those read ahead into buffers of their own, and when a
write fails they throw away what the peer said before. These hold nothing but what the kernel holds, and a call that is
cancelled leaves nothing behind."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any, Final

UNSENT_BYTES: Final = 16 * 1024
"""Bytes that wait to be sent before the kernel takes no more: small messages can not overtake these."""

Resolved = tuple[Any, ...]
"""The address of a socket, as ``getaddrinfo`` gives it."""


class Listener(socket.socket):
    """Gives away each accepted connection, or has it still if whoever waited for it was cancelled."""

    _accepted: socket.socket | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket. asyncio calls it, and hands over the result an instant later."""
        accepted, address = super().accept()
        self._accepted = accepted
        return accepted, address

    async def take(self) -> socket.socket:
        """The next connection."""
        accepted, _ = await asyncio.get_running_loop().sock_accept(self)
        self._accepted = None
        return tuned(accepted)

    def close(self) -> None:
        """Listen no longer; close what was accepted and never taken."""
        if self._accepted is not None:
            self._accepted.close()
        super().close()


async def listen(host: str, port: int, backlog: int) -> list[Listener]:
    """Listen on all addresses of ``host``. ``OSError`` if one can not be used; then none is."""
    listeners: list[Listener] = []
    try:
        for family, address in await _resolve(host, port):
            listener = Listener(family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setblocking(False)
            if os.name == "posix" and sys.platform != "cygwin":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(backlog)
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


async def dial(host: str, port: int, seconds: float) -> socket.socket:
    """A connection to ``host``, within ``seconds``. If it has several addresses, each in turn gets an equal share of
    the time that is left, so that one that is silent does not keep us from the others. ``OSError`` of the last one."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    async with asyncio.timeout(seconds):
        addresses = await _resolve(host, port)
    failed = OSError(f"{host} has no address")
    for place, (family, address) in enumerate(addresses):
        try:
            return await _connect(family, address, (end - clock()) / (len(addresses) - place))
        except OSError as error:
            failed = error
    raise failed


async def _connect(family: int, address: Resolved, seconds: float) -> socket.socket:
    wire = socket.socket(family, socket.SOCK_STREAM)
    try:
        wire.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(wire, address)
    except BaseException:
        wire.close()
        raise
    return tuned(wire)


async def _resolve(host: str, port: int) -> Sequence[tuple[int, Resolved]]:
    """The addresses of ``host``. Numbers are no question to anybody, so they take no thread."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def tuned(wire: socket.socket) -> socket.socket:
    """The same, with small messages sent at once and little waiting in the kernel."""
    with contextlib.suppress(OSError):  # it may be over already; whoever reads finds out
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    return wire
