"""One TCP connection after the handshake: what arrives becomes events, what waits in the outbox becomes bytes.

    receive -> Inbox -> host.feed            (reader)
    Outbox  -> send  -> host.feed(Room)      (writer)

How much is taken from the outbox at a time is a compromise, as what is taken can not be overtaken by a small message.
``WRITE_BYTES`` is one frame, so a small message waits for one fragment and for what the kernel holds. The kernel takes
no more while ``UNSENT_BYTES`` wait there for the network.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import trio

from syncfsm import limits
from syncfsm.blocks import Header
from syncfsm.errors import Fault
from syncfsm.events import Event, Garbled, Leave, Lost, Received, Room
from syncfsm.messages import Blocks, Control, Parting
from syncfsm.wire.connection import Inbox, Outbox, Run
from syncfsm.wire.connection import Received as Arrived
from syncfsm_adapters.host import NO_BODIES, Host
from syncfsm_adapters.tcp_handshake import FAREWELL, say_no_more

READ_BYTES: Final = 256 * 1024
WRITE_BYTES: Final = limits.FRAME_BYTES
UNSENT_BYTES: Final = 64 * 1024
ROOM_BYTES: Final = 128 * 1024
"""Room is given back in portions of this size, or when nothing else waits: a step of the core for each fragment would
cost more than the fragment."""


class Connection:
    """The end of one connection. ``name`` is the core's name for it; ``dialled`` tells whether this node made it."""

    def __init__(
        self, name: str, node_id: bytes, dialled: bool, stream: trio.SocketStream, host: Host, early: bytes
    ) -> None:
        self.name = name
        self.node_id = node_id
        self.dialled = dialled
        self.over = trio.Event()
        """Set when the core has ended the link; it hears no more of this connection."""
        config = host.node.config
        self.outbox = Outbox(config.limits)
        self._inbox = Inbox(config.check, config.limits)
        self._stream = stream
        self._host = host
        self._early = early
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    def send(self, message: Control) -> bool:
        """Queue a small message; ``False`` if too many wait already."""
        self._wake.set()
        return self.outbox.control(message)

    def send_blocks(self, blocks: Sequence[tuple[Header, bytes]]) -> None:
        """Queue blocks."""
        self._wake.set()
        for header, body in blocks:
            self.outbox.block(header, body)

    def end(self) -> None:
        """Close when all that is queued is written and the peer has closed too, or after ``FAREWELL`` seconds."""
        self.over.set()
        self._wake.set()
        self._scope.deadline = trio.current_time() + FAREWELL
