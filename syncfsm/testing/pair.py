"""Two nodes joined by two queues: the smallest network there is, without time and without an event loop.

    pair = Pair(node_a, node_b)
    pair.connect()
    pair.settle()          # deliver, both ways, until nothing moves

Each direction delivers in order. ``rounds`` counts how often everything that was under way was delivered at once: two
rounds are one round trip. Room comes back to the sender as its messages are delivered.
"""

from collections import deque
from collections.abc import Callable

from syncfsm.events import Connected, Event, Lost, Received, Room
from syncfsm.node.node import Node
from syncfsm.outputs import Disconnect, Output, Send, SendBlocks
from syncfsm.protocol import Message

A, B = 0, 1


class Pair:
    """Two nodes and what is under way between them. ``nodes[side]`` is the node, ``outputs[side]`` all it ever said."""

    def __init__(self, a: Node, b: Node) -> None:
        self.nodes = [a, b]
        self.outputs: list[list[Output]] = [[], []]
        self.queues: tuple[deque[Message], deque[Message]] = (deque(), deque())
        """What each side sent and the other has not received."""
        self.up = False
        self.rounds = 0
        self.now = 0.0
        self.sent: Callable[[int, Message], None] = lambda side, message: None
        """Called with each message as it is sent; for counting."""
        self._times = 0
        self._registry = a.config.registry

    @property
    def name(self) -> str:
        """What both nodes call the present connection."""
        return f"link#{self._times}"

    def connect(self) -> None:
        """Open a connection, new to both."""
        self._times += 1
        self.up = True
        self._clear()
        for side in (A, B):
            self.feed(side, Connected(self.name, self.now))

    def cut(self) -> None:
        """End the connection without a word; what is under way is lost."""
        self.up = False
        self._clear()
        for side in (A, B):
            self.feed(side, Lost(self.name, self.now))

    def feed(self, side: int, event: Event) -> tuple[Output, ...]:
        """Give one node an event, and put what it sends under way."""
        self.nodes[side], outputs = self.nodes[side].step(event)
        self.outputs[side] += outputs
        for output in outputs:
            self._carry(side, output)
        return outputs

    def _carry(self, side: int, output: Output) -> None:
        match output:
            case Send(_, message):
                self._send(side, message)
            case SendBlocks(_, headers, protocol):
                for header in headers:
                    self._send(side, self._registry.run(protocol, (header,)))
            case Disconnect():
                self.up = False
            case _:
                pass

    def _send(self, side: int, message: Message) -> None:
        self.sent(side, message)
        self.queues[side].append(message)

    def deliver(self, side: int) -> Message:
        """Deliver the oldest message that ``side`` sent, and give its room back."""
        message = self.queues[side].popleft()
        self.feed(1 - side, Received(self.name, message, self.now))
        freed = self._registry.cost(message)
        if freed:
            self.feed(side, Room(self.name, freed, self.now))
        return message

    def round(self) -> None:
        """Deliver, both ways, what is under way now; what that causes waits for the next round."""
        self.rounds += 1
        for side, count in [(side, len(self.queues[side])) for side in (A, B)]:
            for _ in range(count):
                self.deliver(side)

    def settle(self, most: int = 1_000_000) -> int:
        """Deliver until nothing is under way; returns the number of rounds. Both ends learn of a parting."""
        start = self.rounds
        while any(self.queues) and self.rounds - start < most:
            self.round()
        if not self.up:
            for side in (A, B):
                self.feed(side, Lost(self.name, self.now))
        return self.rounds - start

    def _clear(self) -> None:
        for queue in self.queues:
            queue.clear()
