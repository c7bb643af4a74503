"""Incoming connections that have not greeted yet: how many there are, and from which hosts."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from syncfsm.errors import LocalError
from syncfsm_adapters.connect.backoff import parse_address
from syncfsm_adapters.connect.penalties import host_of


def host_at(address: str) -> str:
    """The host of ``host:port``, as it is told apart from others; the whole text if it is no address."""
    try:
        return host_of(parse_address(address)[0])
    except LocalError:
        return address


class Strangers:
    """Counts them; ``len`` is of all."""

    def __init__(self) -> None:
        self._hosts: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._hosts.total()

    def beside(self, address: str) -> int:
        """How many are of the same host."""
        return self._hosts[host_at(address)]

    @contextmanager
    def greeting(self, address: str) -> Iterator[None]:
        """One more, until it has greeted or is given up."""
        host = host_at(address)
        self._hosts[host] += 1
        try:
            yield
        finally:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
