"""A sequencer: makes the blocks of the reference chain (``syncfsm.signed``)."""

from collections.abc import Iterable

import trio
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.events import Produced
from syncfsm_adapters.host import Host


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
        host.feed(Produced((header,), trio.current_time()), {header.id: body})
        return header

    async def run(self, host: Host, payloads: Iterable[bytes], interval: float) -> None:
        """Make a block of each payload, one every ``interval`` seconds, the first one at once.

        The schedule does not drift. Times that have passed while the process was held up are left out.
        """
        start = trio.current_time()
        slot = 0
        for body in payloads:
            await trio.sleep_until(start + slot * interval)
            self.produce(host, body)
            slot = max(slot + 1, int((trio.current_time() - start) / interval))
