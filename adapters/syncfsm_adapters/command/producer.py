"""A sequencer: makes the blocks of the reference chain (``syncfsm.signed``)."""

from collections.abc import AsyncIterator, Callable
from math import ceil

import trio
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.events import Produced
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host


class Producer:
    """Signs blocks with ``key``. No two nodes may produce with one key: their branches would contradict.

    ``guard`` keeps every block before its signature leaves. Without one, two blocks may be signed at one height."""

    def __init__(self, key: SigningKey, chain_id: bytes, guard: Guard | None = None) -> None:
        self._key = key
        self._chain_id = chain_id
        self._guard = guard

    def seal(self, parent: Header, body: bytes) -> Header:
        """The header of the block after ``parent`` with this body."""
        message = signed.unsigned(self._chain_id, parent, body)
        return signed.seal(parent, body, message, self._key.sign(message).signature)

    def produce(self, host: Host, body: bytes) -> Header:
        """Add one block to the head of ``host``. ``LocalError`` if node, guard or store do not take it."""
        header = self.seal(host.node.chain.head, body)
        event = Produced((header,), trio.current_time(), (body,))
        if self._guard is not None:
            host.node.step(event)  # what the node would refuse must not be kept as signed
            self._guard.keep(header, body)
        host.feed(event)
        return header

    async def run(
        self, host: Host, payloads: AsyncIterator[bytes], interval: float, most: int | None = None,
        held: Callable[[], bool] = lambda: False,
    ) -> int:  # fmt: skip
        """Make a block of each payload, one every ``interval`` seconds, the first one at once; ``most`` blocks at most.

        None is made while it is ``held``. The schedule does not drift. Times that have passed while the process was
        held up are left out. Returns the number of blocks made, when the payloads end.
        """
        start = trio.current_time()
        slot = made = 0
        while made != most and (body := await anext(payloads, None)) is not None:
            await trio.sleep_until(start + slot * interval)
            while held():
                await trio.sleep(interval)
            self.produce(host, body)
            made += 1
            slot = max(slot + 1, ceil((trio.current_time() - start) / interval))
        return made
