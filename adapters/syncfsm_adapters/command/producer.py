"""A sequencer: makes the blocks of the reference chain (``syncfsm.signed``)."""

from collections.abc import AsyncIterator
from math import ceil

import trio
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.events import Produced
from syncfsm_adapters.host.host import Host


class Producer:
    """Signs blocks with ``key``. No two nodes may produce with one key: their branches would contradict."""

    def __init__(self, key: SigningKey, chain_id: bytes) -> None:
        self._key = key
        self._chain_id = chain_id

    def seal(self, parent: Header, body: bytes) -> Header:
        """The header of the block after ``parent`` with this body."""
        message = signed.unsigned(self._chain_id, parent, body)
        return signed.seal(parent, body, message, self._key.sign(message).signature)

    def produce(self, host: Host, body: bytes) -> Header:
        """Add one block to the head of ``host``. ``LocalError`` if the node or the store does not take it."""
        header = self.seal(host.node.chain.head, body)
        host.feed(Produced((header,), trio.current_time(), (body,)))
        return header

    async def run(self, host: Host, payloads: AsyncIterator[bytes], interval: float, most: int | None = None) -> int:
        """Make a block of each payload, one every ``interval`` seconds, the first one at once; ``most`` blocks at most.

        The schedule does not drift. Times that have passed while the process was held up are left out. Returns the
        number of blocks made, when the payloads end.
        """
        start = trio.current_time()
        slot = made = 0
        while made != most and (body := await anext(payloads, None)) is not None:
            await trio.sleep_until(start + slot * interval)
            self.produce(host, body)
            made += 1
            slot = max(slot + 1, ceil((trio.current_time() - start) / interval))
        return made
