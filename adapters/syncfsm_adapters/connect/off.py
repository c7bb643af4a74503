"""To which nodes an operator lets no blocks go: by their ids, or by the addresses at which they are dialled."""

from collections.abc import Iterable, Sequence
from typing import Final

from syncfsm.errors import LocalError
from syncfsm.limits import NODE_ID_BYTES
from syncfsm_adapters.connect.backoff import parse_address

Named = str | bytes
"""A node by its id, which holds whoever dials, or by an address, which holds from the first dial that reaches it."""
DIGITS: Final = 2 * NODE_ID_BYTES


class Off:
    """Nodes that get no blocks from us, nor word of new ones. ``LocalError`` if one is named by neither id nor
    address."""

    def __init__(self, given: Iterable[Named] = ()) -> None:
        self._ids: set[bytes] = set()
        self._addresses: set[tuple[str, int]] = set()
        self._met: dict[tuple[str, int], bytes] = {}
        """Who answered at an address last."""
        for named in given:
            self.turn(named, True)

    def __contains__(self, node_id: bytes) -> bool:
        return node_id in self._ids or any(self._met.get(address) == node_id for address in self._addresses)

    def turn(self, named: Named, off: bool) -> None:
        """Turn blocks to this node off or on. On, it is on by whichever name it was off."""
        if isinstance(named, str):
            address = parse_address(named)
            node_id = self._met.get(address)
            (self._addresses.add if off else self._addresses.discard)(address)
        else:
            node_id = _checked(named)
            if off:
                self._ids.add(node_id)
        if not off and node_id is not None:
            self._ids.discard(node_id)
            self._addresses -= {address for address, met in self._met.items() if met == node_id}

    def met(self, address: str, node_id: bytes) -> None:
        """This node has answered at an address that was dialled."""
        self._met[parse_address(address)] = node_id

    def check(self, peers: Sequence[str]) -> None:
        """``LocalError`` if one is off by an address that is not dialled: nobody would ever be known by it."""
        for host, port in sorted(self._addresses - {parse_address(peer) for peer in peers}):
            raise LocalError(
                f"off: {host}:{port} is none of the peers that are dialled, and who dials us is known by its node id "
                "alone; give that id, or the address as a peer, too"
            )


def named(text: str) -> Named:
    """What a person writes: the 64 hexadecimal digits of a node id, or ``host:port``. ``LocalError`` if it is
    neither."""
    if len(text) == DIGITS and not set(text.lower()) - set("0123456789abcdef"):
        return bytes.fromhex(text)
    try:
        parse_address(text)
    except LocalError as error:
        raise LocalError(f"off: {text!r} is no node id ({DIGITS} hexadecimal digits), and {error}") from None
    return text


def _checked(node_id: bytes) -> bytes:
    if len(node_id) != NODE_ID_BYTES:
        raise LocalError(f"off: a node id has {NODE_ID_BYTES} bytes, not {len(node_id)}: {node_id.hex()}")
    return node_id
