"""When to dial: soon after a loss, ever more rarely while it is of no use."""

import errno
from random import Random
from typing import Final

from syncfsm.errors import LocalError

SHORTEST: Final = 0.05
LONGEST: Final = 2.0
"""Seconds from the start of one attempt to the start of the next: the first pause, and what doubling leads to."""


class Backoff:
    """The times at which to dial one address, in seconds on any clock that never runs backwards.

    Pauses count from the start of an attempt. So one that hung in a silent network until its time was up, or a link
    that lasted, is followed by the next attempt at once, and when a silent path carries bytes again, one is under way.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._pause = SHORTEST
        self._started = 0.0

    def begin(self, now: float) -> None:
        """An attempt starts."""
        self._started = now

    def slow_down(self) -> None:
        """To try again soon is of no use."""
        self._pause = LONGEST

    @property
    def pause(self) -> float:
        """The present pause, before it is spread."""
        return self._pause

    def next(self, now: float) -> float:
        """The attempt, or the link that came of it, has ended: when the next one may start."""
        if now - self._started >= LONGEST:
            self._pause = SHORTEST
        due = self._started + self._pause * self._chance.uniform(0.5, 1)  # peers must not dial in step
        self._pause = min(2 * self._pause, LONGEST)
        return max(due, now)


def parse_address(address: str) -> tuple[str, int]:
    """The host and port in ``host:port`` or ``[host]:port``. ``LocalError`` if it is neither."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise LocalError(f"{address!r} is no address: write host:port, as in 127.0.0.1:7000 or [::1]:7000")
    try:
        host.encode("idna")  # as it is when the name is looked up
    except UnicodeError as error:
        raise LocalError(f"{host!r} is no name of a host ({error}): write host:port, as in 127.0.0.1:7000") from None
    return host, int(port)


def cannot_listen(listen: str, error: OSError) -> str:
    """What went wrong with an address to listen on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        advice = "stop the program that listens there, or take another port; 0 leaves the choice to the system"
    else:
        advice = "give an address of this machine, and a port that this user may listen on"
    return f"can not listen on {listen}: {error}; {advice}"
