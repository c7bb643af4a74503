"""``blob.Subscribe`` of Celestia's API: a reader hears of each new height, and need not ask.

It is JSON-RPC over a WebSocket. The answer names a channel; then ``xrpc.ch.val`` brings each height with its blobs. Of
that the height is needed here: what is there is read by its header, as ever. The connection is kept from wait to wait.
"""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import msgspec

from syncfsm_adapters.da.http import Target, within
from syncfsm_adapters.da.websocket import RefusedError, WebSocket

VALUE: Final = "xrpc.ch.val"
AGAIN: Final = 60.0
"""Seconds after which a layer that had no subscription is asked for one again."""


class _Message(msgspec.Struct):
    """An answer, or news of a channel."""

    method: str = ""
    params: list[msgspec.Raw] = []
    error: Any = None


class _Value(msgspec.Struct):
    """What a channel brings. Nodes write it in one way or the other."""

    upper: int = msgspec.field(name="Height", default=0)
    lower: int = msgspec.field(name="height", default=0)


class News:
    """A subscription to one namespace. ``most`` is how many characters a message may have, ``patience`` how many
    seconds it may take to have a subscription."""

    def __init__(
        self, url: str, token: str, space: str, most: int, patience: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self.height = 0
        """The newest height that was heard of."""
        self._target, self._space, self._most, self._patience = Target.parse(url), space, most, patience
        self._headers = [(b"Authorization", b"Bearer " + token.encode())] if token else []
        self._clock, self._again = clock, 0.0
        self._socket: WebSocket | None = None
        self._heard = self._reading = False
        """Has this connection brought anything, and does somebody read it now?"""

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    async def open(self) -> bool:
        """Have a subscription. What came before it was not heard. Says whether there is one that nobody else reads."""
        if self._reading:
            return False
        if self._socket is not None:
            return True
        if self._clock() < self._again:
            return False
        try:
            async with within(self._patience):
                self._socket = await WebSocket.open(self._target, self._headers, self._most)
                call = {"jsonrpc": "2.0", "id": 1, "method": "blob.Subscribe", "params": [self._space]}
                await self._socket.send(msgspec.json.encode(call).decode())
                answer = msgspec.json.decode(await self._socket.receive(), type=_Message)
        except (OSError, EOFError, RefusedError, msgspec.MsgspecError):
            self._lose()
            return False
        except BaseException:
            self.close()
            raise
        self._heard = False
        if answer.error is not None:
            self._lose()
        return self.is_open

    async def reach(self, height: int, seconds: float) -> bool:
        """Wait until this height was heard of. ``False`` if the time is over, or the connection."""
        socket = self._socket
        if socket is None:
            return False
        self._reading = True
        try:
            async with within(seconds):
                while self.height < height:
                    message = msgspec.json.decode(await socket.receive(), type=_Message)
                    if message.method != VALUE or len(message.params) != 2:
                        raise EOFError("the channel is closed")
                    value = msgspec.json.decode(message.params[1], type=_Value)
                    self.height, self._heard = value.upper or value.lower, True
            return True
        except TimeoutError:
            return False
        except (OSError, EOFError, msgspec.MsgspecError):
            self._lose()
            return False
        finally:
            self._reading = False

    def close(self) -> None:
        """End it, if there is one."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self.height = None, 0

    def _lose(self) -> None:
        """There is none any more. One that brought nothing is not tried again soon."""
        if not self._heard:
            self._again = self._clock() + AGAIN
        self._heard = False
        self.close()
