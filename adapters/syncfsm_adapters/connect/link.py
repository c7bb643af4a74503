"""One connection that a node knows: what waits to be written on it, and what is remembered of it."""

from collections.abc import Callable, Sequence

from syncfsm.blocks import Header
from syncfsm.protocol import Message
from syncfsm.wire.handshake import Dial
from syncfsm_adapters.connect.line import Line
from syncfsm_adapters.connect.pace import Pace
from syncfsm_adapters.connect.penalties import names_of


class Link:
    """One connection that the node knows, by the ``name`` that the node has for it. ``dial`` tells who made it.

    ``wake`` is called when there is something to write, or when the link is ``over``: the node has ended it and hears
    no more of it. Then what waits is to be written, and the peer given ``FAREWELL`` seconds to close.
    """

    def __init__(
        self, name: str, node_id: bytes, dial: Dial, line: Line, address: str, wake: Callable[[], None], dialled: bool
    ) -> None:
        self.name, self.node_id, self.dial, self.address = name, node_id, dial, address
        self.dialled = dialled
        self.line, self.session = line, line.session
        self.pace = Pace()
        self.over = False
        self.since = 0.0
        """When the two met."""
        self.off = False
        """Does the node's operator want no blocks to go over it?"""
        self.full = False
        self.gave = 0
        """Blocks that came over it and were new."""
        self.blamed = False
        """Did the peer do what no correct peer does?"""
        self._wake = wake

    @property
    def proved(self) -> bool:
        """Has the peer proved its id?"""
        return self.line.proved

    @property
    def names(self) -> list[str]:
        """Under which it may be shunned."""
        return names_of(self.node_id, self.proved, self.address, self.dialled)

    def send(self, message: Message) -> bool:
        """Queue a small message; ``False`` once too many wait."""
        kept = self.session.send(message)
        self._wake()
        return kept

    def send_blocks(self, protocol: int, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks."""
        self.session.send_blocks(protocol, blocks)
        self._wake()

    def end(self) -> None:
        """The node has ended it."""
        self.over = True
        self._wake()
