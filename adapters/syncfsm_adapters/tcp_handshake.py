"""The first exchange on a TCP connection: both sides greet, and both judge."""

from typing import Final

import attrs
import trio

from syncfsm import limits
from syncfsm.errors import Fault
from syncfsm.wire.handshake import Greeting, Refusal, RefusalReason, first_frame, judge, read_first

FAREWELL: Final = 1.0
"""Seconds in which the last words of a connection must be written and the peer must close, too."""
SINK_BYTES: Final = 64 * 1024


@attrs.frozen
class Met:
    """Both greetings, which fit, and what came after the peer's already."""

    ours: Greeting
    greeting: Greeting
    early: bytes


@attrs.frozen
class NoLink:
    """Why no link comes of an attempt: a ``RefusalReason``, ours or the peer's, or another short name."""

    reason: str
    detail: str
    peer_says: bool = False

    @property
    def refused(self) -> bool:
        """Whether the two nodes do not belong together, so that trying again soon is of no use."""
        return isinstance(self.reason, RefusalReason)


async def shake_hands(stream: trio.SocketStream, mine: Greeting) -> Met | NoLink:
    """Greet, and read the peer's greeting. A refusal has been written when this returns. Takes as long as the peer."""
    try:
        await stream.send_all(first_frame(mine))
        outcome = await _read(stream, mine)
        if not isinstance(outcome, Met):
            return outcome
        refusal = judge(mine, outcome.greeting)
        if refusal is None:
            return outcome
        with trio.move_on_after(FAREWELL):
            await stream.send_all(first_frame(refusal))
            await stream.send_eof()
            while await stream.receive_some(SINK_BYTES):
                pass  # to close with bytes unread resets the connection, and the peer may lose our last words
        return NoLink(refusal.reason, refusal.text)
    except trio.BrokenResourceError as error:
        return NoLink("broken", str(error))


async def _read(stream: trio.SocketStream, mine: Greeting) -> Met | NoLink:
    received = b""
    while (outcome := read_first(received)) is None:
        data = await stream.receive_some(limits.GREETING_BYTES)
        if not data:
            return NoLink("closed", "the peer closed the connection before it had greeted")
        received += data
    match outcome:
        case Fault(rule, detail):
            return NoLink(rule, detail)
        case (Refusal(reason, text), _):
            return NoLink(reason, text, peer_says=True)
        case (Greeting() as theirs, early):
            return Met(mine, theirs, early)
