"""From where a node may be looked at over HTTP.

A page of somebody else, open in the operator's browser, must not read it. It may point a name of its own at this
machine; then the ``Host`` of its requests is that name. So only names that were meant are answered.
"""

from collections.abc import Collection
from ipaddress import ip_address

from syncfsm.errors import LocalError
from syncfsm_adapters.connect.backoff import parse_address


def is_loopback(host: str) -> bool:
    """Does this name, or address, lead to this machine and nowhere else?"""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_reach(http: str | None, opened: Collection[str]) -> None:
    """``LocalError`` if ``http`` is no address to listen on, or one that others reach and ``opened`` has no name by
    which they may ask."""
    if http is None:
        if opened:
            raise LocalError("--http-open says who may look at the node over HTTP: give --http HOST:PORT, too")
        return
    host, _ = parse_address(http)
    if not is_loopback(host) and not opened:
        raise LocalError(
            f"whoever reaches {host} could look at this node: listen on 127.0.0.1, or allow it, with --http-open and "
            "the name by which others ask for it"
        )
    for name in opened:
        if not name or ("/" in name) or (":" in name and not _is_address(name)):
            raise LocalError(f"--http-open takes a name or an address without a port, not {name!r}")


def is_meant(host: str, opened: Collection[str]) -> bool:
    """Is this ``Host`` of a request, with or without a port, a name of ours?"""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name.lower()) or name.lower() in {each.lower() for each in opened}


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
